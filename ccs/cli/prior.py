"""What lines written for the prior system have more than ours: the word `cli`, `--api-url`, and
parts that ccs does not have yet.
"""

from __future__ import annotations

from typing import NoReturn

import click

from ccs.cli.output import said
from ccs.cli.verbose import louder
from ccs.errors import MissingDependency

# name -> (what it is, what does its work meanwhile)
LATER = {
    "gui": ("a window", "ccs tasks list, ccs runs list, ccs runs log -f RUN"),
    "server": ("a web server", "no server is needed: ccs install, then ccs status"),
    "daemon": ("a daemon", "no daemon is needed: ccs install, then ccs status"),
    "node": ("a node that takes its work from a queue", "ccs install runs tasks on this machine"),
    "nodes": ("a list of nodes", "ccs status tells of this machine"),
    "stats": ("statistics", "ccs runs list --since 7d -o json, ccs usage"),
}


def later(name: str) -> click.Command:
    """A command that takes any arguments, to say that it comes later. Raises MissingDependency."""
    what, instead = LATER[name]

    def refuse(words: tuple[str, ...]) -> NoReturn:
        raise MissingDependency(f"ccs {name}: {what} comes later; ccs has none yet", instead)

    return click.Command(
        name,
        callback=refuse,
        params=[click.Argument(["words"], nargs=-1, type=click.UNPROCESSED)],
        help=f"Comes later: {what}. Until then: {instead}.",
        hidden=True,
        context_settings={"ignore_unknown_options": True},
    )


def _tell(ctx: click.Context, param: click.Parameter, url: str | None) -> None:
    if url is not None and not ctx.resilient_parsing:
        said("note: --api-url is not needed: ccs reads its own files, and no server is asked")


def _options(hidden: bool) -> list[click.Option]:
    return [
        click.Option(
            ["-v", "ccs_verbosity"],
            count=True,
            expose_value=False,
            callback=louder,
            hidden=hidden,
            help="Say on stderr what is done; -vv and -vvv say more.",
        ),
        click.Option(
            ["--api-url"],
            metavar="URL",
            expose_value=False,
            callback=_tell,
            hidden=True,
            help="Taken for the sake of old lines; no server is needed.",
        ),
    ]


SHOWN = _options(hidden=False)
_HIDDEN = _options(hidden=True)


def widen(command: click.Command) -> None:
    """Lets a command and those below it take these options too, unseen, where none is its own."""
    if command.name not in LATER and not _takes_a_command(command):
        taken = {name for param in command.params for name in param.opts}
        command.params.extend(one for one in _HIDDEN if not taken & set(one.opts))
    if isinstance(command, click.Group):
        for one in command.commands.values():
            widen(one)


def _takes_a_command(command: click.Command) -> bool:
    """A -v among the words of somebody else's command is not for us."""
    return any(one.name == "command" and one.nargs == -1 for one in command.params)
