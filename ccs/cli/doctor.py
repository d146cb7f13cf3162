"""ccs doctor"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from ccs.cli import output, params, terminal
from ccs.cli.output import Output
from ccs.errors import InvalidInput

if TYPE_CHECKING:
    from ccs.store.store import Store

_UNHEALTHY = 6


@click.command()
@click.option("--repair", is_flag=True, help="Save what can be saved of damaged files.")
@click.option("--take-over", is_flag=True, help="The store belongs to this machine from now on.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="The same as -o json.")
@params.output_as("auto", "table", "json", "jsonl")
def doctor(repair: bool, take_over: bool, yes: bool, as_json: bool, out: Output) -> None:
    """What is wrong with the store and around it, and how to mend it; exit 6 when something is.

    Looked at are its files, locks and disk, the accounts, the client and git, whether the
    scheduler's ticks come, and what they see other than this shell. Warnings and notes do not
    change the exit code.

    --repair sets a damaged file aside whole, as NAME.corrupt-TIME, and keeps the records that can
    still be read; what is damaged comes from its previous copy, NAME.prev, where that has it.

    \b
    Examples:
      ccs doctor
      ccs doctor --repair --yes
    """
    from ccs.report import doctor as report
    from ccs.report.finding import BROKEN, Scene
    from ccs.store.home import Home
    from ccs.store.store import Store

    if repair and take_over:
        raise InvalidInput("give one of --repair and --take-over")
    if as_json:
        click.get_current_context().find_root().obj = out = Output("json")
    store = Store(Home.of(os.environ))
    done: dict[str, Any] = {}
    if repair:
        done = {"set_aside": _repair(store, yes, out)}
    elif take_over:
        _take_over(store, yes, out)
    with terminal.elapsed("looking"):
        found = {**report.examine(Scene(store, os.environ, params.now())), **done}
    if out.format == "table":
        _show(found)
    else:
        out.record(found)
    if found["status"] == BROKEN:
        raise click.exceptions.Exit(_UNHEALTHY)


def _repair(store: Store, yes: bool, out: Output) -> list[str]:
    from ccs.engine import repair as verbs

    store.home.exists()
    plans = verbs.planned(store)
    for words in (words for plan in plans for words in plan.told):
        out.say(words)
    if not plans:
        out.say("there is nothing that could be repaired")
        return []
    files = output.counted(len(plans), "file")
    params.confirm(f"Set {files} aside and write what was saved?", yes, "nothing was changed")
    aside = verbs.repair(store, plans, params.now())
    for path in aside:
        out.say(f"kept as it was: {path}")
    return aside


def _take_over(store: Store, yes: bool, out: Output) -> None:
    from ccs.engine import repair as verbs

    store.home.exists()
    question = "Does no other machine use this store any more?"
    params.confirm(question, yes, "nothing was changed")
    verbs.take_over(store)
    out.say("the store belongs to this machine")


def _show(found: dict[str, Any]) -> None:
    for one in found["findings"]:
        output.told(f"{one['level']}: {one['where']}: {one['what']}")
        if one["mend"]:
            output.told(f"    {one['mend']}")
    if not found["findings"]:
        output.told(f"nothing is wrong with {found['home']}")
