"""What a tick does: a pure function from what is known to a list of actions.

Each action carries the run as it is to be recorded. Nothing is decided anywhere else, so a plan
can be shown without being carried out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Protocol

from ccs.model.job import Job
from ccs.model.run import Run
from ccs.model.schedule import Anchor, BeforeReset, WhenAvailable
from ccs.model.task import Task
from ccs.schedule.admission import held_reason
from ccs.schedule.due import ON_TIME, Due, Firing, allowed, grace, next_allowed
from ccs.usage.gate import Begun, Hold

# Held by what its account does not admit.
BY_ACCOUNT = ("limit", "reserve", "budget", "outage")
BY_SCHEDULE = ("schedule", "catch_up", "startup", "file_watch", "usage")
# Until when a run is held is worked out anew each time; a shift of less is no news.
_SAME_TIME = timedelta(minutes=1)


@dataclass(frozen=True)
class Action:
    """`launch` starts the run, `hold` lets it wait, `skip` ends it unrun, `count` adds passed
    slots to a run that is there already, `replace` stops a running run for the next one."""

    verb: Literal["launch", "hold", "skip", "count", "replace"]
    run: Run


class Gate(Protocol):
    """Whether the accounts let runs start: see `ccs.engine.accounts`."""

    def account(self, run: Run | None, task: Task) -> str: ...

    def begun(self, run: Run, task: Task | None) -> Begun: ...

    def held(self, run: Run, task: Task, begun: Sequence[Begun]) -> Hold | None: ...

    def admit(self, run: Run, task: Task) -> None: ...

    def fresh_since(self, account: str) -> datetime | None: ...


class OpenGate:
    """Nothing is known of any account."""

    def account(self, run: Run | None, task: Task) -> str:
        return ""

    def begun(self, run: Run, task: Task | None) -> Begun:
        return Begun(run.scheduled_time, "")

    def held(self, run: Run, task: Task, begun: Sequence[Begun]) -> Hold | None:
        return None

    def admit(self, run: Run, task: Task) -> None:
        pass

    def fresh_since(self, account: str) -> datetime | None:
        return None


@dataclass(frozen=True)
class Snapshot:
    """What the store said under its lock. `runs`: all in runs.json, in their order there.

    `known`: ids that exist, here, in history or as deleted. `used`: how often a task has run, for
    the tasks that may run so often only. `unreadable`: tasks whose records are broken.
    `released_at_once`: how many runs of an account that a limit held may start in one tick.
    """

    tasks: Mapping[str, Task]
    runs: Sequence[Run]
    known: frozenset[str]
    limit: int
    jobs: Mapping[str, Job] = field(default_factory=dict)
    unreadable: frozenset[str] = frozenset()
    used: Mapping[str, int] = field(default_factory=dict)
    gate: Gate = field(default_factory=OpenGate)
    released_at_once: int = 1000


def decide(snapshot: Snapshot, due: Sequence[Due], now: datetime) -> list[Action]:
    """`due` comes in any order; launches go by priority, by the fewest of a job, by age."""
    actions: dict[str, Action] = {}  # one for a run: two would undo each other
    known_runs = {run.id: run for run in snapshot.runs}
    candidates: dict[str, Run] = {}
    for run in snapshot.runs:
        # A task that cannot be read just now keeps its waiting run.
        if run.status == "upcoming" and run.task_id not in snapshot.unreadable:
            by_hand = _is_by_hand(run, known_runs)
            ended = _no_longer_wanted(run, snapshot.tasks.get(run.task_id), by_hand, now)
            if ended is None:
                candidates[run.id] = run
            else:
                actions[run.id] = Action("skip", ended)
    # What later slots are counted into: of several, one that has not begun its work.
    in_turn = sorted(candidates.values(), key=lambda run: run.trigger != "resume")
    waiting = {run.task_id: run for run in in_turn}
    for one in due:
        fresh, more = _runs_of(one, waiting.get(one.task.id), snapshot, now)
        for action in more:
            if action.verb == "replace":
                candidates.pop(action.run.id, None)
        candidates |= {run.id: run for run in fresh}
        for action in more:
            actions[action.run.id] = action
            if action.run.id in candidates:
                candidates[action.run.id] = action.run  # counted, and may start all the same
    for action in _Admission(snapshot, now).decide(list(candidates.values())):
        actions[action.run.id] = action
    return list(actions.values())


def _runs_of(
    due: Due, waiting: Run | None, snapshot: Snapshot, now: datetime
) -> tuple[list[Run], list[Action]]:
    """New runs for the firings worth running, and records for the others."""
    task = due.task
    if Firing.at(task.id, due.newest).id in snapshot.known:
        return [], []  # decided before; a wrong clock or a lost cursor brought it up again
    firings = [one for one in due.firings if one.id not in snapshot.known]
    total = due.missed + len(firings)
    if not total:
        return [], []
    superseded = waiting is not None and task.overlap == "replace" and waiting.trigger == "resume"
    if waiting is not None and (task.overlap != "allow" or _is_stuck(waiting)) and not superseded:
        more = {"missed_slots": waiting.missed_slots + total, "last_slot": due.newest}
        return [], [Action("count", waiting.model_copy(update=more))]
    if not firings:
        return [], [_skip(due, total, due.why_not, snapshot, now)]
    if task.max_runs is not None and snapshot.used.get(task.id, 0) >= task.max_runs:
        return [], [_skip(due, total, "max_runs", snapshot, now)]
    running = [run for run in snapshot.runs if run.task_id == task.id and run.status == "running"]
    if running and task.overlap == "skip":
        return [], [_skip(due, total, "overlap", snapshot, now)]
    if task.max_runs is not None:
        firings = firings[-(task.max_runs - snapshot.used.get(task.id, 0)) :]
    runs = [_new_run(task, firing, due.mark) for firing in firings]
    runs[-1].missed_slots = total - len(runs)
    if superseded and waiting is not None:
        running.append(waiting)
    if running and task.overlap == "replace":
        return runs, [Action("replace", run) for run in running]
    return runs, []


def _is_stuck(waiting: Run) -> bool:
    """Its account holds it, and would hold the next one just as well: even runs that may overlap
    must not pile up while a window is used up. One that is parked has its own work to finish."""
    return waiting.held_reason in BY_ACCOUNT and waiting.trigger != "resume"


def _new_run(task: Task, firing: Firing, mark: datetime | None = None) -> Run:
    return Run(
        id=firing.id,
        task_id=task.id,
        job_id=task.job_id,
        task_name=task.name,
        trigger=firing.trigger,
        scheduled_time=firing.slot,
        window_reset=mark,
    )


def _skip(due: Due, count: int, reason: str, snapshot: Snapshot, now: datetime) -> Action:
    """One record for a streak: a following slot skipped for the same reason is counted into it."""
    earlier = [run for run in snapshot.runs if run.task_id == due.task.id]
    last = max(earlier, key=lambda run: run.last_slot or run.scheduled_time, default=None)
    if last is not None and (last.status, last.reason) == ("skipped", reason):
        more = {"missed_slots": last.missed_slots + count, "last_slot": due.newest, "end_time": now}
        return Action("count", last.model_copy(update=more))
    firing = due.firings[-1] if due.firings else Firing.at(due.task.id, due.newest)
    run = _new_run(due.task, firing).model_copy(update={"missed_slots": count - 1})
    return Action("skip", _ended(run, reason, now))


def _is_by_hand(run: Run, known: Mapping[str, Run]) -> bool:
    """Whether somebody asked for it, or for the run that it goes on with."""
    while (before := run.resumed_from or run.retry_of) in known and run.trigger != "manual":
        run = known[str(before)]
    return run.trigger == "manual"


def _no_longer_wanted(run: Run, task: Task | None, by_hand: bool, now: datetime) -> Run | None:
    """The waiting run as skipped, when nobody wants it any more."""
    if task is None:
        return _ended(run, "disabled", now, "its task is gone")
    if not task.enabled and not by_hand:
        return _ended(run, "disabled", now)
    if run.trigger not in BY_SCHEDULE:
        return None
    if run.scheduled_time < task.active_since:
        return _ended(run, "expired", now, "the schedule was changed")
    late = now - run.scheduled_time
    if isinstance(task.schedule, BeforeReset | WhenAvailable) and _has_reset(run, now):
        return _ended(run, "expired", now, "the window it was for has reset")
    if isinstance(task.schedule, Anchor) and late > grace(task, run.scheduled_time):
        return _ended(run, "expired", now)
    if run.held_reason is None and late > max(grace(task, run.scheduled_time), ON_TIME):
        return _ended(run, "expired", now)
    return None


def _has_reset(run: Run, now: datetime) -> bool:
    return run.window_reset is not None and run.window_reset <= now


def _ended(run: Run, reason: str, now: datetime, message: str | None = None) -> Run:
    ended = {"status": "skipped", "reason": reason, "message": message, "end_time": now}
    return run.model_copy(update={**ended, "held_reason": None})


class _Admission:
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
        if run.unapproved is not None and run.unapproved != task.approved:
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
