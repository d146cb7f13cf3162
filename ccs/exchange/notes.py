"""What a conversion has to say: a field that was not carried as it stood, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from ccs.errors import InvalidInput
from ccs.text import plain, shorten


class Note(NamedTuple):
    field: str
    words: str

    def __str__(self) -> str:
        return f"{self.field}: {self.words}" if self.field else self.words


class Here(NamedTuple):
    """What the prior system took from the machine and wrote nowhere.

    `zone`: None where the zone that stands in the file is meant.
    """

    zone: str | None
    home: str

    def path(self, written: str) -> str:
        """With the home directory in place of `~`."""
        if written == "~" or written.startswith("~/"):
            return self.home + written[1:]
        return written


_BREAKS = str.maketrans(dict.fromkeys("\t\n\u2028\u2029", " "))


def one_line(name: str, notes: list[Note]) -> str:
    """A name without what could move a cursor or make two lines of it."""
    cleaned = plain(name).translate(_BREAKS)
    if cleaned != name:
        notes.append(Note("name", "its control characters were left out"))
    return cleaned


def part(entry: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A nested object, empty where there is none. Raises InvalidInput."""
    value = entry.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidInput(f"{name}: must be an object")
    return value


def text(entry: Mapping[str, Any], name: str, default: str = "") -> str:
    """Raises InvalidInput."""
    value = entry.get(name)
    if value is None:
        return default
    if not isinstance(value, str):
        raise InvalidInput(f"{name}: must be text")
    return value


def number(entry: Mapping[str, Any], name: str, default: int) -> int:
    """A whole one that the system's arithmetic can take. Raises InvalidInput."""
    value = entry.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 1_000_000_000:
        raise InvalidInput(f"{name}: must be a whole number")
    return value


def unknown(entry: Mapping[str, Any], known: Collection[str], within: str = "") -> list[Note]:
    return [
        Note(within + shorten(name, 60), "not known here, left out")
        for name in entry
        if name not in known
    ]
