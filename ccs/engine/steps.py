"""The steps of a job: which come next is derived from the runs that carry its job_run.

Nothing else remembers the position, so a crash or a reboot in the middle loses nothing: whoever
looks next, the supervisor that merges a step or the tick, comes to the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ccs.model import key
from ccs.model.job import Job, JobStatus
from ccs.model.run import Run
from ccs.model.task import Task
from ccs.store.home import Home
from ccs.store.store import Store


def following(
    home: Home, merged: dict[str, Any], entries: list[dict[str, Any]], now: datetime
) -> list[dict[str, Any]]:
    """New runs after a step has ended, and the job's status written. Under the store lock.

    The status goes first: it is derived, and the tick corrects it if the runs never get written.
    """
    store = Store(home)
    job = store.jobs.get(merged.get("job_id") or "")
    if job is None or job.run is None or job.run.id != merged["job_run"]:
        return []
    mine = [Run.model_validate(one) for one in entries if one.get("job_run") == job.run.id]
    fresh = advance(store, job, {run.task_id: run for run in mine}, now)
    return [run.record() for run in fresh]


def advance(store: Store, job: Job, steps: Mapping[str, Run], now: datetime) -> list[Run]:
    """Records the job's status where it changed and returns its next runs."""
    status, fresh = next_steps(job, store.tasks.read().by_id, steps, now)
    if status != job.status:
        store.jobs.put(job.changed(status=status, updated_at=now))
    return fresh


def next_steps(
    job: Job, tasks: Mapping[str, Task], steps: Mapping[str, Run], now: datetime
) -> tuple[JobStatus, list[Run]]:
    """Pure. `steps`: the last run of each step so far, by task id."""
    assert job.run is not None  # nosec B101 - asked only of a job that was run
    ended = [run for run in steps.values() if not run.unfinished]
    active = len(steps) - len(ended)
    broken = [run for run in ended if run.status not in ("success", "skipped")]
    if any(run.reason == "stopped" for run in broken) or job.status == "cancelled":
        return "cancelled", []
    if broken and job.on_failure == "stop":
        return ("in_progress" if active else "failed"), []
    known = dict(steps)
    while True:
        ready = [one for one in job.run.order if one in tasks and one not in known]
        fresh = _startable(job, ready, tasks, known, active, now)
        if not fresh:
            break
        known |= {run.task_id: run for run in fresh}
        active += sum(run.unfinished for run in fresh)
    added = [run for task_id, run in known.items() if task_id not in steps]
    if active:
        return "in_progress", added
    return ("failed" if broken else "completed"), added


def _startable(
    job: Job,
    ready: list[str],
    tasks: Mapping[str, Task],
    known: Mapping[str, Run],
    active: int,
    now: datetime,
) -> list[Run]:
    """The next of these tasks whose predecessors are through; several while there is room."""
    assert job.run is not None  # nosec B101
    fresh: list[Run] = []
    for task_id in ready:
        task = tasks[task_id]
        before = [known.get(one) for one in task.after if one in job.run.order]
        if any(run is None or run.unfinished for run in before):
            continue
        step = _step(job, task, [run for run in before if run is not None], now)
        if step.unfinished:
            if active >= job.max_parallel:
                break
            active += 1
        fresh.append(step)
    return fresh


def _through(run: Run) -> bool:
    """Whether what comes after may run: it succeeded, or was passed over on purpose."""
    return run.status == "success" or (run.status, run.reason) == ("skipped", "disabled")


def _step(job: Job, task: Task, before: list[Run], now: datetime) -> Run:
    """A run of this step; one that is disabled or comes after a failure is passed over."""
    assert job.run is not None  # nosec B101
    step = Run(
        id=key.for_step(job.run.id, task.id),
        task_id=task.id,
        job_id=job.id,
        job_run=job.run.id,
        task_name=task.name,
        trigger="job",
        scheduled_time=now,
    )
    failed = [run.task_name for run in before if not _through(run)]
    if task.enabled and not failed:
        return step
    passed = {"status": "skipped", "reason": "after" if failed else "disabled", "end_time": now}
    words = f"comes after {', '.join(failed)}" if failed else None
    return step.model_copy(update={**passed, "message": words})


def settle_job(store: Store, job_id: str | None, now: datetime) -> None:
    """Brings the job's status up to date after one of its runs was cancelled. Under the lock."""
    job = store.jobs.get(job_id) if job_id else None
    if job is None or job.run is None or job.status != "in_progress":
        return
    mine = {run.task_id: run for run in store.runs.all() if run.job_run == job.run.id}
    for run in advance(store, job, mine, now):
        store.runs.put(run)
