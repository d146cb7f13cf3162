"""The slots of a schedule: the one place that knows all its kinds.

A slot is an instant at which a task should run; a task has at most one in a UTC minute. Ranges
are half-open: (after, until].
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from ccs import instant
from ccs.model.schedule import CronSchedule, Manual, Once
from ccs.schedule.cron import Cron

Timed = CronSchedule | Once | Manual
COUNTED = 100


def next_slot(schedule: Timed, after: datetime) -> datetime | None:
    """The first slot later than `after`; None when there is none."""
    if isinstance(schedule, CronSchedule):
        return _next_cron(schedule.cron, schedule.timezone, after)
    if isinstance(schedule, Once):
        return schedule.at if schedule.at > after else None
    return None


def passed(schedule: Timed, after: datetime, until: datetime) -> tuple[int, datetime | None]:
    """How many slots lie in the range, counted up to 100, and the newest of them."""
    if isinstance(schedule, CronSchedule):
        zone = ZoneInfo(schedule.timezone)
        return _cron(schedule.cron).missed(after, until, zone, COUNTED)
    slot = next_slot(schedule, after)
    if slot is not None and slot <= until:
        return 1, slot
    return 0, None


def newest(schedule: Timed, after: datetime, until: datetime, most: int) -> list[datetime]:
    """The newest slots of the range, at most `most`, oldest first."""
    found: list[datetime] = []
    while len(found) < most:
        _, slot = passed(schedule, after, until)
        if slot is None:
            break
        found.insert(0, slot)
        until = slot - instant.MINUTE
    return found


@lru_cache(maxsize=4096)
def _cron(expression: str) -> Cron:
    return Cron(expression)


# Many tasks share an expression: one search answers for all of them within a tick.
@lru_cache(maxsize=4096)
def _next_cron(expression: str, zone: str, after: datetime) -> datetime | None:
    return _cron(expression).next(after, ZoneInfo(zone))
