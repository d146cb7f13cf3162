"""Cron expressions: what is accepted, what it means, when it fires.

The meaning is Debian cron's, daylight-saving nights included, with the skipped times of a fixed
job coalesced into one run. It is fixed here and not by the croniter release of the day: croniter
only finds dates among naive wall-clock times, and only for `L`, `W` and `#`, from value lists
spelt out by cronfields; the day rule, the zone and the offset changes are ours. It costs more to
import than a tick does, so it is imported for such an expression only.
"""

from __future__ import annotations

import copy
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Self
from zoneinfo import ZoneInfo

from ccs.errors import InvalidInput
from ccs.schedule.cronfields import LONGEST as LONGEST
from ccs.schedule.cronfields import SHAPE, Parsed, read

if TYPE_CHECKING:
    from croniter import croniter

HORIZON_YEARS = 8  # the longest wait for a 29 February, around the year 2100
MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)
CORRECTION = timedelta(hours=3)  # cron(8): a longer jump is a clock correction, not a season


class _Numbers(NamedTuple):
    """Fields that only name numbers. `both`: a day has to fit both day fields, else either."""

    minutes: list[int]
    hours: list[int]
    days: set[int]
    months: set[int]
    weekdays: set[int]
    both: bool

    def after(self, wall: datetime, years: int) -> datetime | None:
        day = wall.date()
        time = self._later(wall.hour, wall.minute) if self._has(day) else None
        while time is None:
            in_month = day.month in self.months
            day = day + _DAY if in_month else (day.replace(day=28) + 4 * _DAY).replace(day=1)
            if day.year - wall.year > years:
                return None
            time = (self.hours[0], self.minutes[0]) if self._has(day) else None
        return datetime(day.year, day.month, day.day, *time)

    def _later(self, hour: int, minute: int) -> tuple[int, int] | None:
        """The first time of the day later than this one."""
        for later in self.hours[bisect_left(self.hours, hour) :]:
            first = bisect_right(self.minutes, minute) if later == hour else 0
            if first < len(self.minutes):
                return later, self.minutes[first]
        return None

    def _has(self, day: date) -> bool:
        fits = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return day.month in self.months and (all(fits) if self.both else any(fits))


class _Asked(NamedTuple):
    """Fields that say more than numbers: croniter knows."""

    engine: croniter

    def after(self, wall: datetime, years: int) -> datetime | None:
        # get_next moves its object's cursor, and threads may share this one
        found: datetime = copy.copy(self.engine).get_next(datetime, wall)
        return found if found.year - wall.year <= years else None


class _Plan(NamedTuple):
    expression: str
    fields: list[Parsed]
    searches: Sequence[_Numbers | _Asked]  # a time matches when one of them says so

    @property
    def wildcard(self) -> bool:
        """Follows the wall clock: nothing in a skipped hour, twice in a repeated one."""
        return self.fields[0].starred or self.fields[1].starred

    def repeats(self, back: timedelta) -> bool:
        """Whether a clock put back by `back` brings the times it repeats once more."""
        return self.wildcard or back > CORRECTION

    def after(self, wall: datetime, years: int = HORIZON_YEARS) -> datetime | None:
        """The first matching wall-clock time later than `wall`; both are naive."""
        found = [time for search in self.searches if (time := _ask(search, wall, years))]
        return min(found, default=None)


def _ask(search: _Numbers | _Asked, wall: datetime, years: int) -> datetime | None:
    try:
        return search.after(wall, years)
    except (ValueError, OverflowError):  # nothing in 50 years, or beyond the year 9999
        return None


@lru_cache(maxsize=1024)
def _plan(expression: str) -> _Plan:
    text, fields = read(expression)
    both = fields[2].starred or fields[4].starred
    if any(part.word for field in fields for part in field.parts):
        plan = _Plan(text, fields, _asking(text, fields, both))
    else:
        minutes, hours, days, months, weekdays = (field.values for field in fields)
        numbers = _Numbers(sorted(minutes), sorted(hours), days, months, weekdays, both)
        plan = _Plan(text, fields, [numbers])
    # Weekdays and leap years repeat within 28 years, so 50 see every date there is.
    if plan.after(datetime(2000, 1, 1), years=50) is None:
        where = f"day of month {fields[2].text!r} in month {fields[3].text!r}"
        raise InvalidInput(f"{where}: there is no such date", "for example `0 9 28 2 *`")
    return plan


def _asking(text: str, fields: list[Parsed], both: bool) -> list[_Asked]:
    from croniter import croniter

    minute, hour, day, month, weekday = (field.spelt for field in fields)
    # As "either", croniter is asked twice with one side open: asked once, it intersects `#`
    # and `W` with the other field. As "both", it is one question.
    sides = [(day, weekday)] if both else [(day, "*"), ("*", weekday)]
    try:
        return [
            _Asked(croniter(f"{minute} {hour} {dom} {month} {dow}", 0.0, day_or=False))
            for dom, dow in sides
        ]
    except (ValueError, OverflowError, RecursionError) as error:
        raise InvalidInput(f"cron expression {text!r}: {error}", SHAPE) from error


def validate(expression: str) -> str:
    """The expression as it is kept. Raises InvalidInput, with a form that works."""
    return _plan(expression).expression


def warnings(expression: str) -> list[str]:
    """What is valid but may not mean what its writer thinks."""
    plan = _plan(expression)
    _, hours, day, _, weekday = plan.fields
    found = []
    for field in plan.fields:
        for part in field.parts:
            span, name = part.values.stop - part.values.start, f"{field.field.name} {part.text}"
            if part.values.step > 1 and len(part.values) == 1:
                found.append(f"{name}: the step leaves only {part.values[0]}")
            elif part.text.startswith("*") and span % part.values.step:
                found.append(f"{name}: uneven, {part.values[-1]} is followed by {part.values[0]}")
    if "*" not in (day.text, weekday.text):
        starred = day.starred or weekday.starred
        rule = "both match, since one begins with `*`" if starred else "either matches"
        found.append(f"day of month and day of week are both given: runs when {rule}")
    if not plan.wildcard and hours.values & {1, 2}:
        found.append(
            "01:00-03:00 is skipped or repeated on daylight-saving nights in many zones: "
            "skipped times run once right after the jump, repeated ones the first time only"
        )
    return found


def _change(before: datetime, until: datetime, zone: ZoneInfo) -> datetime:
    """The instant in (before, until] at which the zone's offset changes."""
    old = before.astimezone(zone).utcoffset()
    low, high = 0, int((until - before).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        same = (before + timedelta(seconds=middle)).astimezone(zone).utcoffset() == old
        low, high = (middle, high) if same else (low, middle)
    return before + timedelta(seconds=high)


def _wall(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def _passes(wall: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Both readings of a wall time (PEP 495): the same instant on a plain day; in order when
    the time is repeated; in reverse, around the jump, when it is skipped."""
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return first, second


def _first(plan: _Plan, wall: datetime | None, after: datetime, zone: ZoneInfo) -> datetime | None:
    """The first instant after `after` among the matches later than `wall`."""
    while wall := wall and plan.after(wall):
        first, second = _passes(wall, zone)
        if second < first:
            change = _change(second, first, zone)
            if not plan.wildcard and first - second <= CORRECTION:
                return change
            wall = _wall(change, zone) - MINUTE
        elif first > after:
            return first
        elif second > after and plan.repeats(second - first):
            return second
    return None


class Cron(str):
    """A valid expression. Zones are IANA zones: a fixed offset would stay on summer time."""

    __slots__ = ()

    def __new__(cls, expression: str) -> Self:
        return super().__new__(cls, validate(expression))

    @property
    def expression(self) -> str:
        return str(self)

    def next(self, after: datetime, zone: ZoneInfo) -> datetime | None:
        """The first occurrence strictly after `after`, in UTC; None when none is near."""
        if after.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        after, plan, wall = after.astimezone(UTC), _plan(self.expression), _wall(after, zone)
        found = _first(plan, wall, after, zone)
        first, second = _passes(wall, zone)
        if first < second and plan.repeats(second - first):
            # The clock goes back: what matches after that is ahead in time, behind on the wall.
            change = _change(first, second, zone)
            if found is None or found >= change:
                return _first(plan, _wall(change, zone) - MINUTE, after, zone)
        return found

    def occurrences(self, after: datetime, until: datetime, zone: ZoneInfo) -> Iterator[datetime]:
        """Those in (after, until], in order."""
        moment = self.next(after, zone)
        while moment is not None and moment <= until:
            yield moment
            moment = self.next(moment, zone)

    def missed(
        self, after: datetime, until: datetime, zone: ZoneInfo, cap: int = 100
    ) -> tuple[int, datetime | None]:
        """How many lie in (after, until], counted up to `cap`, and the newest of them."""
        counted = list(islice(self.occurrences(after, until, zone), cap))
        if not counted:
            return 0, None
        # Bisecting asks 20 questions about a year of minutes: the newest lies in [low, high].
        low, high = counted[-1], until.astimezone(UTC)
        while len(counted) == cap and high - low >= MINUTE:
            middle = low + (high - low) / 2
            found = self.next(middle, zone)
            low, high = (found, high) if found and found <= until else (low, middle)
        return len(counted), low
