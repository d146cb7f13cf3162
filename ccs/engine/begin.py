"""The last look before a client may run, and the start mark, in one hold of the store lock.

The launcher decided outside the lock, and time has passed since; whatever no longer holds makes
the supervisor leave, and the run goes on waiting. Lean.
"""

from __future__ import annotations

import json
import os

from ccs import instant
from ccs.engine import owe
from ccs.errors import CcsError
from ccs.host import process
from ccs.schedule.admission import held_reason
from ccs.store import atomic, sealed
from ccs.store.home import Home
from ccs.store.ledger import Ledger
from ccs.store.lock import STORE_TIMEOUT, Lock
from ccs.store.records import Records
from ccs.store.rundir import RunDir
from ccs.usage import gate
from ccs.usage.gate import DEFAULT_MODEL, Begun, Terms
from ccs.usage.window import moment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

    Record = dict[str, Any]


# Wherever it stands in its record: a hand may have put it first.
_RUNNING = b'"status": "running"'


def begin(home: Home, rundir: RunDir, asked: Record, withheld: str | None, now: datetime) -> bool:
    """Whether this supervisor may start the client. Called with the run's lock held.

    `withheld`: what nobody has approved, see `ccs.engine.approval`; the run is held for it.
    True: owner, start mark and `running` are on disk. False: it has made no mark, and must leave.
    """
    runs = Records(home.collection("runs"), "runs", name_later=True)
    with Lock(home.store_lock) as lock:
        try:
            # Before the lock is asked for: nobody else needs to wait for that.
            if not rundir.claim(process.identity(os.getpid())):
                return False
            lock.acquire_within(STORE_TIMEOUT, "ccs supervise")
            content = runs.read_some(concerning(asked["run"], asked["session"]))
            run = next((one for one in content.records if one["id"] == asked["run"]), None)
            if run is None or not _admitted(home, rundir, run, asked, content.records, now):
                rundir.forget_starts()  # left in order: this start does not count against the run
                return False
            if withheld is not None:
                rundir.forget_starts()
                run.update(held_reason="approval", not_before=None, unapproved=withheld)
                runs.change(content, [(run, run)])
                runs.flush_name()
                return False
            if not rundir.mark_started():
                return False
        except (CcsError, OSError):
            # Others are at the store for long, as when hundreds begin at once; or no room for mark
            # and outcome: not started, so that nothing gets lost.
            rundir.forget_starts()
            return False
        run.update(status="running", start_time=instant.text(now), held_reason=None)
        run.update(session_id=asked["session"], cwd=asked["cwd"], profile=asked["profile"])
        run.update(account=asked["terms"]["account"], model=asked["model"], mock=asked["mock"])
        run.update(max_budget_usd=asked["max_budget_usd"], worktree=asked["place"]["worktree"])
        owe.started(home, run, asked, now)
        try:
            runs.change(content, [(run, run)])
        except (CcsError, OSError):
            rundir.unmark()
            return False
    try:
        runs.flush_name()
    except OSError:
        rundir.unmark()
        return False
    return True


def concerning(run_id: str, session: str) -> sealed.Wanted:
    """The texts of this run, of those beside it, and of those that are of the same session."""
    mine, of_it = f'"{run_id}"'.encode(), json.dumps(session).encode()
    return lambda texts: [
        place
        for place, text in enumerate(texts)
        if _RUNNING in text or mine in text or of_it in text
    ]


def _admitted(
    home: Home,
    rundir: RunDir,
    run: Record,
    asked: Record,
    everything: list[Record],
    now: datetime,
) -> bool:
    """Whether what the launcher saw still holds."""
    if run.get("status", "upcoming") != "upcoming" or rundir.stop_reason() is not None:
        return False
    if not asked["as_it_was"] and not _task_unchanged(home, asked):
        return False
    if _session_is_taken(asked["session"], run, everything):
        return False
    others = [one for one in everything if one is not run]
    going_on = [one for one in others if one.get("status") == "running"]
    running = [(one.get("task_id"), one.get("job_id")) for one in going_on]
    if held_reason(run["task_id"], run.get("job_id"), running, **asked["admission"]):
        return False
    if not run.get("forced") and any(_spends_beside(one, asked) for one in going_on):
        return False
    return _account_admits(home, Terms(**asked["terms"]), going_on, now)


def _session_is_taken(session: str, run: Record, everything: list[Record]) -> bool:
    """Whether another run works in it, or was recorded earlier to go on with it."""
    earlier = True
    for one in everything:
        if one is run:
            earlier = False
        elif one.get("session_id") == session:
            status = one.get("status", "upcoming")
            if status == "running" or (status == "upcoming" and earlier):
                return True
    return False


def _spends_beside(other: Record, asked: Record) -> bool:
    """Whether it spends from a purse of this run, and has begun since what is left was counted."""
    shares = any(other.get(field) == owner for field, owner in asked["purses"])
    return shares and other["id"] not in asked["counted"]


def _account_admits(home: Home, terms: Terms, running: list[Record], now: datetime) -> bool:
    mine = (one for one in running if one.get("account") == terms.account)
    begun = [
        Begun(moment(one.get("start_time")) or now, one.get("model") or DEFAULT_MODEL)
        for one in mine
    ]
    kept = Ledger(home)
    account = kept.account(terms.account)
    if gate.held(account, terms, begun, now) is not None:
        return False
    if "outage" in account:

        def tried(current: Record) -> bool:
            if "outage" in current:
                current["outage"]["tried_at"] = instant.text(now)
            return "outage" in current

        kept.update(terms.account, tried)
    return True


def _task_unchanged(home: Home, asked: Record) -> bool:
    """The stamp tells without reading; only a changed file is looked into."""
    tasks = Records(home.collection("tasks"), "tasks")
    try:
        now = atomic.stamp(os.stat(tasks.path))
    except FileNotFoundError:
        return False
    if list(now) == asked["tasks_stamp"]:
        return True
    wanted = asked["task"]["id"]
    return any(one == asked["task"] for one in tasks.read().records if one["id"] == wanted)
