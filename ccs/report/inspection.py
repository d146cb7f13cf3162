"""Everything that tells how the store is, for whoever looks for a fault: it may be shown to others,
so it holds no secret, no prompt and no task's name, and the home directory is written ~.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from ccs import __version__
from ccs.engine import sight, tidy
from ccs.errors import CcsError
from ccs.report import disk, doctor, readable, state
from ccs.report.finding import Scene
from ccs.store import lock
from ccs.store.store import Store

# A name is what somebody called their work.
_NAMES = ("task_name", "default_profile")


def everything(store: Store, environment: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """What cannot be told says why; the rest is told all the same."""
    parts: dict[str, Callable[[], Any]] = {
        "versions": lambda: _versions(store, environment),
        "health": lambda: state.health(store, now),
        "findings": lambda: doctor.examine(Scene(store, environment, now))["findings"],
        "scheduler": lambda: state.scheduler(store, now),
        "scheduler_sees": lambda: sight.seen(store.home),
        "shell_sees": lambda: sight.around(store, environment),
        "settings": lambda: _settings(store, environment),
        "counts": lambda: _counts(store),
        "ended": lambda: _ended(store),
        "locks": lambda: _locks(store),
        "tidied": lambda: tidy.report(store.home),
        "disk": lambda: disk.use(store.home),
    }
    home = re.escape(environment.get("HOME", "").rstrip("/") or "/nowhere")
    found = re.compile(home + r"(?![\w.-])")
    return {name: _shortened(_told(part), found) for name, part in parts.items()}


def _told(part: Callable[[], Any]) -> Any:
    try:
        return part()
    except (CcsError, OSError) as error:
        return {"error": str(error)}
    except Exception as error:
        # As in the doctor's checks; its words could quote what stands in a file.
        return {"error": type(error).__name__}


def _shortened(value: Any, home: re.Pattern[str]) -> Any:
    if isinstance(value, str):
        return home.sub("~", value)
    if isinstance(value, list):
        return [_shortened(one, home) for one in value]
    if isinstance(value, dict):
        kept = {name: one for name, one in value.items() if name not in _NAMES}
        return {name: _shortened(one, home) for name, one in kept.items()}
    return value


def _versions(store: Store, environment: Mapping[str, str]) -> dict[str, Any]:
    return {
        "ccs": __version__,
        "python": platform.python_version(),
        "interpreter": sys.executable,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "store": store.home.path,
        "variables": sorted(one for one in environment if one.startswith("CCS_")),
    }


def _settings(store: Store, environment: Mapping[str, str]) -> dict[str, Any]:
    """Those that are not as they would be by themselves."""
    rows, notes = readable.settings(store, environment)
    told: dict[str, Any] = {"notes": notes} if notes else {}
    told |= {one["key"]: one["value"] for one in rows if one["origin"] == "file"}
    if "notifications" in told:
        told["notifications"] = [one["kind"] for one in told["notifications"]["channels"]]
    if told.get("default_profile"):
        told["has_default_profile"] = True
    return told


def _ended(store: Store) -> dict[str, int]:
    """How the runs in runs.json stand, and why."""
    found, _ = readable.opened(store.home)
    words = (f"{one.status} {one.reason or one.held_reason or ''}" for one in found.runs.all())
    return dict(Counter(one.strip() for one in words).most_common())


def _locks(store: Store) -> dict[str, int | None]:
    """Who holds each, by PID."""
    directory = store.home.file("locks")
    if not os.path.isdir(directory):
        return {}
    names = [one for one in os.listdir(directory) if one.endswith(".lock")]
    return {one: lock.holding(os.path.join(directory, one)) for one in sorted(names)}


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
