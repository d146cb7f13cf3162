"""Merging an outcome into runs.json, and what follows from it, in one write.

Called by the supervisor that wrote the outcome and by the tick that found one, each with the run's
lock held. Merging a merged run changes nothing, so a kill between the write and the removal of the
run directory costs nothing either. Lean, unless something follows.
"""

from __future__ import annotations

from ccs import instant
from ccs.engine import breaker, learn, owe, park, retry
from ccs.store import sealed
from ccs.store.asked import as_it_ran
from ccs.store.home import Home
from ccs.store.lock import STORE_TIMEOUT, Lock
from ccs.store.records import Records
from ccs.store.rundir import RunDir
from ccs.usage.parking import ALARM_AFTER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

    Record = dict[str, Any]

UNFINISHED = ("upcoming", "running")
NOT_COMMITTED = "its supervisor was gone before it could tell whether its work was committed"


def merge(home: Home, rundir: RunDir, run_id: str, now: datetime) -> list[str]:
    """The ids of the runs that follow and are to be started. Raises LockTimeout, OSError."""
    ended = rundir.outcome()
    if ended is None:
        return []
    # What somebody stops does not go on by itself.
    following = _record(home, run_id, ended, UNFINISHED, rundir.stop_reason() is None, now)
    rundir.remove()
    return following


def lose(home: Home, run_id: str, words: str, now: datetime) -> list[str]:
    """The same for a running run whose directory is gone, so that it will have no outcome."""
    ended = {"status": "lost", "reason": "crash", "message": words}
    return _record(home, run_id, ended, ("running",), True, now)


def _record(
    home: Home, run_id: str, ended: Record, of: tuple[str, ...], goes_on: bool, now: datetime
) -> list[str]:
    """`of`: the statuses of a run that this can be the end of."""
    runs = Records(home.collection("runs"), "runs", name_later=True)
    with Lock(home.store_lock) as lock:
        lock.acquire_within(STORE_TIMEOUT, "ccs supervise")
        content = runs.read_some(sealed.mentioning(run_id))
        run = next((one for one in content.records if one["id"] == run_id), None)
        if run is None or run.get("status", "upcoming") not in of:
            # Recorded before, by one that may not have come to make it certain.
            runs.flush_name()
            return []
        run.update(ended, held_reason=None)
        run["end_time"] = ended.get("end_time") or instant.text(now)
        asked = as_it_ran(home, run_id)
        again = _again(home, run, asked, now) if goes_on else None
        content.want(_concerning(run))
        if again is None:
            breaker.trip(home, run, content.records, now)
        elif all(one["id"] != again["id"] for one in content.records):
            content.add(again)  # else it was recorded before, and may have run
        following: list[Record] = []
        if run.get("job_run"):
            from ccs.engine import steps  # the models come in only now, and only for a job

            following = steps.following(home, run, content, now)
        told = _last_word(run, content.records)
        owe.ended(home, told, asked, again, now)  # before the record: see there
        fresh = {one["id"]: one for one in (run, *following)}
        instead = [(one, fresh.pop(one["id"])) for one in content.records if one["id"] in fresh]
        runs.change(content, instead, [*fresh.values()])
    runs.flush_name()
    return [one["id"] for one in following if one["status"] == "upcoming"]


def _concerning(run: Record) -> sealed.Wanted:
    """The texts of those that what follows from its end depends on."""
    if run.get("job_run"):
        return sealed.each
    failed = run["status"] in ("failed", "lost")
    return sealed.mentioning(run.get("retry_of"), run.get("task_id") if failed else None)


def _last_word(run: Record, runs: list[Record]) -> Record:
    """What there is to tell at its end: of a retry that the next slot replaced, the failure before
    it, of which nobody was told because it was tried again.
    """
    if (run["status"], run.get("reason")) != ("cancelled", "replaced"):
        return run
    return next((one for one in runs if one["id"] == run.get("retry_of")), run)


def _again(home: Home, run: Record, asked: Record | None, now: datetime) -> Record | None:
    """The run that goes on with this one after the reset, or tries again."""
    resume = park.resume_of(run, asked, now)
    if resume is None:
        return retry.retry_of(run, asked, now)
    if resume["parks"] == ALARM_AFTER:
        learn.parked_again(home, resume, now)  # before the record, as what is owed
    return resume
