"""ccs why"""

from __future__ import annotations

import click

from ccs.cli import output, params
from ccs.cli.output import Output


@click.command()
@click.argument("task")
@click.option(
    "--slot",
    metavar="TIME",
    help="One slot: 2026-12-24T18:00, 'today 09:00', or 09:00 (the last one).",
)
@params.output_as("auto", "table", "json", "jsonl")
def why(task: str, slot: str | None, out: Output) -> None:
    """Why a task ran or did not, from what is recorded. The first line is the answer.

    \b
    Examples:
      ccs why nightly
      ccs why nightly --slot 03:00
    """
    from ccs.cli.plan import said
    from ccs.report import why as report

    store, now = params.store(), params.now()
    moment = None if slot is None else params.last_moment(slot, now)
    found = report.answer(store, task, moment, now, said(out))
    if out.as_json:
        out.record(found.record())
        return
    for line in found.lines:
        output.told(" ".join(line.split()))
