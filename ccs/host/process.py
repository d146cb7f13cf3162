"""Processes of this machine: who is who, who belongs to a run, and how to end them.

A PID alone proves nothing; it is signalled only after its start time or its environment has been
checked on a descriptor that cannot be reused (pidfd) where the system has one. Lean on Linux.
"""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

# Put into the client's environment; every tool shell inherits it, whatever session it makes.
MARKER = "CCS_RUN_ID"
TERM = signal.SIGTERM
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has one way to end a process
_PROC = "/proc"


def each_its_own(names: Sequence[str]) -> tuple[str | None, Sequence[str]]:
    """A process and a session for each of them, with what this one has loaded: its name there; in
    this one None, and those for which the system allowed no more of them.
    """
    import gc

    gc.freeze()  # the collector would write to every page, and each would have a copy of its own
    for place, name in enumerate(names):
        try:
            pid = os.fork()
        except OSError:
            return None, names[place:]
        if pid == 0:
            os.setsid()
            return name, ()
    return None, ()


def identity(pid: int) -> dict[str, Any]:
    """What tells this process from a later one with the same PID."""
    return {"pid": pid, "started": _started(pid), "boot": _boot()}


def is_alive(owner: dict[str, Any]) -> bool:
    """Whether the process that `identity` described still runs."""
    pid = owner.get("pid")
    if not isinstance(pid, int) or pid <= 0 or owner.get("boot") != _boot():
        return False
    started = _started(pid)
    return started is not None and started == owner.get("started")


def age(pid: int) -> float | None:
    """Seconds since it was started; None when it is gone or cannot be asked."""
    import time

    import psutil

    try:
        return max(0.0, time.time() - psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def wake(owner: dict[str, Any]) -> None:
    """Hurries a supervisor to look at its stop file; it would within a second anyway."""
    if hasattr(signal, "SIGUSR1") and is_alive(owner):
        try:
            os.kill(owner["pid"], signal.SIGUSR1)
        except OSError:
            pass  # it ended by itself in the meantime


def carriers(run_id: str) -> list[int]:
    """PIDs of the living processes that carry the run's marker in their environment."""
    return [pid for pid in _pids() if _carries(pid, run_id)]


def signal_carriers(run_id: str, number: int) -> list[int]:
    """Signals every carrier; those that were found. Call again until none is left."""
    found = carriers(run_id)
    for pid in found:
        _signal_if(pid, run_id, number)
    return found


def signal_group(leader: int, number: int) -> None:
    """Signals the group of a child of ours that leads its session and has not been waited for."""
    try:
        os.killpg(leader, number)
    except (OSError, AttributeError):
        pass  # gone, or a system without groups


def group_is_there(leader: int) -> bool:
    """Whether anything of that group is left, or its leader has not been waited for."""
    try:
        os.killpg(leader, 0)
    except (OSError, AttributeError):
        return False
    return True


def _signal_if(pid: int, run_id: str, number: int) -> None:
    handle = _handle(pid)
    if handle is None:
        if _carries(pid, run_id):
            _kill(pid, number)
        return
    try:
        if _carries(pid, run_id):  # again, now that the PID cannot change hands
            signal.pidfd_send_signal(handle, number)
    except OSError:
        pass  # gone between the look and the signal
    finally:
        os.close(handle)


def _handle(pid: int) -> int | None:
    """A descriptor that stays with this very process; None where the system gives none."""
    try:
        return os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None
    except OSError:
        return None  # gone, or a kernel without them


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:
        pass  # gone between the look and the signal


def _pids() -> Iterator[int]:
    if os.path.isdir(f"{_PROC}/self"):
        own = os.getpid()
        for name in os.listdir(_PROC):
            if name.isdigit() and int(name) != own:
                yield int(name)
        return
    import psutil

    yield from psutil.pids()


def _carries(pid: int, run_id: str) -> bool:
    entry = f"{MARKER}={run_id}"
    if os.path.isdir(f"{_PROC}/self"):
        try:
            with open(f"{_PROC}/{pid}/environ", "rb") as file:
                return entry.encode() in file.read().split(b"\0")
        except OSError:
            return False  # another user's, or gone
    import psutil

    try:
        return bool(psutil.Process(pid).environ().get(MARKER) == run_id)
    except (psutil.Error, OSError):
        return False


def _started(pid: int) -> Any:
    """Start time in clock ticks since boot (Linux) or seconds of the epoch; None when gone.

    Ticks, because a stored wall time moves when the clock is stepped
    (https://github.com/giampaolo/psutil/issues/2526).
    """
    if os.path.isdir(f"{_PROC}/self"):
        try:
            with open(f"{_PROC}/{pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            return None
        return None if fields[0] in (b"Z", b"X") else int(fields[19])
    import psutil

    try:
        return round(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def _boot() -> str:
    try:
        # The one codec that Python has loaded.
        with open(f"{_PROC}/sys/kernel/random/boot_id", encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return "-"
