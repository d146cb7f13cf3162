"""Schedules in the words of the prior system, both ways.

What it would run at other times than are meant is `manual` there: its cron counts days of the week
from Monday, takes day of month and day of week together, and knows neither `L`, `W` nor `#`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ccs import duration
from ccs.errors import InvalidInput
from ccs.exchange.notes import Here, Note, number, text
from ccs.model.schedule import Calendar, CronSchedule, FileWatch, Interval, Kind
from ccs.schedule import cron
from ccs.schedule.cronfields import NAMED_DAYS, read

# What it wrote for everybody, and never used: it went by the clock of the machine.
_ITS_ZONE = "Europe/Amsterdam"
_UNITS = {
    "days": timedelta(days=1), "hours": timedelta(hours=1), "minutes": timedelta(minutes=1),
}  # fmt: skip
_LONGEST = timedelta(days=3_660)
# Its window wrote `12hours`, its scheduler knew `12 hours` and ran all else each five minutes.
_PRESET = re.compile(r"(\d{1,4}) ?(min|minutes?|hours?|days?)")
_CLOCK = re.compile(r"(\d{1,2}:\d{2})(:\d{2}(?:\.\d+)?)?")
_KINDS = ("manual", "interval", "calendar", "startup", "file_watch", "sequential")
EMPTY: dict[str, Any] = {
    "schedule_type": "manual",
    "timezone": "UTC",
    "calendar_frequency": None,
    "calendar_time": None,
    "calendar_days_of_week": None,
    "calendar_day_of_month": None,
    "interval_type": None,
    "interval_preset": None,
    "interval_value": None,
    "interval_unit": None,
    "interval_cron": None,
    "watch_directory": None,
    "watch_recursive": True,
    "watch_debounce_seconds": 5,
    "seq_max_retries": 0,
    "seq_retry_delay_seconds": 60,
}


# To its words ---------------------------------------------------------------------


def told(schedule: Kind) -> dict[str, Any]:
    """All sixteen keys."""
    fields = {**EMPTY, "timezone": schedule.timezone}
    match schedule:
        case Calendar(calendar_day_of_month=int()):
            shown = schedule.record()
            fields.update({name: shown[name] for name in shown if name in EMPTY})
            fields["calendar_time"] = f"{schedule.calendar_time}:00"
        case CronSchedule():
            if written := _its_cron(schedule.cron):
                fields.update(schedule_type="interval", interval_type="cron", interval_cron=written)
        case Interval():
            unit = next(name for name, size in _UNITS.items() if not schedule.every % size)
            count = schedule.every // _UNITS[unit]
            fields.update(schedule_type="interval", interval_type="custom")
            fields.update(interval_value=count, interval_unit=unit)
        case FileWatch(watch_patterns=[], watch_ignore=[]):
            fields.update(
                schedule_type="file_watch",
                watch_directory=schedule.watch_directory,
                watch_recursive=schedule.watch_recursive,
                watch_debounce_seconds=int(schedule.watch_debounce.total_seconds()),
            )
        case _ if schedule.record()["schedule_type"] in ("startup", "sequential"):
            fields["schedule_type"] = schedule.record()["schedule_type"]
    return fields


def _its_cron(expression: str) -> str | None:
    """With the days of the week by name; None where it would mean something else."""
    fields = read(expression)[1]
    day, weekday = fields[2], fields[4]
    if any(part.word for field in (day, weekday) for part in field.parts):
        return None
    days = (
        "*" if weekday.spelt == "*" else ",".join(NAMED_DAYS[one] for one in sorted(weekday.values))
    )
    dates = day.text
    if not (day.starred or weekday.starred):  # the one or the other
        if "*" not in (day.spelt, weekday.spelt):
            return None
        dates = days = "*"
    return " ".join((fields[0].text, fields[1].text, dates, fields[3].text, days))


# From its words -------------------------------------------------------------------


def heard(entry: Mapping[str, Any], here: Here, born: str) -> tuple[dict[str, Any], list[Note]]:
    """`born`: from when an interval counts; the prior system counted from its own start.

    Raises InvalidInput.
    """
    kind = text(entry, "schedule_type", "manual")
    if kind not in _KINDS:
        raise InvalidInput(f"schedule_type: {kind[:60]!r} is none of {', '.join(_KINDS)}")
    notes: list[Note] = []
    fields: dict[str, Any] = {"schedule_type": kind}
    if kind == "calendar":
        fields |= _calendar(entry, notes)
    elif kind == "interval":
        fields = _interval(entry, born, notes)
    elif kind == "file_watch":
        fields = _watch(entry, here, notes)
    return {**fields, "timezone": _zone(entry, here, fields, notes)}, notes


def _zone(
    entry: Mapping[str, Any], here: Here, fields: Mapping[str, Any], notes: list[Note]
) -> str:
    written = text(entry, "timezone", _ITS_ZONE)
    if here.zone is None or (written != _ITS_ZONE and written != here.zone):
        return written
    if written != here.zone and fields["schedule_type"] in ("calendar", "cron"):
        words = f"{written} was written for everybody and not gone by; it is {here.zone}, as here"
        notes.append(Note("schedule.timezone", words))
    return here.zone


def _calendar(entry: Mapping[str, Any], notes: list[Note]) -> dict[str, Any]:
    clock = text(entry, "calendar_time", "00:00")
    match = _CLOCK.fullmatch(clock.strip())
    if match is None:
        raise InvalidInput(f"calendar_time: {clock[:60]!r} is not a time of day")
    if (match[2] or "").strip(":0."):
        notes.append(Note("schedule.calendar_time", f"{clock}: the seconds were left out"))
    fields: dict[str, Any] = {"calendar_time": match[1]}
    for name in ("calendar_frequency", "calendar_days_of_week", "calendar_day_of_month"):
        if entry.get(name) is not None:
            fields[name] = entry[name]
    return fields


def _interval(entry: Mapping[str, Any], born: str, notes: list[Note]) -> dict[str, Any]:
    way = text(entry, "interval_type", "custom")
    if way == "cron":
        return _cron(entry, notes)
    if way == "simple":
        every = _preset(entry, notes)
    elif way == "custom":
        unit = text(entry, "interval_unit", "minutes")
        if unit not in _UNITS:
            raise InvalidInput(f"interval_unit: {unit[:60]!r} is none of {', '.join(_UNITS)}")
        count = number(entry, "interval_value", 1)
        if not 1 <= count <= _LONGEST // _UNITS[unit]:
            raise InvalidInput("interval_value: must lie between 1 and ten years")
        every = count * _UNITS[unit]
    else:
        raise InvalidInput(f"interval_type: {way[:60]!r} is none of simple, custom, cron")
    return {"schedule_type": "interval", "every": duration.text(every), "start": born}


def _preset(entry: Mapping[str, Any], notes: list[Note]) -> timedelta:
    written = text(entry, "interval_preset")
    match = _PRESET.fullmatch(written.strip())
    if match is None or not int(match[1]):
        words = f"{written[:60]!r} is no span; each five minutes, as it was taken"
        notes.append(Note("schedule.interval_preset", words))
        return timedelta(minutes=5)
    if " " not in written and written != "5min":
        words = f"{written!r} was run each five minutes; here it means what it says"
        notes.append(Note("schedule.interval_preset", words))
    unit = {"m": "minutes", "h": "hours", "d": "days"}[match[2][0]]
    return int(match[1]) * _UNITS[unit]


def _cron(entry: Mapping[str, Any], notes: list[Note]) -> dict[str, Any]:
    written = text(entry, "interval_cron")
    try:
        expression = cron.validate(written)
    except InvalidInput as problem:
        why = f"{problem.message}; it runs only when asked"
        notes.append(Note("schedule.interval_cron", why))
        return {"schedule_type": "manual"}
    fields = read(expression)[1]
    if any(letter.isdigit() for letter in re.sub(r"/\d+", "", fields[4].text)):
        words = f"{expression}: day of week 0 is Sunday, as cron has it; it was taken for Monday"
        notes.append(Note("schedule.interval_cron", words))
    return {"schedule_type": "cron", "cron": expression}


def _watch(entry: Mapping[str, Any], here: Here, notes: list[Note]) -> dict[str, Any]:
    directory = text(entry, "watch_directory")
    if not directory:
        words = "none was named, which meant all of the home directory; it runs only when asked"
        notes.append(Note("schedule.watch_directory", words))
        return {"schedule_type": "manual"}
    recursive = entry.get("watch_recursive")
    return {
        "schedule_type": "file_watch",
        "watch_directory": here.path(directory),
        "watch_recursive": True if recursive is None else recursive,
        "watch_debounce": number(entry, "watch_debounce_seconds", 5) or 5,
    }
