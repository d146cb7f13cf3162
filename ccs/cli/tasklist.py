"""ccs tasks list"""

from __future__ import annotations

from functools import partial

import click

from ccs.cli import output, params
from ccs.cli.output import Column, Output, Record

HEADS = ("ID", "NAME", "ENABLED", "SCHEDULE", "MODEL", "PERMISSIONS", "JOB")
_SCHEDULE, _ONCE = HEADS.index("SCHEDULE"), "once "


def _shown(row: list[str]) -> list[str]:
    """A kept row as a person reads it."""
    row[0] = row[0][:8]
    if row[_SCHEDULE].startswith(_ONCE):
        row[_SCHEDULE] = _ONCE + output.moment(row[_SCHEDULE].removeprefix(_ONCE))
    return row


def _cell(place: int, task: Record) -> str:
    from ccs.report import listed

    return _shown(listed.row(task))[place]


COLUMNS: list[Column] = [(head, partial(_cell, place)) for place, head in enumerate(HEADS)]


@click.command("list")
@params.output_options
def list_(out: Output) -> None:
    """List tasks. Those with bypass permissions may do anything you may do.

    \b
    Example:
      ccs tasks list -q
    """
    from ccs.report import listed

    home = params.home()
    text = listed.tasks_in_json(home) if out.format == "json" else None
    rows = listed.task_rows(home) if out.format in ("table", "ids") else None
    if text is None and rows is None:
        store = params.store()
        found = params.listed(store.tasks, out)
        records = [task.record() for task in found] if out.as_json else []
        if out.format == "jsonl":
            out.records("tasks", records, [])
            return
        text = output.in_json({"tasks": records}) if out.format == "json" else b""
        rows = listed.tasks_read(store, text)
    if text:
        out.text(text)
    elif out.format == "ids":
        out.records("tasks", [{"id": row[0]} for row in rows or ()], [])
    else:
        out.rows("tasks", HEADS, [_shown(row) for row in rows or ()])
