"""Every command of the program, for tests that hold help, manual and README against them."""

from __future__ import annotations

import re
import shlex

import click

from ccs.cli.main import ccs as command_line


def commands(group=command_line, path=()):
    """(words, command) of each, groups too; hidden ones are nobody's to know."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command.hidden:
            continue
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


def parse(line):
    """What a shell would call, parsed as ccs would and not called. Raises click.UsageError."""
    words = shlex.split(re.split(r"\s(?:\||<|>|&&|2>)\s", line)[0], comments=True)
    while "=" in words[0]:  # VARIABLE=value before the command
        del words[0]
    assert words.pop(0) == "ccs", line
    command, context = command_line, click.Context(command_line, info_name="ccs")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        found = command.get_command(context, name)
        if found is None:
            raise click.UsageError(f"{line}: no command {name}")
        command, context = found, click.Context(found, context, info_name=name)
    # A command that lacks a value would ask for one.
    with command.make_context(context.info_name, words, parent=context.parent):
        pass
