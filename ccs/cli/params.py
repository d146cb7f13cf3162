"""What several command groups share: the store, the clock, and options that mean the same."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ccs.cli import terminal
from ccs.cli.output import FORMATS, Output
from ccs.errors import CcsError, InvalidInput
from ccs.text import plain

if TYPE_CHECKING:
    from ccs.engine.clock import Clock
    from ccs.model.record import Record
    from ccs.store.collection import Collection
    from ccs.store.home import Home
    from ccs.store.store import Store

    R = TypeVar("R", bound=Record)

Command = Callable[..., Any]
COUNT = click.IntRange(0, 1_000_000_000)


def now() -> datetime:
    """The one reading of the clock of a command."""
    return datetime.now(UTC)


def clock() -> Clock:
    from ccs.engine.clock import Clock

    return Clock(now=now, monotonic=time.monotonic, sleep=time.sleep)


def home() -> Home:
    """Raises BrokenStore when the store cannot be trusted."""
    from ccs.store.home import Home

    found = Home.of(os.environ)
    found.exists()
    return found


def store() -> Store:
    """Raises BrokenStore when the store cannot be trusted."""
    from ccs.store.store import Store

    return Store(home())


def output_as(*formats: str) -> Callable[[Command], Command]:
    """-o/--output with these forms, the first by default, and -q where ids are one of them.

    The command gets `out`.
    """

    def decorate(command: Command) -> Command:
        @click.option(
            "-o",
            "--output",
            "wanted",
            type=click.Choice(formats),
            default=formats[0],
            show_default=True,
            help="auto: a table on a terminal, json when piped." if "auto" in formats else "Form.",
        )
        @functools.wraps(command)
        def wrapped(*args: Any, wanted: str, quiet: bool = False, **kwargs: Any) -> Any:
            out = Output(wanted, quiet)
            click.get_current_context().find_root().obj = out
            return command(*args, out=out, **kwargs)

        if "ids" not in formats:
            return wrapped
        return click.option("-q", "--quiet", is_flag=True, help="Print ids only.")(wrapped)

    return decorate


output_options = output_as(*FORMATS)


def deleting(force: str) -> Callable[[Command], Command]:
    """-y and -f; `force` is the help of the latter."""
    return options(
        click.option("-y", "--yes", is_flag=True, help="Do not ask."),
        click.option("-f", "--force", is_flag=True, help=force),
    )


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


def here() -> str:
    """The caller's directory."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise InvalidInput(
            "the directory you are in does not exist any more", "go to another: cd"
        ) from None


def directory(path: str | None, out: Output) -> str | None:
    """Absolute. One that is missing is kept and warned about: it may be mounted later."""
    if path is None:
        return None
    if not path.strip():
        raise InvalidInput("the working directory must not be empty")
    expanded = os.path.expanduser(path)
    absolute = os.path.normpath(
        expanded if os.path.isabs(expanded) else os.path.join(here(), expanded)
    )
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


def listed(collection: Collection[R], out: Output) -> list[R]:
    """The good records; of those that cannot be used each says so."""
    reading = collection.read()
    for problem in reading.problems:
        out.say(f"warning: {problem}; passed over until it is mended")
    return reading.records


def something(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of an update. Raises InvalidInput when none was named."""
    if not fields:
        command = click.get_current_context().command_path
        raise InvalidInput("nothing to change was named", f"{command} --help lists what can be")
    return fields


def past(words: str, now: datetime) -> datetime:
    """So long ago, or a time. Raises InvalidInput."""
    from ccs import duration

    try:
        return now - duration.parse(words)
    except InvalidInput:
        return last_moment(words, now)


def last_moment(words: str, now: datetime) -> datetime:
    """A bare clock time is the last such time: what is asked about has mostly happened.

    Raises InvalidInput.
    """
    from zoneinfo import ZoneInfo

    from ccs.host import zone
    from ccs.schedule import at

    local = ZoneInfo(zone.local_name(os.environ))
    moment = at.parse(words, now, local)
    if moment > now and len(words.strip()) <= len("09:00") and ":" in words:
        return at.parse(words, now - timedelta(days=1), local)
    return moment


def confirm(
    question: str, sure: bool, otherwise: str = "nothing was deleted", default: bool = False
) -> None:
    """Asks on a terminal; elsewhere `--yes` has to say it. Raises InvalidInput, CcsError."""
    if sure:
        return
    if not terminal.can_ask():
        raise InvalidInput(f"{question} There is nobody to ask", "add --yes")
    if not click.confirm(plain(question), default=default, err=True):
        raise CcsError(otherwise)


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
