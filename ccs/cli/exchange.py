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
from ccs.text import shorten

if TYPE_CHECKING:
    from datetime import datetime

    from ccs.engine.exchange import Plan
    from ccs.exchange.reading import Parcel
    from ccs.model.job import Job
    from ccs.model.task import Task

_LONGEST_PROMPT = 200


@click.command()
@click.argument("job", required=False)
@click.option("-o", "--out", "path", metavar="FILE", help="Write it there. Else: standard output.")
@click.option("--all", "everything", is_flag=True, help="All jobs, and tasks without one.")
@click.option("-f", "--force", is_flag=True, help="Replace FILE where it is there already.")
def export(job: str | None, path: str | None, everything: bool, force: bool) -> None:
    """Write a job with its tasks as one JSON file, for another machine or the prior system.

    Of a profile only its name, account and the names of its variables go with it. Secrets that
    stand in prompts, arguments and commands are masked, and it is told where.

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
    if job is None:
        exported, masked = verbs.everything(store, os.environ, now)
    else:
        exported, masked = verbs.one(store, job, os.environ, now)
    if path is None or path == "-":
        click.echo(exchangefile.text(exported), nl=False)
    else:
        exchangefile.save(path, exported, store, force)
        output.said(f"wrote {path}")
    for where in masked:
        output.said(f"warning: {where}: a secret was masked; put it back where it is imported")


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
    how = exchange.How(keep_ids, force, enable, tuple(map(_pair, profiles)))
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
        place = "" if task.job_id else f" in {task.working_directory}"
        when = f"{explain(task.schedule)}{_profile(task, plan)}"
        replaces = ", in place of the one here" if task.id in plan.replaced else ""
        out.say(f"task {task.name!r}{place}: {state}; {when}{replaces}")
        out.say(f"task {task.name!r} asks: {shorten(task.prompt, _LONGEST_PROMPT)}")
    tell_dangers(plan.dangers, out)
    for note in plan.notes:
        out.say(f"note: {note}")


def _profile(record: Job | Task, plan: Plan) -> str:
    return f", profile {plan.profiles.get(record.profile)!r}" if record.profile else ""


def tell_dangers(found: Sequence[tuple[str, list[str]]], out: Output) -> None:
    for name, dangers in found:
        for danger in dangers:
            out.say(f"look at {name}: {danger}")


def by_name(found: Sequence[tuple[str, list[str]]]) -> dict[str, list[str]]:
    """Several may have one name."""
    named: dict[str, list[str]] = {}
    for name, dangers in found:
        named.setdefault(name, []).extend(dangers)
    return named


def _tell_next(plan: Plan, out: Output) -> None:
    came = f"{output.counted(len(plan.jobs), 'job')} and {output.counted(len(plan.tasks), 'task')}"
    resting = plan.tasks and not plan.enabled
    out.say(f"imported {came}" + ("; when they are right: ccs tasks enable ID" * bool(resting)))
    places = [(one.name, one.working_directory.path) for one in plan.jobs]
    places += [(one.name, one.working_directory) for one in _alone(plan) if one.working_directory]
    for name, place in places:
        path = os.path.expanduser(place)
        if not os.path.isdir(path):
            out.say(f"warning: {path} is not a directory; runs of {name!r} will fail until it is")


def _alone(plan: Plan) -> list[Task]:
    return [task for task in plan.tasks if task.job_id is None]


def _show(plan: Plan, dry_run: bool, out: Output) -> None:
    if out.format == "table":
        return
    if out.format == "ids":
        for one in (*plan.jobs, *_alone(plan)):
            click.echo(one.id)
        return
    shown: dict[str, Any] = {
        "dry_run": dry_run,
        "jobs": [one.record() for one in plan.jobs],
        "tasks": [one.record() for one in plan.tasks],
        "replaced": sorted(plan.replaced),
        "dangers": by_name(plan.dangers),
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
