"""Which slots of a task have come, and which of them are still worth running.

The clock is an argument. `since` is where the last look ended; what lies before it was decided
then and is not decided again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ccs.model.task import Task
from ccs.schedule.slots import newest, next_slot, passed

# A slot that is this late or less is on time: the tick comes once a minute and may be slow.
ON_TIME = timedelta(minutes=2)
# cron(8): a clock moved by more than this was corrected, not adjusted.
CORRECTION = timedelta(hours=3)
MOST_CAUGHT_UP = 10
_SHORTEST_GRACE = timedelta(hours=1)
_LONGEST_GRACE = timedelta(hours=24)


@dataclass(frozen=True)
class Due:
    """What became due: the slots to run, oldest first, and how many more have passed."""

    task: Task
    slots: tuple[datetime, ...]
    missed: int
    newest: datetime


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
    count, last = passed(task.schedule, since, now)
    if last is None:
        return None
    slots = _worth_running(task, since, now, last)
    return Due(task, slots, count - len(slots), last)


def grace(task: Task, slot: datetime) -> timedelta:
    """How late a slot may still run: the schedule's period, within one hour and one day."""
    if task.grace is not None:
        return task.grace
    following = next_slot(task.schedule, slot)
    if following is None:
        return _LONGEST_GRACE
    return min(max(following - slot, _SHORTEST_GRACE), _LONGEST_GRACE)


def _worth_running(
    task: Task, since: datetime, now: datetime, last: datetime
) -> tuple[datetime, ...]:
    if now - last < ON_TIME and task.catch_up != "all":
        return (last,)
    if task.catch_up == "none" or now - last > grace(task, last):
        return ()
    if task.catch_up == "one":
        return (last,)
    slots = newest(task.schedule, since, now, MOST_CAUGHT_UP)
    return tuple(slot for slot in slots if now - slot <= grace(task, slot))
