"""The slots of a schedule: the one place that knows all kinds that go by the clock.

A slot is an instant at which a task should run; a task has at most one in a UTC minute. Ranges
are half-open: (after, until]. Kinds that go by something else (a boot, a change of files, a usage
window) have no slots; `ccs.engine.tick` decides them from what it sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from ccs.model.schedule import Anchor, Calendar, CronSchedule, Interval, Kind, Once
from ccs.schedule import calendar
from ccs.schedule.cron import Cron

COUNTED = 100


def expression(schedule: Kind) -> str | None:
    """The cron expression that a schedule is or comes down to."""
    if isinstance(schedule, CronSchedule):
        return schedule.cron
    if isinstance(schedule, Anchor):
        hour, minute = schedule.anchor_time.split(":")
        return f"{int(minute)} {int(hour)} * * *"
    return calendar.expression(schedule) if isinstance(schedule, Calendar) else None


def next_slot(schedule: Kind, after: datetime) -> datetime | None:
    """The first slot later than `after`; None when there is none (for cron: in eight years)."""
    if isinstance(schedule, Interval):
        return _on_the_beat(schedule, after) + schedule.every
    if isinstance(schedule, Once):
        return schedule.at if schedule.at > after else None
    written = expression(schedule)
    return _next_cron(written, schedule.timezone, after) if written else None


def passed(schedule: Kind, after: datetime, until: datetime) -> tuple[int, datetime | None]:
    """How many slots lie in the range, counted up to 100, and the newest of them."""
    if isinstance(schedule, Interval):
        last = _on_the_beat(schedule, until)
        count = (last - _on_the_beat(schedule, after)) // schedule.every
        return max(min(count, COUNTED), 0), (last if count > 0 else None)
    written = expression(schedule)
    if written:
        # Asked in vain by most ticks, and then the answer is still known from the tick before.
        first = _next_cron(written, schedule.timezone, after)
        if first is None or first > until:
            return 0, None
        return _cron(written).missed(after, until, ZoneInfo(schedule.timezone), COUNTED)
    slot = next_slot(schedule, after)
    return (1, slot) if slot is not None and slot <= until else (0, None)


def newest(schedule: Kind, after: datetime, until: datetime, most: int) -> list[datetime]:
    """The newest slots of the range, at most `most`, oldest first."""
    found: list[datetime] = []
    while len(found) < most:
        _, slot = passed(schedule, after, until)
        if slot is None:
            break
        found.insert(0, slot)
        until = slot - timedelta(microseconds=1)
    return found


def coming(schedule: Kind, after: datetime, until: datetime) -> Iterator[datetime]:
    """The slots of the range, in order."""
    slot = next_slot(schedule, after)
    while slot is not None and slot <= until:
        yield slot
        slot = next_slot(schedule, slot)


def _on_the_beat(schedule: Interval, moment: datetime) -> datetime:
    """The newest beat at or before `moment`; the start is no slot, and nothing is earlier."""
    beats = (moment - schedule.start) // schedule.every
    return schedule.start + max(beats, 0) * schedule.every


@lru_cache(maxsize=4096)
def _cron(expression: str) -> Cron:
    return Cron(expression)


# Many tasks share an expression: one search answers for all of them within a tick.
@lru_cache(maxsize=4096)
def _next_cron(expression: str, zone: str, after: datetime) -> datetime | None:
    return _cron(expression).next(after, ZoneInfo(zone))
