"""The agenda: what the next ticks need to know to do nothing, or no more than is needed.

Its first line is read by `ccs.entry` without importing anything of ccs but this module:

    ccs-agenda VERSION WRITTEN_AT NEXT_WAKE BOOT BUSY NAME=MTIME_NS:SIZE:INODE ...

Times are whole seconds of the epoch. BUSY is 0, or 1 while something has to be looked at each
minute, or RUN:PID:STARTED,… when all there is to look at is whether these runs still go on: the
supervisor is that process and the run's lock is held. A stamp is that of the file as it was read,
so a change made meanwhile shows at the next tick. What follows that line is for the long way
(`ccs.store.tasklist`). The agenda is derived: deleting it costs one long tick. Lean.
"""

from __future__ import annotations

import os
import stat
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from ccs.store.atomic import Stamp

SOURCES = (
    *("jobs.json", "tasks.json", "runs.json", "settings.json", "cursors.json"),
    # These matter only to what waits for its account.
    *("usage.json", "profiles.json"),
)
# In place of a stamp: a change of this file wakes nobody.
ANY = (0, 0, 0)
LONGEST_SLEEP = 3600
_LONGEST_LINE = 1 << 16
# Opening a pipe must not wait for its other end, nor a link lead elsewhere.
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_FOLLOWS = os.utime not in os.supports_follow_symlinks
_ABSENT = "-"
_ANY = "*"


class Told:
    """What the line says. Raises ValueError for one that is no such line."""

    def __init__(self, line: str) -> None:
        words = line.split()
        mark, self.version, written_at, next_wake, self.boot, self.busy = words[:6]
        self.written_at, self.next_wake = int(written_at), int(next_wake)
        self.stamps = {word.partition("=")[0]: word.partition("=")[2] for word in words[6:]}
        if mark != "ccs-agenda" or tuple(self.stamps) != SOURCES:
            raise ValueError("no agenda")

    def holds(self, version: str, now: float) -> bool:
        """Whether it was written by this version, in this boot, and not in the future."""
        mine = self.version == version and self.boot == boot_id()
        return mine and self.written_at <= now


def idle(home: str, version: str) -> bool:
    """Whether nothing can be due now; touches tick.json as the sign of life when so."""
    try:
        with opened(home) as file:
            told = Told(file.readline(_LONGEST_LINE))
        now = time.time()
        if told.busy == "1" or not told.holds(version, now) or now >= told.next_wake:
            return False
        for name, known in told.stamps.items():
            if known not in (_ANY, stamp_now(home, name)):
                return False
        if told.busy != "0" and not all(_goes_on(home, one) for one in told.busy.split(",")):
            return False
        os.utime(home + "/tick.json", follow_symlinks=_FOLLOWS)
    except (OSError, ValueError, ImportError, IndexError):
        return False  # absent, torn or foreign: the long way decides
    return True


def opened(home: str) -> TextIO:
    """Raises OSError, ValueError for a pipe or a device: neither may hold a tick up."""
    fd = os.open(home + "/agenda", _FLAGS)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise ValueError("no agenda")
    return open(fd, encoding="utf-8")  # the one codec that Python has loaded


def line(
    version: str,
    written_at: float,
    next_wake: float,
    busy: bool,
    stamps: Mapping[str, Stamp | None],
    running: Mapping[str, Mapping[str, object]] | None = None,
) -> str:
    """The agenda's text. `next_wake` is cut to at most an hour ahead. `running`: the runs that go
    on, each with its supervisor as `ccs.host.process.identity` told it; empty when unknown."""
    wake = min(next_wake, written_at + LONGEST_SLEEP)
    sources = " ".join(f"{name}={shown(stamps.get(name))}" for name in SOURCES)
    head = f"ccs-agenda {version} {int(written_at)} {int(wake)} {boot_id()}"
    return f"{head} {_busy(busy, running or {})} {sources}\n"


def _busy(busy: bool, running: Mapping[str, Mapping[str, object]]) -> str:
    if busy or not running:
        return str(int(busy))
    told = [(run, one.get("pid"), one.get("started")) for run, one in running.items()]
    known = all(type(pid) is type(started) is int for _, pid, started in told)
    return ",".join(f"{run}:{pid}:{started}" for run, pid, started in told) if known else "1"


def _goes_on(home: str, word: str) -> bool:
    """Whether that process lives and its run's lock is held. Raises OSError, ValueError.

    The lock alone would not do: a client that outlives its supervisor holds it too. A supervisor
    that is still to take its lock is not disturbed: the runs named here have had theirs taken. And
    a lock that nobody holds is let go at once, for the long way to take.
    """
    run, pid, started = word.split(":")
    with open(f"/proc/{int(pid)}/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    if fields[0] in (b"Z", b"X") or int(fields[19]) != int(started):
        return False
    import fcntl

    fd = os.open(f"{home}/runs/{run}/lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def boot_id() -> str:
    """Changes with every boot; `-` where the system names none."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return "-"


def stamp_now(home: str, name: str) -> str:
    try:
        status = os.lstat(f"{home}/{name}")
    except FileNotFoundError:
        return _ABSENT
    return shown((status.st_mtime_ns, status.st_size, status.st_ino))


def shown(stamp: Stamp | None) -> str:
    """As it stands in the agenda."""
    if stamp is None:
        return _ABSENT
    return _ANY if stamp == ANY else ":".join(map(str, stamp))
