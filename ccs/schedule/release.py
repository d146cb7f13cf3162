"""Which of the runs that wait may start now: one after another, each beside those before it."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from ccs.model.run import Run
from ccs.schedule.admission import held_reason
from ccs.schedule.due import allowed, next_allowed
from ccs.schedule.snapshot import Action, Snapshot
from ccs.usage.gate import Begun, Hold

# Until when a run is held is worked out anew each time; a shift of less is no news.
_SAME_TIME = timedelta(minutes=1)


class Release:
    """Lets candidates in one after another, each beside those that were let in before it."""

    def __init__(self, snapshot: Snapshot, now: datetime) -> None:
        self.snapshot = snapshot
        self.now = now
        going_on = [run for run in snapshot.runs if run.status == "running"]
        self.running = [(run.task_id, run.job_id) for run in going_on]
        self.share = Counter(_group(run) for run in going_on)
        self.begun: dict[str, list[Begun]] = {}  # by account
        for run in going_on:
            self._note_begun(run)
        self.released: Counter[str] = Counter()
        self._count_window()

    def decide(self, candidates: list[Run]) -> list[Action]:
        actions = []
        left = list(candidates)
        while left:
            run = min(left, key=self._turn)
            left.remove(run)
            hold = self._why_not(run)
            if hold is None:
                self._let_in(run)
                # What held it stays until the client may run: should the start fail, it goes on
                # counting as held, and its grace does not run out.
                actions.append(Action("launch", run))
            elif self._is_news(run, hold):
                held = {"held_reason": hold.reason, "not_before": hold.until}
                actions.append(Action("hold", run.model_copy(update=held)))
        return actions

    def _let_in(self, run: Run) -> None:
        account = self._account(run)
        self.running.append((run.task_id, run.job_id))
        self.share[_group(run)] += 1
        self._note_begun(run)
        self.snapshot.gate.admit(run, self.snapshot.tasks[run.task_id])
        self.released[account] += run.held_reason == "limit"

    def _note_begun(self, run: Run) -> None:
        begun = self.snapshot.gate.begun(run, self.snapshot.tasks.get(run.task_id))
        self.begun.setdefault(self._account(run), []).append(begun)

    def _why_not(self, run: Run) -> Hold | None:
        """Every reason has to be gone at the same moment."""
        task = self.snapshot.tasks[run.task_id]
        waits = run.not_before is not None and run.not_before > self.now
        if waits and run.held_reason == "retry":
            return Hold("retry", run.not_before, "")
        if run.trigger != "manual" and not allowed(task, self.now):
            return Hold("hours", next_allowed(task, self.now), "")
        asked = self.snapshot.approval and run.unapproved is not None
        if asked and run.unapproved != task.approved:
            return Hold("approval", None, "")
        if task.session_mode == "reuse" and self._session_is_busy(run):
            return Hold("overlap", None, "")
        account = self._account(run)
        hold = self.snapshot.gate.held(run, task, self.begun.get(account, []))
        if hold is not None:
            return hold
        if run.held_reason == "limit" and self.released[account] >= self.snapshot.released_at_once:
            return Hold("limit", None, "others of its account go first")
        job = self.snapshot.jobs.get(run.job_id or "")
        reason = held_reason(
            run.task_id,
            run.job_id,
            self.running,
            overlap=task.overlap,
            forced=run.forced,
            limit=self.snapshot.limit,
            job_limit=job.max_parallel if job else self.snapshot.limit,
        )
        return None if reason is None else Hold(reason, None, "")

    def _session_is_busy(self, run: Run) -> bool:
        """Its task's session: another run works in it, or waits to go on with it."""
        if any(task_id == run.task_id for task_id, _ in self.running):
            return True
        waiting = (one for one in self.snapshot.runs if one.status == "upcoming")
        mine = (one for one in waiting if one.task_id == run.task_id and one.id != run.id)
        return run.session_id is None and any(one.session_id for one in mine)

    def _is_news(self, run: Run, hold: Hold) -> bool:
        if run.held_reason != hold.reason or run.id not in self.snapshot.known:
            return True
        if run.not_before is None or hold.until is None:
            return run.not_before != hold.until
        return abs(run.not_before - hold.until) >= _SAME_TIME

    def _turn(self, run: Run) -> tuple[int, int, datetime]:
        """Priority first; among equals the job that had fewest; then the oldest."""
        priority = self.snapshot.tasks[run.task_id].priority
        return -priority, self.share[_group(run)], run.scheduled_time

    def _account(self, run: Run) -> str:
        task = self.snapshot.tasks.get(run.task_id)
        return (run.account or "") if task is None else self.snapshot.gate.account(run, task)

    def _count_window(self) -> None:
        """One job must not take a whole fresh window while others wait for theirs."""
        for run in self.snapshot.runs:
            if run.unfinished or run.start_time is None or run.account is None:
                continue
            since = self.snapshot.gate.fresh_since(run.account)
            if since is not None and run.start_time >= since:
                self.share[_group(run)] += 1


def _group(run: Run) -> str:
    """Who shares: the job, or the task where it has none."""
    return run.job_id or run.task_id
