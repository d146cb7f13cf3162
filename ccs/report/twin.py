"""A copy of a store that rests in memory, for a simulation to spend.

It holds jobs, tasks, finished runs, cursors and settings; no logs, no profiles, no prompts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from statistics import median
from typing import Any, TypeVar

from ccs import instant
from ccs.model.job import Job
from ccs.model.notify import Notifications
from ccs.model.record import Record
from ccs.model.run import Run
from ccs.model.schedule import FileWatch, Manual
from ccs.model.task import Task
from ccs.report.forecast import waits_for
from ccs.store import atomic, sealed
from ccs.store.agenda import boot_id
from ccs.store.collection import Collection, Reading
from ccs.store.history import History
from ccs.store.home import Home
from ccs.store.records import Content, Records
from ccs.store.store import Store
from ccs.usage.kinds import ByUsage

R = TypeVar("R", bound=Record)
_MINUTE = timedelta(minutes=1)


class Copy:
    """The store as it stands at the start: `usual` is how long each task's runs take.

    Tasks are as they are now, whenever the start is. What was recorded from the start on, and what
    is unfinished, is left out. Before a start to come, ticks are taken to have gone on.
    """

    def __init__(self, source: Store, home: Home, start: datetime, now: datetime) -> None:
        self.notes: list[str] = []
        self.start = start
        self.eve = start - timedelta(milliseconds=1)
        self.store = Store(home)
        home.create()
        # Channels hold secrets, and nobody is told of what is only imagined.
        silent = source.settings().model_copy(update={"notifications": Notifications()})
        self.store.write_settings(silent)
        self.jobs = {job.id: _at_rest(job) for job in self._read(source.jobs)}
        self.tasks = {task.id: self._task(task) for task in self._read(source.tasks)}
        # On disk too: what merges a run knows only files.
        self.store.jobs.put(*self.jobs.values())
        self.store.tasks.put(*self.tasks.values())
        self.store.jobs = Twin(self.store.jobs, self.jobs.values())
        self.store.tasks = Twin(self.store.tasks, self.tasks.values())
        self.runs = self.store.runs = Twin(self.store.runs, self._runs(source))
        self._take_over_history(source)
        self._set_cursors(source, ahead=start > now + _MINUTE)

    def _read(self, collection: Collection[R]) -> list[R]:
        reading = collection.read()
        self.notes += [f"left out: {problem}" for problem in reading.problems]
        return reading.records

    def _task(self, task: Task) -> Task:
        fields: dict[str, Any] = {"prompt": "simulated", "prompt_type": "prompt"}
        fields["active_since"] = min(task.active_since, self.eve)
        kind = task.schedule
        if isinstance(kind, FileWatch | ByUsage):
            if task.enabled:
                self.notes.append(f"not simulated: {task.name} waits {waits_for(kind)}")
            fields["schedule"] = Manual(timezone=kind.timezone)
        return task.model_copy(update=fields)

    def _runs(self, source: Store) -> list[Run]:
        runs = self._read(source.runs)
        finished = [run for run in runs if not run.unfinished]
        if len(finished) < len(runs):
            count = len(runs) - len(finished)
            words = "run that goes on or waits" if count == 1 else "runs that go on or wait"
            self.notes.append(f"left out: {count} {words}")
        return [run for run in finished if (run.last_slot or run.scheduled_time) < self.start]

    def _take_over_history(self, source: Store) -> None:
        begun = instant.text(self.start)
        lines = [one for one in source.history.newest_first() if one["scheduled_time"] < begun]
        self.usual = _usual([*self.runs.file.read().records, *lines])
        limited = {task.id for task in self.tasks.values() if task.max_runs is not None}
        self.store.history = _Shelf(self.store.home.history, lines, limited)

    def _set_cursors(self, source: Store, ahead: bool) -> None:
        eve = instant.text(self.eve)
        entries = {entry["id"]: dict(entry) for entry in source.cursors.read().records}
        for entry in entries.values():
            if str(entry.get("slot", "")) > eve:
                entry["slot"] = eve
        if ahead:
            entries |= {one: {"id": one, "slot": eve, "boot": boot_id()} for one in self.tasks}
        self.store.cursors = _Memory(self.store.cursors, list(entries.values()))


class _Memory(Records):
    """The twin of a file of records that rests nowhere."""

    def __init__(self, real: Records, entries: Iterable[dict[str, Any]]) -> None:
        super().__init__(real.path, real.name)
        self._entries = list(entries)
        self._version = 0

    def read_some(self, wanted: sealed.Wanted) -> Content:
        return self.read()

    def read(self) -> Content:
        content = Content(b"", (self._version, 0, 0))
        content.entries = content.records = list(self._entries)
        return content

    def write(self, content: Content, records: list[dict[str, Any]]) -> atomic.Stamp:
        self._entries = list(records)
        self._version += 1
        return self._version, 0, 0


class Twin(Collection[R]):
    """The twin of a collection: it keeps the records beside their entries and validates nothing.

    `changes`: what was put, with what stood there before.
    """

    def __init__(self, real: Collection[R], records: Iterable[R]) -> None:
        super().__init__(real.file.path, real.name, real.kind)
        self.changes: list[tuple[R | None, R]] = []
        self._known = {one.id: one for one in records}
        self.file = _Memory(real.file, [one.record() for one in self._known.values()])
        self._reading = self.judge(self.file.read())

    def read(self) -> Reading[R]:
        content = self.file.read()
        if content.stamp != self._reading.stamp:
            self._reading = self.judge(content)
            self._known = dict(self._reading.by_id)
        return self._reading

    def judge(self, content: Content) -> Reading[R]:
        raw = {entry["id"]: entry for entry in content.records}
        return Reading({one: self._known[one] for one in raw}, raw, [], content.stamp)

    def put(self, *changed: R) -> None:
        standing = self.read()
        self.changes += [(standing.by_id.get(one.id), one) for one in changed]
        self._known |= {one.id: one for one in changed}
        entries = standing.raw | {one.id: one.record() for one in changed}
        self.file.write(self.file.read(), list(entries.values()))


class _Shelf(History):
    """The twin of history: every id, and the runs of the tasks whose runs are counted."""

    def __init__(self, directory: str, lines: Iterable[dict[str, Any]], counted: set[str]) -> None:
        super().__init__(directory)
        self._counted = counted
        self._ids: set[str] = set()
        self._lines: list[dict[str, Any]] = []
        self.append(list(lines))

    def append(self, runs: list[dict[str, Any]]) -> None:
        self._ids |= {run["id"] for run in runs}
        self._lines += [run for run in runs if run["task_id"] in self._counted]

    def knows(self, run_id: str) -> bool:
        return run_id in self._ids

    def get(self, run_id: str) -> dict[str, Any] | None:
        return next((line for line in self._lines if line["id"] == run_id), None)

    def newest_first(self, oldest: str = "") -> Iterator[dict[str, Any]]:
        yield from reversed(self._lines)


def _at_rest(job: Job) -> Job:
    """What of it goes on is left out."""
    going_on = job.status == "in_progress"
    return job.model_copy(update={"status": "pending", "run": None}) if going_on else job


def _usual(runs: Iterable[Mapping[str, Any]]) -> dict[str, timedelta]:
    took: dict[str, list[float]] = {}
    for run in runs:
        if run.get("status") == "success" and run.get("duration"):
            took.setdefault(run["task_id"], []).append(run["duration"])
    return {task_id: timedelta(seconds=median(spans)) for task_id, spans in took.items()}
