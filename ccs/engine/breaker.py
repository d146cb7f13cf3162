"""The circuit breaker: a task that fails again and again is disabled until somebody looks.

Told from the runs that are recorded, so it needs no count of its own: a success in between, or
enabling the task again, begins anew. Called under the store lock. Lean.
"""

from __future__ import annotations

import json

from ccs import instant
from ccs.engine import learn
from ccs.errors import CcsError
from ccs.store import atomic
from ccs.store.records import Records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

    from ccs.store.home import Home

    Record = dict[str, Any]

DEFAULT = 10
# What was stopped, skipped or parked says nothing about the task.
_TELLING = ("success", "failed", "lost")
_OF_THE_MACHINE = "shutdown"


def trip(home: Home, run: Record, runs: list[Record], now: datetime) -> None:
    """Disables the task of a run that has just failed, if it failed too often in a row.

    A task that cannot be written goes on.
    """
    if run["status"] not in ("failed", "lost") or run.get("reason") == _OF_THE_MACHINE:
        return
    tasks = Records(home.collection("tasks"), "tasks")
    try:
        content = tasks.read()
        task = next((one for one in content.records if one["id"] == run["task_id"]), None)
        if task is None or not task.get("enabled", True):
            return
        most = _most(home, task)
        failures = _in_a_row(task, runs)
        if not most or failures < most:
            return
        # First, for a task that is disabled already is not looked at again.
        learn.disabled(home, run, failures, now)
        words = f"it failed {failures} times in a row"
        task.update(enabled=False, disabled_why=words, updated_at=instant.text(now))
        tasks.write(content, content.records)
    except (CcsError, OSError):
        return


def _most(home: Home, task: Record) -> int:
    """0: never."""
    own = task.get("disable_after")
    if isinstance(own, int):
        return own
    found = atomic.read(home.settings)
    try:
        settings = json.loads(found[0]) if found else {}
    except ValueError:
        return DEFAULT
    told = settings.get("disable_after", DEFAULT) if isinstance(settings, dict) else DEFAULT
    return told if isinstance(told, int) else DEFAULT


def _in_a_row(task: Record, runs: list[Record]) -> int:
    """A try that is tried again counts once, by its last attempt that came to an end."""
    tried_again = {one.get("retry_of") for one in runs if one.get("reason") != "replaced"}
    mine = [
        one
        for one in runs
        if one.get("task_id") == task["id"]
        and one.get("status") in _TELLING
        and one.get("reason") != _OF_THE_MACHINE
        and one["id"] not in tried_again
        and str(one.get("end_time") or "") >= str(task.get("active_since") or "")
    ]
    mine.sort(key=lambda one: str(one.get("end_time") or ""), reverse=True)
    count = 0
    for one in mine:
        if one["status"] == "success":
            break
        count += 1
    return count
