"""ccs simulate"""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

import click

from ccs.cli import output, params
from ccs.cli.output import Output
from ccs.text import plain

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from ccs.report.simulate import Event, Limit, Simulation
    from ccs.store.store import Store

_TIMES = "in the forms of `tasks create --at`"


@click.command()
@click.option("--from", "start", metavar="TIME", help=f"The first minute, {_TIMES}. Else now.")
@click.option("--to", "end", metavar="TIME", help="The last; +2d is counted from --from. Else +1d.")
@click.option(
    "--limit",
    metavar="WINDOW@TIME+SPAN",
    help="A usage limit is met from TIME on for SPAN, as in five_hour@18:00+5h.",
)
@click.option("--duration", "lasts", help="How long each run takes, as in 10m. Else as usual.")
@params.output_as("auto", "table", "json", "jsonl")
def simulate(
    start: str | None,
    end: str | None,
    limit: str | None,
    lasts: str | None,
    out: Output,
) -> None:
    """What would happen, minute by minute: the real tick with a simulated clock, on a copy.

    Nothing is started and the store is not changed. A run takes the median of its task's
    successful runs, or 5m. What runs or waits now is left out.

    \b
    Examples:
      ccs simulate --to +7d
      ccs simulate --from 'tomorrow 00:00' --to +24h --limit five_hour@+5h
    """
    from ccs import duration

    span = duration.parse(lasts) if lasts is not None else None
    simulation = _simulation(
        params.store(), params.now(), start or "+0s", end or "+1d", limit, span
    )
    events = []
    with closing(simulation.events()) as happening:  # closed: its copy goes with it
        for event in happening:
            if out.format == "json":
                events.append(event.record())
            elif out.format == "jsonl":
                out.record(event.record())
            else:
                click.echo(_line(event))
    summary = dict(sorted(simulation.counts.items()))
    if out.format == "json":
        out.record({"events": events, "summary": summary, "notes": simulation.notes})
        return
    for note in simulation.notes:
        out.say(f"note: {note}")
    out.say(", ".join(f"{number} {what}" for what, number in summary.items()))


def _simulation(
    store: Store, now: datetime, start: str, end: str, limit: str | None, lasts: timedelta | None
) -> Simulation:
    from zoneinfo import ZoneInfo

    from ccs.host import zone
    from ccs.report import simulate as report
    from ccs.schedule import at

    local = ZoneInfo(zone.local_name(os.environ))
    begin = at.parse(start, now, local)
    rejected: Limit | None = report.limit(limit, begin, local) if limit is not None else None
    until = at.parse(end, begin, local)
    return report.Simulation(store, begin, until, now, rejected, lasts)


def _line(event: Event) -> str:
    record = event.record()
    words = f"{output.moment(record['at'])}  {event.verb:6}  {event.run.task_name}"
    return " ".join(plain(f"{words} ({event.why})").split("\n"))
