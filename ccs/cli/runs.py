"""ccs runs"""

from __future__ import annotations

import os
import sys
from itertools import islice

import click

from ccs.cli import output, params
from ccs.cli.output import Column, Output, Record
from ccs.errors import EXIT_RUN_FAILED, InvalidInput
from ccs.text import plain


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


_COUNT = click.IntRange(0, 1_000_000_000)


@click.group()
def runs() -> None:
    """Runs: what was launched, how it ended, its log.

    RUN is an id or a unique prefix of one.
    """


@runs.command("list")
@click.option("-n", "--limit", type=_COUNT, default=10, show_default=True, help="At most.")
@click.option("--task", help="Only runs of this task.")
@click.option("--status", help="Only runs of this status.")
@params.output_options
def list_(limit: int, task: str | None, status: str | None, out: Output) -> None:
    """List runs, newest first.

    \b
    Example:
      ccs runs list --task nightly --status failed -n 3
    """
    store = params.store()
    _check_status(status)
    params.listed(store.runs, out)
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
    out.say(output.ending(ended.record()))
    out.record(ended.record())


@runs.command()
@click.argument("run")
@click.option("-f", "--force", is_flag=True, help="Even beside another run of its task.")
@params.output_options
def restart(run: str, force: bool, out: Output) -> None:
    """Run the task of a run again, as the task is now."""
    from ccs.cli.tasks import tell_start
    from ccs.engine import tasks

    store = params.store()
    task_id = store.find_run(run).task_id
    started = tasks.run_now(store, task_id, force, params.now(), os.environ)
    tell_start(started, out)
    out.record(started.record())


@runs.command()
@click.argument("runs", nargs=-1, required=True)
@params.deleting("Stop what runs first; do not ask.")
@params.output_options
def delete(runs: tuple[str, ...], yes: bool, force: bool, out: Output) -> None:
    """Delete runs and their logs. While one runs or waits, --force stops it first."""
    from ccs.engine import runs as verbs

    store = params.store()
    chosen = verbs.chosen_runs(store, list(runs))
    if not force:
        verbs.refuse_unfinished(chosen)
    params.confirm(
        f"Delete {output.counted(len(chosen), 'run')} and what was logged?", yes or force
    )
    gone = verbs.delete(store, [one.id for one in chosen], force, params.clock())
    out.say(f"deleted {output.counted(len(gone), 'run')}")
    if out.format != "table":
        out.records("runs", [{"id": one.id} for one in gone], [])


@runs.command()
@click.argument("run")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run has ended.")
@click.option("-n", "--lines", type=_COUNT, help="Only the last N lines.")
@click.option("--raw", is_flag=True, help="The client's stream-json as it came.")
@click.option("--exit-status", is_flag=True, help="Exit 5 unless the run has succeeded.")
def log(run: str, follow: bool, lines: int | None, raw: bool, exit_status: bool) -> None:
    """Print the log of a run.

    \b
    Examples:
      ccs runs log -f 3fa85f64
      ccs runs log --raw 3fa85f64 | jq -r .type
    """
    from ccs.engine import runs as verbs
    from ccs.report import logs

    store = params.store()
    found = store.find_run(run)
    tail = logs.Tail(store.home.stream(found.id) if raw else store.home.log(found.id))
    show = click.echo if raw and not sys.stdout.isatty() else _show
    ended = not found.unfinished
    for line in tail.fresh(ended) if lines is None else tail.last(lines, ended):
        show(line)
    if follow:
        for state in verbs.follow(store, found.id, params.clock()):
            found = state  # read before the lines: what a finished run wrote is all there then
            for line in tail.fresh(not found.unfinished):
                show(line)
    Output().say(output.ending(found.record()))
    if exit_status and found.status != "success":
        raise click.exceptions.Exit(EXIT_RUN_FAILED)


def _show(line: str) -> None:
    click.echo(plain(line))


def _check_status(given: str | None) -> None:
    from typing import get_args

    from ccs.model.run import Status

    if given is not None and given not in get_args(Status):
        raise InvalidInput(f"{given!r} is no status", f"one of {', '.join(get_args(Status))}")
