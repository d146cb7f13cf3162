"""What people do with runs: stop them, wait for them, delete them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from ccs.engine import steps
from ccs.engine.clock import Clock
from ccs.engine.reap import settle_one
from ccs.errors import BrokenStore, Conflict, NotFound, WaitTimeout
from ccs.host import process
from ccs.model.run import Run
from ccs.store.store import Store

# Longer than a supervisor takes to end a stubborn tree.
STOP_SECONDS = 20.0
_PAUSE = 0.2


def ask_to_stop(store: Store, run: Run, reason: str = "stopped") -> None:
    """Leaves the stop file and hurries the supervisor; it ends the run."""
    rundir = store.rundir(run.id)
    with suppress(FileNotFoundError):  # the run has ended in the meantime
        rundir.ask_to_stop(reason)
        with suppress(BrokenStore):  # without it the supervisor looks within a second
            process.wake(rundir.owner())


def stop(store: Store, reference: str, clock: Clock) -> Run:
    """Ends a run, waiting or running, and returns it ended. Raises NotFound, Conflict."""
    run = store.find_run(reference)
    if not run.unfinished:
        raise Conflict(f"run {run.id} has ended already: {run.status}")
    if cancel_waiting(store, run.id, clock.now()):
        return _again(store, run.id)
    ask_to_stop(store, run)
    return wait(store, run.id, clock, STOP_SECONDS)


def cancel_waiting(store: Store, run_id: str, now: datetime) -> bool:
    """Cancels a run that has not started. False when it has."""
    with store.locked("ccs runs stop"):
        run = store.runs.get(run_id)
        rundir = store.rundir(run_id)
        # The supervisor makes its mark under this same lock: what is unmarked now stays so.
        if run is None or run.status != "upcoming" or rundir.started():
            return False
        ended = {"status": "cancelled", "reason": "stopped", "held_reason": None, "end_time": now}
        store.runs.put(run.model_copy(update=ended))
        steps.settle_job(store, run.job_id, now)
    with rundir.lock() as lock, suppress(FileNotFoundError):
        if lock.acquire():
            rundir.remove()
    return True


def wait(store: Store, run_id: str, clock: Clock, seconds: float | None = None) -> Run:
    """Until the run has ended. Raises WaitTimeout; the run goes on then. NotFound if deleted."""
    return last_of(follow(store, run_id, clock, seconds))


def last_of(states: Iterator[Run]) -> Run:
    *_, last = states
    return last


def follow(store: Store, run_id: str, clock: Clock, seconds: float | None = None) -> Iterator[Run]:
    """The run again and again, with a pause between, until it has ended."""
    deadline = None if seconds is None else clock.monotonic() + seconds
    look_at = clock.monotonic()
    while True:
        run = _again(store, run_id)
        yield run
        if not run.unfinished:
            return
        if deadline is not None and clock.monotonic() >= deadline:
            raise WaitTimeout(f"run {run.id} is still {run.status}", f"ccs runs log -f {run.id}")
        if run.status == "running" and clock.monotonic() >= look_at:
            settle_one(store, run, clock.now())  # its supervisor may have been killed
            look_at = clock.monotonic() + 5 * _PAUSE
        clock.sleep(_PAUSE)


def chosen_runs(store: Store, references: list[str]) -> list[Run]:
    """Each once, however often it is named. Raises NotFound, Ambiguous."""
    found = [store.find_run(reference) for reference in references]
    return list({run.id: run for run in found}.values())


def delete(store: Store, references: list[str], force: bool, clock: Clock) -> list[Run]:
    """Deletes runs with their logs. Unfinished ones only with `force`, which stops them first."""
    chosen = chosen_runs(store, references)
    if not force:
        refuse_steps(store, chosen)
    clear_way(store, chosen, force, clock)
    with store.locked("ccs runs delete"):
        forget(store, [run.id for run in chosen])
    return chosen


def clear_way(store: Store, runs: list[Run], force: bool, clock: Clock) -> int:
    """Stops what is unfinished, or refuses. How many were stopped. Raises Conflict."""
    if not force:
        refuse_unfinished(runs)
    unfinished = [run for run in runs if run.unfinished]
    for run in unfinished:
        if not cancel_waiting(store, run.id, clock.now()):
            ask_to_stop(store, run)
    for run in unfinished:
        wait(store, run.id, clock, STOP_SECONDS)
    return len(unfinished)


def refuse_steps(store: Store, runs: list[Run]) -> None:
    """Raises Conflict: a job in progress tells by its runs how far it has come."""
    going_on = {job.run.id for job in store.jobs.all() if job.run and job.status == "in_progress"}
    steps = [run for run in runs if run.job_run in going_on]
    if steps:
        raise Conflict(
            "a step of a job in progress cannot be deleted",
            "wait for the job, stop it (ccs jobs stop), or use --force",
            tuple(f"{run.id} {run.task_name}" for run in steps),
        )


def refuse_unfinished(runs: list[Run]) -> None:
    """Raises Conflict."""
    unfinished = [run for run in runs if run.unfinished]
    if unfinished:
        raise Conflict(
            f"{len(unfinished)} of the runs still run or wait",
            "stop them first (ccs runs stop), or use --force",
            tuple(f"{run.id} {run.status}" for run in unfinished),
        )


def forget(store: Store, run_ids: list[str]) -> None:
    """Deletes finished runs and their logs, under the store lock. Raises Conflict."""
    found = [run for run in map(store.get_run, run_ids) if run is not None]
    if any(run.unfinished for run in found):
        raise Conflict("a run was started in the meantime", "try again")
    store.forget_runs(found)
    for run in found:
        for path in store.home.logs_of(run.id):
            with suppress(FileNotFoundError):
                os.unlink(path)


def _again(store: Store, run_id: str) -> Run:
    run = store.get_run(run_id)
    if run is None:
        raise NotFound(f"run {run_id} was deleted")
    return run
