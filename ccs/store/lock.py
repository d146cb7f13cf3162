"""Locks that die with their holder.

A lock file is never deleted: two holders of one path through two inodes are the classic hole.
On POSIX this is flock(2) on the descriptor, because a run's lock must be inherited by its client
and a supervisor must not carry filelock's imports for hours; filelock takes the same flock on the
same file, so the two exclude each other. Elsewhere filelock does the work. Lean on POSIX.

Order, always: tick -> run -> store -> usage. The store lock covers one re-read, patch and write.
"""

from __future__ import annotations

import os
import time

from ccs.errors import BrokenStore, LockTimeout
from ccs.store.home import open_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STORE_TIMEOUT = 10.0
_SIGNATURE = 200
_PAUSE = 0.02
_LOCKS = "/proc/locks"


class Lock:
    """One lock file, to be let go of by `release` even if it was not free. Not reentrant.

    `fd`: its descriptor while the lock is held.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.fd: int | None = None
        self._opened: int | None = None
        self._foreign: Any = None

    def acquire(self) -> bool:
        """Takes the lock if it is free. Never waits. Raises OSError, BrokenStore."""
        if os.name == "nt":
            return self._acquire_by_filelock()
        import fcntl

        if self._opened is None:  # kept from one attempt to the next: a hundred may wait
            # Whoever comes first makes it; it stays.
            self._opened = open_file(self.path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(self._opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if not _still_there(self._opened, self.path):
            self.release()
            return False
        self.fd = self._opened
        return True

    def adopt(self, fd: int) -> bool:
        """Goes on with the lock that another process took and handed over; POSIX only."""
        if not _still_there(fd, self.path):
            os.close(fd)
            return False
        self.fd = self._opened = fd
        return True

    def acquire_within(self, seconds: float, command: str = "") -> None:
        """Waits up to `seconds`. Raises LockTimeout that names the holder."""
        deadline = time.monotonic() + seconds
        while not self.acquire():
            left = deadline - time.monotonic()
            if left <= 0:
                raise LockTimeout(
                    f"the store is locked by {self.holder()}",
                    "wait for it to end, or end it if it hangs, and try again",
                )
            if self._opened is None or not _queue(self._opened, left):
                time.sleep(min(left, _PAUSE))
        self._sign(command)

    def release(self) -> None:
        if self._foreign is not None:
            self._foreign.release()
            self._foreign = None
        if self._opened is not None:
            os.close(self._opened)
            self.fd = self._opened = None

    def holder(self) -> str:
        """Who signed last. Only words for an error: the lock itself is the truth."""
        try:
            fd = open_file(self.path + ".holder", os.O_RDONLY)
        except (OSError, BrokenStore):
            return "another process"
        try:
            words = os.read(fd, _SIGNATURE).decode("utf-8", "replace")
        finally:
            os.close(fd)
        return words.strip() or "another process"

    def _sign(self, command: str) -> None:
        try:
            fd = open_file(self.path + ".holder", os.O_WRONLY | os.O_CREAT)
        except (OSError, BrokenStore):
            return  # the signature is a courtesy; the lock is held all the same
        words = f"pid {os.getpid()} ({command or 'ccs'})".encode()[:_SIGNATURE]
        try:
            # One write of one length over the last signature: nobody reads half of it.
            os.write(fd, words.ljust(_SIGNATURE) + b"\n")
        except OSError:
            pass  # as above: a full disk must not take the lock away
        finally:
            os.close(fd)

    def _acquire_by_filelock(self) -> bool:
        import filelock

        lock = filelock.FileLock(self.path, timeout=0, mode=0o600, fallback_to_soft=False)
        try:
            lock.acquire()
        except filelock.Timeout:
            return False
        self._foreign = lock
        return True

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def is_free(path: str) -> bool:
    """Whether nobody holds the lock now. A missing file is free. Raises BrokenStore, OSError."""
    try:
        os.lstat(path)
        with Lock(path) as lock:
            return lock.acquire()
    except FileNotFoundError:
        return True  # nobody made it, or its directory was removed in this moment


def holding(path: str) -> int | None:
    """Who took the lock, by its PID, without touching it. None: nobody, or nobody can tell; only
    Linux lists its locks. A lock that was handed over is listed under who took it, gone or not.
    """
    try:
        with open(_LOCKS, encoding="ascii") as file:
            lines = file.read().splitlines()
        inode = os.stat(path, follow_symlinks=False).st_ino
    except (OSError, ValueError):
        return None
    for line in lines:
        words = line.split()
        # The device is left out: btrfs and overlays list another than they stat.
        if words[1:2] == ["FLOCK"] and words[5:6] and words[5].endswith(f":{inode}"):
            return int(words[4])
    return None


def _queue(fd: int, seconds: float) -> bool:
    """Waits in the system's queue until the lock is there or the time is up, which is for a look to
    tell: a hundred that wait so cost nothing, and none of them misses its turn. False where this
    process cannot wait so.
    """
    import fcntl
    import signal

    blocked = signal.SIGALRM in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    if blocked or signal.getitimer(signal.ITIMER_REAL)[0]:
        return False  # it is for whoever started us: an alarm outlives exec
    waiting = True

    def time_is_up(*_: object) -> None:
        if waiting:
            raise TimeoutError

    try:
        known = signal.signal(signal.SIGALRM, time_is_up)
    except ValueError:
        return False  # only the main thread hears signals
    try:
        # Again and again: one that rings just before the wait begins would not end it.
        signal.setitimer(signal.ITIMER_REAL, seconds, _PAUSE)
        fcntl.flock(fd, fcntl.LOCK_EX)
    except TimeoutError:
        pass
    finally:
        waiting = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, known)
    return True


def _still_there(fd: int, path: str) -> bool:
    """Whether the locked file is the one the path names: a removed run directory must not count."""
    held = os.fstat(fd)
    try:
        named = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (held.st_dev, held.st_ino) == (named.st_dev, named.st_ino)
