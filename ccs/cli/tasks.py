"""ccs tasks"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from ccs.cli import output, params, taskedit, tasklist, terminal
from ccs.cli.grouped import Grouped
from ccs.cli.output import Output
from ccs.cli.scheduleoptions import schedule_options
from ccs.cli.taskoptions import task_fields, task_options
from ccs.errors import EXIT_RUN_FAILED, InvalidInput
from ccs.text import shorten

if TYPE_CHECKING:
    from datetime import datetime

    from ccs.model.run import Run
    from ccs.model.task import Task
    from ccs.store.store import Store


@click.group()
def tasks() -> None:
    """Tasks: a prompt, how to run it, and when.

    TASK is an id, a unique prefix of one, or a name.

    \b
    Examples:
      ccs tasks create --daily 03:00 --prompt "Update the dependencies"
      ccs tasks list
    """


tasks.add_command(tasklist.list_)


@tasks.command()
@click.argument("task")
@params.output_options
def get(task: str, out: Output) -> None:
    """Show a task. TASK is an id, a unique prefix of one, or a name.

    On a terminal what is as it would be by itself is left out; -o json has everything.

    \b
    Example:
      ccs tasks get deps -o json | jq .schedule
    """
    out.kept(params.store().tasks.find(task))


@tasks.command(cls=Grouped)
@task_options
@schedule_options
@params.output_options
def create(out: Output, **options: Any) -> None:
    """Create a task.

    \b
    Examples:
      ccs tasks create --cron "0 3 * * *" --prompt "Update the dependencies"
      ccs tasks create --job nightly --at "tomorrow 06:00" --prompt-file review.md
      git diff | ccs tasks create --name review --permissions plan --prompt-file -
    """
    from ccs.engine import tasks as verbs

    store, now = params.store(), params.now()
    fields = task_fields(store, options, out)
    if options["anchor"] is not None:
        # All it is for is to open the window, as cheaply as that can be had.
        fields = {"prompt": "Reply with OK.", "model": "haiku", "max_turns": 1, **fields}
    if "prompt" not in fields:
        example = 'ccs tasks create --daily 03:00 --prompt "Update the dependencies"'
        raise InvalidInput("a task needs a --prompt, or a --prompt-file", f"as in: {example}")
    fields.setdefault("name", shorten(fields["prompt"], 40) or "untitled")
    if fields.get("job_id") is None:
        # The place is fixed now: a scheduler's own directory would be anybody's guess.
        fields.setdefault("working_directory", params.here())
    task = verbs.create(store, fields, now)
    out.kept(task)
    out.say(f"created task {task.name!r}; try it now: ccs tasks run {task.id[:8]}")
    _tell_limits(store, task, out)
    tell_schedule(store, task, now, out)


@tasks.command(cls=Grouped)
@click.argument("task")
@task_options
@schedule_options
@params.output_options
def update(task: str, out: Output, **options: Any) -> None:
    """Change a task; what is not named stays.

    \b
    Examples:
      ccs tasks update nightly --cron "30 2 * * *"
      ccs tasks update nightly --job none --working-directory ~/projects/app
    """
    from ccs.engine import tasks as verbs

    store, now = params.store(), params.now()
    present = store.tasks.find(task)
    fields = params.something(task_fields(store, options, out, present))
    changed = verbs.update(store, present.id, fields, now)
    _tell_limits(store, changed, out)
    if "schedule" in fields:
        tell_schedule(store, changed, now, out)
    out.kept(changed)


@tasks.command()
@click.argument("task")
@params.deleting("Stop what runs first; do not ask.")
@params.output_options
def delete(task: str, yes: bool, force: bool, out: Output) -> None:
    """Delete a task and its runs. While one runs or waits, --force stops it first.

    \b
    Example:
      ccs tasks delete deps
    """
    from ccs.engine import tasks as verbs

    store = params.store()
    found = store.tasks.find(task)
    runs = verbs.deletable(store, found, force)
    params.confirm(f"Delete task {found.name!r} with {output.counted(runs, 'run')}?", yes or force)
    with terminal.elapsed("deleting"):
        gone, count = verbs.delete(store, found.id, force, params.clock())
    words = f"deleted task {gone.name!r} with {output.counted(count, 'run')}"
    out.done(words, {"id": gone.id, "name": gone.name, "runs_deleted": count})


@tasks.command()
@click.argument("task")
@click.option(
    "-f",
    "--force",
    is_flag=True,
    help="Even beside another run, or at a used-up limit.",
)
@click.option("--wait", is_flag=True, help="Until it has ended; exit 5 when it did not succeed.")
@click.option("--timeout", help="Wait this long at most, as in 30m; exit 124 then. It runs on.")
@params.output_options
def run(task: str, force: bool, wait: bool, timeout: str | None, out: Output) -> None:
    """Run a task now, detached. A disabled task runs too when asked for by hand.

    \b
    Example:
      ccs tasks run nightly --wait --timeout 30m
    """
    from ccs import duration
    from ccs.engine import runs
    from ccs.engine import tasks as verbs

    seconds = None if timeout is None else duration.parse(timeout).total_seconds()
    store = params.store()
    started = verbs.run_now(store, task, force, params.now(), os.environ)
    tell_start(started, out)
    if wait or timeout is not None:
        with terminal.elapsed(f"waiting for run {started.id[:8]}"):
            started = runs.wait(store, started.id, params.clock(), seconds)
        out.say(output.ending(started.record()))
    out.kept(started)
    if not started.unfinished and started.status != "success":
        raise click.exceptions.Exit(EXIT_RUN_FAILED)


@tasks.command()
@click.argument("task")
@params.output_options
def enable(task: str, out: Output) -> None:
    """Let a task's schedule count, from now on.

    \b
    Example:
      ccs tasks enable deps
    """
    _switch(task, True, out)


@tasks.command()
@click.argument("task")
@params.output_options
def disable(task: str, out: Output) -> None:
    """Let a task's schedule rest. What runs goes on.

    \b
    Example:
      ccs tasks disable deps
    """
    _switch(task, False, out)


tasks.add_command(taskedit.edit)
tasks.add_command(taskedit.duplicate)


@tasks.command()
@click.argument("task")
@params.output_options
def approve(task: str, out: Output) -> None:
    """Agree to the client's settings and MCP servers that the task's directory has now.

    Runs wait when these have changed since the task was made or last approved: what a repository
    starts by itself runs with the task's permissions. Look first at .claude/settings*.json there
    and at the repository's top, and at .mcp.json there and in each directory above.

    \b
    Example:
      ccs tasks approve deps
    """
    from ccs.engine import tasks as verbs

    approved, place = verbs.approve(params.store(), task, params.now())
    out.say(f"approved {approved.name!r} in {place}; the next tick starts what waited for it")
    out.kept(approved)


def tell_start(run: Run, out: Output) -> None:
    if run.held_reason:
        told = run.record()["not_before"]
        until = f" until {output.moment(told)}" if told else ""
        out.say(f"run {run.id[:8]} waits ({run.held_reason}{until}); a tick starts it")
    else:
        out.say(f"started run {run.id[:8]}; follow it: ccs runs log -f {run.id[:8]}")


def _switch(task: str, enabled: bool, out: Output) -> None:
    from ccs.engine import tasks as verbs

    store, now = params.store(), params.now()
    changed = verbs.update(store, task, {"enabled": enabled}, now)
    if enabled:
        tell_schedule(store, changed, now, out)
    out.kept(changed)


def _tell_limits(store: Store, task: Task, out: Output) -> None:
    """What was asked for and will not happen, said now and not in the night it fails."""
    job = store.jobs.get(task.job_id) if task.job_id else None
    if job is not None and task.working_directory is not None:
        path = job.working_directory.path
        out.say(f"warning: it runs in the directory of its job, {path}, not in its own")


def tell_schedule(store: Store, task: Task, now: datetime, out: Output) -> None:
    """When it runs next; who creates a schedule that nothing will call should learn it here."""
    from ccs import instant
    from ccs.model.schedule import BY_USAGE
    from ccs.report import state as report
    from ccs.schedule.due import runs_next

    slot = next(runs_next(task, now), None) if task.enabled else None
    if slot is not None:
        out.say(f"it runs next at {output.moment(instant.text(slot))}")
    elif task.enabled and task.schedule.schedule_type in BY_USAGE:
        out.say(f"what is known and assumed: ccs why {task.id[:8]}")
    else:
        return
    if not report.is_ticking(store, now):
        out.say(f"warning: {report.NO_TICK}")
