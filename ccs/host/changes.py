"""What is changed in a working tree and not committed, to be compared with a later look.

A path is known by the hash of what stands there, so that a run that only touches a file of the
user has not changed it. Lean.
"""

from __future__ import annotations

import os
import stat

from ccs.host.git import LONG_SECONDS, Git
from ccs.host.repository import branch_of, commit_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# More than that was not written by hand: something is not ignored that should be.
MOST = 20_000
# What a file host refuses; it would have to be taken out of the history again.
LARGEST = 100_000_000
# A larger file is known by size and time.
_HASHED = 16 << 20
_CHUNK = 1 << 20
_GITLINK = "160000"


class State:
    """One look. `dirty`: path -> what stands there; `foreign`: paths that ccs never commits, and
    why, in words; `unclear`: why nothing can be said of the single paths, else empty."""

    __slots__ = ("branch", "dirty", "foreign", "head", "unclear")

    def __init__(
        self,
        head: str | None,
        branch: str | None,
        dirty: dict[str, str],
        foreign: dict[str, str],
        unclear: str = "",
    ) -> None:
        self.head = head
        self.branch = branch
        self.dirty = dirty
        self.foreign = foreign
        self.unclear = unclear

    def record(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def of(cls, record: dict[str, Any]) -> State:
        return cls(*(record[name] for name in ("head", "branch", "dirty", "foreign", "unclear")))


def look(git: Git, top: str) -> State:
    """At the working tree with this top. Raises GitFailed."""
    head, branch = commit_of(git, "HEAD"), branch_of(git)
    words = ("--porcelain=v2", "-z", "--no-renames", "--untracked-files=all")
    out = git.ask("status", *words, "--ignore-submodules=none", seconds=LONG_SECONDS)
    entries = [one for one in out.split(b"\0") if one]
    if len(entries) > MOST:
        return State(head, branch, {}, {}, f"{len(entries):,} paths are changed")
    dirty, foreign = {}, {}
    for entry in entries:
        path, why = _parsed(os.fsdecode(entry))
        if why:
            foreign[path] = why
        else:
            dirty[path] = _standing(os.path.join(top, path))
    return State(head, branch, dirty, foreign)


def has_moved(before: State, now: State) -> set[str]:
    """What stood uncommitted at a path and does no more: it may stand at another one now. Empty
    files are left out, for all of them are the same."""
    return {
        it
        for path, it in before.dirty.items()
        if it.startswith(("file", "large")) and now.dirty.get(path, "gone") == "gone"
    }


def is_too_large(path: str) -> bool:
    try:
        return os.lstat(path).st_size > LARGEST
    except OSError:
        return False


def _parsed(entry: str) -> tuple[str, str]:
    """The path, and why ccs must not commit it, if so."""
    kind, _, rest = entry.partition(" ")
    if kind == "?":
        # git does not look into a repository that lies in another one.
        return rest.rstrip("/"), "a repository of its own" if rest.endswith("/") else ""
    fields = rest.split(" ", 9 if kind == "u" else 7)
    if kind == "u":
        return fields[-1], "in conflict"
    submodule = fields[1] != "N..." or _GITLINK in fields[2:5]
    return fields[-1], "a submodule" if submodule else ""


def _standing(path: str) -> str:
    """What stands at the path; equal words, equal content."""
    try:
        status = os.lstat(path)
    except OSError:
        return "gone"
    if stat.S_ISLNK(status.st_mode):
        return f"link {os.readlink(path)}"
    if not stat.S_ISREG(status.st_mode):
        return "other"
    mode = "x" if status.st_mode & 0o100 else "-"
    if not status.st_size:
        return f"empty {mode}"
    if status.st_size > _HASHED:
        return f"large {mode} {status.st_size} {status.st_mtime_ns}"
    return f"file {mode} {status.st_size} {_hash(path)}"


def _hash(path: str) -> str:
    from hashlib import sha256  # not before it is needed: most trees are clean

    found = sha256()
    try:
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK):
                found.update(chunk)
    except OSError:
        return "unreadable"
    return found.hexdigest()
