"""A store as far as it can be read, for whoever looks for a fault: a file that cannot be read is
stood in for by its previous copy, else by nothing, and a note says which. Only for looking.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from ccs import instant
from ccs.engine import settings as verbs
from ccs.errors import Ambiguous, CcsError, NotFound
from ccs.host import process
from ccs.model.record import Record as Kept
from ccs.model.run import Run
from ccs.model.settings import Settings
from ccs.model.task import Task
from ccs.report import logs
from ccs.report.runlist import Wanted, chosen
from ccs.schedule.due import runs_next
from ccs.store import atomic, lock, strict
from ccs.store.collection import Collection
from ccs.store.home import Home
from ccs.store.store import Store

R = TypeVar("R", bound=Kept)
Record = dict[str, Any]
_SLOTS = 3
_LAST_RUNS = 5


def opened(home: Home) -> tuple[Store, list[str]]:
    """The store, and what has to be known of it. Needs no lock."""
    store = Store(home)
    notes: list[str] = []
    store.jobs = _stood_in(store.jobs, notes)
    store.tasks = _stood_in(store.tasks, notes)
    store.runs = _stood_in(store.runs, notes)
    store.profiles = _stood_in(store.profiles, notes)
    return store, notes


def settings(store: Store, environment: Mapping[str, str]) -> tuple[list[Record], list[str]]:
    """Every setting as far as it can be read, and what has to be known of that."""
    try:
        return verbs.listed(store, environment), []
    except (CcsError, OSError) as error:
        fault = str(error)
    path = store.home.settings + ".prev"
    try:
        raw = atomic.read(path)
        fields = strict.parse(raw[0], path) if raw else {}
        read = store.settings_in(raw[0], path) if raw else Settings()
    except (CcsError, OSError):
        raw, fields, read = None, {}, Settings()
    instead = "its previous copy is shown" if raw else "the defaults are shown"
    rows = verbs.described(store, fields, read, environment)
    return rows, [f"{fault}; {instead} in its place"]


def _stood_in(collection: Collection[R], notes: list[str]) -> Collection[R]:
    path = collection.file.path
    fault = _fault(collection, notes)
    if not fault:
        return collection
    previous = Collection(path + ".prev", collection.name, collection.kind)
    more: list[str] = []
    if os.path.exists(previous.file.path) and not _fault(previous, more):
        notes.append(f"{fault}; its previous copy is shown in its place")
        notes += more
        return previous
    notes.append(f"{fault}; nothing is shown in its place")
    return Collection(path + ".none", collection.name, collection.kind)


def _fault(collection: Collection[R], notes: list[str]) -> str:
    try:
        notes += map(str, collection.read().problems)
    except (CcsError, OSError) as error:
        return str(error)
    return ""


def task(store: Store, reference: str, now: datetime) -> Record:
    """A task with what is known around it. Raises NotFound, Ambiguous."""
    found: Task = store.tasks.find(reference)
    every = chosen(store, Wanted(task_id=found.id))
    return {
        "task": found.record(),
        "next": [instant.text(one) for one in islice(runs_next(found, now), _SLOTS)],
        "last_decided": next(iter(_cursors(store, found.id)), None),
        "runs": [one.record() for one in islice(every, _LAST_RUNS)],
    }


def _cursors(store: Store, task_id: str) -> Iterator[Record]:
    try:
        yield from (one for one in store.cursors.read().records if one["id"] == task_id)
    except (CcsError, OSError) as error:
        yield {"error": str(error)}


def run(store: Store, reference: str) -> Record:
    """A run with its files and processes. Raises NotFound, Ambiguous."""
    found: Run = store.find_run(reference)
    directory = store.rundir(found.id)
    present = None
    if directory.exists():
        owner = directory.owner()
        present = {
            "path": directory.path,
            "starts": directory.starts(),
            "has_started": directory.started(),
            "owner": owner,
            "is_owner_alive": process.is_alive(owner),
            "lock_held_by": lock.holding(directory.lock().path),
            "outcome": directory.outcome(),
            "stop": directory.stop_reason(),
        }
    return {
        "run": found.record(),
        "directory": present,
        "processes": process.carriers(found.id) if found.unfinished else [],
        "files": logs.files_of(store.home, found.id),
    }


def logged(store: Store, reference: str) -> str:
    """The id of a run of which a log is kept, be there a record of it or not.

    Raises NotFound, Ambiguous.
    """
    try:
        return store.find_run(reference).id
    except NotFound:
        wanted = reference.strip().lower()
        named = [str(one["id"]) for one in logs.kept(store.home)]
        found = [one for one in named if len(wanted) >= 4 and one.startswith(wanted)]
        if len(found) > 1:
            raise Ambiguous(f"{reference!r} fits {len(found)} logs", "", tuple(found)) from None
        if not found:
            raise
        return found[0]
