"""ccs schedule"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from ccs.cli import params
from ccs.cli.output import Output
from ccs.errors import InvalidInput
from ccs.instant import minute
from ccs.text import plain

if TYPE_CHECKING:
    from ccs.model.schedule import Kind
    from ccs.model.task import Task

_FORMS = ("auto", "table", "json", "jsonl")
_SHOWN = 3
# So many slots in a row outside a task's hours: there will be none inside.

_of_a_task = click.option("--task", help="The schedule of this task: an id, a prefix, a name.")
_zone = click.option("--tz", help="Its time zone, as in Europe/Berlin. Else the machine's.")


@click.group()
def schedule() -> None:
    """Schedules: what one means, and when it is next. Nothing is changed.

    \b
    Examples:
      ccs schedule next --cron "30 2 * * *" --tz Europe/Berlin
      ccs schedule explain "0 0 13 * 5"
    """


@schedule.command("next")
@click.option("--cron", metavar="EXPRESSION", help="A cron expression, as in '*/15 * * * *'.")
@click.option("--every", metavar="SPAN", help="Every so often, as in 15m, counted from --from.")
@_of_a_task
@_zone
@click.option(
    "--from",
    "since",
    metavar="TIME",
    help="Later than 2026-12-24T18:00, +2h, 09:00 (the next one) or 'tomorrow 09:00'. Else now.",
)
@click.option(
    "-n", "--count", type=click.IntRange(1, 1000), default=5, show_default=True, help="How many."
)
@params.output_as(*_FORMS)
def next_(
    cron: str | None,
    every: str | None,
    task: str | None,
    tz: str | None,
    since: str | None,
    count: int,
    out: Output,
) -> None:
    """Print when a schedule is next, in its own zone.

    \b
    Examples:
      ccs schedule next --cron "30 2 * * *" --tz Europe/Berlin --from 2027-03-27
      ccs schedule next --task nightly
    """
    from ccs.schedule import at

    if sum(one is not None for one in (cron, every, task)) != 1:
        raise InvalidInput("give one of --cron, --every and --task")
    now = params.now()
    found = _task(task, tz, out)
    zone = found.schedule.timezone if found else _zone_name(tz)
    after = now if since is None else at.parse(since, now, ZoneInfo(zone))
    # A task counts from the minute it is made in.
    start = minute(now) if since is None else after
    kind = found.schedule if found else _made(cron, every, zone, start)
    slots = _slots(kind, after, count, found)
    if out.as_json:
        out.record({"timezone": zone, "slots": slots})
    else:
        _print(*slots)
    _tell(kind, found, slots, out)


@schedule.command()
@click.argument("expression", required=False)
@_of_a_task
@_zone
@params.output_as(*_FORMS)
def explain(expression: str | None, task: str | None, tz: str | None, out: Output) -> None:
    """Say in words what a cron EXPRESSION or a task's schedule means, and what may surprise.

    \b
    Example:
      ccs schedule explain "0 9 13 * fri"
    """
    from ccs.schedule import words

    if (expression is None) == (task is None):
        raise InvalidInput("give one of a cron expression (in quotes) and --task")
    now = params.now()
    found = _task(task, tz, out)
    kind = found.schedule if found else _made(expression, None, _zone_name(tz), now)
    sentence, warnings = words.explain(kind), words.cautions(kind, now)
    slots = _slots(kind, now, _SHOWN, found)
    if out.as_json:
        told = {"explanation": sentence, "timezone": kind.timezone, "warnings": warnings}
        out.record({**told, "slots": slots})
        for warning in warnings:
            out.say(f"warning: {warning}")
    else:
        _print(sentence, *(f"warning: {warning}" for warning in warnings), *slots)
    _tell(kind, found, slots, out)


def _task(task: str | None, tz: str | None, out: Output) -> Task | None:
    if task is None:
        return None
    if tz is not None:
        raise InvalidInput("--tz does not go with --task: a task has its own zone")
    found = params.store().tasks.find(task)
    if not found.enabled:
        out.say("warning: the task is disabled: its schedule does not count")
    return found


def _zone_name(tz: str | None) -> str:
    from ccs.host import zone
    from ccs.model.schedule import Kind

    return Kind.checked({"timezone": zone.local_name(os.environ) if tz is None else tz}).timezone


def _made(cron: str | None, every: str | None, zone: str, start: datetime) -> Kind:
    from ccs.model.schedule import CronSchedule, Interval

    if cron is not None:
        return CronSchedule.checked({"cron": cron, "timezone": zone})
    return Interval.checked({"every": every, "start": start, "timezone": zone})


def _slots(kind: Kind, after: datetime, count: int, task: Task | None) -> list[str]:
    from ccs.schedule.due import runs_next

    zone = ZoneInfo(kind.timezone)
    coming = runs_next(task, after) if task else _all(kind, after)
    try:
        slots = [slot.astimezone(zone) for slot in islice(coming, count)]
    except OverflowError:
        raise InvalidInput("the calendar ends before that: there is no year 10000") from None
    return [slot.isoformat(timespec="seconds") for slot in slots]


def _all(kind: Kind, after: datetime) -> Iterator[datetime]:
    from ccs.schedule.slots import next_slot

    while (slot := next_slot(kind, after)) is not None:
        yield slot
        after = slot


def _tell(kind: Kind, task: Task | None, slots: list[str], out: Output) -> None:
    """Why there is no time to show."""
    from ccs.schedule import words

    if not slots:
        bounded = task is not None and (task.between or task.days or task.until)
        more = ", within the hours and dates of its task" if bounded else ""
        out.say(f"no time to come: {words.explain(kind)}{more}")


def _print(*lines: str) -> None:
    for line in lines:
        # A directory's name may hold anything; it must not forge a line.
        click.echo(" ".join(plain(line).split()))
