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

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from ccs import __version__, instant
from ccs.engine import notify, sight, steps, tidy, watch
from ccs.engine.launch import Launcher, Spawn, batches
from ccs.engine.look import Look
from ccs.engine.reap import reap
from ccs.engine.runs import ask_to_stop
from ccs.engine.spare import spared
from ccs.errors import BrokenStore
from ccs.model.job import Job
from ccs.model.run import Run
from ccs.model.schedule import FileWatch
from ccs.redact import redact
from ccs.schedule import plan
from ccs.schedule.slots import next_slot
from ccs.schedule.snapshot import Action
from ccs.store import agenda, atomic, records, tasklist
from ccs.store.collection import Reading
from ccs.store.lock import Lock
from ccs.store.store import Store
from ccs.store.tasklist import Tasks
from ccs.usage import kinds


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
        self._write_agenda(launcher, look, self._notify(launcher), starting)
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
        """Derived and not fsynced. The stamps are those of the files as this tick read them.

        `starting`: runs with a supervisor, which may end before it has begun.
        """
        runs, jobs = self.store.runs.read(), self.store.jobs.read()
        unfinished = [run for run in runs.records if run.unfinished]
        waiting = [run for run in unfinished if run.status == "upcoming"]
        wakes += [run.not_before for run in waiting if run.not_before]
        tasks = launcher.tasks
        enabled = [task for task in tasks.awake if task.enabled]
        known = {task.id: tasklist.NEVER for task in tasks.awake}
        for task in enabled:
            with spared(self.done.problems, f"task {task.id}"):
                following = next_slot(task.schedule, self.now)
                if following is not None:
                    known[task.id] = int(following.timestamp())
        by_usage = [task for task in enabled if isinstance(task.schedule, kinds.ByUsage)]
        if by_usage:
            cursors = self.store.cursors.read_about({task.id for task in by_usage})
            look.cursors = {entry["id"]: entry for entry in cursors.records}
        for task in by_usage:
            following = look.coming(task).wake
            wakes += [following] if following else []
        by_chance = [task for task in enabled if isinstance(task.schedule, FileWatch)]
        known |= {task.id: tasklist.ALWAYS for task in (*by_usage, *by_chance)}
        body = "" if self.done.problems else tasks.text(known)
        latest = self.now.timestamp() + agenda.LONGEST_SLEEP
        wake = min(latest, tasks.wake(known), *(one.timestamp() for one in wakes))
        running = [run for run in unfinished if run.status == "running"]
        owners = self._owners(running)
        # What waits for a time is woken by it; what waits for anything else is looked at each time.
        restless = any(one.not_before is None or one.id in starting for one in waiting)
        restless = restless or _stopped_short(jobs.records, running)
        busy = restless or bool(by_chance or self.expected or self.done.problems)
        accounts = launcher.accounts
        held = any(run.held_reason in plan.BY_ACCOUNT for run in unfinished)
        stamps = {
            "jobs.json": jobs.stamp,
            "tasks.json": look.tasks_stamp,
            "runs.json": runs.stamp,
            "settings.json": launcher.settings_stamp,
            "cursors.json": look.cursors_stamp,
            # A status line writes it all day: only what waits for news of it is woken by them.
            "usage.json": accounts.stamp if held or by_usage else agenda.ANY,
            "profiles.json": accounts.profiles_stamp if held or by_usage else agenda.ANY,
        }
        text = agenda.line(__version__, self.now.timestamp(), wake, busy, stamps, owners) + body
        woken = datetime.fromtimestamp(wake, self.now.tzinfo)
        atomic.write(self.store.home.last_tick, self._report(woken), durable=False)
        atomic.write(self.store.home.agenda, text.encode("ascii"), durable=False)

    def _owners(self, running: list[Run]) -> dict[str, dict[str, Any]]:
        """The supervisors of these runs."""
        found = {}
        for run in running:
            with spared(self.done.problems, f"run {run.id}"):
                found[run.id] = self.store.rundir(run.id).owner()
        return found

    def _report(self, wake: datetime) -> bytes:
        when = {"at": instant.text(self.now), "next_wake": instant.text(wake)}
        who = {"backend": self.backend, "version": __version__}
        return redact(records.encode({"format": 1, **when, **who, **vars(self.done)}))


def _stopped_short(jobs: list[Job], running: list[Run]) -> bool:
    """Whether a job may have to be helped on: the step that runs says itself what follows it."""
    stepping = {run.job_run for run in running}
    return any(
        job.status == "in_progress" and (job.run is None or job.run.id not in stepping)
        for job in jobs
    )
