"""What is to come: the runs there are, what the next tick decides, and the slots after it.

A forecast knows schedules, hours and counts. It does not know how long a run will take; what that
does to others is for `ccs.report.simulate`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from ccs import duration, instant
from ccs.engine.look import Look
from ccs.engine.tick import dry_run
from ccs.model.run import Run
from ccs.model.schedule import (
    Anchor,
    BeforeReset,
    FileWatch,
    Interval,
    Kind,
    Once,
    UsageReset,
    WhenAvailable,
)
from ccs.model.task import Task
from ccs.report import quota
from ccs.schedule.due import allowed, within_bounds
from ccs.schedule.hours import next_open
from ccs.schedule.slots import COUNTED, coming, expression, passed
from ccs.schedule.snapshot import Action
from ccs.store.store import Store
from ccs.usage import kinds

Say = Callable[[datetime], str]  # how a moment is told: to people in their zone, else in UTC

MOST = 10
MOST_OF_ONE = 100
_BY_VERB = {"launch": "run", "hold": "held", "skip": "skip"}


@dataclass(frozen=True)
class Row:
    """`what`: running, held, run, pushed, `skip REASON`, more, waits (for no time) or nothing.

    `quota`: the share of each usage window that such a run usually takes. `pushed_to`: the reset
    that a run will have to wait for, because its window has no room for it.
    """

    at: datetime | None
    task_id: str
    task_name: str
    what: str
    why: str
    quota: dict[str, float] | None = None
    pushed_to: datetime | None = None

    def record(self) -> dict[str, Any]:
        moments = {"at": self.at, "pushed_to": self.pushed_to}
        texts = {name: instant.text(one) if one else None for name, one in moments.items()}
        return {**vars(self), **texts}


def forecast(
    store: Store, now: datetime, until: datetime, say: Say, wanted: str | None = None
) -> list[Row]:
    """In (now, until], for one task or all enabled ones. Raises NotFound, Ambiguous, BrokenStore.

    What stands comes first, then what comes by time, then what waits for something else.
    """
    chosen = [store.tasks.find(wanted)] if wanted else store.tasks.all()
    enabled = {task.id: task for task in chosen if task.enabled}
    tasks = {task.id: task for task in chosen}
    runs = [run for run in store.runs.all() if run.task_id in tasks]
    standing = [_standing(run, tasks[run.task_id], now, say) for run in runs if run.unfinished]
    actions, look = dry_run(store, now, {})
    due = _due(actions, {run.id for run in runs}, enabled)
    waiting = {run.task_id: run for run in runs if run.status == "upcoming"}
    used = _used(store, enabled.values())
    most = MOST_OF_ONE if wanted else MOST
    slots: list[Row] = []
    for task in enabled.values():
        outlook = Outlook(task, waiting.get(task.id), used[task.id], now, say)
        slots += outlook.rows(now, until, most)
    by_usage = [row for task in enabled.values() for row in _by_usage(task, look, now, until, due)]
    slots += [row for row in by_usage if row.at is not None]
    rest = [row for task in enabled.values() if (row := _without_slots(task))]
    rest += [row for row in by_usage if row.at is None]
    if wanted and not (due or slots or rest):
        why = "it has no slot in this span" if enabled else "disabled: ccs tasks enable"
        rest = [_row(None, chosen[0], "nothing", why)]
    to_come = due + sorted(slots, key=lambda row: row.at or now)
    newest = sorted(store.runs.all(), key=lambda run: run.scheduled_time, reverse=True)
    to_come = _with_quota(to_come, look, quota.usual_quota(newest), say)
    return sorted(standing, key=lambda row: row.what != "running") + to_come + rest


class Outlook:
    """What is to be expected of the slots of one task. `used`: how often it has run."""

    def __init__(self, task: Task, waiting: Run | None, used: int, now: datetime, say: Say) -> None:
        self.task = task
        self.say = say
        self.waiting = waiting if task.overlap != "allow" else None
        self.until = held_until(self.waiting, task, now) if self.waiting else None
        self.left = None if task.max_runs is None else task.max_runs - used

    def rows(self, now: datetime, until: datetime, most: int) -> Iterator[Row]:
        after, until = within_bounds(self.task, now, until)
        shown = now
        for slot in islice(coming(self.task.schedule, after, until), most):
            yield _row(slot, self.task, *self.expected(slot))
            shown = slot
        count, _ = passed(self.task.schedule, max(after, shown), until)
        following = next(coming(self.task.schedule, max(after, shown), until), None)
        if following is not None:
            number = f"{COUNTED} or more" if count >= COUNTED else str(count)
            yield _row(following, self.task, "more", f"{number} more until {self.say(until)}")

    def expected(self, slot: datetime) -> tuple[str, str]:
        """What will happen and why. Slots are asked for in order: each run uses up one."""
        if self.waiting and self.until and slot < self.until:
            why = _why_held(self.waiting, self.until, self.say)
            return "held", f"counted into the run that waits ({why})"
        if not allowed(self.task, slot):
            return "skip hours", f"outside {hours(self.task)}"
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                return "skip max_runs", f"it may run {self.task.max_runs} times in all"
        return "run", meaning(self.task.schedule)


def held_until(run: Run, task: Task, now: datetime) -> datetime | None:
    """When what holds a waiting run is known to go."""
    if run.not_before is not None and run.not_before > now:
        return run.not_before
    if run.held_reason == "hours":
        return next_open(task.between, task.days, now, ZoneInfo(task.schedule.timezone))
    return None


def meaning(schedule: Kind) -> str:
    """A schedule in a few words."""
    if isinstance(schedule, Interval):
        return f"every {duration.text(schedule.every)}"
    if isinstance(schedule, Once):
        return "once"
    if isinstance(schedule, Anchor):
        return f"to open the {schedule.window} window at {schedule.anchor_time}"
    written = expression(schedule)
    if written:
        return f"{written} ({schedule.timezone})"
    return str(getattr(schedule, "schedule_type", "manual"))


def waits_for(schedule: Kind) -> str | None:
    """What a kind without slots waits for; None for those that go by the clock."""
    if isinstance(schedule, FileWatch):
        return f"for a change below {schedule.watch_directory}"
    if isinstance(schedule, UsageReset):
        return f"for a reset of the {schedule.window} window"
    if isinstance(schedule, WhenAvailable):
        return f"until {schedule.headroom:g} % of the {schedule.window} window are free"
    if isinstance(schedule, BeforeReset):
        return f"for {duration.text(schedule.lead)} before a reset of the {schedule.window} window"
    return _WAITS.get(getattr(schedule, "schedule_type", ""))


_WAITS = {
    "manual": "for somebody to start it: ccs tasks run",
    "startup": "for the first tick after a boot",
    "sequential": "for its job: ccs jobs run",
}


def hours(task: Task) -> str:
    """The hours and days in which it may start, as they were given."""
    return " ".join(filter(None, (task.between, ",".join(task.days)))) or "no hours"


def _row(at: datetime | None, task: Task, what: str, why: str) -> Row:
    return Row(at, task.id, task.name, what, why)


def _standing(run: Run, task: Task, now: datetime, say: Say) -> Row:
    if run.status == "running":
        return _row(run.start_time or run.scheduled_time, task, "running", run.trigger)
    until = held_until(run, task, now)
    why = f"{_why_held(run, until, say)}; {run.trigger} of {say(run.scheduled_time)}"
    return _row(until, task, "held", why)


def _why_held(run: Run, until: datetime | None, say: Say) -> str:
    reason = run.held_reason or "starts with the next tick"
    return f"{reason} until {say(until)}" if until else reason


def _due(actions: list[Action], recorded: set[str], tasks: dict[str, Task]) -> list[Row]:
    """What the next tick decides anew: the slots that no tick has looked at yet."""
    rows: list[Row] = []
    for action in actions:
        run = action.run
        if run.task_id in tasks and run.id not in recorded and action.verb in _BY_VERB:
            what = f"{_BY_VERB[action.verb]} {run.reason or ''}".rstrip()
            more = f", {run.missed_slots} more passed" if run.missed_slots else ""
            reason = run.held_reason if action.verb == "hold" else run.trigger
            why = f"{reason}: the next tick decides it{more}"
            rows.append(_row(run.scheduled_time, tasks[run.task_id], what, why))
    return sorted(rows, key=lambda row: (instant.text(row.at) if row.at else "", row.task_name))


def _by_usage(
    task: Task, look: Look, now: datetime, until: datetime, due: list[Row]
) -> Iterator[Row]:
    """What goes by a usage window: when it is known to come, and what is assumed."""
    if not isinstance(task.schedule, kinds.ByUsage):
        return
    found = look.coming(task)
    words = waits_for(task.schedule) or ""
    words += f"; {found.assumes}" if found.assumes else ""
    expected = found.wake is not None and now < found.wake <= until
    if expected and not isinstance(task.schedule, WhenAvailable):
        yield _row(found.wake, task, "run", words)
    elif all(row.task_id != task.id for row in due):
        yield _row(None, task, "waits", words)


def _with_quota(
    rows: list[Row], look: Look, usual: dict[str, dict[str, float]], say: Say
) -> list[Row]:
    """In order of time: each run takes its usual share, and what finds no room is pushed."""
    accounts, tasks = look.launcher.accounts, look.launcher.tasks.by_id
    forecasts: dict[str, quota.Forecast] = {}
    told = []
    for row in rows:
        needs = usual.get(row.task_id)
        if row.what != "run" or row.at is None or not needs:
            told.append(row)
            continue
        name = accounts.account(None, tasks[row.task_id])
        forecast = forecasts.setdefault(name, quota.Forecast(accounts.windows(name)))
        pushed = forecast.push(max(row.at, look.now), needs)
        words, why = quota.said(needs), row.why
        why += f"; {words}" if words else ""
        if pushed is None:
            told.append(replace(row, why=why, quota=needs))
            continue
        window, reset = pushed
        why += f", {forecast.left(window):.0%} left: after the reset at {say(reset)}"
        told.append(replace(row, what="pushed", why=why, quota=needs, pushed_to=reset))
    return told


def _used(store: Store, tasks: Iterable[Task]) -> Counter[str]:
    """How often those have run that may run so often only."""
    limited = {task.id for task in tasks if task.max_runs is not None}
    if not limited:
        return Counter()
    found = (run for run in store.every_run() if run.task_id in limited)
    return Counter(run.task_id for run in found if run.status != "skipped")


def _without_slots(task: Task) -> Row | None:
    if isinstance(task.schedule, kinds.ByUsage):
        return None
    waiting = waits_for(task.schedule)
    return _row(None, task, "waits", waiting) if waiting else None
