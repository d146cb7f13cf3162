"""ccs runs"""

from __future__ import annotations

import os
from itertools import islice

import click

from ccs.cli import output, params
from ccs.cli.output import Column, Output, Record
from ccs.errors import EXIT_RUN_FAILED


def _took(run: Record) -> str:
    from datetime import timedelta

    from ccs import duration

    return duration.text(timedelta(seconds=round(run["duration"]))) if run["duration"] else ""


def _why(run: Record) -> str:
    return str(run["reason"] or (f"waits: {run['held_reason']}" if run["held_reason"] else ""))


COLUMNS: list[Column] = [
    ("ID", output.short_id),
    ("TASK", lambda run: run["task_name"]),
    ("STATUS", lambda run: run["status"] + (" (mock)" if run["mock"] else "")),
    ("REASON", _why),
    ("TRIGGER", lambda run: run["trigger"]),
    ("SCHEDULED", lambda run: output.moment(run["scheduled_time"])),
    ("TOOK", _took),
    ("COST", lambda run: "" if run["cost_usd"] is None else f"${run['cost_usd']:.4f}"),
]


@click.group()
def runs() -> None:
    """Runs: what was launched, how it ended, its log."""


@runs.command("list")
@click.option("-n", "--limit", type=click.IntRange(0), default=10, show_default=True, help="Most.")
@click.option("--task", help="Only runs of this task.")
@click.option("--status", help="Only runs of this status.")
@params.output_options
def list_(limit: int, task: str | None, status: str | None, out: Output) -> None:
    """List runs, newest first."""
    store = params.store()
    wanted = store.tasks.find(task).id if task else None
    found = (
        run
        for run in store.every_run()
        if wanted in (None, run.task_id) and status in (None, run.status)
    )
    out.records("runs", [run.record() for run in islice(found, limit)], COLUMNS)


@runs.command()
@click.argument("run")
@params.output_options
def get(run: str, out: Output) -> None:
    """Show a run. RUN is an id or a unique prefix of one."""
    out.record(params.store().find_run(run).record())


@runs.command()
@click.argument("run")
@params.output_options
def stop(run: str, out: Output) -> None:
    """Stop a run: its whole process tree, or its waiting."""
    from ccs.engine import runs as verbs

    ended = verbs.stop(params.store(), run, params.clock())
    out.say(f"run {ended.id[:8]}: {ended.status}")
    out.record(ended.record())


@runs.command()
@click.argument("run")
@click.option("-f", "--force", is_flag=True, help="Even beside another run of its task.")
@params.output_options
def restart(run: str, force: bool, out: Output) -> None:
    """Run the task of a run again, as the task is now."""
    from ccs.engine import tasks

    store = params.store()
    task_id = store.find_run(run).task_id
    out.record(tasks.run_now(store, task_id, force, params.now(), os.environ).record())


@runs.command()
@click.argument("runs", nargs=-1, required=True)
@click.option("-f", "--force", is_flag=True, help="Do not ask; stop what runs.")
def delete(runs: tuple[str, ...], force: bool) -> None:
    """Delete runs and their logs."""
    from ccs.engine import runs as verbs

    store = params.store()
    params.confirm(f"Delete {len(runs)} runs and their logs?", force)
    gone = verbs.delete(store, list(runs), force, params.clock())
    Output().say(f"deleted {len(gone)} runs")


@runs.command()
@click.argument("run")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run has ended.")
@click.option("-n", "--lines", type=click.IntRange(0), help="Only the last N lines.")
@click.option("--raw", is_flag=True, help="The client's stream-json as it came.")
@click.option("--exit-status", is_flag=True, help="Exit 5 when the run did not succeed.")
def log(run: str, follow: bool, lines: int | None, raw: bool, exit_status: bool) -> None:
    """Print the log of a run."""
    from ccs.engine import runs as verbs
    from ccs.report import logs

    store = params.store()
    found = store.find_run(run)
    path = store.home.stream(found.id) if raw else store.home.log(found.id)
    tail = logs.Tail(path)
    for line in tail.last(lines):
        click.echo(line)
    if follow:
        for state in verbs.follow(store, found.id, params.clock()):
            found = state  # read before the lines: what a finished run wrote is all there then
            for line in tail.fresh():
                click.echo(line)
    Output().say(f"run {found.id[:8]}: {found.status} {found.reason or ''}".rstrip())
    if exit_status and found.status != "success":
        raise click.exceptions.Exit(EXIT_RUN_FAILED)
