"""What the store says about itself: is it readable, is the tick alive, what comes next."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from ccs import instant
from ccs.engine import limittexts
from ccs.errors import CcsError
from ccs.report import untold
from ccs.schedule.due import runs_next
from ccs.store import atomic
from ccs.store.owed import Owed
from ccs.store.store import Store

# Two missed calls of an every-minute entry.
_ALIVE_SECONDS = 180
NO_TICK = "nothing calls ccs tick: ccs install changes that"


def everything(store: Store) -> dict[str, Any]:
    """All records, secrets hidden. Raises BrokenStore."""
    return {
        "jobs": [job.record() for job in store.jobs.all()],
        "tasks": [task.record() for task in store.tasks.all()],
        "runs": [run.record() for run in store.runs.all()],
        "profiles": [profile.masked() for profile in store.profiles.all()],
        "settings": store.settings().masked(),
    }


def problems(store: Store) -> list[str]:
    """What cannot be read, file by file; an unreadable one does not hide the others."""
    found: list[str] = []
    for collection in (store.jobs, store.tasks, store.runs, store.profiles):
        try:
            found += map(str, collection.read().problems)
        except CcsError as error:
            found.append(error.message)
    others: tuple[Callable[[], object], ...] = (
        store.settings,
        store.ledger.read,
        store.cursors.read,
        lambda: limittexts.own(store.home),
        Owed(store.home).read,
    )
    for read in others:
        try:
            read()
        except CcsError as error:
            found.append(error.message)
    return found


def health(store: Store, now: datetime) -> dict[str, Any]:
    """`status` is ok, or what is wrong in a word."""
    broken = problems(store)
    unheard = [] if broken else untold.words(store)
    well = "untold" if unheard else "ok"
    return {
        "status": "broken" if broken else well if is_ticking(store, now) else "no_tick",
        "home": store.home.path,
        "last_tick_seconds_ago": tick_age(store, now),
        "problems": broken or unheard,
    }


def scheduler(store: Store, now: datetime) -> dict[str, Any]:
    """The last tick as it reported itself, and the next slot of each enabled task."""
    upcoming = []
    for task in store.tasks.all():
        slot = next(runs_next(task, now), None) if task.enabled else None
        if slot is not None:
            at = instant.text(slot)
            upcoming.append({"task_id": task.id, "task_name": task.name, "next_slot": at})
    return {
        "last_tick": last_tick(store) or None,
        "last_tick_seconds_ago": tick_age(store, now),
        "scheduled_tasks": sorted(upcoming, key=lambda one: one["next_slot"]),
    }


def is_ticking(store: Store, now: datetime) -> bool:
    age = tick_age(store, now)
    return age is not None and 0 <= age <= _ALIVE_SECONDS


def tick_age(store: Store, now: datetime) -> int | None:
    """Seconds since the last tick, by the mtime the idle ones touch too. None: there was none.

    Negative where the clock has been moved back since: the next tick sets it right.
    """
    found = atomic.read(store.home.last_tick)
    if found is None:
        return None
    age = int(now.timestamp() - found[1][0] / 1e9)
    return age if age < -_ALIVE_SECONDS else max(0, age)


def last_tick(store: Store) -> dict[str, Any]:
    """As it reported itself; empty when there was none."""
    found = atomic.read(store.home.last_tick)
    try:
        told = json.loads(found[0]) if found else None
    except (ValueError, RecursionError):
        return {}  # it is rewritten by every tick that does something
    return told if isinstance(told, dict) else {}
