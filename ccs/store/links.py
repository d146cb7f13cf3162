"""The other names of a file: those that ccs gives it, and those of somebody else. Lean."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def is_elsewhere(look: Callable[[], os.stat_result], path: str) -> bool:
    """Whether it has names that ccs did not give it: a writer that keeps the version before
    (`atomic.write`) gives it a second one, for a moment or, killed in that, for longer.
    """
    status = look()
    while status.st_nlink > _own_names(path, status):
        before, status = status, look()
        if status.st_nlink == before.st_nlink:
            return True
    return False


def _own_names(path: str, status: os.stat_result) -> int:
    directory, name = os.path.split(path)
    name = name.removesuffix(".prev")
    with os.scandir(directory) as entries:
        mine = [
            one
            for one in entries
            if one.name in (name, name + ".prev")
            or (one.name.startswith(f".{name}.prev.") and one.name.endswith(".tmp"))
        ]
        return sum(_is_same(one, status) for one in mine)


def _is_same(entry: os.DirEntry[str], status: os.stat_result) -> bool:
    try:
        return os.path.samestat(entry.stat(follow_symlinks=False), status)
    except FileNotFoundError:
        return False  # given its place meanwhile, which must not look as if the file were gone
