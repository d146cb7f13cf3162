"""Jobs that leave as a file. What cannot be read is not left out: a copy without it would look
whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from ccs.errors import BrokenStore
from ccs.exchange import document
from ccs.model.job import Job
from ccs.model.record import Record
from ccs.model.task import Task
from ccs.store.collection import Collection
from ccs.store.store import Store

R = TypeVar("R", bound=Record)
_HINT = "mend it by hand, or take it out of the file, then export"


def one(store: Store, reference: str, now: datetime) -> dict[str, Any]:
    """Raises NotFound, Ambiguous, BrokenStore."""
    job = store.jobs.find(reference)
    return document.build(job, _of(job, _whole(store.tasks)), store.profiles.all(), now)


def everything(store: Store, now: datetime) -> dict[str, Any]:
    """Every job, and the tasks that belong to none. Raises BrokenStore."""
    jobs, tasks, profiles = _whole(store.jobs), _whole(store.tasks), store.profiles.all()
    known = {job.id for job in jobs}
    for task in tasks:
        if task.job_id is not None and task.job_id not in known:
            raise BrokenStore(f"the job of task {task.name!r} is not there: {task.job_id}", _HINT)
    documents = [document.build(job, _of(job, tasks), profiles, now) for job in jobs]
    alone = [task for task in tasks if task.job_id is None]
    if alone:
        documents.append(document.build(None, alone, profiles, now))
    return document.container(documents, now)


def _of(job: Job, tasks: Sequence[Task]) -> list[Task]:
    """In the job's order; those it does not order come last."""
    place = {task_id: index for index, task_id in enumerate(job.task_order)}
    mine = [task for task in tasks if task.job_id == job.id]
    return sorted(mine, key=lambda task: place.get(task.id, len(place)))


def _whole(collection: Collection[R]) -> list[R]:
    reading = collection.read()
    if reading.problems:
        raise BrokenStore(str(reading.problems[0]), _HINT)
    return reading.records
