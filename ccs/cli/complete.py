"""What a shell is told when Tab is pressed.

No models, no lock, no word on stderr: a store that cannot be read completes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import ClassVar

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    PowerShellComplete,
    ShellComplete,
    ZshComplete,
)

VARIABLE = "_CCS_COMPLETE"
# An option or argument of this name, whatever the command, names a record of this collection.
_NAMED = {
    "task": "tasks",
    "tasks": "tasks",
    "after": "tasks",
    "job": "jobs",
    "run": "runs",
    "runs": "runs",
    "profile": "profiles",
}
_EVENTS = (
    *("start", "success", "failure", "limit", "resume", "alarm", "digest"),
    *("end", "all"),
)
# Argument -> where its words are looked up, with whatever is told beside them.
_KNOWN: dict[str, Callable[[click.Context], Mapping[str, str]]] = {
    "key": lambda context: _settings(),
    "keys": lambda context: _settings(),
    "event": lambda context: dict.fromkeys(_EVENTS, ""),
    "channel": lambda context: _channels(),
    "channels": lambda context: _channels(),
    "words": lambda context: _helped(context),
}
_FILES = ("file", "prompt_file", "path", "mcp_config")
_DIRECTORIES = ("working_directory", "add_dirs")


class _Bash(BashComplete):
    """To bash the = of --job=night is a word of its own, which click would take for the value."""

    def get_completion_args(self) -> tuple[list[str], str]:
        args, incomplete = super().get_completion_args()
        return [one for one in args if one != "="], incomplete


class _Fish(FishComplete):
    """click's splits at each comma, so a description would end at its first."""

    source_template: ClassVar[str] = FishComplete.source_template.replace(
        'string split "," $completion', 'string split --max 1 "," $completion'
    )


SHELLS: dict[str, type[ShellComplete]] = {
    "bash": _Bash,
    "zsh": ZshComplete,
    "fish": _Fish,
    "powershell": PowerShellComplete,
}


class Named(click.ParamType[str]):
    """A word that names a record of the store."""

    name = "text"

    def __init__(self, collection: str) -> None:
        self.collection = collection

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        from ccs.report import names
        from ccs.store.home import Home

        found = names.words(Home.of(os.environ), self.collection, incomplete)
        return [CompletionItem(one.word, help=one.about) for one in found]


class Known(click.ParamType[str]):
    """One of some words that are looked up when they are needed."""

    name = "text"

    def __init__(self, look_up: Callable[[click.Context], Mapping[str, str]]) -> None:
        self.look_up = look_up

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        return items(self.look_up(ctx), incomplete)


def _settings() -> Mapping[str, str]:
    from ccs.model.settingwords import WORDS

    return WORDS


def _channels() -> Mapping[str, str]:
    from ccs.report import names
    from ccs.store.home import Home

    return names.channels(Home.of(os.environ))


def _helped(context: click.Context) -> Mapping[str, str]:
    """Behind `ccs help`: the topics and commands, then what is below the one named so far."""
    command, here = context.find_root().command, context.find_root()
    words = context.params.get("words") or ()
    for word in words:
        found = command.get_command(here, word) if isinstance(command, click.Group) else None
        if found is None:
            return {}
        command, here = found, click.Context(found, parent=here, info_name=word)
    if not isinstance(command, click.Group):
        return {}
    known = dict.fromkeys(command.list_commands(here), "")
    if not words:
        from ccs.cli.topics import TOPICS

        known |= dict.fromkeys(TOPICS, "a topic")
    return known


def teach(command: click.Command) -> None:
    """Gives the parameters of a command, and of those below it, what they can be completed to."""
    for param in command.params:
        name = param.name or ""
        if param.type is not click.STRING:
            continue
        if name in _NAMED:
            param.type = Named(_NAMED[name])
        elif name in _KNOWN and isinstance(param, click.Argument):
            param.type = Known(_KNOWN[name])
        elif name in _FILES:
            param.type = click.Path()
        elif name in _DIRECTORIES:
            param.type = click.Path(file_okay=False)
    if isinstance(command, click.Group):
        for one in command.commands.values():
            teach(one)


def items(named: Mapping[str, str], incomplete: str) -> list[CompletionItem[str]]:
    return [
        CompletionItem(name, help=words)
        for name, words in named.items()
        if name.startswith(incomplete)
    ]


def script(shell: str, program: str, root: click.Command) -> str:
    """What a shell has to read to complete `program`."""
    return SHELLS[shell](root, {}, program, VARIABLE).source()


def answer(root: click.Command) -> None:
    """Answers the script that asked through the environment."""
    shell, _, asked = os.environ.get(VARIABLE, "").partition("_")
    if asked != "complete" or shell not in SHELLS:
        return
    try:
        told = SHELLS[shell](root, {}, "ccs", VARIABLE).complete()
        click.echo(told.encode("utf-8", "replace"))
    except (Exception, KeyboardInterrupt):
        return  # whatever stands in the files: words about it would land in a half-typed line
