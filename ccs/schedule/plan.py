"""What a tick does: a pure function from what is known to a list of actions.

Each action carries the run as it is to be recorded. Nothing is decided anywhere else, so a plan
can be shown without being carried out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ccs.model import key
from ccs.model.run import Run
from ccs.model.task import Task
from ccs.schedule.admission import held_reason
from ccs.schedule.due import ON_TIME, Due, grace


@dataclass(frozen=True)
class Action:
    """`launch` starts the run, `hold` lets it wait, `skip` ends it unrun, `count` adds passed
    slots to a run that is there already, `replace` stops a running run for the next one."""

    verb: Literal["launch", "hold", "skip", "count", "replace"]
    run: Run


@dataclass(frozen=True)
class Snapshot:
    """What the store said under its lock. `runs`: all in runs.json, in their order there."""

    tasks: Mapping[str, Task]
    runs: Sequence[Run]
    known: frozenset[str]
    limit: int


def decide(snapshot: Snapshot, due: Sequence[Due], now: datetime) -> list[Action]:
    """`due` comes in any order; launches go by priority, then age."""
    actions: list[Action] = []
    candidates: list[Run] = []
    for run in snapshot.runs:
        task = snapshot.tasks.get(run.task_id)
        # A task that cannot be read just now keeps its waiting run.
        if run.status == "upcoming" and task is not None:
            ended = _no_longer_wanted(run, task, now)
            if ended is None:
                candidates.append(run)
            else:
                actions.append(Action("skip", ended))
    waiting = {run.task_id: run for run in candidates}
    for one in due:
        fresh, more = _slots_of(one, waiting.get(one.task.id), snapshot, now)
        candidates += fresh
        actions += more
    return actions + _admit(candidates, snapshot, now)


def _slots_of(
    due: Due, waiting: Run | None, snapshot: Snapshot, now: datetime
) -> tuple[list[Run], list[Action]]:
    """New runs for the slots worth running, and records for the others."""
    task = due.task
    slots = [slot for slot in due.slots if key.for_slot(task.id, slot) not in snapshot.known]
    counted = due.missed
    if waiting is not None and task.overlap != "allow":
        total = counted + len(slots)
        if not total:
            return [], []
        more = {"missed_slots": waiting.missed_slots + total, "last_slot": due.newest}
        return [], [Action("count", waiting.model_copy(update=more))]
    if not slots:
        skipped = _skip(due, counted, "missed", snapshot, now)
        return [], [Action(*skipped)] if counted else []
    runs = [_new_run(task, slot, now) for slot in slots]
    runs[-1].missed_slots = counted
    running = [run for run in snapshot.runs if run.task_id == task.id and run.status == "running"]
    if running and task.overlap == "skip":
        return [], [Action(*_skip(due, counted + len(slots), "overlap", snapshot, now))]
    if running and task.overlap == "replace":
        return runs, [Action("replace", run) for run in running]
    return runs, []


def _new_run(task: Task, slot: datetime, now: datetime) -> Run:
    return Run(
        id=key.for_slot(task.id, slot),
        task_id=task.id,
        job_id=task.job_id,
        task_name=task.name,
        trigger="schedule" if now - slot < ON_TIME else "catch_up",
        scheduled_time=slot,
    )


def _skip(
    due: Due, count: int, reason: str, snapshot: Snapshot, now: datetime
) -> tuple[Literal["count", "skip"], Run]:
    """One record for a streak: a following slot skipped for the same reason is counted into it."""
    earlier = [run for run in snapshot.runs if run.task_id == due.task.id]
    last = max(earlier, key=lambda run: run.last_slot or run.scheduled_time, default=None)
    if last is not None and (last.status, last.reason) == ("skipped", reason):
        more = {"missed_slots": last.missed_slots + count, "last_slot": due.newest, "end_time": now}
        return "count", last.model_copy(update=more)
    run = _new_run(due.task, due.newest, now)
    return "skip", _ended(run, reason, now).model_copy(update={"missed_slots": count - 1})


def _no_longer_wanted(run: Run, task: Task, now: datetime) -> Run | None:
    """The waiting run as skipped, when nobody wants it any more."""
    if run.trigger not in ("schedule", "catch_up"):
        return None
    if not task.enabled:
        return _ended(run, "disabled", now)
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
    running = [run.task_id for run in snapshot.runs if run.status == "running"]
    actions = []
    for run in sorted(candidates, key=lambda run: _turn(run, snapshot)):
        task = snapshot.tasks[run.task_id]
        reason = held_reason(task.id, task.overlap, run.forced, running, snapshot.limit)
        if run.not_before is not None and run.not_before > now:
            reason = run.held_reason or "limit"
        if reason is None:
            running.append(task.id)
            actions.append(Action("launch", run.model_copy(update={"held_reason": None})))
        elif run.held_reason != reason or run.id not in snapshot.known:
            actions.append(Action("hold", run.model_copy(update={"held_reason": reason})))
    return actions


def _turn(run: Run, snapshot: Snapshot) -> tuple[int, datetime]:
    return -snapshot.tasks[run.task_id].priority, run.scheduled_time
