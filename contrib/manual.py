"""Writes the COMMANDS section of man/ccs.1 from the commands themselves: make man.

Everything outside of the two marker lines is written by hand. tests/test_manual.py fails while
the page tells something else than the program does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from ccs.cli.main import ccs

PAGE = Path(__file__).parent.parent / "man" / "ccs.1"
BEGIN = '.\\" BEGIN COMMANDS: written by contrib/manual.py\n'
END = '.\\" END COMMANDS\n'
# Told once, at the head of the section.
_SHARED = {"-q/--quiet", "--color", "--no-input"}
_FORMS = "auto: a table on a terminal, json when piped."


def section() -> str:
    lines = [".Bl -tag -width Ds"]
    for words, context in _commands(click.Context(ccs, info_name="ccs")):
        lines += _command(words, context)
    return "\n".join([*lines, ".El"]) + "\n"


def _commands(context: click.Context, path: str = "") -> Iterator[tuple[str, click.Context]]:
    group = context.command
    assert isinstance(group, click.Group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if command.hidden:
            continue
        words = f"{path} {name}".strip()
        here = click.Context(command, context, info_name=name)
        yield words, here
        if isinstance(command, click.Group):
            yield from _commands(here, words)


def _command(words: str, context: click.Context) -> Iterator[str]:
    command = context.command
    arguments = [one.make_metavar(context) for one in command.params if _is_argument(one)]
    is_group = isinstance(command, click.Group)
    named = "".join(f" Ar {_escaped(one)}" for one in arguments)
    yield f".It Cm {words}" + named + (" Ar command" if is_group else "")
    yield from _text(command.help or "")
    options = [one for one in command.params if isinstance(one, click.Option)]
    options = [one for one in options if not one.hidden and not _is_shared(one)]
    twin = _twin(words, context)
    theirs = {_told(one) for one in twin.params} if twin else set()
    own = [one for one in options if _told(one) not in theirs]
    if twin and len(own) < len(options):
        yield ".Pp"
        yield "Takes the options of"
        yield f".Cm {words.split()[0]} create"
        yield f"{'too, and:' if own else 'too.'}"
    if own:
        yield ".Bl -tag -width Ds -compact"
        for option in own:
            yield from _option(option, context)
        yield ".El"


def _twin(words: str, context: click.Context) -> click.Command | None:
    """Whose options an update has."""
    group = context.parent
    if not words.endswith(" update") or group is None or not isinstance(group.command, click.Group):
        return None
    return group.command.get_command(group, "create")


def _told(option: click.Parameter) -> tuple[str, str]:
    return "/".join(option.opts), getattr(option, "help", None) or ""


def _option(option: click.Option, context: click.Context) -> Iterator[str]:
    names = " , ".join(f"Fl {_escaped(one[1:])}" for one in [*option.opts, *option.secondary_opts])
    metavar = re.sub("^(TEXT|(INTEGER|FLOAT)( RANGE)?)$", _plain_kind, option.make_metavar(context))
    value = "" if option.is_flag else f" Ar {_escaped(metavar)}"
    yield f".It {names}{value}"
    yield from _text(option.help or "")
    if option.multiple and "repeatable" not in (option.help or ""):
        yield "Repeatable."
    if option.show_default and not option.is_flag and option.default is not None:
        yield f"Default {_escaped(str(option.default))}."


def _plain_kind(found: re.Match[str]) -> str:
    return "text" if found[0] == "TEXT" else "number"


def _is_argument(parameter: click.Parameter) -> bool:
    return isinstance(parameter, click.Argument)


def _is_shared(option: click.Option) -> bool:
    return "/".join(option.opts) in _SHARED or option.help == _FORMS


def _text(help: str) -> Iterator[str]:
    """Paragraphs; those behind a \\b as they stand."""
    first = True
    for paragraph in re.split(r"\n\s*\n", help.strip()):
        lines = [line.strip() for line in paragraph.strip().splitlines()]
        if lines[0] == "\b":
            margin = min(len(one) - len(one.lstrip()) for one in paragraph.splitlines()[2:] or [""])
            yield ".Pp"
            yield _escaped(lines[1])
            yield ".Bd -literal -offset indent -compact"
            for line in paragraph.strip("\n").splitlines()[2:]:
                yield _escaped(line[margin:].rstrip())
            yield ".Ed"
            continue
        if not first:
            yield ".Pp"
        yield from map(_escaped, lines)
        first = False


def _escaped(line: str) -> str:
    line = line.replace("\\", "\\e").replace("'", "\\(aq").replace("`", "\\(ga")
    line = line.replace("~", "\\(ti").replace("^", "\\(ha").replace('"', "\\(dq")
    line = re.sub(r"(?<![A-Za-z0-9])-|-(?=-)", r"\\-", line)
    line = "".join(one if one.isascii() else f"\\[u{ord(one):04X}]" for one in line)
    return f"\\&{line}" if line.startswith(".") else line


def rewritten(page: str) -> str:
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    assert tail, "the marker lines are gone"
    return f"{head}{BEGIN}{section()}{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text()))
