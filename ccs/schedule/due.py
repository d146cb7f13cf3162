"""Which firings of a task have come, and which of them are still worth running.

The clock is an argument. `since` is where the last look ended; what lies before it was decided
then and is not decided again.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from ccs.model import key
from ccs.model.schedule import Anchor
from ccs.model.task import Task
from ccs.schedule.hours import is_open, next_open
from ccs.schedule.slots import newest, next_slot, passed

# A slot that is this late or less is on time: the tick comes once a minute and may be slow.
ON_TIME = timedelta(minutes=2)
# cron(8): a clock moved by more than this was corrected, not adjusted.
CORRECTION = timedelta(hours=3)
MOST_CAUGHT_UP = 10
_SHORTEST_GRACE = timedelta(hours=1)
_LONGEST_GRACE = timedelta(hours=24)
_INSTANT = timedelta(microseconds=1)
_PATIENCE = 1000


class Firing(NamedTuple):
    """One run to come. Its id is the same whoever finds it, and however often."""

    id: str
    slot: datetime
    trigger: Literal["schedule", "catch_up", "startup", "file_watch", "usage"]

    @classmethod
    def at(cls, task_id: str, slot: datetime, late: bool = False) -> Firing:
        """That of a slot of the clock."""
        return cls(key.for_slot(task_id, slot), slot, "catch_up" if late else "schedule")


class Due(NamedTuple):
    """What became due: the firings to run, oldest first, and how many more slots have passed.

    `why_not`: the reason of those others, should there be nothing to count them into. `mark`: of
    what goes by a usage window, the reset it fires for.
    """

    task: Task
    firings: tuple[Firing, ...]
    missed: int
    newest: datetime
    why_not: Literal["missed", "hours", "open"] = "missed"
    mark: datetime | None = None


def begin(
    task: Task, cursor: datetime | None, recorded: datetime | None, now: datetime
) -> tuple[datetime, bool]:
    """Where the look begins, and whether it had to be reset because the clock was moved back.

    It begins after the latest moment already decided. A moment more than three hours ahead comes
    from a clock that was wrong then and counts for nothing; a cursor there is reset to now.
    """
    moments = [moment for moment in (task.active_since, cursor, recorded) if moment is not None]
    sound = [moment for moment in moments if moment <= now + CORRECTION]
    if not sound or (cursor is not None and cursor not in sound):
        return now, True
    return max(sound), False


def evaluate(task: Task, since: datetime, now: datetime) -> Due | None:
    """What became due by the clock in (since, now]; None when nothing did."""
    after, until = within_bounds(task, since, now)
    count, last = passed(task.schedule, after, until)
    if last is None:
        return None
    slots = _worth_running(task, after, until, now, last)
    firings = tuple(Firing.at(task.id, slot, now - slot >= ON_TIME) for slot in slots)
    why_not: Literal["missed", "hours"] = "missed" if allowed(task, last) else "hours"
    return Due(task, firings, max(count - len(slots), 0), last, why_not)


def within_bounds(task: Task, after: datetime, until: datetime) -> tuple[datetime, datetime]:
    """The range less what lies before `not_before` and after `until` of the task."""
    if task.not_before is not None:
        after = max(after, task.not_before - _INSTANT)
    if task.until is not None:
        until = min(until, task.until)
    return after, until


def allowed(task: Task, moment: datetime) -> bool:
    """Whether the task's hours and days let a run start then."""
    return is_open(task.between, task.days, moment, ZoneInfo(task.schedule.timezone))


def next_allowed(task: Task, after: datetime) -> datetime | None:
    """When the task's hours and days open next; None: never."""
    return next_open(task.between, task.days, after, ZoneInfo(task.schedule.timezone))


def runs_next(task: Task, after: datetime) -> Iterator[datetime]:
    """The slots later than `after` at which the task is to run: within its bounds and hours.

    Ends as well where the hours never seem to meet the schedule.
    """
    after, until = within_bounds(task, after, datetime.max.replace(tzinfo=UTC))
    zone, refused = ZoneInfo(task.schedule.timezone), 0
    slot = next_slot(task.schedule, after)
    while slot is not None and slot <= until and refused < _PATIENCE:
        if allowed(task, slot):
            yield slot
            refused, after = 0, slot
        else:
            refused += 1
            opens = next_open(task.between, task.days, slot, zone)
            after = (opens or until) - _INSTANT
        slot = next_slot(task.schedule, after)


def grace(task: Task, slot: datetime) -> timedelta:
    """How late a slot may still run: the schedule's period, within one hour and one day."""
    if task.grace is not None:
        return task.grace
    if isinstance(task.schedule, Anchor):
        return _SHORTEST_GRACE  # a window opened much later would shift the whole day
    following = next_slot(task.schedule, slot)
    if following is None:
        return _LONGEST_GRACE
    return min(max(following - slot, _SHORTEST_GRACE), _LONGEST_GRACE)


def _worth_running(
    task: Task, after: datetime, until: datetime, now: datetime, last: datetime
) -> list[datetime]:
    if task.catch_up == "none":
        slots = [last] if now - last < ON_TIME else []
    elif task.catch_up == "one" and allowed(task, last):
        slots = [last]
    else:
        slots = newest(task.schedule, after, until, MOST_CAUGHT_UP)
    fresh = [
        slot
        for slot in slots
        if allowed(task, slot) and (now - slot < ON_TIME or now - slot <= grace(task, slot))
    ]
    return fresh if task.catch_up == "all" else fresh[-1:]
