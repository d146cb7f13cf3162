"""Whether the system's scheduler calls the tick, and what its ticks can see.

Judged by the age of the last tick alone: an entry that stands in its place proves nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ccs.engine import install, sight
from ccs.errors import CcsError
from ccs.host.install import entry as wanted
from ccs.host.install.machine import Machine
from ccs.report import state
from ccs.store.store import Store

Record = dict[str, Any]


def status(store: Store, environment: Mapping[str, str], now: datetime) -> Record:
    """`status` is ok, late, no_tick (there never was one) or broken."""
    home = store.home
    installed, notes = entries(store, environment)
    age = state.tick_age(store, now)
    seen, here = sight.seen(home), sight.around(store, environment)
    broken = state.problems(store)
    if broken:
        word = "broken"
    elif age is None:
        word = "no_tick"
    else:
        word = "ok" if state.is_ticking(store, now) else "late"
    return {
        "status": word,
        "home": home.path,
        "installed": installed,
        "last_tick_seconds_ago": age,
        "last_tick_backend": state.last_tick(store).get("backend"),
        "scheduler_sees": seen or None,
        "shell_sees": here,
        "differences": _differences(seen, here) if seen else [],
        "problems": [*broken, *notes],
    }


def entries(store: Store, environment: Mapping[str, str]) -> tuple[list[Record], list[str]]:
    """What calls the tick for this store, and what to know of it."""
    machine = Machine(environment)
    try:
        entry = wanted.of(environment, store.home.path)
    except CcsError as error:
        return [], [error.message]
    existing, faults = install.everything(entry, machine)
    found = []
    notes = [fault.message for fault in faults.values()]
    for name, ones in existing.items():
        for one in ones:
            by = "ccs install" if one.ours else "hand"
            found.append({"backend": name, "where": one.where, "by": by})
            if one.fault:
                notes.append(f"{one.where}: {one.fault} (ccs install mends it)")
    for name in {one["backend"] for one in found}:
        notes += install.backend(name).warnings(entry, machine)
    if len(found) > 1:
        notes.append("more than one entry calls the tick; one is enough")
    return found, notes


def _differences(seen: Record, here: Record) -> list[str]:
    """What this shell has and the scheduled tick has not, or otherwise."""
    found = []
    for name in ("home", "client", "git"):
        if seen.get(name) != here[name]:
            found.append(f"{name}: {_word(seen.get(name))} there, {_word(here[name])} here")
    theirs, ours = (str(one.get("path") or "").split(os.pathsep) for one in (seen, here))
    missing = [one for one in dict.fromkeys(ours) if one and one not in theirs]
    if missing:
        found.append(f"PATH: not there: {', '.join(missing)}")
    variables = seen.get("variables")
    absent = set(here["variables"]) - set(variables if isinstance(variables, list) else [])
    if absent:
        found.append(f"not set there: {', '.join(sorted(absent))} (a profile can set it)")
    return found


def _word(value: object) -> str:
    return str(value) if value else "none"
