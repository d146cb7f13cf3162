"""The agenda: what the next ticks need to know to do nothing.

One line of words, read by `ccs.entry` without importing anything of ccs but this module:

    ccs-agenda VERSION WRITTEN_AT NEXT_WAKE BOOT BUSY NAME=MTIME_NS:SIZE:INODE ...

Times are whole seconds of the epoch. A stamp is that of the file as it was read, so a change made
meanwhile shows at the next tick. The agenda is derived: deleting it costs one long tick. Lean.
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


def idle(home: str, version: str) -> bool:
    """Whether nothing can be due now; touches tick.json as the sign of life when so."""
    try:
        with open(home + "/agenda", encoding="ascii") as file:
            words = file.readline().split()
        mark, wrote, written_at, next_wake, boot, busy = words[:6]
        now = time.time()
        if (mark, wrote, busy) != ("ccs-agenda", version, "0"):
            return False
        if not int(written_at) <= now < int(next_wake) or boot != boot_id():
            return False
        for source in words[6:]:
            name, _, known = source.partition("=")
            if known not in (_ANY, _now(home, name)):
                return False
        if len(words) != 6 + len(SOURCES):
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
    sources = " ".join(f"{name}={_shown(stamps.get(name))}" for name in SOURCES)
    head = f"ccs-agenda {version} {int(written_at)} {int(wake)} {boot_id()} {int(busy)}"
    return f"{head} {sources}\n"


def boot_id() -> str:
    """Changes with every boot; `-` where the system names none."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return "-"


def _now(home: str, name: str) -> str:
    try:
        status = os.stat(f"{home}/{name}")
    except FileNotFoundError:
        return _ABSENT
    return _shown((status.st_mtime_ns, status.st_size, status.st_ino))


def _shown(stamp: Stamp | None) -> str:
    if stamp is None:
        return _ABSENT
    return _ANY if stamp == ANY else ":".join(map(str, stamp))
