"""Cron by definition: walk UTC minute by minute, read the wall clock, and ask what matches.

Shares nothing with ccs or croniter, not even the field parser, so that an error has to be made
twice to go unseen. Only two things are quicker than a literal walk: days that cannot match are
stepped over whole, and a zone's offset changes are found once, by reading its clock every six
hours (no zone has kept an offset for less than that since 1970).

The rules (Debian cron, skipped fixed times coalesced into one run):
- a day matches on both day fields if the text of either begins with `*`, else on either;
- if minute or hour text begins with `*`, the job fires at each UTC minute whose wall time matches;
- else it also fires at the first minute after a jump of up to 3 h that skipped a match, and not
  at a wall time shown before by a clock since put back by up to 3 h.
"""

import calendar
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

DAY = 24 * 60
LIMIT = 180
EXTENSION = re.compile(r"#|^L|\dW$")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WORDS = {
    "month": {name.lower(): n for n, name in enumerate(calendar.month_abbr) if name},
    "weekday": {name.lower(): (n + 1) % 7 for n, name in enumerate(calendar.day_abbr)},
}


def values(text: str, low: int, high: int, words: dict[str, int] | None = None) -> set[int]:
    """The numbers a field's list stands for; the words of the extensions stand for none."""

    def number(word: str) -> int:
        return int((words or {}).get(word.lower(), word))

    found: set[int] = set()
    for place in text.split(","):
        if EXTENSION.search(place):
            continue
        span, _, step = place.partition("/")
        first, _, last = span.partition("-")
        if span == "*":
            first, last = str(low), str(high)
        elif not last:
            last = str(high) if step else first
        found.update(range(number(first), number(last) + 1, int(step or 1)))
    return found


class Days:
    """Which dates an expression's day, month and weekday fields admit."""

    def __init__(self, day: str, month: str, weekday: str) -> None:
        self.both = day[0] == "*" or weekday[0] == "*"
        self.day = day.upper().split(",")
        self.week_words = [p for p in weekday.upper().split(",") if EXTENSION.search(p)]
        self.days = values(day, 1, 31)
        self.months = values(month, 1, 12, WORDS["month"])
        self.weekdays = {n % 7 for n in values(weekday, 0, 7, WORDS["weekday"])}

    def admit(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        last = calendar.monthrange(day.year, day.month)[1]
        by_month = day.day in self.days or self._month_word(day, last)
        weekday = day.isoweekday() % 7
        by_week = weekday in self.weekdays or self._week_word(day, weekday, last)
        return (by_month and by_week) if self.both else (by_month or by_week)

    def _month_word(self, day: date, last: int) -> bool:
        if "L" in self.day and day.day == last:
            return True
        if self.day[0][-1] != "W":
            return False
        # The Monday-to-Friday nearest within the month; there are no ties.
        want = min(int(self.day[0][:-1]), last)
        working = [n for n in range(1, last + 1) if date(day.year, day.month, n).weekday() < 5]
        return day.day == min(working, key=lambda n: abs(n - want))

    def _week_word(self, day: date, weekday: int, last: int) -> bool:
        for place in self.week_words:
            which, _, nth = place.partition("#")
            if nth and (day.day + 6) // 7 != int(nth):
                continue
            if place[0] == "L" and day.day + 7 <= last:
                continue
            named = int(WORDS["weekday"].get(which.lower(), which.lstrip("L")))
            if named % 7 == weekday:
                return True
        return False


class Stretch(NamedTuple):
    """A span of UTC minutes, [start, end), with one offset; wall = UTC + offset."""

    start: int
    end: int
    offset: int


def _moment(minute: int) -> datetime:
    return EPOCH + timedelta(minutes=minute)


def _offset(minute: int, zone: ZoneInfo) -> int:
    return int(_moment(minute).astimezone(zone).utcoffset().total_seconds()) // 60


@cache
def changes(zone: ZoneInfo, year: int) -> tuple[int, ...]:
    """The UTC minutes of a year at which the zone has a new offset."""
    first, last = ((datetime(y, 1, 1, tzinfo=UTC) - EPOCH).days * DAY for y in (year, year + 1))
    return tuple(
        n
        for before, until in pairwise(range(first, last + 1, 360))
        if _offset(before, zone) != _offset(until, zone)
        for n in range(before + 1, until + 1)
        if _offset(n, zone) != _offset(n - 1, zone)
    )


def stretches(zone: ZoneInfo, start: int, end: int) -> Iterator[Stretch]:
    years = range(_moment(start).year, _moment(end).year + 1)
    for year in years:
        cuts = [n for n in changes(zone, year) if start < n < end]
        for cut in cuts:
            yield Stretch(start, cut, _offset(start, zone))
            start = cut
    yield Stretch(start, end, _offset(start, zone))


def _matches(first: int, end: int, hours: set[int], minutes: set[int], days: Days) -> Iterator[int]:
    """The wall minutes in [first, end) that match."""
    for day in range(first // DAY, (end - 1) // DAY + 1):
        if not days.admit(date(1970, 1, 1) + timedelta(days=day)):
            continue
        for n in range(max(first, day * DAY), min(end, (day + 1) * DAY)):
            if n % DAY // 60 in hours and n % 60 in minutes:
                yield n


def fires(expression: str, zone: ZoneInfo, after: datetime, years: int = 5) -> Iterator[datetime]:
    """The occurrences strictly after `after`, for some years on; `expression` has five fields."""
    minute, hour, day, month, weekday = expression.split()
    fields = values(hour, 0, 23), values(minute, 0, 59), Days(day, month, weekday)
    wildcard = minute[0] == "*" or hour[0] == "*"
    now = int((after - EPOCH).total_seconds()) // 60
    # Begun a day early, the walk knows what the wall clock showed before `after`.
    shown = None  # the wall minute the last stretch ended before
    for stretch in stretches(zone, now - DAY, now + years * 366 * DAY):
        first, end = stretch.start + stretch.offset, stretch.end + stretch.offset
        if not wildcard and shown is not None:
            if 0 < first - shown <= LIMIT and stretch.start > now:
                skipped = next(_matches(shown, first, *fields), None)
                at_once = next(_matches(first, first + 1, *fields), None)
                if skipped is not None and at_once is None:
                    yield _moment(stretch.start)
            elif 0 < shown - first <= LIMIT:
                first = min(shown, end)
        first = max(first, now + 1 + stretch.offset)
        for n in _matches(first, end, *fields):
            yield _moment(n - stretch.offset)
        shown = end
