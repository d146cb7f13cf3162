"""One tick: reap, look, plan, record, launch.

    tick lock, not waiting (busy: another tick is at work, and that is well)
    reap      outcomes merged, dead runs cleaned up
    look      which firings have come; outside the store lock, because it takes time
    record    under the store lock: runs, tasks and jobs looked at again, the plan made, all
              records in one write, the cursors after it
    launch    each on its own; what fails stays recorded and is started by the next tick
    agenda    when the next tick may take the short way

A crash between any two of these leaves a store from which the next tick goes on: a recorded run
without a start mark is started, a slot without a cursor finds its record by id.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from ccs import __version__, instant
from ccs.engine import notify, sight, steps, tidy, watch
from ccs.engine.launch import Launcher, Spawn, batches
from ccs.engine.look import Look
from ccs.engine.reap import reap
from ccs.engine.rest import Rest
from ccs.engine.runs import ask_to_stop
from ccs.engine.spare import spared
from ccs.errors import BrokenStore
from ccs.model.run import Run
from ccs.model.schedule import FileWatch
from ccs.redact import redact
from ccs.schedule import plan
from ccs.schedule.snapshot import Action
from ccs.store import atomic, strict, tasklist
from ccs.store.collection import Reading
from ccs.store.lock import Lock
from ccs.store.store import Store
from ccs.store.tasklist import Tasks


class Ticked:
    """What a tick did. `problems` are for the operator; they stopped nothing else."""

    def __init__(self) -> None:
        self.launched: list[str] = []
        self.held: list[str] = []
        self.skipped: list[str] = []
        self.settled: list[str] = []
        self.notes: list[str] = []
        self.problems: list[str] = []

    def problem(self) -> BrokenStore | None:
        """All of them, for the door."""
        return BrokenStore("; ".join(self.problems), "the rest was done") if self.problems else None


def tick(
    store: Store,
    now: datetime,
    environment: Mapping[str, str],
    backend: str | None = None,
    spawn: Spawn | None = None,
) -> Ticked | None:
    """None when another tick is at work, or the tasks change under this one's hands, which is for
    the next tick. Raises BrokenStore, LockTimeout, OSError.
    """
    store.home.create()
    with Lock(store.home.tick_lock) as lock:
        if not lock.acquire():
            return None
        store.check_writable()
        with suppress(tasklist.ChangedMeanwhile):
            return _Tick(store, now, environment, backend, spawn).run()
    return None


def dry_run(
    store: Store, now: datetime, environment: Mapping[str, str]
) -> tuple[list[Action], Look]:
    """What a tick would do now, and what it saw (with what it would complain of). Changes
    nothing.
    """
    look = Look(store, Launcher(store, environment, now), now)
    snapshot = look.snapshot(store.runs.all(), set())
    return plan.decide(snapshot, look.due, now), look


class _Tick:
    def __init__(
        self,
        store: Store,
        now: datetime,
        environment: Mapping[str, str],
        backend: str | None,
        spawn: Spawn | None,
    ) -> None:
        self.spawn = spawn
        self.store = store
        self.now = now
        self.environment = environment
        self.backend = backend
        self.done = Ticked()
        self.expected = False  # that a tick of the installed backend says what it sees

    def run(self) -> Ticked:
        if self.spawn is None:
            with spared(self.done.problems, "what the scheduler lets ccs see"):
                home = self.store.home
                self.expected = sight.start(home, self.environment, self.backend, self.now)
        reaped = reap(self.store, self.now)
        self.done.settled = reaped.settled
        self.done.problems += reaped.problems
        tasks = tasklist.read(self.store.tasks, self.store.home.path, __version__, self.now)
        launcher = Launcher(self.store, self.environment, self.now, self.spawn, tasks)
        look = Look(self.store, launcher, self.now)
        self.done.notes = look.notes
        self.done.problems += look.problems
        actions = self._record(launcher, look, reaped.alive)
        for action in actions:
            if action.verb == "replace":
                with spared(self.done.problems, f"run {action.run.id}"):
                    ask_to_stop(self.store, action.run, "replaced")
        for some in batches([action.run for action in actions if action.verb == "launch"]):
            self._launch(launcher, some)
        self._start_scans(launcher)
        self._tidy(launcher)
        starting = reaped.alive.union(self.done.launched)
        usage = atomic.stamp_of(self.store.home.usage)
        self._write_agenda(launcher, look, self._notify(launcher), starting)
        if atomic.stamp_of(self.store.home.usage) != usage:
            # An alarm that came after the look for them has taken away the agenda of before.
            with suppress(FileNotFoundError):
                os.unlink(self.store.home.agenda)
        return self.done

    def _record(self, launcher: Launcher, look: Look, alive: set[str]) -> list[Action]:
        with self.store.locked("ccs tick"):
            if atomic.stamp_of(self.store.tasks.file.path) != launcher.tasks.stamp:
                tasks = self.store.tasks.read()
                look.drop_changed(tasks.raw)
                launcher.tasks = Tasks.whole(tasks)
            launcher.jobs = self.store.jobs.read()
            runs = self.store.runs.read()
            self.done.problems += map(str, runs.problems)
            changed = {run.id: run for run in self._job_steps(launcher, runs)}
            present = {**runs.by_id, **changed}
            snapshot = look.snapshot(list(present.values()), alive)
            actions = plan.decide(snapshot, look.due, self.now)
            changed |= {a.run.id: a.run for a in actions if a.verb != "replace"}
            changed |= self._replaced_unstarted(actions, present)
            if changed:
                self.store.runs.put(*changed.values())
            self._move_cursors(look)
            with spared(self.done.problems, "history"):
                self.store.archive(launcher.settings.runs_kept)
        self.done.held = [action.run.id for action in actions if action.verb == "hold"]
        self.done.skipped = [action.run.id for action in actions if action.verb == "skip"]
        return actions

    def _replaced_unstarted(
        self, actions: list[Action], present: Mapping[str, Run]
    ) -> dict[str, Run]:
        """Runs to be replaced whose client has not been started: unmarked under this lock, so
        their supervisors will leave. A stop file would find nobody to act on it."""
        ended = {"status": "cancelled", "reason": "replaced", "end_time": self.now}
        ended |= {"held_reason": None}
        return {
            action.run.id: present[action.run.id].model_copy(update=ended)
            for action in actions
            if action.verb == "replace"
            and present[action.run.id].status == "upcoming"
            and not self.store.rundir(action.run.id).started()
        }

    def _job_steps(self, launcher: Launcher, runs: Reading[Run]) -> list[Run]:
        """Where a job in progress has stopped short: its supervisor died between two steps."""
        changed: list[Run] = []
        for job in launcher.jobs.records:
            if job.status == "in_progress" and job.run is not None:
                with spared(self.done.problems, f"job {job.id}"):
                    changed += steps.advance(self.store, job, runs, self.now)
        return changed

    def _move_cursors(self, look: Look) -> None:
        """Only what this tick decided: a scan may have written its own entries meanwhile."""
        if not look.due and not look.reset:
            return
        decided = {*look.reset, *(one.task.id for one in look.due)}
        content = self.store.cursors.read_about(decided)
        entries = {one["id"]: one for one in content.records if one["id"] in decided}
        for task_id in look.reset:
            entries[task_id] = {"id": task_id, "slot": instant.text(self.now)}
        for one in look.due:
            entry = entries.setdefault(one.task.id, {"id": one.task.id})
            trigger = one.firings[-1].trigger if one.firings else "schedule"
            if trigger == "startup":
                entry["boot"] = look.boot
            elif trigger == "usage" and one.mark is not None:
                entry["window_reset"] = instant.text(one.mark)
            elif trigger == "file_watch":
                watch.fired(self.store.home, one.task.id, entry, one.firings[-1].id)
            else:
                entry["slot"] = instant.text(one.newest)
        written = self.store.cursors.put(content, list(entries.values()))
        if content.stamp == look.cursors_stamp:  # else they were changed after they were looked at
            look.cursors_stamp = written

    def _launch(self, launcher: Launcher, runs: Sequence[Run]) -> None:
        prepared = []
        for run in runs:
            with spared(self.done.problems, f"run {run.id} could not be started"):
                if launcher.prepare(run):
                    prepared.append(run.id)
        with spared(self.done.problems, f"runs {', '.join(prepared)} could not be started"):
            launcher.spawn(prepared)
            self.done.launched += prepared

    def _start_scans(self, launcher: Launcher) -> None:
        for task in launcher.tasks.awake:
            if task.enabled and isinstance(task.schedule, FileWatch):
                with spared(self.done.problems, f"task {task.id} could not be scanned"):
                    watch.start_scan(self.store.home, task, self.environment)

    def _tidy(self, launcher: Launcher) -> None:
        if self.spawn is None:  # a simulation keeps nothing
            with spared(self.done.problems, "old logs"):
                tidy.start(self.store.home, launcher.settings, self.environment, self.now)

    def _notify(self, launcher: Launcher) -> list[datetime]:
        """When there is something to tell next. A simulation tells nobody."""
        wakes: list[datetime] = []
        if self.spawn is None:
            with spared(self.done.problems, "notifications"):
                wakes = notify.look(self.store, launcher.settings.notifications, self.now)
                notify.start(self.store.home, self.environment, self.now)
        return wakes

    def _write_agenda(
        self, launcher: Launcher, look: Look, wakes: list[datetime], starting: set[str]
    ) -> None:
        """Derived and not fsynced."""
        rest = Rest(self.store, launcher, look, self.now, self.done.problems)
        text, wake = rest.agenda(wakes, starting, self.expected)
        atomic.write(self.store.home.last_tick, self._report(wake), durable=False)
        atomic.write(self.store.home.agenda, text.encode("ascii"), durable=False)

    def _report(self, wake: datetime) -> bytes:
        when = {"at": instant.text(self.now), "next_wake": instant.text(wake)}
        who = {"backend": self.backend, "version": __version__}
        return redact(strict.encode({"format": 1, **when, **who, **vars(self.done)}))
