"""A store of the prior system is taken over: its jobs, tasks, profiles and runs, under their ids.

Its files are only read. What is here already is left as it is, so a second time brings nothing
twice, and what a first time that was cut off left out. Where its files lie in the store itself,
they are converted in their place, and what they held is kept beside them as `.format-0`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from ccs.engine import exchange
from ccs.engine.priorstore import FILES, Gathered, Reader, Remark, is_priors
from ccs.errors import BrokenStore, NotFound
from ccs.exchange import dangers
from ccs.model.job import Job
from ccs.model.profile import TEMPLATES, Profile
from ccs.model.record import Record
from ccs.model.run import Run
from ccs.model.schedule import Manual
from ccs.model.task import Task
from ccs.store.collection import Collection
from ccs.store.store import Store

R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Taken:
    """What is new here. `known`: how many records of it are here already."""

    profiles: list[Profile]
    jobs: list[Job]
    tasks: list[Task]
    runs: list[Run]
    known: int
    dangers: list[tuple[str, list[str]]]


def found_in(places: Sequence[str]) -> list[str]:
    """Those that hold any of its files. Raises NotFound."""
    named = [f"{name}.json" for name in FILES]
    found = [
        place
        for place in places
        if any(os.path.lexists(os.path.join(place, name)) for name in named)
    ]
    if not found:
        raise _nothing_in(places)
    return found


def gather(
    store: Store, directories: Sequence[str], environment: Mapping[str, str], now: datetime
) -> Gathered:
    """Reads and converts. Raises NotFound, BrokenStore, OSError."""
    found = Gathered()
    for directory in map(os.path.abspath, directories):
        reader = Reader(store, directory, found, environment, now)
        try:
            holds = reader.read()
        except BrokenStore as problem:
            if reader.is_own or "ccs doctor" not in problem.hint:
                raise
            hint = "mend it by hand, or move it away"  # doctor mends the files of ccs only
            raise BrokenStore(problem.message, hint) from None
        if holds:
            found.directories.append(directory)
    if not found.directories:
        raise _nothing_in(directories)
    _settle_references(store, found)
    return found


def _nothing_in(places: Sequence[str]) -> NotFound:
    return NotFound(
        f"no files of the prior system in {', '.join(places)}",
        "name the directory of its jobs.json and tasks.json: ccs import-store PATH",
    )


def sift(store: Store, found: Gathered, enable: bool) -> Taken:
    """What of it is not here. Raises BrokenStore."""
    profiles = _fresh(store.profiles, found.profiles, found.own)
    tasks = _fresh(store.tasks, found.tasks, found.own)
    jobs = _fresh(store.jobs, found.jobs, found.own) + _hollow(store, found)
    standing = {one["id"] for one in store.runs.file.read().records} - found.own
    runs = [
        run
        for run in found.runs.values()
        if run.id not in standing and not store.history.knows(run.id)
    ]
    held = len(found.profiles) + len(found.jobs) + len(found.tasks) + len(found.runs)
    known = held - len(profiles) - len(jobs) - len(tasks) - len(runs)
    tasks = [one.model_copy(update={"enabled": enable and one.enabled}) for one in tasks]
    told = [(f"profile {one.name!r}", dangers.of_profile(one)) for one in profiles]
    told += [(f"task {one.name!r}", dangers.of_task(one)) for one in tasks]
    return Taken(profiles, jobs, tasks, runs, known, [one for one in told if one[1]])


def bring(store: Store, found: Gathered, enable: bool) -> Taken:
    """Raises BrokenStore, LockTimeout, OSError."""
    jobs = store.jobs.read().by_id | found.jobs
    approved = exchange.approvals(found.tasks.values(), jobs.values())
    with store.locked("ccs import-store"):
        exchange.refuse_unwritable(store, ())
        taken = sift(store, found, enable)
        tasks = [one.model_copy(update={"approved": approved[one.id]}) for one in taken.tasks]
        _in_place(store.profiles, [one for one in taken.profiles if one.id in found.own])
        _in_place(store.jobs, [one for one in taken.jobs if one.id in found.own])
        _in_place(store.tasks, [one for one in tasks if one.id in found.own])
        if others := [one for one in taken.profiles if one.id not in found.own]:
            store.profiles.put(*others)
        exchange.write(
            store,
            [one for one in taken.jobs if one.id not in found.own],
            [one for one in tasks if one.id not in found.own],
            frozenset(),
        )
        _to_history(store, taken.runs, found.own)
    return taken


def _to_history(store: Store, runs: Sequence[Run], own: set[str]) -> None:
    if runs:
        store.history.append([run.record() for run in runs])
    content = store.runs.file.read()
    gone = own & {one["id"] for one in content.records if is_priors(one, "runs")}
    if gone:
        store.runs.file.write(content, [one for one in content.records if one["id"] not in gone])


def _in_place(collection: Collection[R], records: Sequence[R]) -> None:
    if records:
        content = collection.file.read()
        fresh = {one.id: one.record() for one in records}
        collection.file.write(content, [fresh.get(one["id"], one) for one in content.records])


def _fresh(collection: Collection[R], found: Mapping[str, R], own: set[str]) -> list[R]:
    standing = {one["id"] for one in collection.file.read().records} - own
    return [one for one in found.values() if one.id not in standing]


def _hollow(store: Store, found: Gathered) -> list[Job]:
    """Jobs whose tasks' order was still to come when an earlier time was cut off."""
    standing = store.jobs.read().by_id
    return [
        job
        for job in found.jobs.values()
        if job.id in standing
        and job.id not in found.own
        and job.task_order
        and standing[job.id].record() == exchange.half(job).record()
    ]


def _settle_references(store: Store, found: Gathered) -> None:
    """Nothing comes that would run elsewhere or in another account than it did."""
    jobs = found.jobs.keys() | store.jobs.read().by_id.keys()
    profiles = found.profiles.keys() | store.profiles.read().by_id.keys()
    for task in [*found.tasks.values()]:
        if task.job_id is not None and task.job_id not in jobs:
            words = f"its job {task.job_id} is not there, so nothing says where it runs"
            found.remarks.append(Remark(f"task {task.name!r}", words, lost=True))
            del found.tasks[task.id]
        elif exchange.watches_store(store, task):
            words = "it watches a directory that holds the store; it runs only when asked"
            found.remarks.append(Remark(f"task {task.name!r}", f"schedule: {words}"))
            manual = Manual(timezone=task.schedule.timezone)
            found.tasks[task.id] = task.model_copy(update={"schedule": manual})
    tasks = found.tasks.keys() | store.tasks.read().by_id.keys()
    for job in [*found.jobs.values()]:
        order = [one for one in dict.fromkeys(job.task_order) if one in tasks]
        if order != job.task_order:
            words = "task_order: ids without a task, or named twice, were left out"
            found.remarks.append(Remark(f"job {job.name!r}", words))
            found.jobs[job.id] = job.model_copy(update={"task_order": order})
    found.remarks += _met(store, found)
    for words in exchange.default_profile(store, found.jobs.values(), found.tasks.values()):
        found.remarks.append(Remark("", words))
    for kind, records in (("job", found.jobs), ("task", found.tasks)):
        for record in records.values():
            if record.profile and record.profile not in profiles:
                words = f"profile {record.profile} is not there; runs fail until it is"
                words += _hint(record.profile)
                found.remarks.append(Remark(f"{kind} {record.name!r}", words))


def _met(store: Store, found: Gathered) -> Iterator[Remark]:
    """Of what is here already and stays: where that makes a difference to what comes."""
    jobs, tasks = store.jobs.read().by_id, store.tasks.read().by_id
    for profile in found.profiles.values():
        here = store.profiles.get(profile.id)
        if here and here.env_vars != profile.env_vars:
            words = "its variables differ from those of the one here, with which everything runs"
            yield Remark(f"profile {profile.name!r}", words)
    hollow = {job.id for job in _hollow(store, found)}
    for task in found.tasks.values():
        job = jobs.get(task.job_id or "")
        if job is None or task.id in tasks or job.id in found.own | hollow:
            continue
        wanted = found.jobs.get(job.id)
        if wanted and task.id in wanted.task_order:
            words = f"its job is here already and runs it in no order: ccs jobs set-order {job.id}"
            yield Remark(f"task {task.name!r}", words)


def _hint(profile_id: str) -> str:
    names = [name for name, one in TEMPLATES.items() if one["id"] == profile_id]
    return "".join(f": ccs profiles create --template {name}" for name in names)
