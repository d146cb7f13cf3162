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

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from ccs import instant
from ccs.claude import outcome as verdict
from ccs.claude.events import Stream
from ccs.claude.values import parse
from ccs.engine import learn, settle
from ccs.engine.spare import spared
from ccs.engine.steps import settle_job
from ccs.errors import InvalidInput
from ccs.host import process
from ccs.model.run import Run
from ccs.store import atomic
from ccs.store.asked import as_it_ran
from ccs.store.lock import is_free
from ccs.store.rundir import RunDir
from ccs.store.store import Store
from ccs.usage.gate import DEFAULT_MODEL, Terms
from ccs.usage.ledger import DEFAULT
from ccs.usage.window import moment

_LONGEST_COMMIT = timedelta(minutes=20)
_NO_DIRECTORY = "its run directory is gone"
_UNVERIFIED = "the client ended well, but its supervisor was gone before the work was verified"


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
    runs = store.runs.read()
    for run in runs.records:
        if not run.unfinished:
            continue
        directories.discard(run.id)
        with spared(found.problems, f"run {run.id}"):
            _look_at(store, run, now, found)
    # What belongs to a record that cannot be read waits until it is mended.
    for run_id in directories - {problem.id for problem in runs.problems}:
        with spared(found.problems, f"the left-over directory of run {run_id}"):
            _clear(store, run_id)
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
            found.following += settle.lose(store.home, run.id, _NO_DIRECTORY, now)
            found.settled.append(run.id)
            process.signal_carriers(run.id, process.KILL)
        return
    if not rundir.started() and rundir.outcome() is None:
        if not is_free(rundir.lock().path):
            found.alive.add(run.id)
        elif run.status == "running" or rundir.stop_reason() is not None:
            _back_to_waiting(store, run, rundir, now)
        return
    # `started` last: once it is gone, the run has ended well and its detached tools are its own.
    if rundir.outcome() is None and not process.is_alive(rundir.owner()) and rundir.started():
        process.signal_carriers(run.id, process.KILL)
    with rundir.lock() as lock:
        try:
            free = lock.acquire()
        except FileNotFoundError:
            return  # settled by another in the meantime
        if not free:
            found.alive.add(run.id)
            _end_what_commits_for_ever(rundir, run, now)
            return
        if not _fits(run, rundir.outcome()):
            if process.signal_carriers(run.id, process.KILL):
                return  # still dying; the lock is free, so the next tick comes back to it
            rundir.write_outcome(_judged(store, run, rundir, now))
        found.following += settle.merge(store.home, rundir, run.id, now)
        found.settled.append(run.id)


def _fits(run: Run, outcome: dict[str, Any] | None) -> bool:
    """Whether it makes a run that can be read. One that a hand has damaged says nothing."""
    try:
        return outcome is not None and not Run.checked({**run.record(), **outcome}).unfinished
    except InvalidInput:
        return False


def _end_what_commits_for_ever(rundir: RunDir, run: Run, now: datetime) -> None:
    """git holds the lock while it commits, also when its supervisor is gone; a hook may hang."""
    since = moment((rundir.outcome() or {}).get("end_time"))
    late = since is not None and now - since > _LONGEST_COMMIT
    if late and not process.is_alive(rundir.owner()):
        process.signal_carriers(run.id, process.KILL)


def _judged(store: Store, run: Run, rundir: RunDir, now: datetime) -> dict[str, object]:
    """From what the stream recorded, as its supervisor would have."""
    stream = Stream()
    try:
        with atomic.open_read(store.home.stream(run.id)) as file:
            for line in file:
                event = parse(line)
                if event is not None:
                    stream.feed(event)
    except FileNotFoundError:
        pass  # killed before the client printed anything
    asked = rundir.stop_reason()
    by = None if asked is None else "replaced" if asked == "replaced" else "stop"
    ended = verdict.judge(stream, verdict.Exit(None, by), "")
    if ended["status"] == "success":
        ended |= _left_undone(as_it_ran(store.home, run.id) or {})
    ended["session_id"] = stream.session_id or run.session_id
    if run.worktree is not None:  # its record was made before the tree was
        from ccs.engine import workplace

        kept = workplace.recorded(store.home, run.id) or {}
        ended["cwd"] = kept.get("cwd") or run.cwd
    ended["end_time"] = instant.text(now)
    if run.start_time is not None:
        ended["duration"] = round((now - run.start_time).total_seconds(), 3)
    told = stream.limit or {}
    refused = told.get("status") == "rejected" or bool(told.get("isUsingOverage"))
    terms = Terms(run.task_id, run.account or DEFAULT, run.model or DEFAULT_MODEL)
    began = run.start_time or run.scheduled_time
    learn.conclude(store.home, terms, ended, refused, began, now)
    return ended


def _left_undone(asked: dict[str, Any]) -> dict[str, object]:
    """What its supervisor did not come to after the client had ended well."""
    if asked.get("verify"):
        return {"status": "lost", "reason": "crash", "message": _UNVERIFIED}
    if (asked.get("place") or {}).get("commit") and not asked.get("mock"):
        return {"message": settle.NOT_COMMITTED}
    return {}


def _back_to_waiting(store: Store, run: Run, rundir: RunDir, now: datetime) -> None:
    """No mark, so no client can have run: what was recorded as running waits again, and what
    somebody wanted stopped is cancelled."""
    with store.locked("ccs tick"):
        current = store.runs.get(run.id)
        if current is None or not current.unfinished or rundir.started():
            return
        reason = rundir.stop_reason()
        if reason is None:
            store.runs.put(current.changed(status="upcoming", start_time=None))
            return
        ended = {"status": "cancelled", "held_reason": None, "end_time": now}
        replaced = "replaced" if reason == "replaced" else "stopped"
        store.runs.put(current.changed(**ended, reason=replaced))
        settle_job(store, current.job_id, now)


def _clear(store: Store, run_id: str) -> None:
    """Left by a kill between the merge of an outcome and the removal of its directory."""
    rundir = store.rundir(run_id)
    with rundir.lock() as lock, suppress(FileNotFoundError):
        if lock.acquire():
            # How the run ended is certain in runs.json before this goes.
            store.runs.file.flush_name()
            rundir.remove()
