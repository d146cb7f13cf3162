"""ccs jobs"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from ccs.cli import exchange, output, params, spending, terminal, worktrees
from ccs.cli.output import Column, Output, Record
from ccs.cli.spending import budget_option

if TYPE_CHECKING:
    from ccs.engine.jobs import Deleted

COLUMNS: list[Column] = [
    ("ID", output.short_id),
    ("NAME", lambda job: job["name"]),
    ("STATUS", lambda job: job["status"]),
    ("TASKS", lambda job: len(job["task_order"])),
    ("PERMISSIONS", lambda job: ", ".join(job["permissions"])),
    ("DIRECTORY", lambda job: job["working_directory"]["path"]),
]

_fields = params.options(
    click.option("--description", help="What the job is for."),
    click.option("--working-directory", help="Where its tasks run. On create: here."),
    click.option(
        "--use-worktree/--no-worktree",
        default=None,
        help="Run in a git worktree of the job's own, below trees/.",
    ),
    click.option("--worktree-name", help="Its directory below trees/, and its branch."),
    click.option("--worktree-branch", help="What it starts from. Else: main, or HEAD."),
    click.option("--worktree-setup", help="A shell line, run once in the new worktree."),
    click.option("--profile", help="Profile of tasks that name none ('none' takes it away)."),
    click.option(
        "--on-failure", type=click.Choice(["stop", "continue"]), help="When a task fails."
    ),
    click.option("--max-parallel", type=click.IntRange(1, 100), help="How many run at once."),
    budget_option,
)


@click.group()
def jobs() -> None:
    """Jobs: tasks that share a directory and can run in order.

    JOB is an id, a unique prefix of one, or a name.

    \b
    Examples:
      ccs jobs create --name nightly --working-directory ~/app
      ccs jobs run nightly
    """


@jobs.command("list")
@params.output_options
def list_(out: Output) -> None:
    """List jobs. Those with bypass permissions have tasks that may do anything you may do.

    \b
    Examples:
      ccs jobs list
      ccs jobs list | jq -r '.jobs[].id'
    """
    from ccs.report.runlist import permitted

    store = params.store()
    found = permitted(store)
    shown = [
        {**one.record(), "permissions": sorted(found.get(one.id, ()))}
        for one in params.listed(store.jobs, out)
    ]
    out.records("jobs", shown, COLUMNS)


@jobs.command()
@click.argument("job")
@params.output_options
def get(job: str, out: Output) -> None:
    """Show a job. JOB is an id, a unique prefix of one, or a name.

    \b
    Example:
      ccs jobs get nightly
    """
    out.kept(params.store().jobs.find(job))


@jobs.command()
@click.option("--name", required=True, help="A name for people.")
@_fields
@params.output_options
def create(name: str, working_directory: str | None, out: Output, **given: Any) -> None:
    """Create a job.

    \b
    Example:
      ccs jobs create --name nightly --working-directory ~/projects/app
    """
    from ccs.engine import jobs as verbs

    store = params.store()
    path = params.here() if working_directory is None else params.directory(working_directory, out)
    place = {"path": path, **_worktree(given)}
    fields = {"name": name, "working_directory": place, **_job_fields(store, given)}
    job = verbs.create(store, fields, params.now())
    out.kept(job)
    out.say(f"created job {job.name!r}; next: ccs tasks create --job {job.id[:8]} --prompt …")


@jobs.command()
@click.argument("job")
@click.option("--name", help="A name for people.")
@click.option(
    "--status",
    type=click.Choice(["pending", "completed", "failed", "cancelled"]),
    help="Mark it by hand; not while it runs.",
)
@_fields
@params.output_options
def update(
    job: str,
    name: str | None,
    status: str | None,
    working_directory: str | None,
    out: Output,
    **given: Any,
) -> None:
    """Change a job; what is not named stays.

    \b
    Example:
      ccs jobs update nightly --on-failure continue --profile none
    """
    from ccs.engine import jobs as verbs

    store = params.store()
    place = params.given({"path": params.directory(working_directory, out), **_worktree(given)})
    fields = params.given({"name": name, "status": status}) | _job_fields(store, given)
    params.something(fields | place)
    changed = verbs.update(store, job, fields, place, params.now())
    out.kept(changed)


@jobs.command()
@click.argument("job")
@params.deleting("Stop what runs first; do not ask.")
@params.output_options
def delete(job: str, yes: bool, force: bool, out: Output) -> None:
    """Delete a job with its tasks and their runs. While one runs, --force stops it first.

    \b
    Example:
      ccs jobs delete nightly
    """
    from ccs.engine import jobs as verbs

    store = params.store()
    found = store.jobs.find(job)
    would = verbs.deletable(store, found, force)
    params.confirm(
        f"Delete job {found.name!r} with {_what(would)}?",
        yes or force,
    )
    with terminal.elapsed("deleting"):
        gone = verbs.delete(store, found.id, force, params.clock())
    counts = {"tasks_deleted": gone.tasks, "runs_deleted": gone.runs}
    words = f"deleted job {gone.job.name!r} with {_what(gone)}"
    out.done(words, {"id": gone.job.id, "name": gone.job.name, **counts})


@jobs.command()
@click.argument("job")
@params.output_options
def run(job: str, out: Output) -> None:
    """Run the tasks of a job in order, now. Disabled tasks are passed over.

    \b
    Example:
      ccs jobs run nightly
    """
    from ccs.engine import jobs as verbs

    found, steps = verbs.run(params.store(), job, params.now(), os.environ)
    for step in steps:
        did = "passed over, it is disabled" if step.status == "skipped" else f"run {step.id[:8]}"
        out.say(f"{step.task_name}: {did}")
    out.kept(found)


@jobs.command()
@click.argument("job")
@params.output_options
def stop(job: str, out: Output) -> None:
    """Stop a running job: what runs is ended, what waits is cancelled.

    \b
    Example:
      ccs jobs stop nightly
    """
    from ccs.engine import jobs as verbs

    out.kept(verbs.stop(params.store(), job, params.clock()))


@jobs.command()
@click.argument("job")
@params.output_options
def tasks(job: str, out: Output) -> None:
    """List the tasks of a job, in its order.

    \b
    Example:
      ccs jobs tasks nightly
    """
    from ccs.cli.tasklist import COLUMNS as TASK_COLUMNS
    from ccs.engine import jobs as verbs

    store = params.store()
    found = verbs.tasks_of(store, store.jobs.find(job))
    out.records("", [task.record() for task in found], TASK_COLUMNS)


@jobs.command("set-order")
@click.argument("job")
@click.argument("tasks", nargs=-1, required=True)
@params.output_options
def set_order(job: str, tasks: tuple[str, ...], out: Output) -> None:
    """Set the order in which a job runs its TASKS; those left out are not run by it.

    \b
    Example:
      ccs jobs set-order nightly build test report
    """
    from ccs.engine import jobs as verbs

    out.kept(verbs.set_order(params.store(), job, list(tasks), params.now()))


jobs.add_command(worktrees.worktree)
jobs.add_command(exchange.export)
jobs.add_command(exchange.import_)


def _what(deleted: Deleted) -> str:
    return f"{output.counted(deleted.tasks, 'task')} and {output.counted(deleted.runs, 'run')}"


def _worktree(given: dict[str, Any]) -> Record:
    return params.given(
        {
            "use_git_worktree": given["use_worktree"],
            "worktree_name": given["worktree_name"],
            "worktree_branch": given["worktree_branch"],
            "worktree_setup": given["worktree_setup"],
        }
    )


def _job_fields(store: Any, given: dict[str, Any]) -> dict[str, Any]:
    names = ("description", "on_failure", "max_parallel")
    fields = params.given({name: given[name] for name in names})
    fields |= params.given({"budgets": spending.budgets(given["budgets"])})
    profile = params.profile_reference(store, given["profile"])
    if profile is not None:
        fields["profile"] = profile or None
    return fields
