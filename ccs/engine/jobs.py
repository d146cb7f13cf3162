"""What people do with jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from ccs.engine import runs, steps
from ccs.engine.clock import Clock
from ccs.engine.launch import Launcher
from ccs.engine.tasks import check_profile
from ccs.errors import Conflict, InvalidInput, NotFound
from ccs.model.job import Job, JobRun
from ccs.model.run import Run
from ccs.model.task import Task
from ccs.store.collection import choose
from ccs.store.store import Store


@dataclass(frozen=True)
class Deleted:
    """What went with a job."""

    job: Job
    tasks: int
    runs: int


def create(store: Store, fields: Mapping[str, Any], now: datetime) -> Job:
    """Raises InvalidInput, NotFound."""
    job = Job.checked({"id": str(uuid4()), "created_at": now, "updated_at": now, **fields})
    with store.locked("ccs jobs create"):
        check_profile(store, job.profile)
        store.jobs.put(job)
    return job


def update(
    store: Store,
    reference: str,
    fields: Mapping[str, Any],
    directory: Mapping[str, Any],
    now: datetime,
) -> Job:
    """`directory`: the fields of working_directory to change; its others stay."""
    with store.locked("ccs jobs update"):
        job = store.jobs.find(reference)
        if "status" in fields and job.status == "in_progress":
            raise Conflict(f"{job.name!r} is running", f"ccs jobs stop {job.id}")
        if fields.get("status") == "in_progress":
            raise InvalidInput("a job comes to be in_progress by running", f"ccs jobs run {job.id}")
        place = job.working_directory.changed(**directory).record()
        changed = job.changed(**fields, working_directory=place, updated_at=now)
        check_profile(store, changed.profile)
        store.jobs.put(changed)
    return changed


def deletable(store: Store, job: Job, force: bool) -> Deleted:
    """What would go with it. Raises Conflict while something of it runs, unless forced."""
    mine = _runs_of(store, job)
    if not force:
        runs.refuse_unfinished(mine)
    return Deleted(job, len(tasks_of(store, job)), len(mine))


def delete(store: Store, reference: str, force: bool, clock: Clock) -> Deleted:
    """With its tasks and their runs, leaves first. Raises Conflict while something runs."""
    job = store.jobs.find(reference)
    mine = _runs_of(store, job)
    if force and job.status == "in_progress":
        stop(store, job.id, clock)
    runs.clear_way(store, mine, force, clock)
    with store.locked("ccs jobs delete"):
        tasks = tasks_of(store, job)
        # Again, under the lock: a tick may have started something of this job.
        mine = _runs_of(store, job)
        runs.forget(store, [run.id for run in mine])
        store.tasks.remove(task.id for task in tasks)
        for task in tasks:
            store.forget_cursor(task.id)
        store.jobs.remove([job.id])
    return Deleted(job, len(tasks), len(mine))


def tasks_of(store: Store, job: Job) -> list[Task]:
    """In the job's order; those it does not order come last."""
    place = {task_id: index for index, task_id in enumerate(job.task_order)}
    mine = [task for task in store.tasks.all() if task.job_id == job.id]
    return sorted(mine, key=lambda task: place.get(task.id, len(place)))


def set_order(store: Store, reference: str, tasks: list[str], now: datetime) -> Job:
    """Raises InvalidInput for a task of another job or one named twice."""
    with store.locked("ccs jobs set-order"):
        job = store.jobs.find(reference)
        mine = tasks_of(store, job)
        order = [_task_of(store, mine, task) for task in tasks]
        foreign = [task.name for task in order if task.job_id != job.id]
        if foreign:
            words = ", ".join(map(repr, foreign))
            raise InvalidInput(f"not a task of this job: {words}", f"ccs jobs tasks {job.id}")
        ids = [task.id for task in order]
        if len(set(ids)) != len(ids):
            raise InvalidInput("a task is named twice")
        changed = job.changed(task_order=ids, updated_at=now)
        store.jobs.put(changed)
    return changed


def run(
    store: Store, reference: str, now: datetime, environment: Mapping[str, str]
) -> tuple[Job, list[Run]]:
    """Starts the job: its first step, or `max_parallel` of them. Raises Conflict, InvalidInput."""
    with store.locked("ccs jobs run"):
        job = store.jobs.find(reference)
        if job.status == "in_progress":
            raise Conflict(f"{job.name!r} is running already", f"ccs jobs stop {job.id}")
        known = store.tasks.read().by_id
        missing = [task_id for task_id in job.task_order if task_id not in known]
        if missing:
            raise NotFound(f"the job orders tasks that do not exist: {', '.join(missing)}")
        if not job.task_order:
            raise InvalidInput(
                f"{job.name!r} has no tasks", f"ccs tasks create --job {job.id} --prompt …"
            )
        order = JobRun(id=str(uuid4()), order=job.task_order)
        job = job.changed(run=order.record(), status="in_progress", updated_at=now)
        status, fresh = steps.next_steps(job, known, {}, now)
        job = job.changed(status=status)
        # The job first: without its steps the tick makes them, steps without it would be orphans.
        store.jobs.put(job)
        store.runs.put(*fresh)
    launcher = Launcher(store, environment, now)
    for step in fresh:
        if step.status == "upcoming" and launcher.hold(step, store.runs.all()) is None:
            launcher.start(step)
    return job, fresh


def stop(store: Store, reference: str, clock: Clock) -> Job:
    """Cancels what waits and stops what runs. Raises Conflict when the job is not running."""
    with store.locked("ccs jobs stop"):
        job = store.jobs.find(reference)
        going_on = _going_on(store, job)
        # A stop that was cut off has cancelled the job, and left steps that go on.
        if job.status != "in_progress" and not (job.status == "cancelled" and going_on):
            raise Conflict(f"{job.name!r} is not running: {job.status}")
        job = job.changed(status="cancelled", updated_at=clock.now())
        store.jobs.put(job)  # first: no step follows from now on
    runs.clear_way(store, _going_on(store, job), True, clock)
    return store.jobs.find(job.id)


def _going_on(store: Store, job: Job) -> list[Run]:
    """The steps that run or wait."""
    if job.run is None:
        return []
    return [one for one in store.runs.all() if one.job_run == job.run.id and one.unfinished]


def _task_of(store: Store, mine: list[Task], reference: str) -> Task:
    """One of the job's own first: two jobs may well have a task of the same name."""
    try:
        return choose(mine, reference, "task")
    except NotFound:
        return store.tasks.find(reference)


def _runs_of(store: Store, job: Job) -> list[Run]:
    tasks = {task.id for task in store.tasks.all() if task.job_id == job.id}
    return [one for one in store.every_run() if one.job_id == job.id or one.task_id in tasks]
