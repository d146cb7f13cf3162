"""ccs help"""

from __future__ import annotations

import click

from ccs.errors import NotFound
from ccs.text import similar


@click.command()
@click.argument("words", nargs=-1, metavar="[TOPIC | COMMAND…]")
@click.pass_context
def help(context: click.Context, words: tuple[str, ...]) -> None:
    """Explain a topic or a command.

    Topics: schedules, usage, profiles, exit-codes, environment, files, contrib. profiles and
    usage are commands too; ccs profiles --help explains those.

    \b
    Examples:
      ccs help schedules
      ccs help tasks create
    """
    from ccs.cli.topics import TOPICS, text

    if len(words) == 1 and words[0] in TOPICS:
        click.echo(text(words[0]))
        return
    root = context.find_root()
    command, here = root.command, root
    for word in words:
        known = _known(command, here)
        found = command.get_command(here, word) if isinstance(command, click.Group) else None
        if found is None:
            raise _unknown(" ".join(words), word, [*known, *(TOPICS if here is root else ())])
        command, here = found, click.Context(found, parent=here, info_name=word)
    click.echo(command.get_help(here))


def _known(command: click.Command, context: click.Context) -> list[str]:
    return command.list_commands(context) if isinstance(command, click.Group) else []


def _unknown(asked: str, word: str, known: list[str]) -> NotFound:
    near = similar(word, known)
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    return NotFound(f"no help for {asked!r}", f"{meant}ccs help lists all commands")
