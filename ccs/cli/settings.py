"""ccs settings"""

from __future__ import annotations

import os
from typing import Any

import click

from ccs.cli import output, params
from ccs.cli.output import Column, Output, Record

_FORMS = ("auto", "table", "json", "jsonl")


def _value(row: Record) -> str:
    value = row["value"]
    if isinstance(value, dict):
        return output.counted(len(value.get("channels", ())), "channel")
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else str(value)


COLUMNS: list[Column] = [
    ("KEY", lambda row: row["key"]),
    ("VALUE", _value),
    ("FROM", lambda row: row["origin"]),
    ("MEANING", lambda row: row["description"]),
]


@click.group()
def settings() -> None:
    """Settings of the store: what holds for all tasks.

    They stand in settings.json and nowhere else: the scheduler's ticks have another environment
    than your shell, so no variable overrides them. CCS_HOME alone, which names the store, is taken
    from the environment: by what the shell calls. The scheduler's entry has its own.

    \b
    Example:
      ccs settings set max_concurrent_tasks 5
    """


@settings.command("list")
@params.output_as(*_FORMS)
def list_(out: Output) -> None:
    """Each setting, its value, where that comes from, and what it means. Secrets are hidden.

    \b
    Example:
      ccs settings list -o json | jq '.settings[] | select(.origin == "file")'
    """
    from ccs.engine import settings as verbs

    store = params.store()
    show(verbs.listed(store, os.environ), out)
    _tell(verbs.notes(store, os.environ), out)


def show(rows: list[dict[str, Any]], out: Output) -> None:
    """What they mean is of no use when it is cut: on a narrow terminal it stands below."""
    if out.format != "table" or not output.is_narrow():
        out.records("settings", rows, COLUMNS)
        return
    for row in rows:
        origin = "" if row["origin"] == "default" else f" ({row['origin']})"
        output.told(f"{row['key']}: {_value(row)}{origin}")
        output.told(f"    {row['description']}")


@settings.command()
@click.argument("key")
@params.output_as(*_FORMS)
def get(key: str, out: Output) -> None:
    """One setting: its value, default, where it comes from, and what it means.

    \b
    Example:
      ccs settings get runs_kept -o json | jq .value
    """
    from ccs.engine import settings as verbs

    out.record(verbs.one(params.store(), os.environ, key))


@settings.command("set")
@click.argument("key")
@click.argument("value")
@params.output_as(*_FORMS)
def set_(key: str, value: str, out: Output) -> None:
    """Change one setting; 'none' is no value. Ticks go by it from the next minute on.

    \b
    Examples:
      ccs settings set max_concurrent_tasks 5
      ccs settings set logs_older_than none
      ccs settings set default_profile work
    """
    from ccs.engine import settings as verbs

    store = params.store()
    _tell(verbs.notes(store, os.environ), out)
    verbs.change(store, key, value, os.environ)
    row = verbs.one(store, os.environ, key)
    out.done(f"{key} is {_value(row)} now", row)
    _warn(row, out)


@settings.command()
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@params.output_as(*_FORMS)
def unset(keys: tuple[str, ...], out: Output) -> None:
    """Take settings out of the file: their defaults hold again. Keys that mean nothing go too.

    \b
    Example:
      ccs settings unset max_concurrent_tasks
    """
    from ccs.engine import settings as verbs

    gone = verbs.forget(params.store(), keys)
    words = f"taken out: {', '.join(gone)}" if gone else "nothing was changed: not in the file"
    out.done(words, {"unset": gone})


@settings.command()
@params.output_as(*_FORMS)
def edit(out: Output) -> None:
    """Change them as JSON in $VISUAL or $EDITOR. What is taken out gets its default again.

    What does not make sense is said, and can be mended or given up. Notifications are not among
    them; ccs notify changes those.

    \b
    Example:
      EDITOR=nano ccs settings edit
    """
    from ccs.cli import editor
    from ccs.engine import settings as verbs

    store = params.store()
    shown = verbs.text(store)

    def take(written: str) -> list[str]:
        return verbs.replace(store, shown, written, os.environ)

    changed = editor.edited(shown, "ccs-settings-", take, out) or []
    rows = [verbs.one(store, os.environ, name) for name in changed if _is_setting(name)]
    if not changed:
        out.say("nothing was changed")
    if rows or out.as_json:
        out.records("settings", rows, COLUMNS)
    for row in rows:
        _warn(row, out)


@settings.command()
def path() -> None:
    """Print where they stand, whether or not the file is there.

    \b
    Example:
      ccs settings path
    """
    from ccs.store.home import Home

    click.echo(Home.of(os.environ).settings)


def _is_setting(name: str) -> bool:
    from ccs.model.settingwords import WORDS

    return name in WORDS


def _tell(notes: list[str], out: Output) -> None:
    for words in notes:
        out.say(f"note: {words}")


def _warn(row: dict[str, Any], out: Output) -> None:
    """Of what somebody may not have meant."""
    if row["key"] in ("mock_mode", "claude_path") and row["value"] in (True, "mock"):
        out.say("warning: from now on the stand-in plays the runs; nothing is done for real")
    if row["key"].startswith("prune_") and row["value"] is not None:
        out.say("warning: from now on old runs are deleted daily; see ccs runs prune --help")
