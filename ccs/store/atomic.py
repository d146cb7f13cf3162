"""How bytes reach the disk: whole or not at all, fsynced, private.

A reader sees the old or the new version. An error leaves the old one and no litter, but for one:
when the directory cannot be flushed the new one stands already and only a power cut could undo it.
What a killed writer leaves is a draft, which the file's next writer may sweep. fsync is never tried
twice on one descriptor: after a failure the kernel has dropped the pages
(https://www.usenix.org/conference/atc20/presentation/rebello). Lean.
"""

from __future__ import annotations

import os
import stat
import sys

from ccs.errors import BrokenStore
from ccs.store.home import foreign, open_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

Stamp = tuple[int, int, int]


def stamp(status: os.stat_result) -> Stamp:
    """What tells two versions of a file apart: mtime in ns, size, inode."""
    return status.st_mtime_ns, status.st_size, status.st_ino


def stamp_of(path: str) -> Stamp | None:
    """None when there is no such file. Raises OSError."""
    try:
        return stamp(os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return None


def read(path: str) -> tuple[bytes, Stamp] | None:
    """The content and its stamp, None when there is no such file. Raises BrokenStore, OSError."""
    try:
        fd = open_file(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        status = os.fstat(fd)
        return b"".join(_chunks(fd)), stamp(status)
    finally:
        os.close(fd)


class Pin:
    """Tells whether a path still names the file that was read. The file is kept open: else a later
    one could get its inode, and within the clock's step its time."""

    def __init__(self, path: str, fd: int) -> None:
        self._path = path
        self._fd = fd
        self._stamp = stamp(os.fstat(fd))

    @classmethod
    def of(cls, path: str, read: Stamp | None) -> Pin | None:
        """None when there was no file, or another one stands there by now."""
        if read is None or os.name == "nt":  # there an open file cannot be replaced
            return None
        try:
            pin = cls(path, open_file(path, os.O_RDONLY))
        except (OSError, BrokenStore):
            return None
        return pin if pin._stamp == read else None

    def holds(self) -> bool:
        try:
            return stamp(os.stat(self._path, follow_symlinks=False)) == self._stamp
        except OSError:
            return False

    def __del__(self) -> None:
        os.close(self._fd)


def _chunks(fd: int) -> Iterator[bytes]:
    while chunk := os.read(fd, 1 << 20):
        yield chunk


def write(
    path: str, content: bytes, durable: bool = True, previous: str = "", flush_name: bool = True
) -> Stamp:
    """Replaces `path`. `durable=False` skips the fsyncs, for what can be rebuilt.

    `previous`: the name by which the version that stood there is kept. `flush_name=False` leaves
    the directory to be flushed by whoever calls.
    Raises BrokenStore for what is no file: a rename would replace a link and leave what it leads
    to as it was, and cannot replace a directory.
    """
    for one in filter(None, (path, previous)):
        _refuse_foreign(one)
    directory = os.path.dirname(path)
    draft = _draft(path)
    fd = open_file(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        try:
            write_all(fd, content)
            if durable:
                flush(fd)
            written = stamp(os.fstat(fd))
        finally:
            os.close(fd)
        if previous:
            _keep(path, previous)
        _replace(draft, path)
    except BaseException:
        _unlink(draft)
        raise
    if durable and flush_name:
        flush_directory(directory)
    return written


def _draft(path: str) -> str:
    directory, name = os.path.split(path)
    return os.path.join(directory, f".{name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")


def _keep(path: str, previous: str) -> None:
    """Gives what stands at `path` its second name, for the moment until it loses the first.

    It is on disk already, so that this costs no write and no flush.
    """
    draft = _draft(previous)
    try:
        os.link(path, draft, follow_symlinks=False)
    except FileNotFoundError:
        return
    except (OSError, NotImplementedError):
        # Not every file system has links; whatever else is wrong, the copy meets it as well.
        found = read(path)
        if found is not None:
            write(previous, found[0])
        return
    try:
        _replace(draft, previous)
    finally:
        # Kept before, by a writer that was killed: between two names of one file, rename does
        # nothing (https://pubs.opengroup.org/onlinepubs/9699919799/functions/rename.html).
        _unlink(draft)


def _refuse_foreign(path: str) -> None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise foreign(path, mode)


def sweep(path: str) -> None:
    """Removes the drafts that killed writers of `path` left. Only for its one possible writer."""
    directory, name = os.path.split(path)
    for entry in os.listdir(directory):
        if entry.startswith(f".{name}.") and entry.endswith(".tmp"):
            _unlink(os.path.join(directory, entry))


def create(path: str) -> bool:
    """Makes an empty `path` durably unless it is there already; says whether this call made it."""
    try:
        fd = open_file(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        return False
    try:
        try:
            flush(fd)
        finally:
            os.close(fd)
        flush_directory(os.path.dirname(path))
    except BaseException:
        _unlink(path)  # whoever is told of a failure must not find it made all the same
        raise
    return True


def append(path: str, content: bytes, durable: bool = True) -> None:
    """Adds whole lines; a line torn by an earlier crash is ended first."""
    fd = open_append(path, readable=True)
    try:
        size = os.lseek(fd, 0, os.SEEK_END)
        if size and _byte_before(fd, size) != b"\n":
            content = b"\n" + content
        write_all(fd, content)
        if durable:
            flush(fd)
    finally:
        os.close(fd)
    if durable and not size:
        flush_directory(os.path.dirname(path))


def is_whole(path: str, size: int) -> bool:
    """Whether a file of lines is of this size and none is torn. Raises BrokenStore, OSError."""
    fd = open_file(path, os.O_RDONLY)
    try:
        return os.fstat(fd).st_size == size > 0 and _byte_before(fd, size) == b"\n"
    finally:
        os.close(fd)


def _byte_before(fd: int, position: int) -> bytes:
    os.lseek(fd, position - 1, os.SEEK_SET)
    return os.read(fd, 1)


def open_read(path: str) -> BinaryIO:
    """A file of the store for reading. Raises BrokenStore, OSError."""
    return os.fdopen(open_file(path, os.O_RDONLY), "rb")


def open_append(path: str, readable: bool = False) -> int:
    return open_file(path, (os.O_RDWR if readable else os.O_WRONLY) | os.O_APPEND | os.O_CREAT)


def write_all(fd: int, content: bytes) -> None:
    # A full tmpfs accepts part of a write and reports no error until the next one.
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]


def flush(fd: int) -> None:
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)  # fsync alone stops at the drive's cache there
    else:
        os.fsync(fd)


def flush_directory(path: str) -> None:
    if os.name == "nt":
        return  # a directory cannot be opened there; NTFS journals the rename
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _replace(draft: str, path: str) -> None:
    attempts = 10 if os.name == "nt" else 1
    for attempt in range(attempts):
        try:
            os.replace(draft, path)
            return
        except PermissionError:  # Windows: a reader without delete-share is in the way
            if attempt + 1 == attempts:
                raise
            import time

            time.sleep(0.02)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass  # the error that brought us here is the one worth raising
