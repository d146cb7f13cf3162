"""What reading all of a file has shown, for later lists of it: `tasks.listing` is of tasks.json.

    ccs-listing VERSION MTIME_NS:SIZE:INODE AS_SHOWN COUNT
    CELL<tab>CELL<tab>…
    ...

It stands there only when every record of that file is good, so what has to be reported is never
passed over; of a file with another stamp it says nothing. AS_SHOWN is 1 when the records stand in
the file just as they are shown in JSON, 0 when that is not known. Below there is a line for each
record where a list needs one. Derived: deleting it costs one slow list. Lean.
"""

from __future__ import annotations

import os

from ccs import __version__
from ccs.errors import CcsError
from ccs.store import agenda, atomic
from ccs.store.home import open_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ccs.store.home import Home


class Listing:
    """`stamp`: of the file it tells of, as the agenda shows stamps."""

    def __init__(self, stamp: str, as_shown: bool, rows: list[list[str]]) -> None:
        self.stamp = stamp
        self.as_shown = as_shown
        self.rows = rows


def known(home: Home, name: str) -> Listing | None:
    """Of the collection as it stands there now. None when all of that has to be read."""
    try:
        found = atomic.read(home.listing(name))
        if found is None:
            return None
        head, *lines = found[0].decode("utf-8").split("\n")
        mark, version, stamp, as_shown, count = head.split(" ")
        now = agenda.shown(_stamp(home.collection(name)))
        whole = int(count) + 1 == len(lines) and not lines.pop()
    except (OSError, ValueError, CcsError):
        return None  # absent, torn or foreign
    if (mark, version, stamp) != ("ccs-listing", __version__, now) or not whole:
        return None
    return Listing(stamp, as_shown == "1", [line.split("\t") for line in lines])


def _stamp(path: str) -> atomic.Stamp:
    """Raises BrokenStore for a file that is not to be trusted any more, OSError."""
    fd = open_file(path, os.O_RDONLY)
    try:
        return atomic.stamp(os.fstat(fd))
    finally:
        os.close(fd)


def keep(
    home: Home,
    name: str,
    stamp: atomic.Stamp | None,
    as_shown: bool,
    rows: Iterable[Iterable[str]] = (),
) -> None:
    """Of a file read whole, in which all was good. Where it cannot be kept the list is slow."""
    lines = ["\t".join(row) for row in rows]
    head = f"ccs-listing {__version__} {agenda.shown(stamp)} {int(as_shown)} {len(lines)}"
    try:
        if stamp is not None:
            atomic.write(
                home.listing(name), "\n".join((head, *lines, "")).encode("utf-8"), durable=False
            )
    except (OSError, ValueError, CcsError):
        pass
