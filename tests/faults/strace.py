"""What a command asks of the kernel about its store, and making one of these calls fail."""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# By name, what they may fail with. A call that makes room can lack it, one that opens can lack a
# descriptor, one that changes can meet a file system that became read-only.
_FULL = ("ENOSPC", "EDQUOT")
ERRNOS = {
    "open to read": ("EIO", "EACCES", "EMFILE"),
    "open to write": (*_FULL, "EIO", "EACCES", "EMFILE", "EROFS"),
    "write": (*_FULL, "EIO"),
    "pwrite64": (*_FULL, "EIO"),
    "fsync": (*_FULL, "EIO"),
    "fdatasync": (*_FULL, "EIO"),
    "fallocate": (*_FULL, "EIO"),
    "ftruncate": ("EIO", "EROFS"),
    "rename": (*_FULL, "EIO", "EACCES", "EROFS"),
    "link": (*_FULL, "EIO", "EACCES", "EROFS"),
    "unlink": ("EIO", "EACCES", "EROFS"),
    "mkdir": (*_FULL, "EIO", "EACCES", "EROFS"),
    "rmdir": ("EIO", "EACCES", "EROFS"),
    "utimensat": ("EIO", "EACCES", "EROFS"),
    "read": ("EIO",),
    "getdents64": ("EIO",),
    "newfstatat": ("EIO", "EACCES"),
    "stat": ("EIO", "EACCES"),
    "lstat": ("EIO", "EACCES"),
    "flock": ("EIO",),
}
# The same call under its other names, as this or that machine has it.
_ALIASES = {
    "renameat": "rename",
    "renameat2": "rename",
    "linkat": "link",
    "unlinkat": "unlink",
    "mkdirat": "mkdir",
}
_TRACED = (
    *("openat", "write", "pwrite64", "fsync", "fdatasync", "fallocate", "ftruncate", "rename"),
    *("renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "mkdir", "mkdirat"),
    *("rmdir", "utimensat", "read", "getdents64", "newfstatat", "stat", "lstat", "flock"),
)
_CHANGING = frozenset(ERRNOS) - {
    *("open to read", "read", "getdents64", "newfstatat", "stat", "lstat"),
}
_CALL = re.compile(r"^(\w+)\((.*)$", re.DOTALL)


def missing() -> str:
    """Why there is no tracing here; empty where there is."""
    if shutil.which("strace") is None:
        return "strace is not installed: no call can be made to fail"
    scope = Path("/proc/sys/kernel/yama/ptrace_scope")
    if os.geteuid() != 0 and scope.exists() and scope.read_text().strip() != "0":
        return "strace may not attach to processes here (kernel.yama.ptrace_scope)"
    return ""


@dataclass(frozen=True)
class Point:
    """The `nth` of the program's calls of this name."""

    name: str
    nth: int
    kind: str
    text: str

    @property
    def changes(self) -> bool:
        return self.kind in _CHANGING

    @property
    def errnos(self) -> tuple[str, ...]:
        return ERRNOS[self.kind]

    def inject(self, fault: str) -> list[str]:
        """strace options. `fault`: KILL, an errno, or an errno with + for this and all later."""
        how = "signal=KILL" if fault == "KILL" else f"error={fault.removesuffix('+')}"
        when = f"{self.nth}{'+' if fault.endswith('+') else ''}"
        return ["-y", "-e", f"trace={self.name}", "-e", f"inject={self.name}:{how}:when={when}"]


def met(output: Path, store: Path) -> bool:
    """Whether a call that touches the store was made to fail: how many come before it depends on
    the processes that are there to be looked at."""
    for line in output.read_text(errors="replace").splitlines():
        match = _CALL.match(line)
        if match is not None and line.endswith("(INJECTED)") and _is_about(store, *match.groups()):
            return True
    return False


def _is_about(store: Path, name: str, arguments: str) -> bool:
    # What is written elsewhere may speak of the store.
    where = arguments.partition(", ")[0] if name == "write" else arguments
    return any(f"{store}{end}" in where for end in ("/", ">", '"'))


def tracing(output: Path) -> list[str]:
    return ["-y", "-s", "64", "-o", str(output), "-e", f"trace={','.join(_TRACED)}"]


def points(output: Path, store: Path) -> Iterator[Point]:
    """The calls that touch the store, in their order."""
    counts: Counter[str] = Counter()
    for line in output.read_text(errors="replace").splitlines():
        match = _CALL.match(line)
        if match is None:
            continue
        name, arguments = match.groups()
        counts[name] += 1
        if not _is_about(store, name, arguments):
            continue
        kind = _ALIASES.get(name, name)
        if name == "openat":
            writes = "O_WRONLY" in arguments or "O_RDWR" in arguments or "O_CREAT" in arguments
            kind = "open to write" if writes else "open to read"
        yield Point(name, counts[name], kind, line.replace(f"{store}/", "")[:160])
