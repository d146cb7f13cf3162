"""Several files of a store that change all or not at all, as far as somebody is left to see to it.

A process that is killed sees to nothing, so each prefix of such a change has to be valid as well.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ccs.errors import BrokenStore
from ccs.store import atomic


@contextmanager
def together(*paths: str) -> Iterator[None]:
    """Under the store lock. When a write fails, or is interrupted, the files are put back.

    Raises BrokenStore, OSError.
    """
    before = {path: atomic.read(path) for path in paths}
    try:
        yield
    except BaseException:
        for path, found in before.items():
            with suppress(BrokenStore, OSError):  # the failure that brought us here is to be told
                _put_back(path, found)
        raise


def _put_back(path: str, found: tuple[bytes, atomic.Stamp] | None) -> None:
    if atomic.stamp_of(path) == (found and found[1]):
        return
    if found is not None:
        atomic.write(path, found[0])
        return
    # Its previous copy, made since, would stand for a file that was lost.
    for name in (f"{path}.prev", path):
        with suppress(FileNotFoundError):
            os.unlink(name)
