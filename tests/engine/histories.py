"""Small records for histories, and a driver that ticks through them without any process.

`Ticks` launches nothing: it replaces the one call that starts a supervisor, and plays the
supervisor's part on request through the same run directories a real one uses.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from ccs import instant
from ccs.engine import launch, settle, tick
from ccs.host import process
from ccs.model.job import Job
from ccs.model.run import Run
from ccs.model.task import Task
from ccs.store.lock import Lock
from ccs.store.store import Store


def uid(number: int) -> str:
    return str(UUID(int=number))


def at(text: str) -> datetime:
    """`20 10:15` is the 20th of November 2026, 10:15 UTC."""
    day, clock = text.split()
    hour, minute = clock.split(":")
    return datetime(2026, 11, int(day), int(hour), int(minute), tzinfo=UTC)


def task(number: int = 1, cron: str | None = "*/15 * * * *", **fields: Any) -> Task:
    born = fields.pop("born", at("20 10:00"))
    schedule = {"schedule_type": "manual"}
    if cron:
        schedule = {"schedule_type": "cron", "cron": cron, "timezone": "UTC"}
    return Task.checked(
        {
            "id": uid(number),
            "name": f"task {number}",
            "prompt": "go",
            "schedule": schedule,
            "working_directory": "/",
            "active_since": born,
            "created_at": born,
            "updated_at": born,
            **fields,
        }
    )


def job(number: int, *order: int, **fields: Any) -> Job:
    born = at("20 10:00")
    return Job.checked(
        {
            "id": uid(number),
            "name": f"job {number}",
            "working_directory": {"path": "/"},
            "task_order": [uid(one) for one in order],
            "created_at": born,
            "updated_at": born,
            **fields,
        }
    )


def run(number: int, of: Task, **fields: Any) -> Run:
    return Run.checked(
        {
            "id": uid(number),
            "task_id": of.id,
            "trigger": "schedule",
            "scheduled_time": at("20 10:15"),
            **fields,
        }
    )


class Ticks:
    def __init__(self, store: Store, monkeypatch: Any) -> None:
        self.store = store
        self.launched: list[str] = []
        self._locks: dict[str, Lock] = {}
        monkeypatch.setattr(launch, "spawn_supervisor", self._spawn)
        # The owner of a played run is this very process; waking it would end the tests.
        monkeypatch.setattr(process, "wake", lambda owner: None)

    def _spawn(self, home: str, run_id: str, environment: Any) -> None:
        self.launched.append(run_id)

    def tick(self, when: datetime | str) -> tick.Ticked:
        moment = at(when) if isinstance(when, str) else when
        done = tick.tick(self.store, moment + timedelta(seconds=1), {})
        assert done is not None
        assert done.problems == []
        return done

    def every_minute(self, first: str, last: str) -> list[tuple[datetime, str]]:
        """Ticks each minute; (slot, trigger) of what was launched. Runs succeed at once."""
        moment, seen = at(first), []
        while moment <= at(last):
            for run_id in self.tick(moment).launched:
                found = self.begin(run_id)
                seen.append((found.scheduled_time, found.trigger))
                self.end(run_id)
            moment += timedelta(minutes=1)
        return seen

    def begin(self, run_id: str) -> Run:
        """What a supervisor does when it may start the client."""
        rundir = self.store.rundir(run_id)
        rundir.make()
        self._locks[run_id] = rundir.lock()
        assert self._locks[run_id].acquire()
        assert rundir.mark_started(process.identity(os.getpid()))
        found = self.store.runs.get(run_id)
        assert found is not None
        self.store.runs.put(found.changed(status="running"))
        return found

    def end(self, run_id: str, status: str = "success", reason: str | None = None) -> None:
        rundir = self.store.rundir(run_id)
        ended = instant.text(at("20 23:59"))
        rundir.write_outcome({"status": status, "reason": reason, "end_time": ended})
        settle.merge(self.store.home, rundir, run_id, at("20 23:59"))
        self._locks.pop(run_id).release()

    def statuses(self) -> list[tuple[str, str | None]]:
        return [(one.status, one.reason) for one in self.store.runs.all()]
