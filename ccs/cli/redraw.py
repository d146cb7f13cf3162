"""A terminal drawn over again and again, until Ctrl-C."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import click

from ccs.cli import terminal
from ccs.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from ccs.engine.clock import Clock

_SECONDS = 2.0
# Without wrapping a line that is too long, whatever its letters are wide, costs its end only.
_NO_WRAP, _WRAP = "\x1b[?7l", "\x1b[?7h"
_PLAIN = "\x1b[0m"
_HOME, _CLEAR, _TO_LINE_END, _TO_END = "\x1b[H", "\x1b[2J", "\x1b[K", "\x1b[J"


def redraw(frame: Callable[[int], str], clock: Clock) -> None:
    """`frame` gets the terminal's height. Raises InvalidInput where nothing can be drawn over."""
    if not terminal.can_redraw():
        raise InvalidInput(
            "--watch needs a terminal", "follow one run: ccs runs log -f; wait: ccs runs wait"
        )
    click.echo(_NO_WRAP + _CLEAR, nl=False)
    try:
        while True:
            size = shutil.get_terminal_size()
            # One line stays free, or the terminal would scroll.
            lines = frame(size.lines).split("\n")[: max(size.lines - 1, 1)]
            # Over what stands there, without clearing it first: that would flicker.
            drawn = "".join(f"{_ended(line, size.columns)}{_TO_LINE_END}\n" for line in lines)
            click.echo(_HOME + drawn + _TO_END, nl=False)
            clock.sleep(_SECONDS)
    finally:
        click.echo(_WRAP, nl=False)


def _ended(line: str, columns: int) -> str:
    """Colours take no room, and none goes on behind the end."""
    colors = len(line) - len(click.unstyle(line))
    return line[: columns + colors] + (_PLAIN if colors else "")
