"""Jobs that come from a file.

Order of writes: jobs that are new without their tasks' order, the tasks, the jobs with it. Whatever
is cut off in between leaves records that refer to nothing that is not there, and the same import
under the same ids goes on with it. A write that fails is taken back. What was looked at before the
store lock is looked at again inside it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import uuid4

from ccs.engine import approval
from ccs.errors import BrokenStore, Conflict, InvalidInput, NotFound
from ccs.exchange import dangers
from ccs.exchange.reading import Parcel
from ccs.model.job import Job
from ccs.model.record import Record
from ccs.model.schedule import FileWatch, Once
from ccs.model.task import Task
from ccs.store import records
from ccs.store.collection import Collection as Collected
from ccs.store.store import Store
from ccs.store.together import together

K = TypeVar("K", Job, Task)


@dataclass(frozen=True)
class How:
    """`profiles`: of a profile of the file and what to take in its place; "" for none."""

    keep_ids: bool = False
    force: bool = False
    enable: bool = False
    profiles: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Plan:
    """What an import would write. `dangers`: by the name of the job or task; `profiles`: the names
    of those that are used.
    """

    jobs: list[Job]
    tasks: list[Task]
    replaced: frozenset[str]
    notes: list[str]
    dangers: list[tuple[str, list[str]]]
    profiles: Mapping[str, str]

    @property
    def enabled(self) -> list[Task]:
        return [one for one in self.tasks if one.enabled]


def with_new_ids(parcels: Sequence[Parcel]) -> list[Parcel]:
    """The same under ids of their own, and everything that refers to them."""
    return [_renamed(parcel) for parcel in parcels]


def _renamed(parcel: Parcel) -> Parcel:
    job = parcel.job and parcel.job.model_copy(update={"id": str(uuid4())})
    ids = {task.id: str(uuid4()) for task in parcel.tasks}
    if job is not None:
        job = job.model_copy(update={"task_order": [ids[one] for one in job.task_order]})
    tasks = [
        task.model_copy(
            update={
                "id": ids[task.id],
                "job_id": job.id if job else None,
                "after": [ids[one] for one in task.after],
            }
        )
        for task in parcel.tasks
    ]
    return replace(parcel, job=job, tasks=tasks)


def look(store: Store, parcels: Sequence[Parcel], how: How, now: datetime) -> Plan:
    """What `bring` would do. Raises NotFound for a profile, Conflict for what is here already."""
    if how.force and not how.keep_ids:
        raise InvalidInput(
            "--force goes with --keep-ids", "without it everything gets a new id and is added"
        )
    profiles = _profiles(store, parcels, how)
    notes = [note for parcel in parcels for note in parcel.notes]
    jobs = [_bound(one.job, profiles) for one in parcels if one.job]
    tasks = []
    for parcel in parcels:
        for task in parcel.tasks:
            if watches_store(store, task):
                raise InvalidInput(f"task {task.name!r} watches a directory that holds the store")
            enabled = how.enable and task.enabled and not task.disabled_why
            if enabled and _is_past(task, now):
                enabled = False
                notes.append(f"task {task.name!r}: its time is past, so it stays disabled")
            tasks.append(_bound(task, profiles).model_copy(update={"enabled": enabled}))
    replaced = _replaced(store, jobs, tasks, how)
    if how.force:
        notes += _left_behind(store, jobs, tasks)
    notes += default_profile(store, jobs, tasks)
    used = {profile.id: profile.name for profile in store.profiles.all()}
    return Plan(jobs, tasks, replaced, notes, list(_dangers(jobs, tasks)), used)


def bring(store: Store, parcels: Sequence[Parcel], how: How, now: datetime) -> Plan:
    """Raises as `look`, LockTimeout, OSError."""
    jobs = [one.job for one in parcels if one.job]
    approved = approvals([task for one in parcels for task in one.tasks], jobs)
    with store.locked("ccs jobs import"):
        plan = look(store, parcels, how, now)
        tasks = [one.model_copy(update={"approved": approved[one.id]}) for one in plan.tasks]
        write(store, plan.jobs, tasks, plan.replaced)
    return replace(plan, tasks=tasks)


def approvals(tasks: Iterable[Task], jobs: Iterable[Job]) -> dict[str, str | None]:
    """By task: what the repository it is to work in could start by itself now. Who brings a task
    in agrees to that, as who makes one does.
    """
    places = {job.id: job.working_directory.path for job in jobs}
    seen: dict[str, str] = {}
    found: dict[str, str | None] = {}
    for task in tasks:
        place = places.get(task.job_id) if task.job_id else task.working_directory
        if place and place not in seen:
            seen[place] = approval.seen_in(place)
        found[task.id] = seen[place] if place else None
    return found


def write(store: Store, jobs: list[Job], tasks: list[Task], replaced: frozenset[str]) -> None:
    """Called under the store lock. Raises BrokenStore, OSError."""
    hollow = [half(job) for job in jobs if job.id not in replaced]
    with together(store.jobs.file.path, store.tasks.file.path):
        if hollow:
            store.jobs.put(*hollow)
        for task in tasks:
            if task.enabled or task.id in replaced:
                store.begin_anew(task)
        if tasks:
            store.tasks.put(*tasks)
        if jobs:
            store.jobs.put(*jobs)


def half(job: Job) -> Job:
    """As it stands until its tasks are there."""
    return job.model_copy(update={"task_order": []})


def _bound(record: K, profiles: Mapping[str, str | None]) -> K:
    bound = profiles[record.profile] if record.profile else None
    return record.model_copy(update={"profile": bound})


def _profiles(store: Store, parcels: Sequence[Parcel], how: How) -> dict[str, str | None]:
    """Of each profile that is referred to the one to take: never another account by default."""
    names: dict[str, str] = {}
    wanted: dict[str, None] = {}
    for parcel in parcels:
        names |= parcel.profiles
        theirs: list[Job | Task] = [*parcel.tasks]
        theirs += [parcel.job] if parcel.job else []
        wanted |= {one.profile: None for one in theirs if one.profile}
    known = {profile.id for profile in store.profiles.all()}
    found: dict[str, str | None] = {one: one for one in wanted if one in known}
    said: set[str] = set()
    for old, new in how.profiles:
        meant = [
            one for one in wanted
            if old in (one, names.get(one)) or (len(old) >= 4 and one.startswith(old.lower()))
        ]  # fmt: skip
        if len(meant) != 1:
            words = "names no profile of the file" if not meant else "names several of its profiles"
            raise InvalidInput(f"--profile {old}=…: {old!r} {words}", "give its id")
        if meant[0] in said:
            raise InvalidInput(f"--profile {old}=…: it was said before what to take for {old!r}")
        said.add(meant[0])
        found[meant[0]] = store.profiles.find(new).id if new else None
    lacking = [one for one in wanted if one not in found]
    if lacking:
        raise NotFound(
            "the file refers to profiles that are not here",
            "say what to run with instead: --profile OLD=NEW, or --profile OLD=none",
            tuple(f"{one} {names.get(one, '')}".strip() for one in lacking),
        )
    return found


def _replaced(store: Store, jobs: Sequence[Job], tasks: Sequence[Task], how: How) -> frozenset[str]:
    """The ids that are here already. Raises Conflict unless they may be replaced."""
    # Whatever stands in the files counts, valid or not: it must not be written over unseen.
    present = {one["id"] for kept in (store.jobs, store.tasks) for one in kept.file.read().records}
    present &= {one.id for one in (*jobs, *tasks)}
    refuse_unwritable(store, present)
    if taken := sorted(present - _cut_off(store, jobs, tasks)) if not how.force else []:
        raise Conflict(
            f"{len(taken)} of these ids are here already",
            "leave out --keep-ids to add copies, or replace them with --force",
            tuple(taken),
        )
    for kept, other in ((store.jobs, tasks), (store.tasks, jobs)):
        if strange := [one.id for one in other if kept.get(one.id)]:
            raise Conflict(f"{strange[0]} is the id of a {kept.noun} here")
    mine = {task.id: task.job_id for task in tasks}
    for task in store.tasks.all():
        if task.id in mine and task.job_id != mine[task.id]:
            raise Conflict(f"task {task.name!r} belongs to another job here: {task.job_id}")
    for job in store.jobs.all():
        if job.id in present and job.status == "in_progress":
            raise Conflict(f"{job.name!r} is running", f"ccs jobs stop {job.id}")
    for run in store.runs.all():
        if run.unfinished and present & {run.task_id, run.job_id}:
            raise Conflict(f"{run.task_name!r} runs or waits", f"ccs runs stop {run.id}")
    return frozenset(present)


def _cut_off(store: Store, jobs: Sequence[Job], tasks: Sequence[Task]) -> set[str]:
    """What an import of the same wrote before it was killed: jobs without their order, and tasks of
    these, which nobody has changed since."""
    begun = {job.id for job in jobs if job.task_order and _is_same(store.jobs, half(job))}
    mine = (one for one in tasks if one.job_id in begun and _is_same(store.tasks, one))
    return begun | {one.id for one in mine}


def _is_same(kept: Collected[Any], record: Record) -> bool:
    standing = kept.get(record.id)
    if standing is None:
        return False
    left_out = dict.fromkeys(("created_at", "updated_at", "active_since", "approved"))
    return {**standing.record(), **left_out} == {**record.record(), **left_out}


def refuse_unwritable(store: Store, ids: Collection[str]) -> None:
    """What a later one of several writes would refuse. Raises BrokenStore."""
    for kept in (store.profiles, store.jobs, store.tasks):
        content = kept.file.read()
        if content.newer:
            raise records.too_new(kept.file.path)
        for problem in kept.judge(content).problems:
            if problem.id in ids:
                raise BrokenStore(str(problem), "mend it by hand, or take it out of the file")


def _left_behind(store: Store, jobs: Sequence[Job], tasks: Sequence[Task]) -> Iterator[str]:
    theirs, come = {job.id for job in jobs}, {task.id for task in tasks}
    for task in store.tasks.all():
        if task.job_id in theirs and task.id not in come:
            yield f"task {task.name!r} is not in the file: it stays with its job, in no order"


def default_profile(store: Store, jobs: Iterable[Job], tasks: Iterable[Task]) -> Iterator[str]:
    """Says so where it would be used."""
    default = store.settings().default_profile
    bound = {job.id for job in jobs if job.profile}
    if default and not all(task.profile or task.job_id in bound for task in tasks):
        profile = store.profiles.get(default)
        name = profile.name if profile else default
        yield f"what names no profile runs with the default one here, {name!r}"


def watches_store(store: Store, task: Task) -> bool:
    """Each of its runs would change what it watches."""
    if not isinstance(task.schedule, FileWatch):
        return False
    watched, home = (
        os.path.join(os.path.realpath(path), "")
        for path in (task.schedule.watch_directory, store.home.path)
    )
    return watched.startswith(home) or home.startswith(watched)


def _is_past(task: Task, now: datetime) -> bool:
    schedule = task.schedule
    once = isinstance(schedule, Once) and schedule.at <= now
    return once or (task.until is not None and task.until <= now)


def _dangers(jobs: Sequence[Job], tasks: Sequence[Task]) -> Iterator[tuple[str, list[str]]]:
    for job in jobs:
        if found := dangers.of_job(job):
            yield f"job {job.name!r}", found
    for task in tasks:
        if found := dangers.of_task(task):
            yield f"task {task.name!r}", found
