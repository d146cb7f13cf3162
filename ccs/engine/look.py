"""What a tick sees before it decides: tasks, cursors, and which firings have come.

Reads only, and outside the store lock: cron arithmetic over many tasks takes time. What it finds
is checked again under the lock, by id and by the tasks' own records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ccs import instant
from ccs.engine import watch
from ccs.engine.launch import Launcher
from ccs.engine.spare import spared
from ccs.model import key
from ccs.model.run import Run
from ccs.model.schedule import Anchor, FileWatch, Startup
from ccs.model.task import Task
from ccs.schedule import due, plan
from ccs.schedule.due import Due, Firing
from ccs.schedule.snapshot import Snapshot
from ccs.store.agenda import boot_id
from ccs.store.store import Store
from ccs.usage import kinds, windows
from ccs.usage.window import Window, moment


class Look:
    """`cursors`: per task, what was decided last. `reset`: tasks whose cursor begins anew."""

    def __init__(self, store: Store, launcher: Launcher, now: datetime) -> None:
        self.store = store
        self.launcher = launcher
        self.now = now
        self.problems = [str(one) for one in (*launcher.tasks.problems, *launcher.jobs.problems)]
        self.notes: list[str] = []
        self.reset: list[str] = []
        cursors = store.cursors.read_about({task.id for task in launcher.tasks.awake})
        self.cursors = {entry["id"]: entry for entry in cursors.records}
        # Of the files as they were looked at: what is changed after that, the next tick looks at.
        self.cursors_stamp = cursors.stamp
        self.tasks_stamp = launcher.tasks.stamp
        self.boot = boot_id()
        self.runs = store.runs.all()
        self.due = self._due()
        # Before the lock: it may have to read all of history. Only a tick makes such runs.
        self.used = self._used()
        launcher.accounts.look_back(launcher.tasks.awake)

    def snapshot(self, runs: Sequence[Run], alive: set[str]) -> Snapshot:
        """For `plan.decide`. `alive`: runs whose lock is held; they take their place already."""
        return Snapshot(
            tasks=self.launcher.tasks.by_id,
            jobs=self.launcher.jobs.by_id,
            runs=[_as_alive(run, alive) for run in runs],
            known=self._known(runs),
            limit=self.launcher.settings.max_concurrent_tasks,
            used=self.used,
            unreadable=frozenset(problem.id for problem in self.launcher.tasks.problems),
            gate=self.launcher.accounts,
            released_at_once=self.launcher.settings.released_at_once,
            approval=self.launcher.settings.approval,
        )

    def drop_changed(self, tasks: Mapping[str, dict[str, Any]]) -> None:
        """What was computed for a task that has changed meanwhile does not hold."""
        before = self.launcher.tasks.raw
        same = {task_id for task_id, raw in tasks.items() if before.get(task_id) == raw}
        self.due = [one for one in self.due if one.task.id in same]

    def _due(self) -> list[Due]:
        recorded: dict[str, datetime] = {}
        busy = set()
        for run in self.runs:
            last = run.last_slot or run.scheduled_time
            if run.trigger in ("schedule", "catch_up") and last <= self.now:
                recorded[run.task_id] = max(last, recorded.get(run.task_id, last))
            if run.unfinished:
                busy.add(run.task_id)
        found = []
        for task in self.launcher.tasks.awake:
            with spared(self.problems, f"task {task.id}"):
                if task.enabled and (one := self._due_of(task, recorded.get(task.id), busy)):
                    found.append(one)
        return found

    def _due_of(self, task: Task, recorded: datetime | None, busy: set[str]) -> Due | None:
        entry = self.cursors.get(task.id, {})
        if isinstance(task.schedule, Startup):
            if entry.get("boot") == self.boot:
                return None
            firing = Firing(key.for_boot(task.id, self.boot), self.now, "startup")
            return Due(task, (firing,), 0, self.now)
        if isinstance(task.schedule, FileWatch):
            # What changes while its own run goes on is the run's doing.
            return None if task.id in busy else watch.due(task, entry, self.now)
        if isinstance(task.schedule, kinds.ByUsage):
            return self._by_usage(task)
        since, reset = due.begin(task, self._decided(entry), recorded, self.now)
        if reset:
            self.reset.append(task.id)
            self.notes.append(f"task {task.id}: the clock was moved back; begun anew")
        if since > self.now:
            return None  # the clock was moved back: what ran is not run again
        found = due.evaluate(task, since, self.now)
        if found and isinstance(task.schedule, Anchor) and self._is_open(task):
            count = found.missed + len(found.firings)
            return found._replace(firings=(), missed=count, why_not="open")
        return found

    def _is_open(self, task: Task) -> bool:
        window = self.window_of(task)
        return window is not None and window.resets_at is not None

    def window_of(self, task: Task) -> Window | None:
        """The usage window that the task's schedule goes by."""
        accounts = self.launcher.accounts
        name = getattr(task.schedule, "window", "")
        return accounts.windows(accounts.account(None, task)).get(name)

    def coming(self, task: Task) -> kinds.Coming:
        """What a schedule by a usage window makes of what is known of it."""
        fired = self._fired(task)
        window, since = self.window_of(task), task.active_since
        return kinds.coming(task.schedule, window, fired, since, self.now)

    def _fired(self, task: Task) -> datetime | None:
        """The reset it last ran for: as the cursor says, or a run that was recorded before the
        cursor could be moved. One further ahead than a window is long was told by a wrong clock."""
        marks = [moment(self.cursors.get(task.id, {}).get("window_reset"))]
        marks += [run.window_reset for run in self.runs if run.task_id == task.id]
        span = windows.length(getattr(task.schedule, "window", ""))
        latest = self.now + span + due.CORRECTION
        return max((one for one in marks if one is not None and one <= latest), default=None)

    def _by_usage(self, task: Task) -> Due | None:
        found = self.coming(task)
        if found.mark is None or found.slot is None:
            return None
        account = self.launcher.accounts.account(None, task)
        window = getattr(task.schedule, "window", "")
        run_id = key.for_window(task.id, account, window, found.mark)
        if found.assumes:
            self.notes.append(f"task {task.id}: {found.assumes}")
        return Due(task, (Firing(run_id, found.slot, "usage"),), 0, self.now, mark=found.mark)

    def _decided(self, entry: Mapping[str, Any]) -> datetime | None:
        if "slot" not in entry:
            return None
        try:
            return instant.parse(str(entry["slot"]))
        except (ValueError, OverflowError):
            self.problems.append(f"cursors.json: {entry['id']}: {entry['slot']!r} is no instant")
            return None

    def _known(self, runs: Sequence[Run]) -> frozenset[str]:
        """Which of the runs about to be made exist already, here, in history or as deleted."""
        known = {run.id for run in runs}
        # A record that is broken now was launched all the same.
        known |= {entry["id"] for entry in self.store.runs.both()[0].records}
        coming = {firing.id for one in self.due for firing in one.firings}
        coming |= {Firing.at(one.task.id, one.newest).id for one in self.due}
        return frozenset(known | {one for one in coming - known if self.store.history.knows(one)})

    def _used(self) -> dict[str, int]:
        """How often each due task that may run so often only has run."""
        limited = {one.task.id for one in self.due if one.task.max_runs is not None}
        used = dict.fromkeys(limited, 0)
        if limited:
            for run in self.store.every_run():
                counts = run.trigger in plan.BY_SCHEDULE and run.status != "skipped"
                if counts and run.task_id in limited:
                    used[run.task_id] += 1
        return used


def _as_alive(run: Run, alive: set[str]) -> Run:
    if run.status == "upcoming" and run.id in alive:
        return run.model_copy(update={"status": "running"})
    return run
