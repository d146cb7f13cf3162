"""Merging an outcome into runs.json, and what follows from it, in one write.

Called by the supervisor that wrote the outcome and by the tick that found one, each with the run's
lock held. Merging a merged run changes nothing, so a kill between the write and the removal of the
run directory costs nothing either. Lean, unless something follows.
"""

from __future__ import annotations

import json

from ccs import instant
from ccs.engine import breaker, learn, owe, park, retry
from ccs.store import atomic
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


def merge(home: Home, rundir: RunDir, run_id: str, now: datetime) -> list[str]:
    """The ids of the runs that follow and are to be started. Raises LockTimeout, OSError."""
    ended = rundir.outcome()
    if ended is None:
        return []
    following: list[Record] = []
    resume: Record | None = None
    failures: int | None = None
    run: Record | None = None
    with Lock(home.store_lock) as lock:
        lock.acquire_within(STORE_TIMEOUT, "ccs supervise")
        runs = Records(home.collection("runs"), "runs")
        content = runs.read()
        run = next((one for one in content.records if one["id"] == run_id), None)
        if run is not None and run.get("status", "upcoming") in UNFINISHED:
            run.update(ended, held_reason=None)
            run["end_time"] = ended.get("end_time") or instant.text(now)
            again: Record | None = None
            asked = as_it_ran(home, run_id)
            if rundir.stop_reason() is None:  # what somebody stops does not go on by itself
                resume = park.resume_of(run, asked, now)
                again = resume or retry.retry_of(run, asked, now)
            if again is not None:
                content.add(again)
            else:
                failures = breaker.trip(home, run, content.records, now)
            if run.get("job_run"):
                from ccs.engine import steps  # the models come in only now, and only for a job

                following = steps.following(home, run, content, now)
            fresh = {one["id"]: one for one in following}
            owe.ended(home, run, asked, again, now)  # before the record: see there
            runs.write(
                content,
                [fresh.pop(one["id"], one) for one in content.records] + list(fresh.values()),
            )
    rundir.remove()
    if resume is not None and resume["parks"] == ALARM_AFTER:
        learn.parked_again(home, resume, now)
    if failures is not None and run is not None:
        learn.disabled(home, run, failures, now)
    return [one["id"] for one in following if one["status"] == "upcoming"]


def as_it_ran(home: Home, run_id: str) -> Record | None:
    """What was asked of the run's supervisor; None when that file is gone or torn."""
    found = atomic.read(home.as_run(run_id))
    try:
        record = json.loads(found[0]) if found else None
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
