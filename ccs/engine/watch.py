"""Watched trees: looked at by a child of the tick, so that a slow disk holds nobody up.

Per task, in cursors.json: `seen`, the fingerprint of the last scan; `stable`, whether the scan
before saw the same; `newest`, the latest mtime; `fired`, the fingerprint that fired last or that
counts as the beginning; `fired_run`. A tree fires when it is stable, at rest for the debounce, and
differs from `fired`. What changed while the task's own run ran becomes the new beginning.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ccs.engine.launch import start_ccs
from ccs.model import key
from ccs.model.schedule import FileWatch
from ccs.model.task import Task
from ccs.schedule.due import Due, Firing
from ccs.store import atomic
from ccs.store.home import Home
from ccs.store.lock import Lock
from ccs.store.store import Store

if TYPE_CHECKING:
    from ccs.host import tree

_LONGEST_SCAN = 45


def start_scan(home: Home, task: Task, environment: Mapping[str, str]) -> None:
    """Detached; what it finds is for the next tick."""
    start_ccs(home.path, ["scan", task.id], environment)


def due(task: Task, entry: Mapping[str, Any], now: datetime) -> Due | None:
    """The firing that the last scan calls for."""
    assert isinstance(task.schedule, FileWatch)
    seen, fired = entry.get("seen"), entry.get("fired")
    if not seen or seen == fired or not entry.get("stable"):
        return None
    rested = now.timestamp() - float(entry.get("newest") or 0)
    if 0 <= rested < task.schedule.watch_debounce.total_seconds():
        return None
    run_id = key.for_change(task.id, str(entry.get("fired_run") or ""), str(seen))
    return Due(task, (Firing(run_id, now, "file_watch"),), 0, now)


def fired(home: Home, task_id: str, entry: dict[str, Any], run_id: str) -> None:
    """The tree as it was seen is now the one that fired."""
    entry.update(fired=entry["seen"], fired_run=run_id, settled=False)
    found = atomic.read(home.tree(task_id, "seen"))
    if found:
        atomic.write(home.tree(task_id, "fired"), found[0], durable=False)


def scan(store: Store, task_id: str) -> None:
    """The child's work: look at the tree, then record what changed. Raises OSError."""
    if hasattr(signal, "alarm"):
        signal.alarm(_LONGEST_SCAN)
    task = store.tasks.get(task_id)
    if task is None or not isinstance(task.schedule, FileWatch):
        return
    with Lock(store.home.tree(task_id, "lock")) as lock:
        if not lock.acquire():
            return  # the scan before is still at it
        from ccs.host import tree  # only the child looks

        watched = task.schedule
        found = tree.scan(
            watched.watch_directory,
            watched.watch_patterns,
            watched.watch_ignore,
            watched.watch_recursive,
        )
        with store.locked("ccs scan"):
            _record(store, task_id, watched, found)


def _record(store: Store, task_id: str, watched: FileWatch, found: tree.Tree) -> None:
    current = store.tasks.get(task_id)
    if current is None or current.schedule != watched:
        return  # it watches something else by now
    content = store.cursors.read_about([task_id])
    before = next((entry for entry in content.records if entry["id"] == task_id), {"id": task_id})
    fingerprint = found.fingerprint
    entry = {**before, "stable": before.get("seen") == fingerprint, "seen": fingerprint}
    entry["newest"] = found.newest
    if "fired" not in entry:
        entry["fired"] = fingerprint
    if _own_run_ended(store, entry):
        _settle(store, task_id, watched, found, entry)
    if entry == before:
        return
    text = "\n".join(found.lines).encode("utf-8", "surrogateescape")
    atomic.write(store.home.tree(task_id, "seen"), text, durable=False)
    store.cursors.put(content, [entry])


def _own_run_ended(store: Store, entry: Mapping[str, Any]) -> bool:
    if not entry.get("fired_run") or entry.get("settled"):
        return False
    run = store.get_run(str(entry["fired_run"]))
    return run is None or not run.unfinished


def _settle(
    store: Store, task_id: str, watched: FileWatch, found: tree.Tree, entry: dict[str, Any]
) -> None:
    """The first look after the task's own run: what it changed is counted, and forgiven."""
    entry["settled"] = True
    before = atomic.read(store.home.tree(task_id, "fired"))
    lines = before[0].decode("utf-8", "surrogateescape").split("\n") if before else []
    run = store.runs.get(str(entry["fired_run"]))
    if run is not None:
        from ccs.host import tree

        store.runs.put(run.changed(own_changes=tree.changed(lines, found.lines)))
    if watched.own_changes == "baseline":
        entry["fired"] = entry["seen"]
