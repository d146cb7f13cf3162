"""Processes that a test knows by their PID alone."""

from __future__ import annotations

import time

import psutil


def lives(pid: int) -> bool:
    """A zombie does not: it only waits for its parent to ask."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end_of(pid: int, seconds: float = 30.0) -> bool:
    """Whether it ended. A signal is on its way for a moment: whoever sent it is told nothing."""
    deadline = time.monotonic() + seconds
    while lives(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
