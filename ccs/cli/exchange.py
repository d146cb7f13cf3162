"""ccs jobs export, ccs jobs import"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ccs.cli import output, params, terminal
from ccs.cli.output import Output
from ccs.errors import InvalidInput

if TYPE_CHECKING:
    from datetime import datetime

    from ccs.engine.exchange import Plan
    from ccs.exchange.reading import Parcel
    from ccs.model.job import Job
    from ccs.model.task import Task


@click.command()
@click.argument("job", required=False)
@click.option("-o", "--out", "path", metavar="FILE", help="Write it there. Else: standard output.")
@click.option("--all", "everything", is_flag=True, help="All jobs, and tasks without one.")
def export(job: str | None, path: str | None, everything: bool) -> None:
    """Write a job with its tasks as one JSON file, for another machine or the prior system.

    Of a profile only its name, account and the names of its variables go with it.

    \b
    Examples:
      ccs jobs export nightly -o nightly.json
      ccs jobs export --all > jobs.json
    """
    from ccs.engine import exchangefile
    from ccs.engine import export as verbs

    if everything == (job is not None):
        raise InvalidInput("give a JOB or --all")
    store, now = params.store(), params.now()
    exported = verbs.everything(store, now) if job is None else verbs.one(store, job, now)
    if path is None or path == "-":
        click.echo(exchangefile.text(exported), nl=False)
        return
    exchangefile.save(path, exported)
    Output().say(f"wrote {path}")


@click.command("import")
@click.argument("file", required=False)
@click.option("-i", "--input", "given", metavar="FILE", help="The same as FILE.")
@click.option("--dry-run", is_flag=True, help="Only show what would come.")
@click.option("--keep-ids", is_flag=True, help="Not new ids; 4 if one is here already.")
@click.option("-f", "--force", is_flag=True, help="With --keep-ids: replace what is here.")
@click.option(
    "--profile",
    "profiles",
    multiple=True,
    metavar="OLD=NEW",
    help="For a profile of the file (id or name) one from here, or none; repeatable.",
)
@click.option("--enable", is_flag=True, help="Enable what was enabled. Else all come disabled.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before enabling.")
@params.output_options
def import_(
    file: str | None,
    given: str | None,
    dry_run: bool,
    keep_ids: bool,
    force: bool,
    profiles: tuple[str, ...],
    enable: bool,
    yes: bool,
    out: Output,
) -> None:
    """Bring in jobs from an export of ccs or of the prior system; FILE - is standard input.

    Everything is checked before anything is written. What the tasks may do is listed; they come
    disabled, under new ids.

    \b
    Examples:
      ccs jobs import nightly.json --dry-run
      ccs jobs import nightly.json --profile work=private --enable
    """
    from ccs.engine import exchange

    path = file if given is None else given
    if path is None or (file is not None and given is not None):
        raise InvalidInput("give one FILE")
    how = exchange.How(keep_ids, force, enable, dict(map(_pair, profiles)))
    store, now = params.store(), params.now()
    parcels = _loaded(path, now)
    if not keep_ids:
        parcels = exchange.with_new_ids(parcels)
    with terminal.elapsed("looking at what it brings"):
        plan = exchange.look(store, parcels, how, now)
    _tell(plan, out)
    if not dry_run:
        if plan.enabled:
            question = f"Enable {output.counted(len(plan.enabled), 'task')}?"
            params.confirm(question, yes, "nothing was imported")
        with terminal.elapsed("importing"):
            plan = exchange.bring(store, parcels, how, now)
        _tell_next(plan, out)
    _show(plan, dry_run, out)


def _tell(plan: Plan, out: Output) -> None:
    """Before it is asked about: what comes, and what it could do."""
    from ccs.schedule.words import explain

    for job in plan.jobs:
        replaces = ", in place of the one here" if job.id in plan.replaced else ""
        place = job.working_directory.path
        out.say(f"job {job.name!r} in {place}{_profile(job, plan)}{replaces}")
    for task in plan.tasks:
        state = "enabled" if task.enabled else "disabled"
        out.say(f"task {task.name!r}: {state}; {explain(task.schedule)}{_profile(task, plan)}")
    tell_dangers(plan.dangers, out)
    for note in plan.notes:
        out.say(f"note: {note}")


def _profile(record: Job | Task, plan: Plan) -> str:
    return f", profile {plan.profiles.get(record.profile)!r}" if record.profile else ""


def tell_dangers(found: Sequence[tuple[str, list[str]]], out: Output) -> None:
    for name, dangers in found:
        for danger in dangers:
            out.say(f"look at {name}: {danger}")


def _tell_next(plan: Plan, out: Output) -> None:
    came = f"{output.counted(len(plan.jobs), 'job')} and {output.counted(len(plan.tasks), 'task')}"
    resting = plan.tasks and not plan.enabled
    out.say(f"imported {came}" + ("; when they are right: ccs tasks enable ID" * bool(resting)))
    for job in plan.jobs:
        path = os.path.expanduser(job.working_directory.path)
        if not os.path.isdir(path):
            out.say(
                f"warning: {path} is not a directory; runs of {job.name!r} will fail until it is"
            )


def _show(plan: Plan, dry_run: bool, out: Output) -> None:
    if out.format == "table":
        return
    if out.format == "ids":
        for one in plan.jobs or plan.tasks:
            click.echo(one.id)
        return
    shown: dict[str, Any] = {
        "dry_run": dry_run,
        "jobs": [one.record() for one in plan.jobs],
        "tasks": [one.record() for one in plan.tasks],
        "replaced": sorted(plan.replaced),
        "dangers": dict(plan.dangers),
        "notes": plan.notes,
    }
    out.record(shown)


def _loaded(path: str, now: datetime) -> list[Parcel]:
    from ccs.engine import exchangefile

    if path == "-":
        return exchangefile.load_stream(sys.stdin.buffer, os.environ, now)
    return exchangefile.load(path, os.environ, now)


def _pair(words: str) -> tuple[str, str]:
    old, equals, new = words.partition("=")
    if not (old and equals and new):
        raise InvalidInput(f"--profile {words}: is not of the form OLD=NEW")
    return old, "" if new == "none" else new
