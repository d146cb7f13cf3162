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
    path = path.removesuffix(".prev")
    directory, name = os.path.split(path)
    drafts = [
        os.path.join(directory, one)
        for one in os.listdir(directory)
        if one.startswith(f".{name}.prev.") and one.endswith(".tmp")
    ]
    # In the order in which a writer moves them on: one that is moved meanwhile is found again.
    return sum(_is_same(one, status) for one in (*drafts, path + ".prev", path))


def _is_same(path: str, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.lstat(path), status)
    except FileNotFoundError:
        return False  # given its place meanwhile, which must not look as if the file were gone
