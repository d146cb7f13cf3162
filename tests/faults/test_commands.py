"""No command is forgotten, and those that only read do only that."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from cases import MUTATING, READING
from strace import points, tracing

from ccs.cli.main import ccs


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[str]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group):
            if found.invoke_without_command:
                yield " ".join((*path, name))
            yield from commands(found, (*path, name))
        else:
            yield " ".join((*path, name))


def test_every_command_is_known_to_change_the_store_or_to_read_it():
    known = {case.command for case in MUTATING} | set(READING)
    there = set(commands(ccs))
    assert there - known == set(), "give it a case in cases.py"
    assert known - there == set()


@pytest.mark.usefixtures("traced")
def test_what_only_reads_changes_nothing(world, trace):
    """But for what a list keeps for the next one, which is derived."""
    changed = []
    for command, words in READING.items():
        argv = [word.format(**world.ids) for word in words.split()]
        done = world(*argv, strace=tracing(trace))
        assert "Traceback" not in done.out
        calls = [point.text for point in points(trace, world.store) if point.changes]
        calls = [one for one in calls if ".listing" not in one]
        changed += [f"{command}: {call}" for call in calls]
    assert changed == []
