"""What people do with a run that has ended: start it again as it was, or go on with its session."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import uuid4

from ccs.claude import command
from ccs.engine import tasks
from ccs.engine.launch import Launcher
from ccs.errors import Conflict, NotFound
from ccs.model.run import Run
from ccs.model.task import Task
from ccs.store.asked import as_it_ran
from ccs.store.store import Store


def restart(
    store: Store, reference: str, force: bool, now: datetime, environment: Mapping[str, str]
) -> Run:
    """Its task as it ran, whatever was changed since. Raises Conflict, NotFound."""
    before, task = _ended(store, reference)
    if as_it_ran(store.home, before.id) is None:
        raise NotFound(
            f"how run {before.id[:8]} ran is not known any more",
            f"run its task as it is now: ccs tasks run {task.id[:8]}",
        )
    fields = {"restart_of": before.id}
    return _start(store, task, before, fields, force, now, environment)


def proceed(
    store: Store,
    reference: str,
    prompt: str | None,
    force: bool,
    now: datetime,
    environment: Mapping[str, str],
) -> Run:
    """In the run's session and place, on its account, with this prompt. Raises Conflict, NotFound.

    Two runs never work in one session: while another does, the new one waits.
    """
    before, task = _ended(store, reference)
    if before.session_id is None:
        raise Conflict(
            f"run {before.id[:8]} had no session to go on with",
            f"run its task: ccs tasks run {task.id[:8]}",
        )
    kept = ("session_id", "cwd", "worktree", "profile", "account", "mock")
    fields = {name: getattr(before, name) for name in kept}
    fields |= {"resumed_from": before.id, "prompt": prompt or command.GO_ON}
    return _start(store, task, before, fields, force, now, environment)


def _ended(store: Store, reference: str) -> tuple[Run, Task]:
    run = store.find_run(reference)
    if run.unfinished:
        raise Conflict(
            f"run {run.id[:8]} has not ended", f"stop it first: ccs runs stop {run.id[:8]}"
        )
    task = store.tasks.get(run.task_id)
    if task is None:
        raise NotFound(f"the task of run {run.id[:8]} does not exist any more")
    return run, task


def _start(
    store: Store,
    task: Task,
    before: Run,
    fields: Mapping[str, object],
    force: bool,
    now: datetime,
    environment: Mapping[str, str],
) -> Run:
    with store.locked("ccs runs"):
        launcher = Launcher(store, environment, now)
        run = Run.checked(
            {
                "id": str(uuid4()),
                "task_id": task.id,
                "job_id": task.job_id,
                "task_name": before.task_name,
                "trigger": "manual",
                "scheduled_time": now,
                "forced": force,
                **fields,
            }
        )
        run = tasks.recorded(launcher, run, task, store.runs.all())
    if run.held_reason is None:
        launcher.start(run)
    return run
