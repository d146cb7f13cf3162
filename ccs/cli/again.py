"""ccs runs restart, ccs runs continue"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from ccs.cli import params
from ccs.cli.output import Output

if TYPE_CHECKING:
    from ccs.model.run import Run

_FORCE = "Even beside another run of its task, or at a used-up limit."


@click.command()
@click.argument("run")
@click.option("-f", "--force", is_flag=True, help=_FORCE)
@params.output_options
def restart(run: str, force: bool, out: Output) -> None:
    """Run the task of a run again as it ran then, whatever was changed since.

    In a session of its own. The task as it is now: ccs tasks run.

    \b
    Example:
      ccs runs restart 3f2a
    """
    from ccs.engine import again

    _tell(again.restart(params.store(), run, force, params.now(), os.environ), out)


@click.command("continue")
@click.argument("run")
@click.option("--prompt", help="What to say to the session; else to look and go on.")
@click.option("-f", "--force", is_flag=True, help=_FORCE)
@params.output_options
def proceed(run: str, prompt: str | None, force: bool, out: Output) -> None:
    """Go on with the session of a run that has ended, where it ran.

    \b
    Example:
      ccs runs continue 8c0a8931 --prompt "Now write the tests too"
    """
    from ccs.engine import again

    _tell(again.proceed(params.store(), run, prompt, force, params.now(), os.environ), out)


def _tell(started: Run, out: Output) -> None:
    from ccs.cli.tasks import tell_start

    tell_start(started, out)
    out.kept(started)
