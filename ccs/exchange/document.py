"""The export file: the prior system's five keys in its words, and one of our own.

    {"version": "1.0", "exported_at": …, "job": {…}, "tasks": [{…}], "profiles_referenced": [id],
     "ccs": {"format": 1, "job": {…}, "tasks": {id: {…}}, "profiles": [{…}]}}

Under `ccs` stand only the fields that its words cannot tell, so what is changed by hand in the
other keys counts. Several of them stand as a list under `jobs`, with `version` and `exported_at`
beside it; the one of tasks without a job has none in `job`. What a profile holds never travels;
`ccs.exchange.masking` takes out the secrets that stand elsewhere. `ccs.exchange.reading` reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ccs import instant
from ccs.exchange import prior
from ccs.exchange.notes import Here
from ccs.model.job import Job
from ccs.model.profile import Profile
from ccs.model.schedule import Interval
from ccs.model.task import Task

VERSION = "1.0"
FORMAT = 1
# Of the machine and of the moment: never taken from a file. `approved` says that somebody looked.
_BORN = ("created_at", "updated_at")
NOT_OF_A_TASK = frozenset(("id", "job_id", "approved", "disabled_why", "active_since", *_BORN))
NOT_OF_A_JOB = frozenset(("id", "run", *_BORN))
# Of these only the fields that differ: a path changed by hand counts beside a command of ours.
IN_PARTS = frozenset(("working_directory", "retry", "notifications"))
_AS_WRITTEN = Here(None, "~")


def build(
    job: Job | None, tasks: Sequence[Task], profiles: Iterable[Profile], now: datetime
) -> dict[str, Any]:
    named = {one.profile for one in (*([job] if job else ()), *tasks)} - {None}
    ours = {
        "format": FORMAT,
        "job": _beyond(job) if job else {},
        "tasks": {one.id: _beyond(one) for one in tasks},
        "profiles": [_label(one) for one in profiles if one.id in named],
    }
    return {
        "version": VERSION,
        "exported_at": now.astimezone(UTC).isoformat(),
        "job": prior.of_job(job) if job else None,
        "tasks": [prior.of_task(one) for one in tasks],
        "profiles_referenced": sorted(map(str, named)),
        "ccs": ours,
    }


def container(documents: Sequence[Mapping[str, Any]], now: datetime) -> dict[str, Any]:
    stamp = now.astimezone(UTC).isoformat()
    return {"version": VERSION, "exported_at": stamp, "jobs": list(documents)}


def _beyond(record: Job | Task) -> dict[str, Any]:
    """What is lost on the way to the prior system's words and back."""
    back: Job | Task
    if isinstance(record, Job):
        back = Job.checked(prior.job(prior.of_job(record), _AS_WRITTEN)[0])
        left_out = NOT_OF_A_JOB
    else:
        born = instant.text(record.created_at)
        fields = prior.task(prior.of_task(record), _AS_WRITTEN, born)[0]
        back = Task.checked({**fields, "active_since": born})
        left_out = NOT_OF_A_TASK
    meant = {name: value for name, value in record.record().items() if name not in left_out}
    heard = back.record()
    beyond = _difference(meant, heard)
    if isinstance(record, Task) and isinstance(record.schedule, Interval):
        beyond["schedule"] = meant["schedule"]  # what it counts from would be that of the import
    for name in IN_PARTS & beyond.keys():
        if isinstance(meant[name], dict):
            beyond[name] = _difference(meant[name], heard[name])
    return beyond


def _difference(meant: Mapping[str, Any], heard: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in meant.items() if name not in heard or heard[name] != value
    }


def _label(profile: Profile) -> dict[str, Any]:
    variables = [{"name": one.name, "source": one.source} for one in profile.env_vars]
    shown = {"id": profile.id, "name": profile.name, "account": profile.account}
    return {**shown, "env_vars": variables}
