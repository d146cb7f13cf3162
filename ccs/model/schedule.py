"""When a task runs: one class a kind, told apart by `schedule_type`.

Only validated here; what a schedule means in time is the business of `ccs.schedule`.
"""

from __future__ import annotations

import ntpath
import posixpath
import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from ccs.errors import CcsError
from ccs.model.record import Instant, Part, Span, Zone
from ccs.model.shape import AfterValidator, BeforeValidator, Field, field_validator, model_validator
from ccs.schedule import cron


def _expression(value: str) -> str:
    try:
        return cron.validate(value)
    except CcsError as error:
        hint = f" ({error.hint})" if error.hint else ""
        raise ValueError(f"{error.message}{hint}") from None


def _clock(value: Any) -> Any:
    """`9:00` and the prior system's `09:00:00` are both 09:00."""
    match = re.fullmatch(r"(\d{1,2}):(\d{2})(?::00)?", str(value).strip())
    if match is None or int(match[1]) > 23 or int(match[2]) > 59:
        raise ValueError(f"{value!r} is not a time of day; write 09:00")
    return f"{int(match[1]):02}:{match[2]}"


def _whole_minutes(value: timedelta) -> timedelta:
    if value < timedelta(minutes=1) or value.total_seconds() % 60:
        raise ValueError("must be whole minutes, one at least, as in 5m")
    return value


TimeOfDay = Annotated[str, BeforeValidator(_clock)]
Window = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,64}$")]


class Kind(Part):
    """What all kinds have: the zone that wall times and allowed hours are read in."""

    timezone: Zone = "UTC"


class Manual(Kind):
    """Runs only when somebody asks."""

    schedule_type: Literal["manual"] = "manual"


class CronSchedule(Kind):
    """A Debian cron expression."""

    schedule_type: Literal["cron"] = "cron"
    cron: Annotated[str, AfterValidator(_expression)]


class Calendar(Kind):
    """Daily, weekly or monthly at a time. Day 29 to 31 skips shorter months; `last` never does."""

    schedule_type: Literal["calendar"] = "calendar"
    calendar_frequency: Literal["daily", "weekly", "monthly"] = "daily"
    calendar_time: TimeOfDay = "00:00"
    # 0 is Monday, as the prior system has it.
    calendar_days_of_week: list[Annotated[int, Field(ge=0, le=6)]] = [0]
    calendar_day_of_month: Annotated[int, Field(ge=1, le=31)] | Literal["last"] = 1

    @model_validator(mode="after")
    def _has_a_day(self) -> Calendar:
        if self.calendar_frequency == "weekly" and not self.calendar_days_of_week:
            raise ValueError("calendar_days_of_week: a weekly schedule needs a day")
        return self


class Interval(Kind):
    """Every so often, counted from `start`: a restart or a slow night does not shift it."""

    schedule_type: Literal["interval"] = "interval"
    every: Annotated[Span, AfterValidator(_whole_minutes)]
    start: Instant


class Once(Kind):
    """One slot, at an instant."""

    schedule_type: Literal["once"] = "once"
    at: Instant


class Startup(Kind):
    """The first tick after a boot."""

    schedule_type: Literal["startup"] = "startup"


class FileWatch(Kind):
    """When what lies below a directory has changed and come to rest."""

    schedule_type: Literal["file_watch"] = "file_watch"
    watch_directory: str
    watch_patterns: list[str] = []
    watch_ignore: list[str] = []
    watch_recursive: bool = True
    watch_debounce: Span = timedelta(seconds=5)
    own_changes: Literal["baseline", "fire"] = "baseline"

    @field_validator("watch_directory")
    @classmethod
    def _is_absolute(cls, value: str) -> str:
        # The path is of the machine that will look at it, whichever machine checks it.
        if not (posixpath.isabs(value) or ntpath.isabs(value)) or "\0" in value:
            raise ValueError("must be an absolute path")
        return value


class Sequential(Kind):
    """Only as a step of its job."""

    schedule_type: Literal["sequential"] = "sequential"


class UsageReset(Kind):
    """Once at each reset of a usage window."""

    schedule_type: Literal["usage_reset"] = "usage_reset"
    window: Window = "five_hour"
    offset: Span = timedelta(0)


class WhenAvailable(Kind):
    """Once a window, as soon as it has this much room left, in percent."""

    schedule_type: Literal["when_available"] = "when_available"
    window: Window = "five_hour"
    headroom: Annotated[float, Field(gt=0, le=100)] = 30


class BeforeReset(Kind):
    """Shortly before a reset, to use what would expire: only below this utilization, in percent."""

    schedule_type: Literal["before_reset"] = "before_reset"
    window: Window = "five_hour"
    lead: Span = timedelta(minutes=45)
    below: Annotated[float, Field(gt=0, le=100)] = 80


class Anchor(Kind):
    """Opens a window at a time of day, unless one is open."""

    schedule_type: Literal["anchor"] = "anchor"
    window: Window = "five_hour"
    anchor_time: TimeOfDay


BY_USAGE = ("usage_reset", "when_available", "before_reset", "anchor")

Schedule = Annotated[
    Manual
    | CronSchedule
    | Calendar
    | Interval
    | Once
    | Startup
    | FileWatch
    | Sequential
    | UsageReset
    | WhenAvailable
    | BeforeReset
    | Anchor,
    Field(discriminator="schedule_type"),
]
