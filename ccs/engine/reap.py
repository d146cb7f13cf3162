"""Finishing what a supervisor could not: outcomes nobody merged, runs whose supervisor died.

For each unfinished run, by what its directory says:

    outcome, lock free        merge it
    mark, supervisor gone     end everything that carries the run's marker; then, with the lock in
                              hand, judge what the stream recorded, else `lost`
    mark, supervisor alive    it is running: leave it
    no mark                   it waits: the plan decides

A client can outlive its supervisor and then holds the lock it inherited; it is ended first. What
cannot be ended keeps its run `running`, and the next tick tries again.
"""

from __future__ import annotations

from datetime import datetime

from ccs import instant
from ccs.claude import outcome as verdict
from ccs.claude.events import Stream, parse
from ccs.engine import settle
from ccs.errors import CcsError
from ccs.host import process
from ccs.model.run import Run
from ccs.store.lock import is_free
from ccs.store.rundir import RunDir
from ccs.store.store import Store


class Reaped:
    """What one pass found. `following`: runs that jobs go on with; `alive`: runs that are held."""

    def __init__(self) -> None:
        self.settled: list[str] = []
        self.following: list[str] = []
        self.alive: set[str] = set()
        self.problems: list[str] = []


def reap(store: Store, now: datetime) -> Reaped:
    """One bad run never stops the others."""
    found = Reaped()
    # Listed before the runs are read: a run is recorded before its directory is made, so a
    # directory listed here without an unfinished run has been left over.
    directories = set(store.rundirs())
    for run in store.runs.all():
        if not run.unfinished:
            continue
        directories.discard(run.id)
        try:
            _look_at(store, run, now, found)
        except (CcsError, OSError) as error:
            found.problems.append(f"run {run.id}: {error}")
    for run_id in directories:
        _clear(store, run_id, found)
    return found


def settle_one(store: Store, run: Run, now: datetime) -> list[str]:
    """The same for one run, for whoever waits for it. Returns the runs that follow."""
    found = Reaped()
    _look_at(store, run, now, found)
    return found.following


def _look_at(store: Store, run: Run, now: datetime, found: Reaped) -> None:
    rundir = store.rundir(run.id)
    if not rundir.exists():
        if run.status == "running":
            _declare_lost(store, run, now)
            found.settled.append(run.id)
        return
    if not rundir.started() and rundir.outcome() is None:
        if not is_free(rundir.lock().path):
            found.alive.add(run.id)
        elif run.status == "running":
            _back_to_waiting(store, run)
        return
    if rundir.outcome() is None and not process.is_alive(rundir.owner()):
        process.signal_carriers(run.id, process.KILL)
    with rundir.lock() as lock:
        if not lock.acquire():
            found.alive.add(run.id)
            return
        if rundir.outcome() is None:
            if process.signal_carriers(run.id, process.KILL):
                return  # still dying; the lock is free, so the next tick comes back to it
            rundir.write_outcome(_judged(store, run, rundir, now))
        found.following += settle.merge(store.home, rundir, run.id, now)
        found.settled.append(run.id)


def _judged(store: Store, run: Run, rundir: RunDir, now: datetime) -> dict[str, object]:
    """From what the stream recorded, as its supervisor would have."""
    stream = Stream()
    try:
        with open(store.home.stream(run.id), "rb") as file:
            for line in file:
                event = parse(line)
                if event is not None:
                    stream.feed(event)
    except FileNotFoundError:
        pass  # killed before the client printed anything
    asked = rundir.stop_reason()
    by = None if asked is None else "replaced" if asked == "replaced" else "stop"
    ended = verdict.judge(stream, verdict.Exit(None, by), "")
    ended["session_id"] = stream.session_id or run.session_id
    ended["end_time"] = instant.text(now)
    if run.start_time is not None:
        ended["duration"] = round((now - run.start_time).total_seconds(), 3)
    return ended


def _back_to_waiting(store: Store, run: Run) -> None:
    """Recorded as running, but the mark was taken back: no client can have run."""
    with store.locked("ccs tick"):
        current = store.runs.get(run.id)
        if current is not None and current.status == "running":
            store.runs.put(current.changed(status="upcoming", start_time=None))


def _clear(store: Store, run_id: str, found: Reaped) -> None:
    """Left by a kill between the merge of an outcome and the removal of its directory."""
    rundir = store.rundir(run_id)
    try:
        with rundir.lock() as lock:
            if lock.acquire():
                rundir.remove()
    except (CcsError, OSError) as error:
        found.problems.append(f"the left-over directory of run {run_id}: {error}")


def _declare_lost(store: Store, run: Run, now: datetime) -> None:
    """A running run without a directory: somebody removed it by hand."""
    process.signal_carriers(run.id, process.KILL)
    with store.locked("ccs tick"):
        current = store.runs.get(run.id)
        if current is not None and current.status == "running":
            lost = {"status": "lost", "reason": "crash", "end_time": now}
            store.runs.put(current.changed(**lost, message="its run directory is gone"))
