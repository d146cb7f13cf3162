"""What the terminal can do, and what the person said about it: colours, questions, widths."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO
from unicodedata import category, east_asian_width

import click

from ccs.text import shorten

WHEN = ("auto", "always", "never")
_EMOJI_STYLE = "\ufe0f"
_SECOND = 1.0


class Chosen:
    """What --color and --no-input said; the door begins each command line anew."""

    color = "auto"
    asks = True


chosen = Chosen()


def can_ask() -> bool:
    """Whether somebody is there who may be asked."""
    return chosen.asks and sys.stdin.isatty()


def can_redraw(stream: TextIO | None = None) -> bool:
    """Whether it, else standard output, is a terminal that knows how to go back."""
    return (stream or sys.stdout).isatty() and os.environ.get("TERM", "dumb") != "dumb"


def has_color(stream: TextIO) -> bool:
    """--color, else NO_COLOR (https://no-color.org), else whether it is a terminal that can."""
    if chosen.color != "auto":
        return chosen.color == "always"
    return not os.environ.get("NO_COLOR") and can_redraw(stream)


def width(text: str) -> int:
    """How many columns it takes: two for wide letters and emoji, none for what is put upon them."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text)) + text.count(_EMOJI_STYLE)


def _columns(letter: str) -> int:
    if category(letter) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if east_asian_width(letter) in "WF" else 1


def columns() -> int:
    """How wide the terminal is, told as shutil does, which loads compressors first."""
    told = os.environ.get("COLUMNS", "")
    if told.isdigit() and int(told) > 0:
        return int(told)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or 80  # type: ignore[union-attr]
    except (AttributeError, ValueError, OSError):
        return 80  # closed, or no terminal


def cut(text: str, most: int) -> str:
    """On one line of at most so many columns, the cut marked with an ellipsis."""
    line = shorten(text, most)
    while width(line) > most:
        # An ellipsis that is there already is cut with the letter before it.
        line = shorten(line.removesuffix("…")[:-1].rstrip() + "…", most)
        if line == "…":
            break
    return line if most > 0 else ""


def wrapped(line: str, stream: TextIO, indent: str = "  ") -> str:
    """Broken between words where the terminal behind `stream` ends, further lines with `indent`;
    as it is where there is none. A word that is longer than a line stays whole, to be copied.
    """
    if not stream.isatty():
        return line
    most = columns()
    if width(line) <= most:
        return line
    beginning = line[: len(line) - len(line.lstrip(" "))]
    first, *words = line.lstrip(" ").split(" ")
    lines = [beginning + first]
    for word in words:
        if width(lines[-1]) + 1 + width(word) <= most:
            lines[-1] += f" {word}"
        else:
            lines.append(beginning + indent + word)
    return "\n".join(lines)


@contextmanager
def elapsed(doing: str) -> Iterator[None]:
    """From the first second on a terminal shows for how long; nothing may be asked meanwhile."""
    if not can_redraw(sys.stderr):
        yield
        return
    done = threading.Event()
    began = time.monotonic()

    def show() -> None:
        while not done.wait(_SECOND):
            words = cut(f"{doing}: {time.monotonic() - began:.0f} s", 79)
            click.echo(f"\r{words}\x1b[K", nl=False, err=True)
            shown.append(words)

    shown: list[str] = []
    shower = threading.Thread(target=show, daemon=True)
    shower.start()
    try:
        yield
    finally:
        done.set()
        shower.join()
        if shown:
            click.echo("\r\x1b[K", nl=False, err=True)
