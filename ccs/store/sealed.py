"""The text of a file of records that ccs alone writes: one record after the other, and a checksum.

    {
      "format": 1,
      "crc32": "89abcdef",
      "runs": [
        {
          "id": "...",
          ...
        },
        ...
      ]
    }

The checksum is that of all that follows it. While it fits, the file is as ccs left it: whole, and
of this layout, so that a record can stay as it is without being read, and another one be changed
alone. Whatever else stands there, edited by hand or by another program, is for the parser. Lean.
"""

from __future__ import annotations

import json
from binascii import crc32

from ccs.store.home import FORMAT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    # Which of the texts, by their places.
    Wanted = Callable[[list[bytes]], Iterable[int]]

KEY = "crc32"
_HEAD = f'{{\n  "format": {FORMAT},\n  "{KEY}": "'.encode()
BETWEEN = b"\n    },\n    {\n"
_ID = b'      "id": "'
TAIL = b"\n    }\n  ]\n}\n"
_DIGITS = 8


def text(record: dict[str, Any]) -> bytes:
    """A record as it stands between its braces. Raises ValueError for what is no JSON."""
    whole = json.dumps(record, indent=2, ensure_ascii=True, allow_nan=False)
    # A line break within a string is written as \n, so each of these begins a line.
    return ("    " + whole[2:-2].replace("\n", "\n    ")).encode()


def seal(name: str, texts: Iterable[bytes]) -> bytes:
    """The file of at least one record."""
    rest = _start(name) + BETWEEN.join(texts) + TAIL
    return b"".join((_HEAD, _digest(rest), rest))


def texts(raw: bytes, name: str) -> list[bytes] | None:
    """Of each record in a file that is as ccs left it; None for any other file."""
    at = len(_HEAD) + _DIGITS
    start = _start(name)
    if not (raw.startswith(_HEAD) and raw.startswith(start, at) and raw.endswith(TAIL)):
        return None
    if _digest(memoryview(raw)[at:]) != raw[len(_HEAD) : at]:
        return None
    return raw[at + len(start) : -len(TAIL)].split(BETWEEN)


def record(text: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(b"".join((b"{", text, b"}")))
    return found


def about(ids: Iterable[str]) -> Wanted:
    """The texts of these, and any that do not begin with an id of their length."""
    wanted = {_ID + one.encode() + b'"' for one in ids}
    end = len(_ID) + 36

    def places(texts: list[bytes]) -> list[int]:
        return [
            place
            for place, text in enumerate(texts)
            if text[: end + 1] in wanted
            or text.find(b'"', len(_ID)) != end
            or not text.startswith(_ID)
        ]

    return places


def mentioning(*words: str | None) -> Wanted:
    """The texts in which one of these, plain ASCII, stands as a value of its own."""
    wanted = [f'"{word}"'.encode() for word in words if word]
    return lambda texts: [
        place for place, text in enumerate(texts) if any(word in text for word in wanted)
    ]


def each(texts: list[bytes]) -> Iterable[int]:
    return range(len(texts))


def _start(name: str) -> bytes:
    return f'",\n  "{name}": [\n    {{\n'.encode()


def _digest(rest: bytes | memoryview) -> bytes:
    return b"%08x" % crc32(rest)
