"""Mending damaged files of the store: what was there is set aside whole, byte for byte, as
`<name>.corrupt-<utc>`, then the records that could be saved take its place.

What is planned is shown first and made only if it is still the same under the lock. Cut off in
between, the damaged file stands as it was, beside its copy.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

from ccs.errors import BrokenStore, Conflict
from ccs.store import atomic, machine, records, strict
from ccs.store.collection import Collection
from ccs.store.lock import STORE_TIMEOUT, Lock
from ccs.store.records import Records
from ccs.store.salvage import Judge, Record, Salvage, salvage
from ccs.store.store import Store


def planned(store: Store) -> list[Salvage]:
    """What would be done, file by file; nothing for what only a person can mend. Raises OSError."""
    found = []
    for file, judge in files(store):
        with suppress(BrokenStore):  # not to be read at all: no content of it can be trusted
            made = salvage(file, judge, partial(_restored, store, file.name))
            found += [made] if made is not None else []
            found += of_settings(store) if file.name == "profiles" else []
    return found


def repair(store: Store, plans: list[Salvage], now: datetime) -> list[str]:
    """The files set aside. Raises Conflict when anything has changed since the plans were made,
    BrokenStore, LockTimeout, OSError.
    """
    aside = []
    with store.locked("ccs doctor"), Lock(store.home.usage_lock) as usage:
        usage.acquire_within(STORE_TIMEOUT, "ccs doctor")
        now_planned = [(one.path, one.raw, one.content) for one in planned(store)]
        if now_planned != [(one.path, one.raw, one.content) for one in plans]:
            raise Conflict("the store has changed meanwhile", "look again: ccs doctor --repair")
        for plan in plans:
            if plan.raw:
                aside.append(_set_aside(plan, now))
            atomic.write(plan.path, plan.content)
    return aside


def files(store: Store) -> Iterator[tuple[Records, Judge]]:
    """Every file of records, and what tells which of its entries can be used."""
    for one in (store.jobs, store.tasks, store.runs, store.profiles):
        yield one.file, _valid_in(one)
    yield store.cursors, _has()
    yield Records(store.home.usage, "accounts"), _has("windows")
    yield Records(store.home.file("notify.json"), "owed"), _has("event", "channel")


def take_over(store: Store) -> None:
    """The store belongs to this machine from now on; what ran on another one is found lost by the
    next tick. Raises LockTimeout, BrokenStore, OSError.
    """
    store.home.create()
    with Lock(store.home.store_lock) as lock:
        lock.acquire_within(STORE_TIMEOUT, "ccs doctor")
        machine.claim(store.home)


def _valid_in(collection: Collection[Any]) -> Judge:
    return lambda entry: collection.judged(entry)[1]


def _has(*keys: str) -> Judge:
    def judge(entry: Any) -> str:
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
            return "not a record: it has no id"
        missing = [key for key in keys if key not in entry]
        return f"{entry['id']}: {missing[0]}: is missing" if missing else ""

    return judge


def _restored(store: Store, name: str, entry: Record) -> Record:
    """A run that has been launched since its copy was made must not be launched again: without its
    directory a running run is lost, and the next tick says so.
    """
    launched = name == "runs" and os.path.exists(store.home.as_run(entry["id"]))
    if launched and entry.get("status") == "upcoming" and not store.rundir(entry["id"]).exists():
        return {**entry, "status": "running"}
    return entry


def of_settings(store: Store) -> list[Salvage]:
    """Taken from the previous copy as a whole: half of them might spend more than was meant.
    Raises BrokenStore for what is not to be read at all, OSError."""
    path = store.home.settings
    found = atomic.read(path)
    previous = atomic.read(path + ".prev")
    if previous is None or not _is_broken(lambda: store.settings()):
        return []
    if _is_broken(lambda: store.settings_in(previous[0], path + ".prev")):
        return []
    plan = Salvage(path, found[0] if found else b"")
    plan.content = previous[0]
    plan.told.append(f"{path}: comes back as it was in the previous copy")
    return [plan]


def _is_broken(read: Callable[[], object]) -> bool:
    try:
        read()
    except BrokenStore:
        return True
    return False


def _set_aside(plan: Salvage, now: datetime) -> str:
    base = f"{plan.path}.corrupt-{now:%Y%m%dT%H%M%SZ}"
    names = [base, *(f"{base}-{number}" for number in range(2, 1000))]
    path = next(one for one in names if not os.path.lexists(one))
    atomic.write(path, plan.raw)
    return path


def is_newer(raw: bytes, path: str) -> bool:
    document = strict.parse(raw, path)
    return isinstance(document, dict) and records.is_newer(document)
