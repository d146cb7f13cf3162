"""The agenda: what the next ticks need to know to do nothing, or no more than is needed.

Its first line is read by `ccs.entry` without importing anything of ccs but this module:

    ccs-agenda VERSION WRITTEN_AT NEXT_WAKE BOOT BUSY NAME=MTIME_NS:SIZE:INODE ...

Times are whole seconds of the epoch. A stamp is that of the file as it was read, so a change made
meanwhile shows at the next tick. What follows that line is for the long way (`ccs.store.tasklist`).
The agenda is derived: deleting it costs one long tick. Lean.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ccs.store.atomic import Stamp

SOURCES = (
    *("jobs.json", "tasks.json", "runs.json", "settings.json", "cursors.json"),
    # These matter only to what waits for its account.
    *("usage.json", "profiles.json"),
)
# In place of a stamp: a change of this file wakes nobody.
ANY = (0, 0, 0)
LONGEST_SLEEP = 3600
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
        with open(home + "/agenda", encoding="ascii") as file:
            told = Told(file.readline())
        now = time.time()
        if told.busy != "0" or not told.holds(version, now) or now >= told.next_wake:
            return False
        for name, known in told.stamps.items():
            if known not in (_ANY, stamp_now(home, name)):
                return False
        os.utime(home + "/tick.json")
    except (OSError, ValueError):
        return False  # absent, torn or foreign: the long way decides
    return True


def line(
    version: str,
    written_at: float,
    next_wake: float,
    busy: bool,
    stamps: Mapping[str, Stamp | None],
) -> str:
    """The agenda's text. `next_wake` is cut to at most an hour ahead."""
    wake = min(next_wake, written_at + LONGEST_SLEEP)
    sources = " ".join(f"{name}={shown(stamps.get(name))}" for name in SOURCES)
    head = f"ccs-agenda {version} {int(written_at)} {int(wake)} {boot_id()} {int(busy)}"
    return f"{head} {sources}\n"


def boot_id() -> str:
    """Changes with every boot; `-` where the system names none."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return "-"


def stamp_now(home: str, name: str) -> str:
    try:
        status = os.stat(f"{home}/{name}")
    except FileNotFoundError:
        return _ABSENT
    return shown((status.st_mtime_ns, status.st_size, status.st_ino))


def shown(stamp: Stamp | None) -> str:
    """As it stands in the agenda."""
    if stamp is None:
        return _ABSENT
    return _ANY if stamp == ANY else ":".join(map(str, stamp))
