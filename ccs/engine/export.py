"""Jobs that leave as a file, without the secrets that stand in them. What cannot be read is not
left out: a copy without it would look whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from ccs.errors import BrokenStore
from ccs.exchange import document, masking
from ccs.host import environ
from ccs.model.job import Job
from ccs.model.record import Record
from ccs.model.task import Task
from ccs.store.collection import Collection
from ccs.store.store import Store

R = TypeVar("R", bound=Record)
_HINT = "mend it by hand, or take it out of the file, then export"


class Export(NamedTuple):
    """`masked`: in which fields of which records a secret stood."""

    document: dict[str, Any]
    masked: list[str]


def one(store: Store, reference: str, environment: Mapping[str, str], now: datetime) -> Export:
    """Raises NotFound, Ambiguous, BrokenStore."""
    job = store.jobs.find(reference)
    found = document.build(job, _of(job, _whole(store.tasks)), store.profiles.all(), now)
    return Export(found, masking.mask(found, _secrets(store, environment).mask_text))


def everything(store: Store, environment: Mapping[str, str], now: datetime) -> Export:
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
    hide = _secrets(store, environment).mask_text
    masked = [where for one in documents for where in masking.mask(one, hide)]
    return Export(document.container(documents, now), masked)


def _secrets(store: Store, environment: Mapping[str, str]) -> environ.Environment:
    """What the store holds of them, and what is to be had without asking another program."""
    profiles = [one.record() for one in _whole(store.profiles)]
    channels = [
        secret
        for one in store.settings().notifications.channels
        for secret in (one.url, one.token)
        if secret
    ]
    return environ.at_hand(profiles, environment, channels)


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
