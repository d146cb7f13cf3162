"""The steps of a job: which come next is derived from the runs that carry its job_run.

Nothing else remembers the position, so a crash or a reboot in the middle loses nothing: whoever
looks next, the supervisor that merges a step or the tick, comes to the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ccs.model import key
from ccs.model.job import Job, JobRun, JobStatus
from ccs.model.run import Run
from ccs.model.task import Task
from ccs.store.collection import Reading
from ccs.store.home import Home
from ccs.store.records import Content
from ccs.store.store import Store


def following(
    home: Home, merged: dict[str, Any], content: Content, now: datetime
) -> list[dict[str, Any]]:
    """Records to put after a step has ended; the job's status is written. Under the store lock.

    The status goes first: it is derived, and the tick corrects it if the runs never get written.
    """
    store = Store(home)
    job = store.jobs.get(merged.get("job_id") or "")
    if job is None or job.run is None or job.run.id != merged["job_run"]:
        return []
    return [run.record() for run in advance(store, job, store.runs.judge(content), now)]


def settle_job(store: Store, job_id: str | None, now: datetime) -> None:
    """Brings a job up to date after one of its runs was cancelled. Under the store lock."""
    job = store.jobs.get(job_id) if job_id else None
    if job is None or job.run is None or job.status != "in_progress":
        return
    changed = advance(store, job, store.runs.read(), now)
    if changed:
        store.runs.put(*changed)


def advance(store: Store, job: Job, runs: Reading[Run], now: datetime) -> list[Run]:
    """Writes the job's status where it changed; the runs to record: new ones and cancelled ones."""
    assert job.run is not None  # asked only of a job that was run
    tasks = store.tasks.read()
    steps = steps_of(store, job.run, runs)
    ended = _ended_early(job, steps)
    cancelled = _cancelled(store, steps, now) if ended else []
    steps |= {run.task_id: run for run in cancelled}
    if ended:
        active = any(run.unfinished for run in steps.values())
        status, fresh = ("in_progress" if active else ended), list[Run]()
    else:
        unreadable = frozenset(problem.id for problem in tasks.problems)
        status, fresh = next_steps(job, tasks.by_id, steps, now, unreadable)
    if status != job.status:
        store.jobs.put(job.changed(status=status, updated_at=now))
    return cancelled + fresh


def steps_of(store: Store, order: JobRun, runs: Reading[Run]) -> dict[str, Run]:
    """The run of each step that was ever recorded, by task id, wherever it is now."""
    mine = [run for run in runs.records if run.job_run == order.id]
    gone_on = {one for run in mine for one in (run.resumed_from, run.retry_of)}
    # The last run of a chain of resumes and retries decides about its step.
    steps = {run.task_id: run for run in mine if run.id not in gone_on}
    unreadable = {problem.id for problem in runs.problems}
    for task_id in order.order:
        run_id = key.for_step(order.id, task_id)
        if task_id in steps:
            continue
        if run_id in unreadable:
            # It may be running: the job waits until the record is mended.
            steps[task_id] = _standing_for(order, task_id, "running")
        elif store.history.knows(run_id):
            archived = store.history.get(run_id)
            # A deleted run is not run again.
            gone = _standing_for(order, task_id, "success")
            steps[task_id] = Run.model_validate(archived) if archived else gone
    return steps


def next_steps(
    job: Job,
    tasks: Mapping[str, Task],
    steps: Mapping[str, Run],
    now: datetime,
    unreadable: frozenset[str] = frozenset(),
) -> tuple[JobStatus, list[Run]]:
    """Pure. `steps`: the run of each step so far; `unreadable`: tasks whose records are broken."""
    assert job.run is not None  # asked only of a job that was run
    active = sum(run.unfinished for run in steps.values())
    known = dict(steps)
    while True:
        ready = [one for one in job.run.order if one in tasks and one not in known]
        fresh = _startable(job, ready, tasks, known, active, now)
        if not fresh:
            break
        known |= {run.task_id: run for run in fresh}
        active += sum(run.unfinished for run in fresh)
    added = [run for task_id, run in known.items() if task_id not in steps]
    left = [one for one in job.run.order if one not in known]
    if active or any(one in unreadable for one in left):
        return "in_progress", added
    stuck = any(one in tasks for one in left)  # a circle, made by hand
    broken = any(_broken(run) for run in steps.values())
    return ("failed" if broken or stuck else "completed"), added


def _startable(
    job: Job,
    ready: list[str],
    tasks: Mapping[str, Task],
    known: Mapping[str, Run],
    active: int,
    now: datetime,
) -> list[Run]:
    """The next of these tasks whose predecessors are through; several while there is room."""
    assert job.run is not None
    fresh: list[Run] = []
    for task_id in ready:
        task = tasks[task_id]
        there = [one for one in task.after if one in known or one in ready]
        before = [known.get(one) for one in there]
        if any(run is None or run.unfinished for run in before):
            continue
        step = _step(job, task, [run for run in before if run is not None], now)
        if step.unfinished:
            if active >= job.max_parallel:
                break
            active += 1
        fresh.append(step)
    return fresh


def _ended_early(job: Job, steps: Mapping[str, Run]) -> JobStatus | None:
    """What the job has come to, when no further step may start."""
    broken = [run for run in steps.values() if _broken(run)]
    if job.status == "cancelled" or any(run.reason == "stopped" for run in broken):
        return "cancelled"
    return "failed" if broken and job.on_failure == "stop" else None


def _cancelled(store: Store, steps: Mapping[str, Run], now: datetime) -> list[Run]:
    """Steps that have not begun; their start mark would be made under this same lock."""
    ended = {"status": "cancelled", "reason": "stopped", "held_reason": None, "end_time": now}
    return [
        run.model_copy(update={**ended, "message": "its job had ended"})
        for run in steps.values()
        if run.status == "upcoming" and not store.rundir(run.id).started()
    ]


def _broken(run: Run) -> bool:
    if run.status == "skipped":
        return _goes_on(run)
    return not run.unfinished and run.status != "success"


def _through(run: Run) -> bool:
    """Whether what comes after may run: it succeeded, or was passed over on purpose."""
    passed_over = (run.status, run.reason) == ("skipped", "disabled") and not _goes_on(run)
    return run.status == "success" or passed_over


def _goes_on(run: Run) -> bool:
    """With work that was begun: skipped, it leaves that half done."""
    return run.resumed_from is not None or run.retry_of is not None


def _step(job: Job, task: Task, before: list[Run], now: datetime) -> Run:
    """A run of this step; one that is disabled or comes after a failure is passed over."""
    assert job.run is not None
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


def _standing_for(order: JobRun, task_id: str, status: str) -> Run:
    """A step whose own record is not to be had; never recorded itself."""
    return Run.model_construct(
        id=key.for_step(order.id, task_id), task_id=task_id, job_run=order.id, status=status
    )
