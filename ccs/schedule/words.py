"""Schedules in words: one English sentence each, and what in them may surprise their writer."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from ccs.instant import MINUTE, minute
from ccs.model.schedule import (
    Anchor,
    BeforeReset,
    Calendar,
    FileWatch,
    Interval,
    Kind,
    Once,
    Sequential,
    Startup,
    UsageReset,
    WhenAvailable,
)
from ccs.schedule.cron import CORRECTION, Cron, warnings
from ccs.schedule.cronfields import Parsed, read
from ccs.schedule.hours import clock_change
from ccs.schedule.slots import expression

_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_ORDINALS = ("second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_UNITS = {"day": 86_400, "hour": 3_600, "minute": 60, "second": 1}
_SHORT = {2: 28, 4: 30, 6: 30, 9: 30, 11: 30}
_DAY = timedelta(days=1)
_ONE = {_DAY: "day", timedelta(hours=1): "hour", MINUTE: "minute"}


def explain(schedule: Kind) -> str:
    """When it runs. The zone is not named, except beside an instant."""
    if isinstance(schedule, Anchor):
        return _usage(schedule)
    if written := expression(schedule):
        return _cron(written)
    match schedule:
        case Interval():
            every = _ONE.get(schedule.every) or _span(schedule.every)
            return f"Every {every}, counted from {_moment(schedule.start, schedule.timezone)}"
        case Once():
            return f"Once, on {_moment(schedule.at, schedule.timezone)}"
        case Startup():
            return "Once after each boot"
        case FileWatch():
            return _watch(schedule)
        case Sequential():
            return "As a step of its job"
        case UsageReset() | WhenAvailable() | BeforeReset():
            return _usage(schedule)
    return "Only when asked"


def cautions(schedule: Kind, now: datetime) -> list[str]:
    """What is valid but may not be meant. The clocks are looked at for a year from `now`."""
    if written := expression(schedule):
        # Its words about the nights of any zone give way to the very nights of this one.
        general = [one for one in warnings(written) if "daylight-saving" not in one]
        last = "last" if isinstance(schedule, Calendar) else "L"
        nights = _moved_nights(written, ZoneInfo(schedule.timezone), now)
        return [*general, *_short_months(written, last), *nights]
    match schedule:
        case Interval() if not schedule.every % _DAY:
            if any(_changes(ZoneInfo(schedule.timezone), now)):
                return ["the time of day moves when the clocks change; a daily schedule keeps it"]
        case Once() if schedule.at <= now:
            return ["that is past: it will not run"]
        case FileWatch() if schedule.own_changes == "fire":
            return ["a run that changes the directory starts the next one, without end"]
    return []


def _cron(written: str) -> str:
    minutes, hours, day, month, weekday = read(written)[1]
    time = _time(sorted(minutes.values), sorted(hours.values))
    dates, weekdays = _dates(day), _weekdays(weekday)
    either = not (day.starred or weekday.starred)
    if either and not (dates and weekdays):
        dates = weekdays = ""  # one side lets every day through
    months = "" if month.spelt == "*" else _named([one - 1 for one in month.values], _MONTHS)
    if dates:
        more = f" {'or' if either else 'and only'} on {weekdays}" if weekdays else ""
        begin = f"In {months}, on" if months else "On"
        return f"{begin} {dates}{more}, {time[0].lower()}{time[1:]}"
    every_day = " every day" if _are_listed(minutes.values, hours.values) else ""
    when = f" on {weekdays}" if weekdays else every_day
    return f"{time}{when}{f' in {months}' if months else ''}"


def _are_listed(minutes: Collection[int], hours: Collection[int]) -> bool:
    """More times of day than a few are told by their rule."""
    return len(minutes) * len(hours) <= 6


def _time(minutes: list[int], hours: list[int]) -> str:
    clock = [f"{hour:02}:{minute:02}" for hour in hours for minute in minutes]
    if _are_listed(minutes, hours):
        return f"At {_listed(clock)}"
    whole, unbroken = len(hours) == 24, hours[-1] - hours[0] < len(hours)
    every = _every(minutes)
    if every and unbroken:
        return every if whole else f"{every} from {clock[0]} to {clock[-1]}"
    if len(minutes) == 1 and unbroken and (clock[0] == "00:00" or not whole):
        return "Every full hour" if whole else f"Every hour from {clock[0]} to {clock[-1]}"
    of_hours = _places("hour", hours, 0, 23)
    if every:
        return f"{every} of {of_hours}"
    of_minutes = _places("minute", minutes, 0, 59)
    return f"At {of_minutes} {'of' if of_minutes.startswith('every') else 'past'} {of_hours}"


def _every(minutes: list[int]) -> str:
    """Only of steps that the hour is a multiple of; after others the last wait is shorter."""
    step = 60 // len(minutes)
    if minutes != list(range(0, 60, step)) or 60 % len(minutes) or step == 60:
        return ""
    return "Every minute" if step == 1 else f"Every {step} minutes"


def _dates(day: Parsed) -> str:
    if day.spelt == "*":
        return ""
    words = [part.word for part in day.parts if part.word]
    if words and words[0].endswith("w"):
        return f"the working day nearest day {words[0][:-1]} of the month"
    found = [_places("day", sorted(day.values), 1, 31)] if day.values else []
    return " and ".join([*found, *(["the last day"] if words else [])]) + " of the month"


def _weekdays(weekday: Parsed) -> str:
    if weekday.spelt == "*":
        return ""
    if weekday.values:
        return _named([(day - 1) % 7 for day in weekday.values], _DAYS)
    words = [_one_of_the_month(part.word) for part in weekday.parts]
    return _listed(dict.fromkeys(words)) + " of the month"


def _one_of_the_month(word: str) -> str:
    """`5#3` and `l5`."""
    day, _, number = word.removeprefix("l").partition("#")
    which = ("first", *_ORDINALS)[int(number) - 1] if number else "last"
    return f"the {which} {_DAYS[(int(day) - 1) % 7]}"


def _places(unit: str, values: list[int], low: int, top: int) -> str:
    """Ordered values of a field, by their step where there are enough to see one."""
    first, last = values[0], values[-1]
    if len(values) > top - low:
        return f"every {unit}"
    step = values[1] - first if len(values) > 3 else 1
    if step > 1 and values == list(range(first, last + 1, step)):
        ordinal = _ORDINALS[step - 2] if step - 2 < len(_ORDINALS) else f"{step}th"
        part = "" if first == low and last + step > top else f" from {first} to {last}"
        return f"every {ordinal} {unit}{part}"
    return f"{unit} {_named(values, range(top + 1))}"


def _named(places: Iterable[int], names: Sequence[object]) -> str:
    """Three and more in a row as `first to last`."""
    words: list[str] = []
    for run in _runs(sorted(places)):
        named = [str(names[place]) for place in run]
        words += [f"{named[0]} to {named[-1]}"] if len(named) > 2 else named
    return _listed(words)


def _runs(ordered: list[int]) -> list[list[int]]:
    runs: list[list[int]] = []
    for value in ordered:
        if runs and runs[-1][-1] == value - 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return runs


def _listed(words: Iterable[str], last: str = "and") -> str:
    *before, end = words
    return f"{', '.join(before)} {last} {end}" if before else end


def _span(span: timedelta) -> str:
    left, words = span.total_seconds(), []
    for unit, size in _UNITS.items():
        count = left if size == 1 else left // size
        left -= count * size
        if count:
            words.append(f"{count:.6g} {unit}{'' if count == 1 else 's'}")
    return " ".join(words) or "0 seconds"


def _moment(moment: datetime, zone: str) -> str:
    try:
        moment = moment.astimezone(ZoneInfo(zone))
    except OverflowError:
        pass  # the last hours of the year 9999 are over in the east; UTC has them all
    exact = "seconds" if moment.second else "minutes"
    return f"{moment.replace(tzinfo=None).isoformat(' ', exact)} {moment.tzname()}"


def _watch(schedule: FileWatch) -> str:
    files = "files"
    if schedule.watch_patterns:
        files += f" like {_listed(schedule.watch_patterns, 'or')}"
    place = "below" if schedule.watch_recursive else "directly in"
    ignored = _listed(schedule.watch_ignore, "or") if schedule.watch_ignore else ""
    return (
        f"When {files} {place} {schedule.watch_directory}"
        f"{f' (but not {ignored})' if ignored else ''}"
        f" have changed and then rested for {_span(schedule.watch_debounce)}"
    )


def _usage(schedule: UsageReset | WhenAvailable | BeforeReset | Anchor) -> str:
    window = f"{schedule.window.replace('_', '-')} window"
    match schedule:
        case UsageReset():
            when = f"{_span(schedule.offset)} after" if schedule.offset else "At"
            return f"{when} each reset of the {window}"
        case WhenAvailable():
            return f"Once in each {window}, as soon as {schedule.headroom:g} % of it is free"
        case BeforeReset():
            when = f"{_span(schedule.lead)} before each reset of the {window}"
            return f"{when}, if less than {schedule.below:g} % of it is used"
    return f"At {schedule.anchor_time} every day, to open the {window} unless one is open"


def _short_months(written: str, last: str) -> list[str]:
    """Days that some of the months lack; the rest of a run that ends a month is no surprise."""
    day, month = read(written)[1][2:4]
    found = []
    for late in sorted(value for value in day.values if value > 28 and value - 1 not in day.values):
        short = [one - 1 for one in month.values if _SHORT.get(one, 31) < late]
        if short and not day.starred:
            leap = " outside leap years" if late == 29 else ""
            where = f"{_named(short, _MONTHS)}{leap}"
            found.append(f"day {late} is skipped in {where}; `{last}` is the last day of any month")
    return found


def _moved_nights(written: str, zone: ZoneInfo, now: datetime) -> list[str]:
    """The first night that skips times of the schedule, and the first that repeats some."""
    if any(field.starred for field in read(written)[1][:2]):
        return []  # it follows the wall clock
    found: dict[bool, str] = {}
    for change, by in _changes(zone, now):
        if abs(by) > CORRECTION:
            continue
        # The wall times that are left out, or come twice; as if they were UTC, which has all once.
        edge = change.astimezone(zone).replace(tzinfo=UTC)
        low, high = sorted((edge, edge - by))
        match = Cron(written).next(low - timedelta(microseconds=1), ZoneInfo("UTC"))
        if match and match < high:
            skipped = by > timedelta(0)
            what = "skipped" if skipped else "repeated"
            then = "once, right after" if skipped else "the first time only"
            night = f"{low:%H:%M}-{high:%H:%M} is {what} on {low:%Y-%m-%d} in {zone.key}"
            found.setdefault(skipped, f"{night}: what falls into it runs {then}")
    return list(found.values())


def _changes(zone: ZoneInfo, since: datetime) -> Iterator[tuple[datetime, timedelta]]:
    """When within a year, and how far, the clocks of the zone are put."""
    day = minute(since)
    for _ in range(366):
        change = clock_change(day, day + _DAY, zone)
        if change is not None:
            by = _offset(change, zone) - _offset(change - MINUTE, zone)
            yield change, by
        day += _DAY


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta(0)
