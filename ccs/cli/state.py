"""ccs health, state, scheduler, version"""

from __future__ import annotations

import os
import subprocess
import sys

import click

from ccs import __version__
from ccs.cli import params
from ccs.cli.output import Output
from ccs.errors import CcsError

_UNHEALTHY = 6
_FORMS = ("auto", "table", "json", "jsonl")


@click.command()
@params.output_as(*_FORMS)
def health(out: Output) -> None:
    """Whether the store is readable and the tick is alive; exit 6 when not.

    \b
    Example:
      ccs health
    """
    from ccs.report import state as report

    found = report.health(params.store(), params.now())
    out.record(found)
    if found["status"] == "no_tick":
        out.say(report.NO_TICK)
    if found["status"] != "ok":
        raise click.exceptions.Exit(_UNHEALTHY)


@click.command()
@params.output_as("json", "jsonl")
def state(out: Output) -> None:
    """Everything in the store but older runs, as JSON; secrets are hidden.

    \b
    Example:
      ccs state | jq .tasks
    """
    from ccs.report import state as report

    out.record(report.everything(params.store()))


@click.command()
@params.output_as(*_FORMS)
def scheduler(out: Output) -> None:
    """The last tick and when each task runs next.

    \b
    Example:
      ccs scheduler
    """
    from ccs.report import state as report

    out.record(report.scheduler(params.store(), params.now()))


@click.command()
@params.output_as(*_FORMS)
def version(out: Output) -> None:
    """The version of ccs, Python and the client.

    \b
    Example:
      ccs version
    """
    out.record({"ccs": __version__, "python": sys.version.split()[0], "claude": _claude()})


def _claude() -> str | None:
    """None when there is none: a broken store or client must not hide our own version."""
    from ccs.host import client

    try:
        argv = [*client.argv(params.store().settings().claude_path, os.environ), "--version"]
        done = subprocess.run(
            argv, capture_output=True, encoding="utf-8", errors="replace", timeout=10, check=False
        )
    except (CcsError, OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
