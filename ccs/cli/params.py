"""What several command groups share: the store, the clock, and options that mean the same."""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from ccs.cli.output import FORMATS, Output
from ccs.errors import InvalidInput

if TYPE_CHECKING:
    from ccs.engine.runs import Clock
    from ccs.store.store import Store

Command = Callable[..., Any]


def now() -> datetime:
    """The one reading of the clock of a command."""
    return datetime.now(UTC)


def clock() -> Clock:
    from ccs.engine.runs import Clock

    return Clock(now=now, monotonic=time.monotonic, sleep=time.sleep)


def store() -> Store:
    """Raises BrokenStore when the store cannot be trusted."""
    from ccs.store.home import Home
    from ccs.store.store import Store

    home = Home.of(os.environ)
    home.exists()
    return Store(home)


def output_options(command: Command) -> Command:
    """-o/--output and -q; the command gets `out`."""

    @click.option(
        "-o",
        "--output",
        "wanted",
        type=click.Choice(FORMATS),
        default="auto",
        show_default=True,
        help="auto is a table on a terminal and json when piped.",
    )
    @click.option("-q", "--quiet", is_flag=True, help="Print ids only.")
    @functools.wraps(command)
    def wrapped(*args: Any, wanted: str, quiet: bool, **kwargs: Any) -> Any:
        out = Output(wanted, quiet)
        click.get_current_context().find_root().obj = out
        return command(*args, out=out, **kwargs)

    return wrapped


def options(*decorators: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator, shown in the order given."""

    def decorate(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


def given(fields: dict[str, Any]) -> dict[str, Any]:
    """Without what was not on the command line."""
    return {name: value for name, value in fields.items() if value is not None and value != ()}


def directory(path: str | None, out: Output) -> str | None:
    """Absolute. One that is missing is kept and warned about: it may be mounted later."""
    if path is None:
        return None
    if not path.strip():
        raise InvalidInput("the working directory must not be empty")
    absolute = os.path.abspath(os.path.expanduser(path))
    if not os.path.isdir(absolute):
        out.say(f"warning: {absolute} is not a directory; runs will fail until it is")
    return absolute


def split(values: tuple[str, ...]) -> list[str] | None:
    """`--allowed-tools a,b --allowed-tools c`; commas inside parentheses belong to a rule."""
    if not values:
        return None
    found: list[str] = []
    depth, word = 0, ""
    for letter in ",".join(values) + ",":
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth <= 0:
            found.append(word.strip())
            depth, word = 0, ""
        else:
            word += letter
    return [one for one in found if one]


def confirm(question: str, force: bool) -> None:
    """Asks on a terminal; elsewhere `--force` has to say it. Raises InvalidInput, Abort."""
    if force:
        return
    if not sys.stdin.isatty():
        raise InvalidInput(f"{question} Nobody is there to ask", "add --force")
    click.confirm(question, abort=True, err=True)


def profile_reference(
    store: Store, profile: str | None, zai: bool = False, bedrock: bool = False
) -> str | None:
    """The profile's id; `none` is "", for an update that takes it away."""
    from ccs.engine.tasks import check_profile
    from ccs.model.profile import TEMPLATES

    if sum((bool(profile), zai, bedrock)) > 1:
        raise InvalidInput("give one of --profile, --zai and --bedrock")
    if zai or bedrock:
        wanted = str(TEMPLATES["zai" if zai else "bedrock"]["id"])
        check_profile(store, wanted)
        return wanted
    if profile is None or profile == "none":
        return "" if profile else None
    if any(profile == template["id"] for template in TEMPLATES.values()):
        check_profile(store, profile)
    return store.profiles.find(profile).id
