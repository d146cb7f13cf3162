"""What would happen: the real tick, with a simulated clock, over a copy of the store.

    copy      jobs, tasks, runs, cursors and settings, in memory; no logs, no profiles, no prompts
    minute    the ticks of those minutes in which something can happen, one after another
    run       begun where a supervisor would be started, ended after its usual duration through
              its run directory and `settle.merge`, as a supervisor ends it

Runs have the ids of the real ones, and a reaper ends whatever carries the id of a dead run. So a
simulated run never gets a start mark or an owner: its held lock alone makes it a living one.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

from ccs import duration, instant
from ccs.engine import learn, settle
from ccs.engine.tick import tick
from ccs.errors import InvalidInput
from ccs.model.run import Run
from ccs.report.forecast import held_until
from ccs.report.twin import Copy
from ccs.schedule import at
from ccs.schedule.slots import next_slot
from ccs.store.asked import as_it_ran
from ccs.store.home import Home
from ccs.store.lock import Lock
from ccs.store.records import Content, Records
from ccs.store.store import Store
from ccs.usage.gate import Terms

LONGEST = timedelta(days=400)
_MINUTE = timedelta(minutes=1)
_USUAL = timedelta(minutes=5)
_REJECTED_AFTER = timedelta(seconds=10)
_TOLD_NOTHING = {"message": None, "limit_type": None, "resets_at": None}
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)
# In memory where there is such a place: thousands of fsyncs of what nobody will need again.
# A private directory of a random name is made there.
_MEMORY = "/dev/shm"  # nosec B108


@dataclass(frozen=True)
class Limit:
    """An account's window that is used up in [start, resets_at)."""

    window: str
    start: datetime
    resets_at: datetime


def limit(words: str, start: datetime, zone: ZoneInfo) -> Limit:
    """`five_hour@TIME+5h`; an empty TIME is the start. Raises InvalidInput."""
    hint = "write five_hour@2026-12-24T18:00+5h, or five_hour@+5h for the beginning"
    window, mark, rest = words.partition("@")
    begins, plus, span = rest.rpartition("+")
    if not mark or not plus or not window.replace("_", "").isalnum() or not window.islower():
        raise InvalidInput(f"{words!r} is no limit", hint)
    try:
        begin = at.parse(begins, start, zone) if begins.strip() else start
        lasts = duration.parse(span)
    except InvalidInput as error:
        raise InvalidInput(f"limit {words!r}: {error.message}", hint) from None
    return Limit(window, begin, begin + lasts)


@dataclass(frozen=True)
class Event:
    """`verb`: launch, end, hold, skip, or count: a slot that is counted into an earlier run."""

    at: datetime
    verb: str
    run: Run
    why: str

    @property
    def slot(self) -> datetime:
        counted = self.run.last_slot if self.verb == "count" else None
        return counted or self.run.scheduled_time

    def record(self) -> dict[str, Any]:
        return {
            "at": instant.text(self.at),
            "verb": self.verb,
            "task_id": self.run.task_id,
            "task_name": self.run.task_name,
            "run_id": self.run.id,
            "slot": instant.text(self.slot),
            "why": self.why,
        }


@dataclass(frozen=True)
class _Going:
    """A run that is going on: when and how it will end."""

    ends: datetime
    outcome: dict[str, Any]
    lock: Lock


class Simulation:
    """`notes`: what was left out or went wrong. `counts`: of each verb, of each end, of ticks."""

    def __init__(
        self,
        store: Store,
        start: datetime,
        end: datetime,
        now: datetime,
        limit: Limit | None = None,
        lasts: timedelta | None = None,
    ) -> None:
        """Both ends are included. Raises InvalidInput for a span that makes no sense."""
        if start >= end:
            raise InvalidInput("the simulation ends before it begins", "give a later --to")
        if end - start > LONGEST:
            raise InvalidInput(f"more than {LONGEST.days} days", "give a shorter span")
        self.source = store
        self.start = _next_minute(start)
        self.end = end
        self.now = now
        self.limit = limit
        self.lasts = lasts
        self.notes: list[str] = []
        self.counts: Counter[str] = Counter()
        self._going: dict[str, _Going] = {}
        self._spawned: list[str] = []

    def events(self) -> Generator[Event]:
        """In order of time. Raises BrokenStore, OSError."""
        memory = _MEMORY if os.access(_MEMORY, os.W_OK) else None
        with TemporaryDirectory(prefix="ccs-simulate-", dir=memory) as directory:
            home = Home(os.path.join(directory, "store"))
            self._copy = Copy(self.source, home, self.start, self.now)
            self._runs = self._copy.runs
            self.notes += self._copy.notes
            try:
                for event in self._minutes():
                    self.counts[event.verb] += 1
                    yield event
            finally:
                for going in self._going.values():
                    going.lock.release()

    def _minutes(self) -> Iterator[Event]:
        moment: datetime | None = self.start
        while moment is not None and moment <= self.end:
            yield from self._ends(moment)
            yield from self._tick(moment)
            moment = self._next(moment)
        yield from self._ends(self.end)

    def _tick(self, moment: datetime) -> Iterator[Event]:
        self._spawned, self._runs.changes = [], []
        done = tick(self._copy.store, moment, {}, "simulate", self._spawn)
        assert done is not None  # nobody else knows of this store
        self.counts["ticks"] += 1
        self.notes += [one for one in done.notes + done.problems if one not in self.notes]
        for before, run in self._runs.changes:
            launched = run.id in self._spawned
            verb, why = ("launch", run.trigger) if launched else _told(before, run)
            yield Event(moment, verb, run, why)
        self._begin(moment)
        self._heed_stops(moment)

    def _spawn(self, home: str, run_ids: Sequence[str], environment: Mapping[str, str]) -> None:
        self._spawned += run_ids

    def _begin(self, moment: datetime) -> None:
        """What supervisors do when they may start their clients, but for mark and owner."""
        runs = [self._runs.read().by_id[run_id] for run_id in self._spawned]
        for run in runs:
            lock = self._copy.store.rundir(run.id).lock()
            lock.acquire()
            self._going[run.id] = _Going(*self._fate(run, moment), lock)
        if runs:
            began = {"status": "running", "start_time": moment, "held_reason": None}
            self._runs.put(*(run.model_copy(update=began | self._kept(run)) for run in runs))

    def _kept(self, run: Run) -> dict[str, Any]:
        """What a run that goes on with this one will need."""
        asked = as_it_ran(self._copy.store.home, run.id) or {}
        return {"session_id": asked["session"], "account": asked["terms"]["account"]}

    def _fate(self, run: Run, moment: datetime) -> tuple[datetime, dict[str, Any]]:
        """When and how the run ends."""
        task = self._copy.tasks[run.task_id]
        limit = self.limit
        if limit and limit.start <= moment < limit.resets_at:
            until = {"limit_type": limit.window, "resets_at": instant.text(limit.resets_at)}
            ended = {"status": "limited", "reason": "usage_limit", **until}
            return moment + _REJECTED_AFTER, ended
        lasts = self._copy.usual.get(task.id, _USUAL) if self.lasts is None else self.lasts
        if lasts > task.timeout:
            return moment + task.timeout, {"status": "failed", "reason": "timeout"}
        return moment + lasts, {"status": "success", "reason": None}

    def _heed_stops(self, moment: datetime) -> None:
        """A supervisor sees a stop file within a second."""
        for run_id, going in self._going.items():
            reason = self._copy.store.rundir(run_id).stop_reason()
            if reason:
                ended = {"status": "cancelled", "reason": reason}
                self._going[run_id] = _Going(moment, ended, going.lock)

    def _ends(self, until: datetime) -> Iterator[Event]:
        ended = [run_id for run_id, going in self._going.items() if going.ends <= until]
        for run_id in sorted(ended, key=lambda one: self._going[one].ends):
            going = self._going.pop(run_id)
            self._merge(run_id, going)
            going.lock.release()
            run = self._runs.read().by_id[run_id]
            self.counts[run.status] += 1
            yield Event(going.ends, "end", run, f"{run.status} {run.reason or ''}".rstrip())

    def _merge(self, run_id: str, going: _Going) -> None:
        """By the code that merges real runs. It works on a file: what is unfinished of the task."""
        store = self._copy.store
        file = Records(store.home.collection("runs"), "runs")
        unfinished = [run for run in self._runs.all() if run.unfinished]
        task_id = self._runs.read().by_id[run_id].task_id
        before = {run.id: run for run in unfinished if run.task_id == task_id}
        file.write(Content(b"", None), [run.record() for run in before.values()])
        asked = as_it_ran(store.home, run_id) or {}
        ended = {**_TOLD_NOTHING, **going.outcome, "end_time": instant.text(going.ends)}
        ended["mock"] = asked.get("mock", False)
        began = self._runs.read().by_id[run_id].start_time or going.ends
        learn.conclude(store.home, Terms(**asked["terms"]), ended, False, began, going.ends)
        rundir = store.rundir(run_id)
        rundir.write_outcome(ended)
        settle.merge(store.home, rundir, run_id, going.ends)
        os.unlink(store.home.as_run(run_id))  # thousands would fill the memory
        merged = [Run.model_validate(entry) for entry in file.read().records]
        self._runs.put(*(run for run in merged if run != before.get(run.id)))

    def _next(self, moment: datetime) -> datetime | None:
        """The next minute in which a tick can find anything to do."""
        wakes = [going.ends for going in self._going.values()]
        wakes += [self._wake(run, moment) for run in self._runs.all() if run.status == "upcoming"]
        tasks = [task for task in self._copy.tasks.values() if task.enabled]
        wakes += filter(None, (next_slot(task.schedule, moment) for task in tasks))
        following = _next_minute(min(wakes, default=_NEVER))
        return None if following > self.end else max(following, moment + _MINUTE)

    def _wake(self, run: Run, moment: datetime) -> datetime:
        """When what holds a waiting run may change; the ends of others are looked at anyway."""
        task = self._copy.tasks[run.task_id]
        until = held_until(run, task, moment)
        if until is not None or run.held_reason == "hours":
            return until or _NEVER
        may_close = task.between or task.days
        if run.held_reason in ("overlap", "concurrency") and self._going and not may_close:
            return _NEVER
        return moment + _MINUTE


def _told(before: Run | None, run: Run) -> tuple[str, str]:
    """What a tick did to a run that it did not launch, by how it left it."""
    why = run.reason or run.held_reason or ""
    if not run.unfinished and (before is None or before.unfinished):
        return "skip" if run.status == "skipped" else "end", why
    counted = before is not None and run.missed_slots > before.missed_slots
    return "count" if counted else "hold", why


def _next_minute(moment: datetime) -> datetime:
    start = instant.minute(moment)
    return start if start == moment else start + _MINUTE
