"""The options that say when a task runs, and how they become its schedule."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from ccs.cli import params
from ccs.errors import InvalidInput

if TYPE_CHECKING:
    from ccs.model.task import Task

Fields = dict[str, Any]

schedule_options = params.options(
    click.option("--cron", help="Run by a cron expression, as in '*/15 * * * *'."),
    click.option("--every", help="Run every so often, as in 15m, 2h or 1d, counted from now."),
    click.option("--daily", metavar="TIME", help="Run each day at a time, as in 09:00."),
    click.option("--weekly", metavar="DAYS TIME", help="As in 'mon,thu 09:00' or 'mon-fri 18:30'."),
    click.option(
        "--monthly",
        metavar="DAY TIME",
        help="As in '1 09:00' or 'last 09:00'. Day 29 to 31 skips shorter months, last does not.",
    ),
    click.option(
        "--at", help="Run once: 2026-12-24T18:00, +2h, 09:00 (the next one) or 'tomorrow 09:00'."
    ),
    click.option("--startup", is_flag=True, help="Run at the first tick after a boot."),
    click.option("--watch", metavar="DIRECTORY", help="Run when files below it have changed."),
    click.option("--pattern", multiple=True, help="With --watch: only these files; repeatable."),
    click.option("--ignore", multiple=True, help="With --watch: not these; repeatable."),
    click.option("--no-recursive", is_flag=True, help="With --watch: not in sub-directories."),
    click.option("--debounce", help="With --watch: at rest for this long, as in 30s."),
    click.option(
        "--own-changes",
        type=click.Choice(["baseline", "fire"]),
        help="With --watch: what the task itself changes does not (baseline) or does run it again.",
    ),
    click.option("--sequential", is_flag=True, help="Run only as a step of its job."),
    click.option(
        "--usage-reset", metavar="OFFSET", help="At each reset of a usage window, so long after it."
    ),
    click.option(
        "--when-available",
        metavar="PERCENT",
        help="Once in each usage window, as soon as so much of it is free, as in 30%.",
    ),
    click.option(
        "--before-reset",
        metavar="LEAD",
        help="So long before a reset, as in 45m, to use what would expire; see --below.",
    ),
    click.option("--below", metavar="PERCENT", help="With --before-reset: only below this use."),
    click.option(
        "--anchor",
        metavar="TIME",
        help="Open a usage window at a time of day, as in 06:00, unless one is open. By default "
        "with a tiny prompt, by haiku.",
    ),
    click.option("--window", help="The usage window meant, as in five_hour or seven_day."),
    click.option("--manual", is_flag=True, help="Run only when asked. On create: the default."),
    click.option(
        "--tz", help="Time zone of the schedule, as in Europe/Berlin. Else the machine's."
    ),
    click.option("--between", help="Hours in which runs may start: 22:00-07:00 ('' for all)."),
    click.option("--days", help="Days on which runs may start, as in mon-fri ('' for all)."),
    click.option("--not-before", help="No slot before this time, in the forms of --at."),
    click.option("--until", help="No slot after this time."),
    click.option("--max-runs", type=int, help="Run by the schedule so many times in all."),
)

_OF_WATCH = ("pattern", "ignore", "no_recursive", "debounce", "own_changes")
_OF_USAGE = ("usage_reset", "when_available", "before_reset", "anchor")


def schedule_fields(options: dict[str, Any], present: Task | None) -> Fields:
    """The fields of a task that say when it runs, as far as the command line named them."""
    tz, now = _zone_name(options["tz"], present), params.now()
    fields: Fields = {}
    schedule = _schedule(options, present, tz, now)
    if schedule is not None:
        fields["schedule"] = schedule
    if options["between"] is not None:
        fields["between"] = options["between"] or None
    if options["days"] is not None:
        fields["days"] = [options["days"]] if options["days"] else []
    for name in ("not_before", "until"):
        if options[name] is not None:
            fields[name] = _moment(options[name], tz, now) if options[name] else None
    return fields | params.given({"max_runs": options["max_runs"]})


def _zone_name(wanted: str | None, present: Task | None) -> str:
    """Checked. The zone was chosen once; a new time does not move the task to another."""
    from ccs.host import zone
    from ccs.model.schedule import Manual

    if wanted is None:
        wanted = present.schedule.timezone if present else zone.local_name(os.environ)
    return Manual.checked({"timezone": wanted}).timezone


def _schedule(
    options: dict[str, Any], present: Task | None, tz: str, now: datetime
) -> Fields | None:
    kinds = [name for name in _KINDS if options[name] not in (None, False)]
    if len(kinds) > 1:
        words = ", ".join("--" + kind.replace("_", "-") for kind in kinds)
        raise InvalidInput(f"give one of {words}")
    _refuse_strays(options, kinds)
    if not kinds:
        if options["tz"] is None:
            return None
        if present is None or present.schedule.schedule_type == "manual":
            raise InvalidInput("--tz goes with a schedule", "as in --cron '0 9 * * *'")
        return {**present.schedule.record(), "timezone": tz}
    made = _KINDS[kinds[0]](options, tz, now)
    return {"timezone": tz, **made}


def _refuse_strays(options: dict[str, Any], kinds: list[str]) -> None:
    if kinds != ["watch"]:
        strays = [name for name in _OF_WATCH if options[name] not in (None, False, ())]
        if strays:
            raise InvalidInput(f"--{strays[0].replace('_', '-')} goes with --watch")
    if options["below"] is not None and kinds != ["before_reset"]:
        raise InvalidInput("--below goes with --before-reset")
    if options["window"] is not None and not set(kinds) & set(_OF_USAGE):
        raise InvalidInput("--window goes with a schedule by usage", "as in --usage-reset 5m")


def _every(options: dict[str, Any], tz: str, now: datetime) -> Fields:
    from ccs import instant

    return {"schedule_type": "interval", "every": options["every"], "start": instant.minute(now)}


def _at(options: dict[str, Any], tz: str, now: datetime) -> Fields:
    return {"schedule_type": "once", "at": _moment(options["at"], tz, now)}


def _weekly(options: dict[str, Any], tz: str, now: datetime) -> Fields:
    from ccs.schedule.hours import DAYS, days

    words, _, time = options["weekly"].strip().rpartition(" ")
    if not words:
        raise InvalidInput(f"--weekly {options['weekly']!r} lacks a day or a time", "'mon 09:00'")
    chosen = [DAYS.index(day) for day in days([words])]
    return {
        "schedule_type": "calendar",
        "calendar_frequency": "weekly",
        "calendar_days_of_week": chosen,
        "calendar_time": time,
    }


def _monthly(options: dict[str, Any], tz: str, now: datetime) -> Fields:
    day, _, time = options["monthly"].strip().partition(" ")
    if day != "last" and not day.isdigit():
        raise InvalidInput(f"--monthly {options['monthly']!r} names no day", "'1 09:00'")
    return {
        "schedule_type": "calendar",
        "calendar_frequency": "monthly",
        "calendar_day_of_month": day if day == "last" else int(day),
        "calendar_time": time.strip(),
    }


def _daily(options: dict[str, Any], tz: str, now: datetime) -> Fields:
    return {
        "schedule_type": "calendar",
        "calendar_frequency": "daily",
        "calendar_time": options["daily"],
    }


def _watch(options: dict[str, Any], tz: str, now: datetime) -> Fields:
    """Raises InvalidInput for what can never fire, or would always."""
    path = os.path.realpath(os.path.expanduser(options["watch"]))
    if not options["watch"].strip() or not os.path.isdir(path):
        raise InvalidInput(f"--watch {options['watch']!r} is not a directory")
    home = os.path.realpath(params.store().home.path)
    if os.path.commonpath([path, home]) in (path, home):
        raise InvalidInput(
            f"--watch {path} holds the store, which changes with every run",
            "watch a directory that does not contain it",
        )
    fields = {
        "schedule_type": "file_watch",
        "watch_directory": path,
        "watch_patterns": list(options["pattern"]),
        "watch_ignore": list(options["ignore"]),
        "watch_recursive": not options["no_recursive"],
        "watch_debounce": options["debounce"],
        "own_changes": options["own_changes"],
    }
    return params.given(fields)


def _usage(kind: str, field: str, option: str) -> Callable[[dict[str, Any], str, datetime], Fields]:
    def made(options: dict[str, Any], tz: str, now: datetime) -> Fields:
        words = options[option].rstrip("%") if option == "when_available" else options[option]
        more = {"window": options["window"]}
        if kind == "before_reset" and options["below"] is not None:
            more["below"] = options["below"].rstrip("%")
        return {"schedule_type": kind, field: words} | params.given(more)

    return made


def _plain(kind: str) -> Callable[[dict[str, Any], str, datetime], Fields]:
    return lambda options, tz, now: {"schedule_type": kind}


_KINDS: dict[str, Callable[[dict[str, Any], str, datetime], Fields]] = {
    "cron": lambda options, tz, now: {"schedule_type": "cron", "cron": options["cron"]},
    "every": _every,
    "daily": _daily,
    "weekly": _weekly,
    "monthly": _monthly,
    "at": _at,
    "startup": _plain("startup"),
    "watch": _watch,
    "sequential": _plain("sequential"),
    "usage_reset": _usage("usage_reset", "offset", "usage_reset"),
    "when_available": _usage("when_available", "headroom", "when_available"),
    "before_reset": _usage("before_reset", "lead", "before_reset"),
    "anchor": _usage("anchor", "anchor_time", "anchor"),
    "manual": _plain("manual"),
}


def _moment(words: str, tz: str, now: datetime) -> datetime:
    from zoneinfo import ZoneInfo

    from ccs.schedule import at

    return at.parse(words, now, ZoneInfo(tz))
