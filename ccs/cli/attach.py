"""ccs runs attach"""

from __future__ import annotations

import os
import sys

import click

from ccs.cli import params
from ccs.errors import Conflict, InvalidInput


@click.command()
@click.argument("run")
def attach(run: str) -> None:
    """Join the tmux session of a run that goes on, to watch.

    For runs of tasks with --isolation tmux. Ctrl-B D leaves it again; nothing typed there reaches
    the run, which ccs runs stop ends.

    \b
    Example:
      ccs runs attach 3f2a
    """
    from ccs.report.attach import attaching

    found = attaching(params.store(), run, os.environ)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InvalidInput("attach needs a terminal", f"on one, call: {found.line}")
    # Within another tmux this is a session of another server, which is nothing to be careful about.
    environment = {name: value for name, value in os.environ.items() if name != "TMUX"}
    try:
        os.chdir(found.directory)
    except FileNotFoundError:
        raise Conflict("the run ended in this moment", "ccs runs log shows what it did") from None
    os.execve(found.argv[0], found.argv, environment)
