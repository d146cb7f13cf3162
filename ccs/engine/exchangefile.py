"""The file of an export: read as something hostile, written whole."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from datetime import datetime
from typing import Any, BinaryIO

from ccs.errors import BrokenStore, Conflict, InvalidInput, NotFound
from ccs.exchange import reading
from ccs.exchange.notes import Here
from ccs.exchange.reading import Parcel
from ccs.host import files, zone
from ccs.store import atomic, strict
from ccs.store.store import Store


def load(path: str, environment: Mapping[str, str], now: datetime) -> list[Parcel]:
    """Raises InvalidInput, NotFound, Conflict, OSError."""
    try:
        before = atomic.stamp_of(path)
        raw = files.read_regular(path, reading.MOST_BYTES, follow=False)
        changed = atomic.stamp_of(path) != before
    except FileNotFoundError:
        raise NotFound(f"no file {path!r}") from None
    except ValueError as problem:
        raise InvalidInput(str(problem), "give the file itself") from None
    if changed:
        raise Conflict(f"{path} was changed while it was read", "try again when it is written")
    return parse(raw, path, environment, now)


def load_stream(stream: BinaryIO, environment: Mapping[str, str], now: datetime) -> list[Parcel]:
    """Raises InvalidInput, OSError."""
    raw = stream.read(reading.MOST_BYTES + 1)
    if len(raw) > reading.MOST_BYTES:
        raise InvalidInput(f"more than {reading.MOST_BYTES:,} bytes")
    return parse(raw, "standard input", environment, now)


def parse(raw: bytes, name: str, environment: Mapping[str, str], now: datetime) -> list[Parcel]:
    """Raises InvalidInput."""
    if (parts := raw.count(b"{") + raw.count(b"[")) > reading.MOST_PARTS:
        raise InvalidInput(f"{name} has {parts:,} brackets; an import takes {reading.MOST_PARTS:,}")
    try:
        found = strict.parse(raw, name)
    except BrokenStore as problem:
        raise InvalidInput(problem.message) from None
    return reading.read(found, here(environment), now)


def here(environment: Mapping[str, str]) -> Here:
    return Here(zone.local_name(environment), os.path.expanduser("~"))


def text(exported: Mapping[str, Any]) -> str:
    """ASCII. Raises InvalidInput for what could not be read back."""
    written = json.dumps(exported, indent=2, ensure_ascii=True, allow_nan=False) + "\n"
    tasks = [len(one["tasks"]) for one in exported.get("jobs", [exported])]
    brackets = written.count("{") + written.count("[")
    small = len(written) <= reading.MOST_BYTES and brackets <= reading.MOST_PARTS
    if not small or max(tasks, default=0) > reading.MOST_TASKS:
        most = f"{reading.MOST_TASKS:,} tasks of a job and {reading.MOST_BYTES:,} bytes"
        raise InvalidInput(f"an import takes at most {most}", "export the jobs one by one")
    return written


def save(path: str, exported: Mapping[str, Any], store: Store, force: bool) -> None:
    """Readable by its owner only; `force`: in place of a file that is there already.

    Raises InvalidInput for what is no file, or one of the store; Conflict, OSError.
    """
    path = os.path.abspath(path)
    if _is_within(os.path.dirname(path), store.home.path):
        raise InvalidInput(f"{path} lies in the store itself", "write the export elsewhere")
    try:
        kind = os.lstat(path).st_mode
    except FileNotFoundError:
        kind = stat.S_IFREG
    else:
        if stat.S_ISREG(kind) and not force:
            raise Conflict(f"{path} is there already", "replace it with --force")
    if not stat.S_ISREG(kind):
        raise InvalidInput(f"{path} is not a regular file", "leave out -o for standard output")
    atomic.write(path, text(exported).encode())


def _is_within(directory: str, other: str) -> bool:
    inner, outer = (os.path.join(os.path.realpath(one), "") for one in (directory, other))
    return inner.startswith(outer)
