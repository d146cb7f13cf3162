"""Letting go of old runs. A deleted run leaves its id, so its slot cannot come back.

What stays, however old:

    unfinished runs, what they go back to (resumes, retries, restarts), the steps beside them
    the steps of a job in progress: they tell how far it has come
    runs that still count: towards max_runs, in a budget's period, in a row of failures
    the newest run with a session, of a task that goes on with its last one
    runs of a task whose record cannot be read
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ccs.engine import runs
from ccs.engine.calls import began, had_session
from ccs.errors import InvalidInput
from ccs.model.run import UNFINISHED, Run
from ccs.model.task import Task
from ccs.schedule.plan import BY_SCHEDULE
from ccs.store.records import canonical
from ccs.store.store import Store

_BEFORE = ("resumed_from", "retry_of", "restart_of")
# Longer than the longest period of a budget.
_STILL_COUNTS = timedelta(days=40)
# Under one hold of the store lock.
_BATCH = 100


@dataclass(frozen=True)
class Rule:
    """What may go: all but the newest `keep` of each task, what ended longer ago than
    `older_than`; where both are told, what is both."""

    keep: int | None = None
    older_than: timedelta | None = None

    @property
    def says_nothing(self) -> bool:
        return self.keep is None and self.older_than is None

    def lets_go(self, run: Run, newer: int, now: datetime) -> bool:
        """`newer`: how many finished runs of its task are."""
        if self.keep is not None and newer < self.keep:
            return False
        ended = run.end_time or run.scheduled_time
        return self.older_than is None or now - ended > self.older_than


def prunable(store: Store, rule: Rule, now: datetime) -> list[Run]:
    """Newest first. Raises InvalidInput for a rule that says nothing, BrokenStore."""
    if rule.says_nothing:
        raise InvalidInput("nothing says what may go", "give --keep, --older-than or both")
    counting = _Counting(store, now)
    needed = _needed(store)
    newer: Counter[str] = Counter()
    found = []
    for run in store.every_run():
        if run.unfinished:
            continue
        still_counts = counting.takes(run)
        if rule.lets_go(run, newer[run.task_id], now) and not still_counts and not needed.has(run):
            found.append(run)
        newer[run.task_id] += 1
    return found


def prune(store: Store, rule: Rule, now: datetime) -> list[Run]:
    """The runs that are gone, with their logs. Raises as `prunable`, LockTimeout, OSError."""
    old = prunable(store, rule, now)
    gone: list[Run] = []
    for begin in range(0, len(old), _BATCH):
        with store.locked("ccs runs prune"):
            needed = _needed(store)  # somebody may have begun to go on with one of them
            batch = [run for run in old[begin : begin + _BATCH] if not needed.has(run)]
            runs.forget(store, [run.id for run in batch])
        gone += batch
    if gone:
        with store.locked("ccs runs prune"):
            store.history.compact()
    return gone


@dataclass(frozen=True)
class _Needed:
    ids: frozenset[str]
    job_runs: frozenset[str]

    def has(self, run: Run) -> bool:
        return run.id in self.ids or (run.job_run or "") in self.job_runs


def _needed(store: Store) -> _Needed:
    """By what goes on. Records are taken as they stand: one that is broken may still go on."""
    content = store.runs.file.read()
    good = store.runs.judge(content).by_id
    active = [
        one
        for one in content.records
        if one.get("status", "upcoming") in UNFINISHED or one["id"] not in good
    ]
    job_runs = {str(one["job_run"]) for one in active if one.get("job_run")}
    ended = {job.id for job in store.jobs.all() if job.status != "in_progress"}
    for job in store.jobs.file.read().records:
        if job["id"] not in ended and isinstance(job.get("run"), dict):
            job_runs.add(str(job["run"].get("id")))
    ids = {one["id"] for one in active}
    before = _parents(active)
    while before:
        ids |= before
        found = [run.record() for run in map(store.get_run, before) if run is not None]
        before = _parents(found) - ids
    return _Needed(frozenset(ids), frozenset(job_runs))


def _parents(entries: Iterable[dict[str, Any]]) -> set[str]:
    told = (one.get(name) for one in entries for name in _BEFORE)
    return {canonical(one) for one in told if isinstance(one, str)}


class _Counting:
    """Runs that something still counts. Asked about finished runs, the newest first."""

    def __init__(self, store: Store, now: datetime) -> None:
        tasks = store.tasks.read()
        self._tasks = tasks.by_id
        self._unreadable = {problem.id for problem in tasks.problems}
        self._disable_after = store.settings().disable_after
        self._since = now - _STILL_COUNTS
        owners: set[str | None] = {task.id for task in tasks.records if task.budgets}
        for kept in (store.jobs.read(), store.profiles.read()):
            owners |= {one.id for one in kept.records if one.budgets}
            owners |= {problem.id for problem in kept.problems}
        self._owners = owners - {None, ""}
        # As `last_session` looks for it: the one that began last, else the first in history.
        late = sorted(store.runs.all(), key=began)
        self._last_session = {(one.task_id, one.mock): one.id for one in late if had_session(one)}
        self._failures: Counter[str] = Counter()
        self._row_ended: set[str] = set()

    def takes(self, run: Run) -> bool:
        if run.task_id in self._unreadable:
            return True
        task = self._tasks.get(run.task_id)
        # Each of them looks at every run.
        last = task is not None and self._is_last_session(run, task)
        failed = task is not None and self._is_in_a_row(run, task)
        return last or failed or self._is_in_a_budget(run) or _is_one_of_max(run, task)

    def _is_last_session(self, run: Run, task: Task) -> bool:
        if not had_session(run) or task.session_mode == "new":
            return False
        return self._last_session.setdefault((run.task_id, run.mock), run.id) == run.id

    def _is_in_a_row(self, run: Run, task: Task) -> bool:
        if run.status == "success":
            self._row_ended.add(run.task_id)
        if run.status not in ("failed", "lost") or run.task_id in self._row_ended:
            return False
        self._failures[run.task_id] += 1
        most = self._disable_after if task.disable_after is None else task.disable_after
        return self._failures[run.task_id] <= most

    def _is_in_a_budget(self, run: Run) -> bool:
        mine = {run.task_id, run.job_id, run.profile} & self._owners
        return bool(mine) and (run.end_time or run.scheduled_time) >= self._since


def _is_one_of_max(run: Run, task: Task | None) -> bool:
    limited = task is not None and task.max_runs is not None
    return limited and run.trigger in BY_SCHEDULE and run.status != "skipped"
