"""One JSON file of records: `{"format": 1, "<name>": [...]}`, as plain dictionaries.

A file that cannot be read is refused and left as it is; nothing is written over it, and it never
counts as empty. A record that is no object stays in the file and is reported. Keys of later
versions, in the file or in a record, survive a rewrite. Lean: what is valid is decided by
`ccs.store.collection`, which supervisors do not load.
"""

from __future__ import annotations

import json
import os

from ccs.errors import BrokenStore
from ccs.store import atomic
from ccs.store.home import FORMAT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Record = dict[str, Any]


class Content:
    """A file as it was read: what is in it and the stamp to recognise a change by."""

    __slots__ = ("damaged", "envelope", "newer", "raw", "records", "stamp")

    def __init__(self, raw: bytes, stamp: atomic.Stamp | None) -> None:
        self.raw = raw
        self.stamp = stamp
        self.envelope: Record = {}
        self.records: list[Record] = []
        self.damaged: list[Any] = []
        self.newer = False


class Records:
    """Reading needs no lock; `write` is called under the store lock only."""

    def __init__(self, path: str, name: str) -> None:
        self.path = path
        self.name = name

    def read(self) -> Content:
        """Raises BrokenStore for a file that is no list of records, OSError."""
        found = atomic.read(self.path)
        if found is None:
            self._refuse_if_lost()
            return Content(b"", None)
        content = Content(*found)
        document = parse(content.raw, self.path)
        if isinstance(document, list):  # format 0: the prior system's bare list
            entries = document
        elif isinstance(document, dict) and isinstance(document.get(self.name), list):
            entries = document.pop(self.name)
            content.envelope = document
            version = document.get("format", FORMAT)
            content.newer = not isinstance(version, int) or version > FORMAT
        else:
            raise BrokenStore(
                f'{self.path} is not of the form {{"format": {FORMAT}, "{self.name}": [...]}}',
                _mend(self.path),
            )
        for entry in entries:
            if isinstance(entry, dict) and isinstance(entry.get("id"), str):
                content.records.append(entry)
            else:
                content.damaged.append(entry)
        return content

    def write(self, content: Content, records: list[Record]) -> atomic.Stamp:
        """Replaces the file and keeps what it held as `.prev`. Raises BrokenStore, OSError."""
        if content.newer:
            raise BrokenStore(
                f"{self.path} was written by a later version of ccs",
                "use that version, or one at least as new",
            )
        if content.raw:
            original = not content.envelope and content.raw.lstrip()[:1] == b"["
            keep = ".format-0" if original else ".prev"
            atomic.write(self.path + keep, content.raw, durable=original)
        document = {"format": FORMAT, **content.envelope, self.name: [*records, *content.damaged]}
        return atomic.write(self.path, encode(document))

    def _refuse_if_lost(self) -> None:
        """An absent file beside its own previous copy was removed or lost, it was never empty."""
        if os.path.exists(self.path + ".prev"):
            raise BrokenStore(
                f"{self.path} is gone, but its previous copy is there",
                f"put it back: cp '{self.path}.prev' '{self.path}'; "
                f"to begin anew: rm '{self.path}.prev'",
            )


def encode(document: Any) -> bytes:
    # ensure_ascii: a lone surrogate from a hostile file would otherwise fail at every write.
    return json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False).encode() + b"\n"


def parse(raw: bytes, path: str) -> Any:
    """Raises BrokenStore that names the line."""
    try:
        return json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}: {error.msg}"
    except RecursionError:
        where = "nested too deeply"
    except ValueError as error:
        where = str(error)
    raise BrokenStore(f"{path} cannot be read: {where}", _mend(path))


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _mend(path: str) -> str:
    previous = f"{path}.prev"
    if os.path.exists(previous):
        return f"mend it by hand, or take the last good copy: cp '{previous}' '{path}'"
    return "mend it by hand; ccs leaves it as it is"
