"""What a tick does: a pure function from what is known to a list of actions.

Each action carries the run as it is to be recorded. Nothing is decided anywhere else, so a plan
can be shown without being carried out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from ccs.model.run import Run
from ccs.model.schedule import Anchor, BeforeReset, WhenAvailable
from ccs.model.task import Task
from ccs.schedule.due import ON_TIME, Due, Firing, grace
from ccs.schedule.release import Release
from ccs.schedule.snapshot import Action, Snapshot

# Held by what its account does not admit.
BY_ACCOUNT = ("limit", "reserve", "budget", "outage")
BY_SCHEDULE = ("schedule", "catch_up", "startup", "file_watch", "usage")


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
    for action in Release(snapshot, now).decide(list(candidates.values())):
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
