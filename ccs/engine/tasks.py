"""What people do with tasks. Every change is checked whole before anything is written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from ccs.engine import runs
from ccs.engine.approval import seen_in
from ccs.engine.clock import Clock
from ccs.engine.launch import Launcher, admission_of, refusal
from ccs.errors import Conflict, InvalidInput, MissingDependency, NotFound
from ccs.model.job import Job
from ccs.model.profile import TEMPLATES
from ccs.model.run import Run
from ccs.model.schedule import Once
from ccs.model.task import Task
from ccs.schedule.admission import held_reason
from ccs.store.collection import choose
from ccs.store.store import Store
from ccs.usage.gate import Hold

# A change of these means a new schedule: what lies before it is no longer due.
_SCHEDULING = frozenset({"schedule", "enabled"})


def create(
    store: Store, fields: Mapping[str, Any], now: datetime, approved: str | None = None
) -> Task:
    """Raises InvalidInput, NotFound, MissingDependency. With a job, the task goes to the end of
    its task_order.

    `approved`: what was agreed to where it will run; else what is there now is.
    """
    born = {"id": str(uuid4()), "created_at": now, "updated_at": now, "active_since": now}
    task = Task.checked({**born, **fields})
    _refuse_the_past(task, now)
    _refuse_what_is_missing(task)
    with store.locked("ccs tasks create"):
        check_profile(store, task.profile)
        job = _job_of(store, task.job_id)
        task = _with_predecessors(store, task)
        task = task.changed(approved=approved) if approved else _approved(store, task)
        store.begin_anew(task)
        store.tasks.put(task)
        if job is not None:
            store.jobs.put(job.changed(task_order=[*job.task_order, task.id], updated_at=now))
    return task


def update(
    store: Store,
    reference: str,
    fields: Mapping[str, Any],
    now: datetime,
    seen: Task | None = None,
) -> Task:
    """`seen`: what it is to be still. Raises InvalidInput, NotFound, Ambiguous, Conflict,
    MissingDependency."""
    with store.locked("ccs tasks update"):
        task = store.tasks.find(reference)
        if seen is not None and task != seen:
            raise Conflict(f"task {task.name!r} was changed meanwhile", "look at it, and try again")
        changed = task.changed(**_whole(task, fields), updated_at=now)
        if changed.isolation != task.isolation:
            _refuse_what_is_missing(changed)
        if any(getattr(changed, name) != getattr(task, name) for name in _SCHEDULING):
            changed = changed.changed(active_since=now)
            if changed.enabled:
                changed = changed.changed(disabled_why=None)
            _refuse_the_past(changed, now)
        check_profile(store, changed.profile)
        changed = _with_predecessors(store, changed)
        if _place(store, changed) != _place(store, task):
            changed = _approved(store, changed)
        if changed.active_since != task.active_since:
            store.begin_anew(changed)
        if changed.job_id != task.job_id:
            _refuse_while_unfinished(store, task)
            changed = _move(store, task, changed, now)
        else:
            store.tasks.put(changed)
    return changed


def approve(store: Store, reference: str, now: datetime) -> tuple[Task, str | None]:
    """What its repository may start by itself is what it starts now; and where that is."""
    with store.locked("ccs tasks approve"):
        task = store.tasks.find(reference)
        task = _approved(store, task).changed(updated_at=now)
        store.tasks.put(task)
        waiting = [one for one in store.runs.all() if one.unapproved and one.task_id == task.id]
        # A run that goes on may work elsewhere than the task does by now: what it saw is agreed to.
        mine = [
            one.model_copy(
                update={"approved": one.unapproved, "unapproved": None, "held_reason": None}
            )
            for one in waiting
            if one.status == "upcoming"
        ]
        if mine:
            store.runs.put(*mine)
    return task, _place(store, task)


def _approved(store: Store, task: Task) -> Task:
    place = _place(store, task)
    return task.changed(approved=seen_in(place) if place else None)


def _place(store: Store, task: Task) -> str | None:
    job = store.jobs.get(task.job_id) if task.job_id else None
    return job.working_directory.path if job else task.working_directory


def deletable(store: Store, task: Task, force: bool) -> int:
    """How many runs would go with it. Raises Conflict while one runs or waits, unless forced."""
    mine = _runs_of(store, task)
    if not force:
        runs.refuse_unfinished(mine)
    return len(mine)


def delete(store: Store, reference: str, force: bool, clock: Clock) -> tuple[Task, int]:
    """The task and how many runs went with it. Raises Conflict, NotFound, Ambiguous."""
    task = store.tasks.find(reference)
    mine = _runs_of(store, task)
    if force:
        update(store, task.id, {"enabled": False}, clock.now())  # nothing new begins meanwhile
    runs.clear_way(store, mine, force, clock)
    with store.locked("ccs tasks delete"):
        # Again, under the lock: a tick may have started something of this task.
        _refuse_while_unfinished(store, task)
        mine = _runs_of(store, task)
        runs.forget(store, [run.id for run in mine])
        _leave_orders(store, task.id, clock.now())
        store.tasks.remove([task.id])
        store.forget_cursor(task.id)
    return task, len(mine)


def run_now(
    store: Store,
    reference: str,
    force: bool,
    now: datetime,
    environment: Mapping[str, str],
) -> Run:
    """A manual run, started at once or waiting (`held_reason`). Raises Conflict, NotFound."""
    with store.locked("ccs tasks run"):
        task = store.tasks.find(reference)
        everything = store.runs.all()
        waiting = [run for run in everything if run.task_id == task.id and run.status == "upcoming"]
        if waiting and task.overlap != "allow" and not force:
            raise Conflict(
                f"a run of {task.name!r} waits already ({waiting[0].held_reason or 'to start'})",
                f"ccs runs get {waiting[0].id}, or use --force for another one",
            )
        launcher = Launcher(store, environment, now)
        run = Run(
            id=str(uuid4()),
            task_id=task.id,
            job_id=task.job_id,
            task_name=task.name,
            trigger="manual",
            scheduled_time=now,
            forced=force,
        )
        run = recorded(launcher, run, task, everything)
    if run.held_reason is None:
        launcher.start(run)
    return run


def recorded(launcher: Launcher, run: Run, task: Task, runs: list[Run]) -> Run:
    """What somebody asks for, as it is put down: with what it waits for. Raises NotFound."""
    launcher.accounts.need_profile(run, task)
    held = _hold(launcher, run, task, runs)
    if held is not None:
        run = run.changed(held_reason=held.reason, not_before=held.until)
    launcher.store.runs.put(run)
    return run


def _hold(launcher: Launcher, run: Run, task: Task, runs: list[Run]) -> Hold | None:
    """Why a run that somebody asks for has to wait, as far as is known now."""
    going_on = [one for one in runs if one.status == "running"]
    by_account = launcher.hold(run, runs)
    if by_account is not None:
        return by_account
    rules = admission_of(
        task, launcher.jobs.by_id.get(task.job_id or ""), run.forced, launcher.settings
    )
    running = [(one.task_id, one.job_id) for one in going_on]
    reason = held_reason(task.id, task.job_id, running, **rules)
    return None if reason is None else Hold(reason, None, "")


def check_profile(store: Store, profile_id: str | None) -> None:
    """Raises NotFound that names the command which makes it."""
    if profile_id is None or store.profiles.get(profile_id) is not None:
        return
    for name, template in TEMPLATES.items():
        if template["id"] == profile_id:
            raise NotFound(
                f"the profile {name} does not exist yet",
                f"make it: ccs profiles create --template {name}",
            )
    raise NotFound(f"no profile {profile_id!r}", "ccs profiles list shows them")


def _whole(task: Task, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """A part that is given in part keeps its other fields."""
    if "retry" not in fields:
        return fields
    return {**fields, "retry": {**task.retry.record(), **fields["retry"]}}


def _with_predecessors(store: Store, task: Task) -> Task:
    """`after` as ids. Raises InvalidInput for a task of another job and for a circle."""
    if not task.after:
        return task
    if task.job_id is None:
        raise InvalidInput("after: only a task of a job can come after others", "give it a --job")
    siblings = {one.id: one for one in store.tasks.all() if one.job_id == task.job_id}
    siblings[task.id] = task
    before = [choose(siblings.values(), one, "task").id for one in task.after]
    task = task.changed(after=list(dict.fromkeys(before)))
    siblings[task.id] = task
    circle = _circle(siblings, [task.id])
    if circle:
        path = " after ".join(repr(siblings[one].name) for one in circle)
        raise InvalidInput(f"after: a circle: {path}", "take one of these out")
    return task


def _circle(tasks: Mapping[str, Task], path: list[str]) -> list[str] | None:
    """The way back to where `path` began, if there is one."""
    for one in tasks[path[-1]].after:
        if one == path[0]:
            return [*path, one]
        if one in tasks and one not in path:
            found = _circle(tasks, [*path, one])
            if found:
                return found
    return None


def _refuse_the_past(task: Task, now: datetime) -> None:
    schedule = task.schedule
    if isinstance(schedule, Once) and task.enabled and schedule.at <= now:
        raise InvalidInput(f"{schedule.at} lies in the past", "give a time to come")
    if task.until is not None and task.enabled and task.until <= now:
        raise InvalidInput(f"until: {task.until} lies in the past", "give a time to come")


def _refuse_what_is_missing(task: Task) -> None:
    if missing := refusal(task, os.environ):
        raise MissingDependency(f"{task.name!r}: {missing}", "install tmux, or use no isolation")


def _runs_of(store: Store, task: Task) -> list[Run]:
    return [run for run in store.every_run() if run.task_id == task.id]


def _job_of(store: Store, job_id: str | None) -> Job | None:
    return None if job_id is None else store.jobs.find(job_id)


def _refuse_while_unfinished(store: Store, task: Task) -> None:
    if any(run.unfinished for run in store.runs.all() if run.task_id == task.id):
        raise Conflict(f"{task.name!r} runs or waits", "stop it first: ccs runs stop")


def _move(store: Store, task: Task, changed: Task, now: datetime) -> Task:
    """Into another job, or out of all. The order names a task only once it belongs there."""
    job = _job_of(store, changed.job_id)
    if job is None and changed.working_directory is None:
        # It goes on running where it ran: a task without any place could not run at all.
        left = store.jobs.get(task.job_id or "")
        place = left.working_directory.path if left else None
        changed = changed.changed(working_directory=place)
    _leave_orders(store, task.id, now)
    store.tasks.put(changed)
    if job is not None:
        fresh = store.jobs.find(job.id)
        store.jobs.put(fresh.changed(task_order=[*fresh.task_order, task.id], updated_at=now))
    return changed


def _leave_orders(store: Store, task_id: str, now: datetime) -> None:
    for job in store.jobs.all():
        if task_id in job.task_order:
            rest = [one for one in job.task_order if one != task_id]
            store.jobs.put(job.changed(task_order=rest, updated_at=now))
