"""The hours and days in which runs may start: `22:00-07:00`, `mon-fri`.

A window that passes midnight belongs to the day it begins on. Wall time, so that a night is a
night on both sides of a change of the clocks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from ccs.errors import InvalidInput
from ccs.instant import MINUTE, minute

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW = re.compile(r"(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})", re.ASCII)
_DAY_MINUTES = 1440
# A night in which the clocks are put forward can swallow the one window of a week.
_HORIZON = timedelta(days=22)


def window(text: str) -> tuple[int, int]:
    """From and to, in minutes of the day. Raises InvalidInput."""
    match = _WINDOW.fullmatch(text.strip())
    if match is None:
        raise InvalidInput(f"{text!r} is no span of hours", "write 22:00-07:00")
    hours = [int(number) for number in match.groups()]
    begin, end = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
    if max(hours[1], hours[3]) > 59 or begin > 1439 or end > 1440:
        raise InvalidInput(f"{text!r} has a time that no day has", "write 22:00-07:00")
    if begin == end:
        raise InvalidInput(f"{text!r} is empty", "leave it out to allow every hour")
    return begin, end


def days(words: Sequence[str]) -> list[str]:
    """Names of days, ranges spelt out: `mon-fri` is five. Raises InvalidInput."""
    found: list[str] = []
    for word in ",".join(words).lower().replace(" ", "").split(","):
        first, dash, last = word.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise InvalidInput(f"{word!r} is no day", f"write {', '.join(DAYS)} or mon-fri")
        place = DAYS.index(first)
        found.append(first)
        while dash and DAYS[place] != last:
            place = (place + 1) % 7
            found.append(DAYS[place])
    return [day for day in DAYS if day in found]


def is_open(between: str | None, allowed: Sequence[str], moment: datetime, zone: ZoneInfo) -> bool:
    """Whether a run may start at `moment`."""
    wall = moment.astimezone(zone)
    time = wall.hour * 60 + wall.minute
    begun_on = wall.date()
    if between:
        begin, end = window(between)
        if begin < end:
            inside = begin <= time < end
        else:
            inside = time >= begin or time < end
            if time < end:
                begun_on -= timedelta(days=1)
        if not inside:
            return False
    return not allowed or DAYS[begun_on.weekday()] in allowed


def next_open(
    between: str | None, allowed: Sequence[str], after: datetime, zone: ZoneInfo
) -> datetime | None:
    """The first minute from `after` on at which runs may start, in UTC; None: it never comes."""
    moment = minute(after)
    if moment < after:
        moment += MINUTE
    until = moment + _HORIZON
    while moment < until:
        if is_open(between, allowed, moment, zone):
            return moment
        moment = _next_chance(between, moment, zone)
    return None


def next_closed(
    between: str | None, allowed: Sequence[str], after: datetime, zone: ZoneInfo
) -> datetime | None:
    """The first minute after `after` at which the hours do not hold, in UTC; None: they always do.

    Looked for minute by minute: asked rarely, and right on every night of the year.
    """
    moment = minute(after) + MINUTE
    until = moment + timedelta(days=8)
    while moment < until:
        if not is_open(between, allowed, moment, zone):
            return moment
        moment += MINUTE
    return None


def clock_change(after: datetime, until: datetime, zone: ZoneInfo) -> datetime | None:
    """The first minute in (after, until], a day or less, that has another offset than `after`."""
    after = after.astimezone(UTC)
    old = after.astimezone(zone).utcoffset()
    if until.astimezone(zone).utcoffset() == old:
        return None
    low, high = 0, -((after - until) // MINUTE)
    while high - low > 1:
        middle = (low + high) // 2
        same = (after + middle * MINUTE).astimezone(zone).utcoffset() == old
        low, high = (middle, high) if same else (low, middle)
    return after + high * MINUTE


def _next_chance(between: str | None, closed: datetime, zone: ZoneInfo) -> datetime:
    """When hours that are closed may open: as they begin, or as the clocks are put into them."""
    begin = window(between)[0] if between else 0
    wall = closed.astimezone(zone)
    ahead = (begin - wall.hour * 60 - wall.minute) % _DAY_MINUTES or _DAY_MINUTES
    begins = closed + ahead * MINUTE
    return clock_change(closed, begins, zone) or begins
