"""Everything that tells how the store is, for whoever looks for a fault. Nothing here is secret."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

from ccs.engine import tidy
from ccs.errors import CcsError
from ccs.report import disk, state
from ccs.store.store import Store


def everything(store: Store, now: datetime) -> dict[str, Any]:
    """What cannot be told says why; the rest is told all the same."""
    parts: dict[str, Callable[[], Any]] = {
        "health": lambda: state.health(store, now),
        "scheduler": lambda: state.scheduler(store, now),
        "counts": lambda: _counts(store),
        "tidied": lambda: tidy.report(store.home),
        "disk": lambda: disk.use(store.home),
    }
    return {name: _told(part) for name, part in parts.items()}


def _told(part: Callable[[], Any]) -> Any:
    try:
        return part()
    except (CcsError, OSError) as error:
        return {"error": str(error)}


def _counts(store: Store) -> dict[str, Any]:
    """Of the good records, and of those that cannot be used."""
    counts: dict[str, Any] = {}
    for one in (store.jobs, store.tasks, store.runs, store.profiles):
        try:
            reading = one.read()
        except CcsError as error:
            counts[one.name] = {"error": error.message}
            continue
        counts[one.name] = {"good": len(reading.records), "broken": len(reading.problems)}
    for name, told in (("runs", "status"), ("tasks", "enabled"), ("jobs", "status")):
        if "error" not in counts[name]:
            counts[name][told] = _by(getattr(store, name).all(), told)
    counts["history_months"] = len(store.history.months())
    return counts


def _by(records: list[Any], field: str) -> dict[str, int]:
    return dict(Counter(str(getattr(one, field)).lower() for one in records))
