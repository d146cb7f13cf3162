"""ccs plan"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ccs.cli import output, params, terminal
from ccs.cli.output import Column, Output

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

COLUMNS: list[Column] = [
    ("WHEN", lambda row: output.moment(row["at"])),
    ("TASK", lambda row: row["task_name"]),
    ("PERMISSIONS", lambda row: row["permissions"] or ""),
    ("WHAT", lambda row: row["what"]),
    ("WHY", lambda row: row["why"]),
]


@click.command()
@click.option("--next", "span", default="24h", show_default=True, help="How far, as in 24h or 7d.")
@click.option("--task", help="Only this task, and more of its slots.")
@params.output_as("auto", "table", "json", "jsonl")
def plan(span: str, task: str | None, out: Output) -> None:
    """What will run when, and what will be held or skipped.

    What runs or waits comes first. ccs simulate tells what runs do to each other.

    \b
    Example:
      ccs plan --next 7d --task nightly
    """
    from ccs import duration
    from ccs.report import forecast
    from ccs.report import state as report

    store, now = params.store(), params.now()
    until = now + duration.parse(span)
    params.listed(store.tasks, out)
    with terminal.elapsed("looking ahead"):
        rows = forecast.forecast(store, now, until, said(out), task)
    trust = {one.id: one.permissions for one in store.tasks.read().records}
    records = [{**row.record(), "permissions": trust.get(row.task_id)} for row in rows]
    out.records("plan", records, COLUMNS)
    if rows and not report.is_ticking(store, now):
        out.say(f"warning: {report.NO_TICK}")


def said(out: Output) -> Callable[[datetime], str]:
    """How moments are told within words: as RFC 3339 to programs, in the local zone to people."""
    from ccs import instant

    if out.as_json:
        return instant.text
    return lambda moment: output.moment(instant.text(moment))
