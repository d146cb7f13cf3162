"""ccs tick"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from ccs.cli import output, params
from ccs.text import plain

if TYPE_CHECKING:
    from ccs.schedule.snapshot import Action


@click.command()
@click.option("--backend", help="Who calls it: cron, systemd, launchd or schtasks.")
@click.option("--dry-run", is_flag=True, help="Show what would be done; change nothing.")
@click.option("-v", "--verbose", is_flag=True, help="Say what was done.")
def tick(backend: str | None, dry_run: bool, verbose: bool) -> None:
    """Run what is due, start it detached, and return.

    Called each minute by the system's scheduler. Silent and 0 when well, also when nothing is due
    or another tick is at work.

    \b
    Examples:
      ccs tick --dry-run
      ccs tick --verbose
    """
    from ccs.engine import tick as verbs

    os.umask(0o077)
    if dry_run:
        actions, look = verbs.dry_run(params.store(), params.now(), os.environ)
        _show(actions, look.problems)
        return
    done = verbs.tick(params.store(), params.now(), os.environ, backend)
    if done is None:
        return
    if verbose:
        for verb in ("settled", "launched", "held", "skipped"):
            for run_id in getattr(done, verb):
                click.echo(f"{verb} {run_id}", err=True)
    if problem := done.problem():
        raise problem


def _show(actions: list[Action], problems: list[str]) -> None:
    """One line an action: what, which task, its slot, and why not."""
    for action in actions:
        run = action.run
        slot = output.moment(run.record()["scheduled_time"])
        why = run.held_reason or run.reason or run.trigger
        click.echo(plain(f"{action.verb:7} {slot}  {run.task_name} ({why})"))
    if not actions:
        click.echo("nothing to do")
    for problem in problems:
        click.echo(f"warning: {plain(problem)}", err=True)
