"""Until when ticks may rest, and what would wake them before: the agenda at the end of a tick.

Whatever waits for a time is woken by it; whatever waits for anything else is looked at each time.
The stamps are those of the files as the tick read them, so that a change made since wakes the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ccs import __version__
from ccs.engine.launch import Launcher
from ccs.engine.look import Look
from ccs.engine.spare import spared
from ccs.model.job import Job
from ccs.model.run import Run
from ccs.model.schedule import FileWatch
from ccs.schedule import plan
from ccs.schedule.slots import next_slot
from ccs.store import agenda, tasklist
from ccs.store.atomic import Stamp
from ccs.store.store import Store
from ccs.usage import kinds


class Rest:
    """`problems`: those of the tick, which grow by what is found here."""

    def __init__(
        self, store: Store, launcher: Launcher, look: Look, now: datetime, problems: list[str]
    ) -> None:
        self._store = store
        self._launcher = launcher
        self._look = look
        self._now = now
        self._problems = problems
        self._runs, self._jobs = store.runs.read(), store.jobs.read()
        self._unfinished = [run for run in self._runs.records if run.unfinished]
        enabled = [task for task in launcher.tasks.awake if task.enabled]
        self._by_usage = [task for task in enabled if isinstance(task.schedule, kinds.ByUsage)]
        self._by_chance = [task for task in enabled if isinstance(task.schedule, FileWatch)]
        self._enabled = enabled

    def agenda(
        self, wakes: Sequence[datetime], starting: set[str], restless: bool
    ) -> tuple[str, datetime]:
        """Its text, and when the next tick has something to do.

        `wakes`: when there is something to tell. `starting`: runs with a supervisor, which may end
        before it has begun. `restless`: something else has to be looked at each minute.
        """
        waiting = [run for run in self._unfinished if run.status == "upcoming"]
        running = [run for run in self._unfinished if run.status == "running"]
        moments = [*wakes, *(run.not_before for run in waiting if run.not_before)]
        known = self._slots()
        moments += self._windows()
        tasks = self._launcher.tasks
        body = "" if self._problems else tasks.text(known)
        latest = self._now.timestamp() + agenda.LONGEST_SLEEP
        wake = min(latest, tasks.wake(known), *(one.timestamp() for one in moments))
        owners = self._owners(running)
        restless = restless or any(one.not_before is None or one.id in starting for one in waiting)
        restless = restless or _stopped_short(self._jobs.records, running)
        busy = restless or bool(self._by_chance or self._problems)
        head = agenda.line(__version__, self._now.timestamp(), wake, busy, self._stamps(), owners)
        return head + body, datetime.fromtimestamp(wake, self._now.tzinfo)

    def _slots(self) -> dict[str, int]:
        """Before when each task that was looked at cannot be due."""
        known = {task.id: tasklist.NEVER for task in self._launcher.tasks.awake}
        for task in self._enabled:
            with spared(self._problems, f"task {task.id}"):
                following = next_slot(task.schedule, self._now)
                if following is not None:
                    known[task.id] = int(following.timestamp())
        return known | {task.id: tasklist.ALWAYS for task in (*self._by_usage, *self._by_chance)}

    def _windows(self) -> list[datetime]:
        """When the usage windows come that tasks go by, as the cursors stand now."""
        if not self._by_usage:
            return []
        cursors = self._store.cursors.read_about({task.id for task in self._by_usage})
        self._look.cursors = {entry["id"]: entry for entry in cursors.records}
        coming = [self._look.coming(task).wake for task in self._by_usage]
        return [one for one in coming if one is not None]

    def _owners(self, running: list[Run]) -> dict[str, dict[str, Any]]:
        """The supervisors of these runs."""
        found = {}
        for run in running:
            with spared(self._problems, f"run {run.id}"):
                found[run.id] = self._store.rundir(run.id).owner()
        return found

    def _stamps(self) -> dict[str, Stamp | None]:
        accounts = self._launcher.accounts
        held = any(run.held_reason in plan.BY_ACCOUNT for run in self._unfinished)
        told = bool(held or self._by_usage)
        return {
            "jobs.json": self._jobs.stamp,
            "tasks.json": self._look.tasks_stamp,
            "runs.json": self._runs.stamp,
            "settings.json": self._launcher.settings_stamp,
            "cursors.json": self._look.cursors_stamp,
            # A status line writes it all day: only what waits for news of it is woken by them.
            "usage.json": accounts.stamp if told else agenda.ANY,
            "profiles.json": accounts.profiles_stamp if told else agenda.ANY,
        }


def _stopped_short(jobs: list[Job], running: list[Run]) -> bool:
    """Whether a job may have to be helped on: the step that runs says itself what follows it."""
    stepping = {run.job_run for run in running}
    return any(
        job.status == "in_progress" and (job.run is None or job.run.id not in stepping)
        for job in jobs
    )
