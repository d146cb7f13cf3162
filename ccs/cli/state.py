"""ccs health, state, scheduler, version"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import click

from ccs import __version__
from ccs.cli import params
from ccs.cli.output import Output
from ccs.errors import MissingDependency

_UNHEALTHY = 6


@click.command()
@params.output_options
def health(out: Output) -> None:
    """Whether the store is readable and the tick is alive; exit 6 when not."""
    from ccs.report import state as report

    found = report.health(params.store(), params.now())
    out.record(found)
    if found["status"] == "no_tick":
        out.say("no tick within the last minutes: add '* * * * * ccs tick' to your crontab")
    if found["status"] != "ok":
        raise click.exceptions.Exit(_UNHEALTHY)


@click.command()
def state() -> None:
    """Everything in the store, as JSON; secrets are hidden."""
    from ccs.report import state as report

    _print(report.everything(params.store()))


@click.command()
def scheduler() -> None:
    """The last tick and when each task runs next, as JSON."""
    from ccs.report import state as report

    _print(report.scheduler(params.store(), params.now()))


@click.command()
@params.output_options
def version(out: Output) -> None:
    """The version of ccs, Python and the client."""
    out.record({"ccs": __version__, "python": sys.version.split()[0], "claude": _claude()})


def _claude() -> str | None:
    from ccs.host import client

    wanted = params.store().settings().claude_path
    try:
        argv = [*client.argv(wanted, os.environ), "--version"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)
    except (MissingDependency, OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def _print(value: Any) -> None:
    click.echo(json.dumps(value, indent=2))
