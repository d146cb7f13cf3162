"""How bytes reach the disk: whole or not at all, fsynced, private.

A reader sees the old or the new version. Any error leaves the old one and no litter. fsync is
never tried twice on one descriptor: after a failure the kernel has dropped the pages
(https://www.usenix.org/conference/atc20/presentation/rebello). Lean.
"""

from __future__ import annotations

import os
import sys

from ccs.store.home import check_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MODE = 0o600
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
_BINARY = getattr(os, "O_BINARY", 0)

Stamp = tuple[int, int, int]


def stamp(status: os.stat_result) -> Stamp:
    """What tells two versions of a file apart: mtime in ns, size, inode."""
    return status.st_mtime_ns, status.st_size, status.st_ino


def read(path: str) -> tuple[bytes, Stamp] | None:
    """The content and its stamp, None when there is no such file. Raises BrokenStore, OSError."""
    try:
        fd = os.open(path, os.O_RDONLY | _NOFOLLOW | _CLOEXEC | _BINARY)
    except FileNotFoundError:
        return None
    try:
        status = os.fstat(fd)
        check_private(status, path)
        return b"".join(_chunks(fd)), stamp(status)
    finally:
        os.close(fd)


def _chunks(fd: int) -> Iterator[bytes]:
    while chunk := os.read(fd, 1 << 20):
        yield chunk


def write(path: str, content: bytes, durable: bool = True) -> Stamp:
    """Replaces `path`. `durable=False` skips the fsyncs, for what can be rebuilt."""
    directory, name = os.path.split(path)
    draft = os.path.join(directory, f".{name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW | _CLOEXEC | _BINARY, MODE)
    try:
        try:
            write_all(fd, content)
            if durable:
                flush(fd)
            written = stamp(os.fstat(fd))
        finally:
            os.close(fd)
        _replace(draft, path)
    except BaseException:
        _unlink(draft)
        raise
    if durable:
        flush_directory(directory)
    return written


def create(path: str, content: bytes = b"") -> bool:
    """Makes `path` durably unless it is there already; says whether this call made it."""
    try:
        fd = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW | _CLOEXEC | _BINARY, MODE
        )
    except FileExistsError:
        return False
    try:
        write_all(fd, content)
        flush(fd)
    finally:
        os.close(fd)
    flush_directory(os.path.dirname(path))
    return True


def append(path: str, content: bytes) -> None:
    """Adds whole lines durably; a line torn by an earlier crash is ended first."""
    fd = open_append(path, readable=True)
    try:
        size = os.fstat(fd).st_size
        if size and os.pread(fd, 1, size - 1) != b"\n":
            content = b"\n" + content
        write_all(fd, content)
        flush(fd)
    finally:
        os.close(fd)
    if not size:
        flush_directory(os.path.dirname(path))


def open_append(path: str, readable: bool = False) -> int:
    access = os.O_RDWR if readable else os.O_WRONLY
    return os.open(path, access | os.O_APPEND | os.O_CREAT | _NOFOLLOW | _CLOEXEC | _BINARY, MODE)


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
    fd = os.open(path, os.O_RDONLY | _CLOEXEC)
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
