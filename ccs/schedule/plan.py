"""What a tick does: a pure function from what is known to a list of actions.

Each action carries the run as it is to be recorded. Nothing is decided anywhere else, so a plan
can be shown without being carried out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from ccs.model.job import Job
from ccs.model.run import Run
from ccs.model.task import Task
from ccs.schedule.admission import held_reason
from ccs.schedule.due import ON_TIME, Due, Firing, allowed, grace

BY_SCHEDULE = ("schedule", "catch_up", "startup", "file_watch")


@dataclass(frozen=True)
class Action:
    """`launch` starts the run, `hold` lets it wait, `skip` ends it unrun, `count` adds passed
    slots to a run that is there already, `replace` stops a running run for the next one."""

    verb: Literal["launch", "hold", "skip", "count", "replace"]
    run: Run


@dataclass(frozen=True)
class Snapshot:
    """What the store said under its lock. `runs`: all in runs.json, in their order there.

    `known`: ids that exist, here, in history or as deleted. `used`: how often a task has run, for
    the tasks that may run so often only. `unreadable`: tasks whose records are broken.
    """

    tasks: Mapping[str, Task]
    runs: Sequence[Run]
    known: frozenset[str]
    limit: int
    jobs: Mapping[str, Job] = field(default_factory=dict)
    unreadable: frozenset[str] = frozenset()
    used: Mapping[str, int] = field(default_factory=dict)


def decide(snapshot: Snapshot, due: Sequence[Due], now: datetime) -> list[Action]:
    """`due` comes in any order; launches go by priority, by the fewest of a job, by age."""
    actions: dict[str, Action] = {}  # one for a run: two would undo each other
    candidates: dict[str, Run] = {}
    for run in snapshot.runs:
        # A task that cannot be read just now keeps its waiting run.
        if run.status == "upcoming" and run.task_id not in snapshot.unreadable:
            ended = _no_longer_wanted(run, snapshot.tasks.get(run.task_id), now)
            if ended is None:
                candidates[run.id] = run
            else:
                actions[run.id] = Action("skip", ended)
    waiting = {run.task_id: run for run in candidates.values()}
    for one in due:
        fresh, more = _runs_of(one, waiting.get(one.task.id), snapshot, now)
        candidates |= {run.id: run for run in fresh}
        for action in more:
            actions[action.run.id] = action
            if action.run.id in candidates:
                candidates[action.run.id] = action.run  # counted, and may start all the same
    for action in _admit(list(candidates.values()), snapshot, now):
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
    if waiting is not None and task.overlap != "allow":
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
    runs = [_new_run(task, firing) for firing in firings]
    runs[-1].missed_slots = total - len(runs)
    if running and task.overlap == "replace":
        return runs, [Action("replace", run) for run in running]
    return runs, []


def _new_run(task: Task, firing: Firing) -> Run:
    return Run(
        id=firing.id,
        task_id=task.id,
        job_id=task.job_id,
        task_name=task.name,
        trigger=firing.trigger,
        scheduled_time=firing.slot,
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


def _no_longer_wanted(run: Run, task: Task | None, now: datetime) -> Run | None:
    """The waiting run as skipped, when nobody wants it any more."""
    if task is None:
        return _ended(run, "disabled", now, "its task is gone")
    if not task.enabled and run.trigger != "manual":
        return _ended(run, "disabled", now)
    if run.trigger not in BY_SCHEDULE:
        return None
    if run.scheduled_time < task.active_since:
        return _ended(run, "expired", now, "the schedule was changed")
    late = now - run.scheduled_time
    if run.held_reason is None and late > max(grace(task, run.scheduled_time), ON_TIME):
        return _ended(run, "expired", now)
    return None


def _ended(run: Run, reason: str, now: datetime, message: str | None = None) -> Run:
    ended = {"status": "skipped", "reason": reason, "message": message, "end_time": now}
    return run.model_copy(update={**ended, "held_reason": None})


def _admit(candidates: list[Run], snapshot: Snapshot, now: datetime) -> list[Action]:
    running = [(run.task_id, run.job_id) for run in snapshot.runs if run.status == "running"]
    share: Counter[str | None] = Counter(job for _, job in running if job)
    actions = []
    left = list(candidates)
    while left:
        run = min(left, key=lambda run: _turn(run, snapshot, share))
        left.remove(run)
        reason = _why_not(run, snapshot, running, now)
        if reason is None:
            running.append((run.task_id, run.job_id))
            share[run.job_id] += 1
            # What held it stays until the client may run: should the start fail, it goes on
            # counting as held, and its grace does not run out.
            actions.append(Action("launch", run))
        elif run.held_reason != reason or run.id not in snapshot.known:
            actions.append(Action("hold", run.model_copy(update={"held_reason": reason})))
    return actions


def _why_not(
    run: Run, snapshot: Snapshot, running: Sequence[tuple[str, str | None]], now: datetime
) -> str | None:
    """Every reason has to be gone at the same moment."""
    if run.not_before is not None and run.not_before > now:
        return run.held_reason or "limit"
    task = snapshot.tasks[run.task_id]
    if run.trigger != "manual" and not allowed(task, now):
        return "hours"
    job = snapshot.jobs.get(run.job_id or "")
    return held_reason(
        run.task_id,
        run.job_id,
        running,
        overlap=task.overlap,
        forced=run.forced,
        limit=snapshot.limit,
        job_limit=job.max_parallel if job else snapshot.limit,
    )


def _turn(
    run: Run, snapshot: Snapshot, share: Mapping[str | None, int]
) -> tuple[int, int, datetime]:
    """Priority first; among equals the job that has fewest running; then the oldest."""
    mine = share.get(run.job_id, 0) if run.job_id else 0
    return -snapshot.tasks[run.task_id].priority, mine, run.scheduled_time
