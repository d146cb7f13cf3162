"""The state of a directory tree, by path, size, mtime and inode; contents are not read.

Run in a process of its own, with a time limit: a tree may be huge, or on a disk that hangs.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
from collections.abc import Iterator, Sequence

# Never a reason to run: what tools keep for themselves.
_ALWAYS_IGNORED = (".git",)


class Tree:
    """One look at a tree. `lines`: a line for each file, sorted; `newest`: the latest mtime."""

    def __init__(self, lines: list[str], newest: float) -> None:
        self.lines = lines
        self.newest = newest

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256("\n".join(self.lines).encode("utf-8", "surrogateescape")).hexdigest()


def scan(directory: str, patterns: Sequence[str], ignored: Sequence[str], deep: bool) -> Tree:
    """Files whose name or path below `directory` fits a pattern (all, without patterns).

    Raises OSError when the directory itself cannot be read; what vanishes meanwhile is left out.
    """
    lines, newest = [], 0.0
    os.listdir(directory)
    for path, status in _files(directory, "", ignored, deep):
        if patterns and not _fits(path, patterns):
            continue
        lines.append(f"{path}\t{status.st_size}\t{status.st_mtime_ns}\t{status.st_ino}")
        newest = max(newest, status.st_mtime)
    return Tree(sorted(lines), newest)


def changed(before: Sequence[str], after: Sequence[str]) -> int:
    """How many paths were added, removed or altered."""
    old, new = ({line.rsplit("\t", 3)[0]: line for line in lines} for lines in (before, after))
    return sum(old.get(path) != new.get(path) for path in {*old, *new})


def _files(
    root: str, below: str, ignored: Sequence[str], deep: bool
) -> Iterator[tuple[str, os.stat_result]]:
    try:
        entries = list(os.scandir(os.path.join(root, below)))
    except OSError:
        return  # gone, or not ours to read
    for entry in entries:
        path = f"{below}{entry.name}"
        if entry.name in _ALWAYS_IGNORED or _fits(path, ignored):
            continue
        try:
            if entry.is_dir(follow_symlinks=False):
                if deep:
                    yield from _files(root, f"{path}/", ignored, deep)
            elif entry.is_file(follow_symlinks=False):
                yield path, entry.stat(follow_symlinks=False)
        except OSError:
            continue


def _fits(path: str, patterns: Sequence[str]) -> bool:
    name = path.rpartition("/")[2]
    return any(fnmatch.fnmatch(path, one) or fnmatch.fnmatch(name, one) for one in patterns)
