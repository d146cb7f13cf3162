"""ccs import-store"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from ccs.cli import output, params, terminal
from ccs.cli.exchange import by_name, tell_dangers
from ccs.cli.output import Output

if TYPE_CHECKING:
    from ccs.engine.priorstore import Gathered
    from ccs.engine.takeover import Taken

_KINDS = ("profiles", "jobs", "tasks", "runs")


@click.command("import-store")
@click.argument("path", required=False)
@click.option("--dry-run", is_flag=True, help="Only show what would come.")
@click.option("--enable", is_flag=True, help="Enable what was enabled. Else all come disabled.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before enabling.")
@params.output_options
def import_store(path: str | None, dry_run: bool, enable: bool, yes: bool, out: Output) -> None:
    """Take over jobs, tasks, profiles and runs of the prior system (claude-code-scheduler).

    PATH is the directory of its files; else ~/.config/claude-code-scheduler and
    ~/.claude-scheduler are looked into. They are only read, unless they lie in the store of ccs
    itself: then they are converted, and what they held is kept as NAME.json.format-0. What is here
    already stays as it is. 1 if something could not be carried; it is told what, and why.

    \b
    Examples:
      ccs import-store --dry-run
      ccs import-store ~/backup/claude-code-scheduler
    """
    from ccs.engine import takeover
    from ccs.host import priorhome

    places = [os.path.expanduser(path)] if path else priorhome.places()
    store = params.store()
    with terminal.elapsed("reading the prior system's files"):
        found = takeover.gather(store, takeover.found_in(places), os.environ, params.now())
        taken = takeover.sift(store, found, enable)
    _tell(taken, found, out)
    if not dry_run:
        resting = [one for one in taken.tasks if one.enabled]
        if resting:
            question = f"Enable {output.counted(len(resting), 'task')}?"
            params.confirm(question, yes, "nothing was imported")
        with terminal.elapsed("taking them over"):
            taken = takeover.bring(store, found, enable)
    counts = {name: len(getattr(taken, name)) for name in _KINDS}
    came = ", ".join(output.counted(counts[name], name.removesuffix("s")) for name in _KINDS)
    known = f"; {taken.known} were here already" if taken.known else ""
    out.say(f"{'would bring' if dry_run else 'brought'} {came}{known}")
    _show(taken, found, dry_run, out)
    if any(one.lost for one in found.remarks):
        click.get_current_context().exit(1)


def _tell(taken: Taken, found: Gathered, out: Output) -> None:
    for directory in found.directories:
        out.say(f"from {directory}")
    if found.own:
        out.say(
            "its files lie in the store itself: they are converted in their place, "
            "and kept as they were in *.json.format-0"
        )
    tell_dangers(taken.dangers, out)
    for remark in found.remarks:
        out.say(f"{'left out' if remark.lost else 'note'}: {remark}")


def _show(taken: Taken, found: Gathered, dry_run: bool, out: Output) -> None:
    if out.format == "table":
        return
    ids = {name: [one.id for one in getattr(taken, name)] for name in _KINDS}
    if out.format == "ids":
        for one in [*ids["jobs"], *ids["tasks"]]:
            click.echo(one)
        return
    remarks = [
        {"record": one.record, "words": one.words, "left_out": one.lost} for one in found.remarks
    ]
    shown = {"from": found.directories, "dry_run": dry_run, **ids, "here_already": taken.known}
    out.record({**shown, "dangers": by_name(taken.dangers), "notes": remarks})
