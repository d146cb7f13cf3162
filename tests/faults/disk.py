"""A disk that forgets what was not flushed: a recorded command, and the power cut anywhere in it.

What is certain after a cut is only what was asked for: the content of a file as of its last fsync,
the names in a directory as of that directory's. What is not certain may be there in part: names in
the order in which they were made, data up to any byte or not at all. This is more than today's file
systems take away, and no more than POSIX lets them take.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_NAMES = ("openat", "write", "pwrite64", "fsync", "fdatasync", "fallocate", "ftruncate", "lseek")
_CALLS = (
    *_NAMES,
    *("rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "mkdir"),
    *("mkdirat", "rmdir", "close", "clone", "clone3", "fork", "vfork"),
)
_LINE = re.compile(r"^(\w+)\((.*)\) += (-?\d+|\?)")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_SPAWNS = ("clone", "clone3", "fork", "vfork")


def recording(output: Path) -> list[str]:
    return ["-xx", "-s", "20000000", "-o", str(output), "-e", f"trace={','.join(_CALLS)}"]


@dataclass(frozen=True)
class Call:
    name: str
    arguments: str
    result: int

    @property
    def texts(self) -> list[bytes]:
        return [bytes.fromhex(one.replace("\\x", "")) for one in _TEXT.findall(self.arguments)]

    @property
    def numbers(self) -> list[int]:
        """The arguments that are numbers, in their order."""
        bare = _TEXT.sub("", self.arguments)
        return [int(one) for one in bare.split(", ") if re.fullmatch(r"-?\d+", one)]

    @property
    def spawns(self) -> bool:
        return self.name in _SPAWNS


def recorded(output: Path) -> Iterator[Call]:
    """The calls that succeeded."""
    for line in output.read_text().splitlines():
        match = _LINE.match(line)
        if match is not None and match[3] != "?" and int(match[3]) >= 0:
            yield Call(match[1], match[2], int(match[3]))


@dataclass(eq=False)
class Inode:
    """`synced`: what a power cut leaves for certain."""

    content: bytes = b""
    synced: bytes = b""


# A change of names in one directory, whole or not at all: path to inode, None where it goes.
Change = dict[str, "Inode | None"]


class Disk:
    """The files below `root`, which stand on the disk for certain at first."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.names: dict[str, Inode] = {}
        self.directories = {self.root}
        for path in sorted(root.rglob("*")):
            if path.is_dir():
                self.directories.add(str(path))
            elif path.is_file():
                content = path.read_bytes()
                self.names[str(path)] = Inode(content, content)
        self.certain: dict[str, Inode] = dict(self.names)
        self.certain_directories = set(self.directories)
        self._changes: dict[str, list[Change]] = {}
        self._made: dict[str, list[str]] = {}
        self._open: dict[int, tuple[str, Inode | None]] = {}
        self._offsets: dict[int, int | None] = {}
        # Renames of a file that was not flushed, for the rule that forbids them.
        self.unflushed_renames: list[str] = []

    @classmethod
    def like(cls, other: Disk) -> Disk:
        """As the other one was when it was made: all of it certain."""
        made = cls(Path(other.root))
        made.names = {path: Inode(one.synced, one.synced) for path, one in other.names.items()}
        made.certain = dict(made.names)
        made.directories = set(other.directories)
        made.certain_directories = set(other.directories)
        return made

    # Playing calls ------------------------------------------------------------

    def play(self, call: Call) -> bool:
        """Whether it changed anything, or what is certain."""
        texts = [os.fsdecode(one) for one in call.texts]
        name = call.name
        if name == "openat":
            return self._opened(call, texts[0])
        if name in ("write", "pwrite64"):
            return self._written(call)
        if name in ("fsync", "fdatasync"):
            return self._synced(call.numbers[0])
        if name in ("ftruncate", "fallocate"):
            return self._sized(call)
        if name == "lseek":
            self._offsets[call.numbers[0]] = call.result
        elif name == "close":
            self._open.pop(call.numbers[0], None)
        elif name.startswith("rename"):
            return self._renamed(*texts[:2])
        elif name.startswith("link"):
            return self._change(texts[1], {texts[1]: self.names.get(texts[0])})
        elif name.startswith("unlink"):
            return self._change(texts[0], {texts[0]: None})
        elif name.startswith("mkdir") and self._mine(texts[0]):
            self.directories.add(texts[0])
            self._made.setdefault(os.path.dirname(texts[0]), []).append(texts[0])
            return True
        elif name == "rmdir" and self._mine(texts[0]):
            self.directories.discard(texts[0])
            return True
        return False

    def _mine(self, path: str) -> bool:
        return path.startswith(self.root + "/") or path == self.root

    def _opened(self, call: Call, path: str) -> bool:
        if not self._mine(path):
            self._open.pop(call.result, None)
            return False
        inode = self.names.get(path)
        changed = False
        if inode is None and "O_CREAT" in call.arguments:
            inode = Inode()
            changed = self._change(path, {path: inode})
        if inode is not None and "O_TRUNC" in call.arguments:
            inode.content, changed = b"", True
        self._open[call.result] = (path, inode)
        appends = "O_APPEND" in call.arguments
        self._offsets[call.result] = None if appends else 0
        return changed

    def _written(self, call: Call) -> bool:
        fd, data = call.numbers[0], call.texts[0][: call.result]
        _, inode = self._open.get(fd, ("", None))
        if inode is None:
            return False
        at = self._offsets.get(fd)
        if at is None or call.name == "pwrite64":
            at = len(inode.content) if at is None else call.numbers[-1]
        else:
            self._offsets[fd] = at + len(data)
        before = inode.content.ljust(at, b"\0")
        inode.content = before[:at] + data + before[at + len(data) :]
        return True

    def _synced(self, fd: int) -> bool:
        path, inode = self._open.get(fd, ("", None))
        if inode is not None:
            inode.synced = inode.content
            return True
        if path in self.directories:
            for change in self._changes.pop(path, []):
                _apply(self.certain, change)
            self.certain_directories.update(self._made.pop(path, []))
            return True
        return False

    def _sized(self, call: Call) -> bool:
        fd = call.numbers[0]
        _, inode = self._open.get(fd, ("", None))
        if inode is None:
            return False
        size = call.numbers[-1]
        if call.name == "fallocate":
            inode.content = inode.content.ljust(size, b"\0")
        else:
            inode.content = inode.content[:size].ljust(size, b"\0")
        return True

    def _renamed(self, old: str, new: str) -> bool:
        inode = self.names.get(old)
        if inode is None or self.names.get(new) is inode:
            return False  # two names of one file: nothing happens
        if inode.synced != inode.content:
            self.unflushed_renames.append(new)
        return self._change(new, {old: None, new: inode})

    def _change(self, path: str, change: Change) -> bool:
        if not self._mine(path):
            return False
        _apply(self.names, change)
        self._changes.setdefault(os.path.dirname(path), []).append(change)
        return True

    # Cutting the power ----------------------------------------------------------

    def least(self) -> dict[str, bytes]:
        """Only what is certain."""
        return {path: inode.synced for path, inode in self.certain.items() if self._reached(path)}

    def names_only(self) -> dict[str, bytes]:
        """All names, and of their content what is certain: the classic empty file."""
        return {path: inode.synced for path, inode in self.names.items()}

    def some(self, chance: random.Random) -> dict[str, bytes]:
        """In each directory some of the names, and of each file some of its bytes."""
        names = dict(self.certain)
        for changes in self._changes.values():
            for change in changes[: chance.randint(0, len(changes))]:
                _apply(names, change)
        return {path: _torn(inode, chance) for path, inode in names.items()}

    def everything(self) -> dict[str, bytes]:
        return {path: inode.content for path, inode in self.names.items()}

    def _reached(self, path: str) -> bool:
        return os.path.dirname(path) in self.certain_directories

    def write(self, files: dict[str, bytes], store: Path) -> None:
        """As found when the power is back; into an empty `store`."""
        directories = {os.path.dirname(path) for path in files} | self.certain_directories
        for directory in sorted(directories):
            place = store / os.path.relpath(directory, self.root)
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path, content in files.items():
            place = store / os.path.relpath(path, self.root)
            place.write_bytes(content)
            place.chmod(0o600)


def _apply(names: dict[str, Inode], change: Change) -> None:
    for path, inode in change.items():
        if inode is None:
            names.pop(path, None)
        else:
            names[path] = inode


def _torn(inode: Inode, chance: random.Random) -> bytes:
    if inode.synced == inode.content:
        return inode.content
    if inode.content.startswith(inode.synced):
        return inode.content[: chance.randint(len(inode.synced), len(inode.content))]
    return chance.choice([inode.synced, inode.content, b""])
