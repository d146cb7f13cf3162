"""Reading an export, of ccs or of the prior system. Nothing in it is trusted: either all of a file
makes sense, or it is refused.
"""

from __future__ import annotations

import ntpath
import posixpath
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from graphlib import CycleError, TopologicalSorter
from typing import Any, TypeVar

from ccs import instant
from ccs.errors import InvalidInput
from ccs.exchange import masking, overlay, prior
from ccs.exchange.document import FORMAT, NOT_OF_A_JOB, NOT_OF_A_TASK, VERSION
from ccs.exchange.notes import Here, Note, one_line, part, unknown
from ccs.model.job import Job
from ccs.model.record import Part
from ccs.model.task import Task
from ccs.text import shorten

MOST_BYTES = 64 << 20
MOST_TASKS = 20_000
# Objects and lists, which take thirty times their bytes when they are read. Those of 20,000 tasks
# are a tenth of it.
MOST_PARTS = 4_000_000
_LONGEST_COMPLAINT = 500
_DOCUMENT = ("version", "exported_at", "job", "tasks", "profiles_referenced", "ccs")
_OURS = ("format", "job", "tasks", "profiles", "masked")

R = TypeVar("R", Job, Task)


@dataclass(frozen=True)
class Parcel:
    """What one document holds, with its own ids. `profiles`: their names, as far as it tells."""

    job: Job | None
    tasks: list[Task]
    profiles: Mapping[str, str]
    notes: Sequence[str]


def read(document: Any, here: Here, now: datetime) -> list[Parcel]:
    """Raises InvalidInput."""
    if isinstance(document, list):
        hint = "files of the prior system's own store are taken over by: ccs import-store"
        raise InvalidInput("an export is one JSON object, this is a list", hint)
    if not isinstance(document, dict):
        raise InvalidInput("an export is one JSON object")
    _check_version(document)
    entries = [document]
    if "jobs" in document:
        entries = document["jobs"]
        if "job" in document or not isinstance(entries, list):
            raise InvalidInput("jobs: must be a list of documents, and without job beside it")
    parcels = []
    for place, entry in enumerate(entries):
        with _within(f"jobs.{place}" if "jobs" in document else ""):
            parcels.append(_parcel(entry, here, now))
    _refuse_doubles(parcels)
    return parcels


def _check_version(document: Mapping[str, Any]) -> None:
    if document.get("version") != VERSION:
        shown = shorten(str(document.get("version")), 40)
        raise InvalidInput(f"version {shown}: only {VERSION} is known")


def _parcel(document: Any, here: Here, now: datetime) -> Parcel:
    if not isinstance(document, dict):
        raise InvalidInput("must be an object")
    _check_version(document)
    ours = part(document, "ccs")
    version = ours.get("format", FORMAT)
    if type(version) is not int or version != FORMAT:
        raise InvalidInput(f"ccs.format: only {FORMAT} is known; this may be of a later version")
    if ours:
        here = here._replace(zone=None)  # ccs means the zone that it writes
    masked = part(ours, "masked")
    notes = [str(one) for one in unknown(document, _DOCUMENT) + unknown(ours, _OURS, "ccs.")]
    entries = document.get("tasks")
    if not isinstance(entries, list) or len(entries) > MOST_TASKS:
        raise InvalidInput(f"tasks: must be a list of at most {MOST_TASKS}")
    job = None
    if document.get("job") is not None or not ours:
        with _within("job"):
            job = _job(document.get("job"), part(ours, "job"), here, now, notes)
    extras, tasks = part(ours, "tasks"), []
    for place, entry in enumerate(entries):
        with _within(f"tasks.{place}"):
            tasks.append(_task(entry, extras, job, here, now, notes))
    ids = {task.id for task in tasks}
    tasks = [_without_strangers(task, ids, notes) for task in tasks]
    if job is not None:
        job = _ordered(job, tasks, notes)
    _check_after(tasks)
    tasks = _resting(job, tasks, masked, notes)
    if strangers := extras.keys() - {entry["id"] for entry in entries}:
        notes.append(f"ccs.tasks: {len(strangers)} of them are not among the tasks, and left out")
    return Parcel(job, tasks, _names(ours), notes)


def _job(entry: Any, extra: Mapping[str, Any], here: Here, now: datetime, notes: list[str]) -> Job:
    _needs_id_and_name(entry)
    fields, found = prior.job(entry, here)
    common = dict(fields)
    found += overlay.lay(fields, extra, Job, NOT_OF_A_JOB)
    if fields.get("status") == "in_progress":
        fields["status"] = "pending"
    job = _checked(Job, fields, now, found)
    if extra.keys() & entry.keys():
        again = prior.job(prior.of_job(job), here)[0]
        by_hand = overlay.by_hand(fields, common, again, entry, extra)
        found += overlay.contradicted(by_hand)
        job = _checked(Job, {**fields, **by_hand}, now, []) if by_hand else job
    _check_place("working_directory.path", job.working_directory.path)
    notes += [f"job {job.name!r}: {one}" for one in found]
    return job


def _task(
    entry: Any,
    extras: Mapping[str, Any],
    job: Job | None,
    here: Here,
    now: datetime,
    notes: list[str],
) -> Task:
    _needs_id_and_name(entry)
    fields, found = prior.task(entry, here, instant.text(now))
    if job is not None:
        if fields.get("job_id") not in (None, job.id):
            found.append(Note("job_id", "of another job; it belongs to the one it came with"))
        fields.pop("working_directory", None)  # that of its job counts
    fields["job_id"] = job.id if job else None
    common, extra = dict(fields), part(extras, entry["id"])
    found += overlay.lay(fields, extra, Task, NOT_OF_A_TASK)
    if isinstance(fields.get("working_directory"), str):
        fields["working_directory"] = here.path(fields["working_directory"])
    fields["active_since"] = now
    task = _checked(Task, fields, now, found)
    if extra.keys() & entry.keys():
        again = prior.task(prior.of_task(task), here, instant.text(now))[0]
        by_hand = overlay.by_hand(fields, common, again, entry, extra)
        found += overlay.contradicted(by_hand)
        task = _checked(Task, {**fields, **by_hand}, now, []) if by_hand else task
    if task.working_directory is not None:
        _check_place("working_directory", task.working_directory)
    notes += [f"task {task.name!r}: {one}" for one in found]
    return task


def _checked(kind: type[R], fields: Mapping[str, Any], now: datetime, notes: list[Note]) -> R:
    record = kind.checked({**fields, "created_at": now, "updated_at": now})
    notes += [Note(shorten(path, 60), "not known here, left out") for path in _strip(record)]
    if (name := one_line(record.name, notes)) != record.name:
        record = record.changed(name=name)
    for text in masking.texts(record.record()):
        if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
            raise InvalidInput("no text may hold a NUL or half a surrogate pair")
    return record


def _strip(part: Part, path: str = "") -> Iterator[str]:
    """Takes out what no field is for: a later version could act on it, and nobody was told."""
    for key in [*(part.model_extra or {})]:
        assert part.model_extra is not None  # it had keys
        del part.model_extra[key]
        yield path + key
    for name in type(part).model_fields:
        value = getattr(part, name)
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, Part):
                yield from _strip(one, f"{path}{name}.")


def _needs_id_and_name(entry: Any) -> None:
    if not isinstance(entry, dict):
        raise InvalidInput("must be an object")
    for name in ("id", "name"):
        if not isinstance(entry.get(name), str):
            raise InvalidInput(f"{name}: must be there, and text")


def _check_place(field: str, path: str) -> None:
    if not (posixpath.isabs(path) or ntpath.isabs(path)):
        raise InvalidInput(f"{field}: {shorten(path, 100)!r} must be absolute or begin with ~/")


def _ordered(job: Job, tasks: Sequence[Task], notes: list[str]) -> Job:
    present = {one.id for one in tasks}
    order = [one for one in dict.fromkeys(job.task_order) if one in present]
    if order != job.task_order:
        words = "task_order: ids without a task, or named twice, were left out"
        notes.append(f"job {job.name!r}: {words}")
    if len(order) < len(present):
        notes.append(f"job {job.name!r}: {len(present) - len(order)} of its tasks are in no order")
    return job.changed(task_order=order)


def _without_strangers(task: Task, ids: Collection[str], notes: list[str]) -> Task:
    """A run of a job passes over those that are not of it, so they are nothing to wait for."""
    after = [one for one in dict.fromkeys(task.after) if one in ids]
    if after == task.after:
        return task
    words = "after: tasks that are not in the file, or named twice, were left out"
    notes.append(f"task {task.name!r}: {words}")
    return task.changed(after=after)


def _resting(
    job: Job | None, tasks: Sequence[Task], masked: Mapping[str, Any], notes: list[str]
) -> list[Task]:
    """What lacks a secret is not enabled before somebody has put it back."""
    words = "a secret was masked when it was exported"
    of_job = masking.lacking(job.record(), _listed(masked, "job")) if job else []
    if job and of_job:
        notes.append(f"job {job.name!r}: {', '.join(of_job)}: {words}; put it back")
    listed, found = part(masked, "tasks"), []
    for task in tasks:
        fields = masking.lacking(task.record(), _listed(listed, task.id))
        if fields:
            notes.append(f"task {task.name!r}: {', '.join(fields)}: {words}; put it back")
        why = [*fields, *(f"{name} of its job" for name in of_job)]
        resting = {"disabled_why": f"{words}: {', '.join(why)}"} if why else {}
        found.append(task.model_copy(update=resting))
    return found


def _listed(masked: Mapping[str, Any], name: str) -> list[Any]:
    found = masked.get(name) or []
    if not isinstance(found, list):
        raise InvalidInput(f"ccs.masked: {shorten(name, 60)}: must be a list")
    return found


def _check_after(tasks: Sequence[Task]) -> None:
    by_id = {one.id: one for one in tasks}
    try:
        TopologicalSorter({one.id: one.after for one in tasks}).prepare()
    except CycleError as circle:
        names = " after ".join(repr(by_id[one].name) for one in circle.args[1])
        raise InvalidInput(shorten(f"after: a circle: {names}", _LONGEST_COMPLAINT)) from None


def _refuse_doubles(parcels: Sequence[Parcel]) -> None:
    ids = [one.job.id for one in parcels if one.job] + [
        task.id for parcel in parcels for task in parcel.tasks
    ]
    if twice := [one for one, count in Counter(ids).items() if count > 1]:
        raise InvalidInput(f"the id {twice[0]} stands there twice")


def _names(ours: Mapping[str, Any]) -> dict[str, str]:
    labels = ours.get("profiles") or []
    if not isinstance(labels, list):
        raise InvalidInput("ccs.profiles: must be a list")
    return {
        one["id"]: shorten(str(one.get("name", "")), 200)
        for one in labels
        if isinstance(one, dict) and isinstance(one.get("id"), str)
    }


@contextmanager
def _within(place: str) -> Iterator[None]:
    """Says where in the file something is wrong, and never at the length it may have there."""
    try:
        yield
    except InvalidInput as problem:
        words = shorten(problem.message, _LONGEST_COMPLAINT)
        raise InvalidInput(f"{place}: {words}" if place else words, problem.hint) from None
