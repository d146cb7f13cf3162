"""ccs debug"""

from __future__ import annotations

import os
import sys
from itertools import islice
from typing import TYPE_CHECKING

import click

from ccs.cli import output, params, runs, tasklist
from ccs.cli.output import Column, Output
from ccs.errors import EXIT_RUN_FAILED, InvalidInput
from ccs.text import plain

if TYPE_CHECKING:
    from ccs.store.store import Store

_FORMS = ("auto", "table", "json", "jsonl")
_LOGS: list[Column] = [
    ("RUN", lambda one: one["id"]),
    ("WRITTEN", lambda one: output.moment(one["written_at"])),
    ("BYTES", lambda one: one["bytes"]),
    ("FILES", lambda one: len(one["files"])),
]
_VARIABLES: list[Column] = [
    ("NAME", lambda one: one["name"]),
    ("SOURCE", lambda one: one["source"]),
    ("WHERE", lambda one: one["where"]),
    ("STATUS", lambda one: one["status"]),
    ("VALUE", lambda one: one["value"] or one["error"] or ""),
]
_limit = click.option(
    "-n", "--limit", type=params.COUNT, default=10, show_default=True, help="At most."
)


@click.group()
def debug() -> None:
    """What helps when something is wrong: from the files alone, locked or damaged as they may be.

    A file that cannot be read is stood in for by its previous copy, and said so. Nothing is
    started, but by 'env', which asks where a profile's variables come from.

    \b
    Example:
      ccs debug all
    """


def _opened(out: Output) -> Store:
    from ccs.report import readable
    from ccs.store.home import Home

    store, notes = readable.opened(Home.of(os.environ))
    for words in notes:
        out.say(f"warning: {words}")
    return store


@debug.command("all")
@params.output_as(*_FORMS)
def all_(out: Output) -> None:
    """Everything for a bug report: versions, health, findings, counts, disk.

    Without secrets, prompts, names of tasks and logs; the home directory is written ~. Read it
    once before you show it to others.

    \b
    Example:
      ccs debug all -o table > report.txt
    """
    from ccs.report import inspection
    from ccs.store.home import Home
    from ccs.store.store import Store

    store = Store(Home.of(os.environ))
    out.record(inspection.everything(store, os.environ, params.now()))


@debug.command("tasks")
@params.output_options
def tasks_(out: Output) -> None:
    """Every task that can be read.

    \b
    Example:
      ccs debug tasks -o table
    """
    store = _opened(out)
    out.records("tasks", [one.record() for one in store.tasks.all()], tasklist.COLUMNS)


@debug.command()
@click.argument("task")
@params.output_as(*_FORMS)
def task(task: str, out: Output) -> None:
    """One task, its next slots, what was decided last, and its last runs.

    \b
    Example:
      ccs debug task deps
    """
    from ccs.report import readable

    out.record(readable.task(_opened(out), task, params.now()))


@debug.command("runs")
@_limit
@params.output_options
def runs_(limit: int, out: Output) -> None:
    """The newest runs that can be read.

    \b
    Example:
      ccs debug runs -n 20
    """
    store = _opened(out)
    records = [one.record() for one in islice(store.every_run(), limit)]
    out.records("runs", records, runs.COLUMNS)


@debug.command()
@click.argument("run")
@params.output_as(*_FORMS)
def run(run: str, out: Output) -> None:
    """One run with its directory, who holds its lock, its processes and its files.

    \b
    Example:
      ccs debug run 3f2a
    """
    from ccs.report import readable

    out.record(readable.run(_opened(out), run))


@debug.command("logs")
@_limit
@params.output_options
def logs_(limit: int, out: Output) -> None:
    """Which logs are kept, the last written first; also of runs that nothing else is known of.

    \b
    Example:
      ccs debug logs -n 5
    """
    from ccs.report import logs
    from ccs.store.home import Home

    out.records("logs", logs.kept(Home.of(os.environ))[:limit], _LOGS)


@debug.command()
@click.argument("run")
@click.option("-n", "--lines", type=params.COUNT, help="Only the last N lines.")
def log(run: str, lines: int | None) -> None:
    """Print the log of a run, also of one whose record is lost.

    \b
    Example:
      ccs debug log 3f2a -n 50
    """
    from ccs.report import logs, readable

    store = _opened(Output())
    tail = logs.Tail(store.home, readable.logged(store, run))
    for line in tail.fresh(ended=True) if lines is None else tail.last(lines, ended=True):
        click.echo(plain(line.text))


@debug.command("profiles")
@params.output_options
def profiles_(out: Output) -> None:
    """Every profile that can be read; static values are hidden.

    \b
    Example:
      ccs debug profiles -o table
    """
    from ccs.cli import profiles

    store = _opened(out)
    out.records("profiles", [one.masked() for one in store.profiles.all()], profiles.COLUMNS)


@debug.command()
@click.argument("profile")
@click.option("--unmask", is_flag=True, help="Show the values; only on a terminal.")
@params.output_as(*_FORMS)
def env(profile: str, unmask: bool, out: Output) -> None:
    """Look up each variable of a profile, as a run would; exit 5 when one cannot be had.

    Sources are asked: files are read, commands run, AWS is called. Values stay hidden.

    \b
    Example:
      ccs debug env work
    """
    from ccs.report import variables

    if unmask and not sys.stdout.isatty():
        raise InvalidInput(
            "values are shown on a terminal only, never written into a file or a pipe",
            "call it by hand without redirecting its output",
        )
    store = _opened(out)
    found = variables.tested(store, store.profiles.find(profile), os.environ, unmask)
    if unmask:
        _show(found)
    else:
        out.records("variables", found, _VARIABLES)
    for one in found:
        if one["note"]:
            out.say(f"note: {one['name']} is {one['note']}")
    if any(one["status"] == "failed" for one in found):
        raise click.exceptions.Exit(EXIT_RUN_FAILED)


def _show(found: list[dict[str, str]]) -> None:
    """Past what hides keys by their form: this is the one place where they are asked for."""
    for one in found:
        click.echo(plain(f"{one['name']}={one['value'] or one['error'] or ''}"))


@debug.command()
@params.output_as(*_FORMS)
def settings(out: Output) -> None:
    """Each setting and where it comes from, as ccs settings list.

    \b
    Example:
      ccs debug settings
    """
    from ccs.cli.settings import show
    from ccs.report import readable
    from ccs.store.home import Home
    from ccs.store.store import Store

    rows, notes = readable.settings(Store(Home.of(os.environ)), os.environ)
    for words in notes:
        out.say(f"warning: {words}")
    show(rows, out)


@debug.command()
@params.output_as(*_FORMS)
def options(out: Output) -> None:
    """The words that the fields of tasks, jobs, runs, profiles and settings may hold.

    \b
    Example:
      ccs debug options
    """
    from ccs.report import options as report

    out.record(report.words())
