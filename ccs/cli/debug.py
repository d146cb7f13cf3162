"""ccs debug"""

from __future__ import annotations

import click

from ccs.cli import params
from ccs.cli.output import Output


@click.group()
def debug() -> None:
    """What helps when something is wrong. Only the files are looked at.

    \b
    Example:
      ccs debug all
    """


@debug.command("all")
@params.output_as("auto", "table", "json", "jsonl")
def all_(out: Output) -> None:
    """Health, the last tick, counts, what was tidied up, and the disk each part uses.

    \b
    Example:
      ccs debug all
    """
    from ccs.report import inspection

    out.record(inspection.everything(params.store(), params.now()))
