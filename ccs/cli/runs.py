"""ccs runs"""

from __future__ import annotations

import shlex
from itertools import islice
from typing import TYPE_CHECKING

import click

from ccs.cli import again, attach, keep, output, params, rundiff, runlog, terminal
from ccs.cli.output import Column, Output, Record
from ccs.errors import EXIT_RUN_FAILED, CcsError, InvalidInput

if TYPE_CHECKING:
    from ccs.report.runlist import Wanted
    from ccs.store.store import Store


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
    ("PERMISSIONS", lambda run: run.get("permissions") or ""),
    ("TRIGGER", lambda run: run["trigger"]),
    ("SCHEDULED", lambda run: output.brief(run["scheduled_time"])),
    ("TOOK", _took),
    ("COST", lambda run: "" if run["cost_usd"] is None else f"${run['cost_usd']:.4f}"),
]
_ROOMY_ONLY = ("TRIGGER", "COST")


def _columns() -> list[Column]:
    return [one for one in COLUMNS if not (output.is_narrow() and one[0] in _ROOMY_ONLY)]


@click.group()
def runs() -> None:
    """Runs: what was launched, how it ended, its log.

    RUN is an id or a unique prefix of one.

    \b
    Examples:
      ccs runs list --since 2d
      ccs runs log -f 3f2a
    """


@runs.command("list")
@click.option("-n", "--limit", type=params.COUNT, default=10, show_default=True, help="At most.")
@click.option("--task", help="Only runs of this task.")
@click.option("--job", help="Only runs of this job.")
@click.option("--status", multiple=True, help="Only runs of this status; repeatable.")
@click.option("--since", help="Only slots since then: 2d, 09:00, 2026-12-24.")
@click.option("--watch", is_flag=True, help="Again every two seconds, until Ctrl-C.")
@params.output_options
def list_(
    limit: int,
    task: str | None,
    job: str | None,
    status: tuple[str, ...],
    since: str | None,
    watch: bool,
    out: Output,
) -> None:
    """List runs, newest first. Those with bypass permissions could do anything you may do.

    \b
    Examples:
      ccs runs list --task nightly --status failed --status lost -n 3
      ccs runs list --since 2d --watch
    """
    from ccs.report import listed

    filtered = task or job or status or since is not None
    newest = None if filtered or watch else listed.newest_runs(params.home(), limit)
    if newest is not None:
        out.records("runs", newest, _columns())
        return
    from ccs.report import runlist

    store = params.store()
    params.listed(store.runs, out)
    wanted = runlist.Wanted(
        store.tasks.find(task).id if task else None,
        store.jobs.find(job).id if job else None,
        _statuses(status),
        None if since is None else params.past(since, params.now()),
    )
    listed.runs_read(store)

    if not watch:
        shown, fault = _found(store, wanted, limit)
        if shown or fault is None:
            out.records("runs", shown, _columns())
        if fault is not None:
            raise fault
        return
    from ccs.cli.redraw import redraw

    def frame(height: int) -> str:  # two lines are the table's head, one stays free
        most = min(limit, max(0, height - 3))
        return output.table(_found(store, wanted, most)[0], _columns())

    redraw(frame, params.clock())


def _found(store: Store, wanted: Wanted, most: int) -> tuple[list[Record], CcsError | None]:
    """And what kept it from finding the others."""
    from ccs.report import runlist

    trust = runlist.Trust(store)
    shown: list[Record] = []
    try:
        for run in islice(runlist.chosen(store, wanted), most):
            shown.append(trust.record(run))
    except CcsError as fault:
        return shown, fault
    return shown, None


@runs.command()
@click.argument("run")
@params.output_options
def get(run: str, out: Output) -> None:
    """Show a run; for what it was denied, the rules that would have let that pass.

    \b
    Example:
      ccs runs get 3f2a
    """
    from ccs.report import runlist

    store = params.store()
    found = store.find_run(run)
    record = runlist.described(store, found)
    out.kept(found, record)
    allowed = runlist.permitting(store, record)
    if allowed is not None:
        task, rules = record["task_id"][:8], shlex.quote(",".join(allowed))
        out.say(f"to let that pass: ccs tasks update {task} --allowed-tools {rules}")
    denials = record["permission_denials"]
    if any("Bash" in denial["allow"] for denial in denials):
        out.say("Bash alone allows every command: no narrower rule can hold that line")
    if any(not denial["allow"] for denial in denials):
        others = "the others" if allowed else "that"
        out.say(f"no rule lets {others} pass: the task's mode or its --disallowed-tools forbid it")


@runs.command()
@click.argument("runs", nargs=-1, required=True)
@click.option("--timeout", help="Wait this long at most, as in 30m; exit 124 then. They run on.")
@params.output_options
def wait(runs: tuple[str, ...], timeout: str | None, out: Output) -> None:
    """Wait until the runs have ended; exit 5 unless all succeeded.

    \b
    Example:
      ccs runs wait 3f2a 9be1 --timeout 1h
    """
    from ccs import duration
    from ccs.engine import runs as verbs
    from ccs.report import runlist

    clock, store = params.clock(), params.store()
    left = None if timeout is None else duration.parse(timeout).total_seconds()
    deadline = None if left is None else clock.monotonic() + left
    ended = []
    for one in verbs.chosen_runs(store, list(runs)):
        left = None if deadline is None else max(0.0, deadline - clock.monotonic())
        with terminal.elapsed(f"waiting for run {one.id[:8]}"):
            ended.append(verbs.wait(store, one.id, clock, left))
        out.say(output.ending(ended[-1].record()))
    trust = runlist.Trust(store)
    out.records("runs", [trust.record(one) for one in ended], _columns())
    if any(one.status != "success" for one in ended):
        raise click.exceptions.Exit(EXIT_RUN_FAILED)


@runs.command("open")
@click.argument("run")
def open_(run: str) -> None:
    """Print the command that resumes the session of a run by hand.

    \b
    Example:
      eval "$(ccs runs open 3fa85f64)"
    """
    from ccs.report import byhand

    found = byhand.resuming(params.store(), run)
    for warning in found.warnings:
        Output().say(f"warning: {warning}")
    click.echo(found.command)


@runs.command()
@click.argument("run")
@params.output_options
def stop(run: str, out: Output) -> None:
    """Stop a run: its whole process tree, or its waiting.

    \b
    Example:
      ccs runs stop 3f2a
    """
    from ccs.engine import runs as verbs

    with terminal.elapsed("stopping"):
        ended = verbs.stop(params.store(), run, params.clock())
    out.say(output.ending(ended.record()))
    out.kept(ended)


runs.add_command(again.restart)
runs.add_command(again.proceed)
runs.add_command(rundiff.diff)


@runs.command()
@click.argument("runs", nargs=-1, required=True)
@params.deleting("Stop what runs first; do not ask.")
@params.output_options
def delete(runs: tuple[str, ...], yes: bool, force: bool, out: Output) -> None:
    """Delete runs and their logs. While one runs or waits, --force stops it first.

    \b
    Example:
      ccs runs delete 3f2a 9be1
    """
    from ccs.engine import runs as verbs

    store = params.store()
    chosen = verbs.chosen_runs(store, list(runs))
    if not force:
        verbs.refuse_unfinished(chosen)
    params.confirm(
        f"Delete {output.counted(len(chosen), 'run')} and what was logged?", yes or force
    )
    with terminal.elapsed("deleting"):
        gone = verbs.delete(store, [one.id for one in chosen], force, params.clock())
    out.say(f"deleted {output.counted(len(gone), 'run')}")
    if out.format != "table":
        out.records("runs", [{"id": one.id} for one in gone], [])


runs.add_command(attach.attach)
runs.add_command(runlog.log)
runs.add_command(keep.prune)


def _statuses(given: tuple[str, ...]) -> frozenset[str]:
    from typing import get_args

    from ccs.model.run import Status

    known = get_args(Status)
    for one in given:
        if one not in known:
            raise InvalidInput(f"{one!r} is no status", f"one of {', '.join(known)}")
    return frozenset(given)
