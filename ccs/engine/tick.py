"""One tick: reap, look, plan, record, launch.

    tick lock, not waiting (busy: another tick is at work, and that is well)
    reap      outcomes merged, dead runs cleaned up
    due       which slots have come, computed outside the store lock: it takes time
    record    under the store lock: runs and tasks looked at again, the plan made, all records in
              one write, the cursors after it
    launch    each on its own; what fails stays recorded and is started by the next tick
    agenda    when the next tick may take the short way

A crash between any two of these leaves a store from which the next tick goes on: a recorded run
without a start mark is started, a slot without a cursor finds its record by id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ccs import __version__, instant
from ccs.engine import steps
from ccs.engine.launch import Launcher
from ccs.engine.reap import Reaped, reap
from ccs.engine.runs import ask_to_stop
from ccs.errors import CcsError
from ccs.model import key
from ccs.model.run import Run
from ccs.schedule import due, plan
from ccs.schedule.due import Due
from ccs.schedule.slots import next_slot
from ccs.store import agenda, atomic, records
from ccs.store.lock import Lock
from ccs.store.store import Store


@dataclass
class Ticked:
    """What a tick did. `problems` are for the operator; they stopped nothing else."""

    launched: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def tick(
    store: Store, now: datetime, environment: Mapping[str, str], backend: str | None = None
) -> Ticked | None:
    """None when another tick is at work. Raises BrokenStore, LockTimeout, OSError."""
    store.home.create()
    with Lock(store.home.tick_lock) as lock:
        if not lock.acquire():
            return None
        return _Tick(store, now, environment, backend).run()


class _Tick:
    def __init__(
        self, store: Store, now: datetime, environment: Mapping[str, str], backend: str | None
    ) -> None:
        self.store = store
        self.now = now
        self.environment = environment
        self.backend = backend
        self.done = Ticked()
        self._moved = False

    def run(self) -> Ticked:
        reaped = reap(self.store, self.now)
        self.done.settled = reaped.settled
        self.done.problems += reaped.problems
        launcher = Launcher(self.store, self.environment, self.now)
        for reading in (launcher.tasks, launcher.jobs):
            self.done.problems += map(str, reading.problems)
        marks = self._cursors()
        coming = self._due(launcher, marks)
        to_launch, to_stop = self._record(launcher, coming, marks, reaped)
        for run in to_stop:
            ask_to_stop(self.store, run, "replaced")
        for run in to_launch:
            self._launch(launcher, run)
        self._write_agenda(launcher)
        return self.done

    def _cursors(self) -> dict[str, datetime]:
        marks = {}
        for entry in self.store.cursors.read().records:
            try:
                marks[entry["id"]] = instant.parse(str(entry["slot"]))
            except (KeyError, ValueError):
                self.done.problems.append(f"cursors.json: {entry['id']} has no slot")
        return marks

    def _due(self, launcher: Launcher, marks: dict[str, datetime]) -> list[Due]:
        recorded: dict[str, datetime] = {}
        for run in self.store.runs.all():
            last = run.last_slot or run.scheduled_time
            if run.trigger in ("schedule", "catch_up") and last <= self.now:
                recorded[run.task_id] = max(last, recorded.get(run.task_id, last))
        found = []
        for task in launcher.tasks.records:
            if not task.enabled:
                continue
            cursor = marks.get(task.id)
            since, reset = due.begin(task, cursor, recorded.get(task.id), self.now)
            if reset:
                self._moved = True
                marks[task.id] = self.now
                self.done.notes.append(f"task {task.id}: the clock was moved back; begun anew")
            if since > self.now:
                continue  # the clock was moved back: what ran is not run again
            one = due.evaluate(task, since, self.now)
            if one is not None:
                found.append(one)
        return found

    def _record(
        self, launcher: Launcher, coming: list[Due], marks: dict[str, datetime], reaped: Reaped
    ) -> tuple[list[Run], list[Run]]:
        with self.store.locked("ccs tick"):
            tasks = self.store.tasks.read()
            if tasks.stamp != launcher.tasks.stamp:
                # Changed meanwhile: what was computed for the old schedule does not hold.
                same = {i for i, raw in tasks.raw.items() if launcher.tasks.raw.get(i) == raw}
                coming = [one for one in coming if one.task.id in same]
                launcher.tasks = tasks
            runs = self.store.runs.read()
            self.done.problems += map(str, runs.problems)
            fresh = self._job_steps(launcher, runs.records)
            snapshot = plan.Snapshot(
                tasks=launcher.tasks.by_id,
                runs=[_as_alive(run, reaped.alive) for run in [*runs.records, *fresh]],
                known=self._known(coming, runs.records),
                limit=launcher.settings.max_concurrent_tasks,
            )
            actions = plan.decide(snapshot, coming, self.now)
            changed = {run.id: run for run in fresh}
            changed |= {a.run.id: a.run for a in actions if a.verb != "replace"}
            if changed:
                self.store.runs.put(*changed.values())
            self._move_cursors(coming, marks)
            self.store.archive(launcher.settings.runs_kept)
        self.done.held = [a.run.id for a in actions if a.verb == "hold"]
        self.done.skipped = [a.run.id for a in actions if a.verb == "skip"]
        launches = [a.run for a in actions if a.verb == "launch"]
        return launches, [a.run for a in actions if a.verb == "replace"]

    def _known(self, coming: list[Due], runs: list[Run]) -> frozenset[str]:
        """Which of the runs about to be made exist already, here, in history or as deleted."""
        known = {run.id for run in runs}
        for one in coming:
            for slot in one.slots:
                run_id = key.for_slot(one.task.id, slot)
                if run_id not in known and self.store.history.knows(run_id):
                    known.add(run_id)
        return frozenset(known)

    def _job_steps(self, launcher: Launcher, runs: list[Run]) -> list[Run]:
        """Where a job in progress has stopped short: its supervisor died between two steps."""
        fresh: list[Run] = []
        for job in launcher.jobs.records:
            if job.status != "in_progress" or job.run is None:
                continue
            mine = {run.task_id: run for run in runs if run.job_run == job.run.id}
            for task_id in job.run.order:
                if task_id not in mine:
                    archived = self.store.get_run(key.for_step(job.run.id, task_id))
                    mine |= {task_id: archived} if archived else {}
            fresh += steps.advance(self.store, job, mine, self.now)
        return fresh

    def _move_cursors(self, coming: list[Due], marks: dict[str, datetime]) -> None:
        if not coming and not self._moved:
            return
        marks |= {one.task.id: one.newest for one in coming}
        content = self.store.cursors.read()
        entries = [{"id": task_id, "slot": instant.text(at)} for task_id, at in marks.items()]
        self.store.cursors.write(content, entries)

    def _launch(self, launcher: Launcher, run: Run) -> None:
        try:
            launcher.start(run)
        except (CcsError, OSError) as error:
            self.done.problems.append(f"run {run.id} could not be started: {error}")
        else:
            self.done.launched.append(run.id)

    def _write_agenda(self, launcher: Launcher) -> None:
        """Derived and not fsynced. The stamps are those of the files as this tick read them."""
        runs = self.store.runs.read()
        wakes = [run.not_before for run in runs.records if run.unfinished and run.not_before]
        for task in launcher.tasks.records:
            following = next_slot(task.schedule, self.now) if task.enabled else None
            if following is not None:
                wakes.append(following)
        wake = min(wakes, default=self.now + timedelta(seconds=agenda.LONGEST_SLEEP))
        jobs = self.store.jobs.read()
        going_on = any(job.status == "in_progress" for job in jobs.records)
        busy = going_on or any(run.unfinished for run in runs.records) or bool(self.done.problems)
        stamps = {
            "jobs.json": jobs.stamp,
            "tasks.json": launcher.tasks.stamp,
            "runs.json": runs.stamp,
            "settings.json": launcher.settings_stamp,
            "cursors.json": self.store.cursors.read().stamp,
        }
        text = agenda.line(__version__, self.now.timestamp(), wake.timestamp(), busy, stamps)
        atomic.write(self.store.home.last_tick, self._report(wake), durable=False)
        atomic.write(self.store.home.agenda, text.encode("ascii"), durable=False)

    def _report(self, wake: datetime) -> bytes:
        report: dict[str, Any] = {
            "format": 1,
            "at": instant.text(self.now),
            "backend": self.backend,
            "version": __version__,
            "next_wake": instant.text(wake),
            **{name: getattr(self.done, name) for name in self.done.__dataclass_fields__},
        }
        return records.encode(json.loads(json.dumps(report)))


def _as_alive(run: Run, alive: set[str]) -> Run:
    """A run whose supervisor holds its lock takes its place already, marked or not."""
    if run.status == "upcoming" and run.id in alive:
        return run.model_copy(update={"status": "running"})
    return run
