"""ccs tick"""

from __future__ import annotations

import os

import click

from ccs.cli import params
from ccs.errors import BrokenStore


@click.command()
@click.option("--backend", help="Who calls it: cron, systemd, launchd or schtasks.")
@click.option("-v", "--verbose", is_flag=True, help="Say what was done.")
def tick(backend: str | None, verbose: bool) -> None:
    """Run what is due, start it detached, and return.

    Called each minute by the system's scheduler. Silent and 0 when well, also when nothing is due
    or another tick is at work.
    """
    from ccs.engine.tick import tick as run_tick

    os.umask(0o077)
    done = run_tick(params.store(), params.now(), os.environ, backend)
    if done is None:
        return
    if verbose:
        for verb in ("settled", "launched", "held", "skipped"):
            for run_id in getattr(done, verb):
                click.echo(f"{verb} {run_id}", err=True)
    if done.problems:
        raise BrokenStore("; ".join(done.problems), "the rest was done")
