"""Small records for histories, and a driver that ticks through them without any process.

`Ticks` launches nothing: it replaces the one call that starts a supervisor, and plays the
supervisor's part on request through the same run directories a real one uses.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from ccs import instant
from ccs.engine import launch, learn, settle, tick
from ccs.host import process
from ccs.model.job import Job
from ccs.model.run import Run
from ccs.model.task import Task
from ccs.store.asked import as_it_ran
from ccs.store.lock import Lock
from ccs.store.store import Store
from ccs.usage.gate import Terms


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
        self.now = at("20 10:00")
        self._locks: dict[str, Lock] = {}
        monkeypatch.setattr(launch, "spawn_supervisors", self._spawn)
        # The owner of a played run is this very process; waking it would end the tests.
        monkeypatch.setattr(process, "wake", lambda owner: None)

    def _spawn(self, home: str, run_ids: Sequence[str], environment: Any) -> None:
        self.launched += run_ids

    def tick(self, when: datetime | str) -> tick.Ticked:
        moment = at(when) if isinstance(when, str) else when
        self.now = moment
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
        assert rundir.claim(process.identity(os.getpid())) and rundir.mark_started()
        found = self.store.runs.get(run_id)
        assert found is not None
        asked = as_it_ran(self.store.home, run_id)
        kept = {}
        if asked is not None:
            kept = {"session_id": asked["session"], "account": asked["terms"]["account"]}
            kept |= {"model": asked["model"], "profile": asked["profile"]}
            kept |= {"max_budget_usd": asked["max_budget_usd"]}
        began = found.changed(status="running", held_reason=None, start_time=self.now, **kept)
        self.store.runs.put(began)
        return found

    def release(self, run_id: str) -> None:
        """Its supervisor is gone, and said nothing."""
        self._locks.pop(run_id).release()

    def end(
        self,
        run_id: str,
        status: str = "success",
        reason: str | None = None,
        merged: bool = True,
        **told: Any,
    ) -> None:
        """`merged=False`: the supervisor dies between the outcome and the merge."""
        rundir = self.store.rundir(run_id)
        nothing = {"message": None, "limit_type": None, "resets_at": None}
        ended = {**nothing, "status": status, "reason": reason, **told}
        ended["end_time"] = instant.text(self.now if told else at("20 23:59"))
        asked = as_it_ran(self.store.home, run_id)
        if asked is not None:
            terms, began = Terms(**asked["terms"]), self.store.runs.read().by_id[run_id].start_time
            learn.conclude(self.store.home, terms, ended, False, began or self.now, self.now)
        rundir.write_outcome(ended)
        if merged:
            settle.merge(self.store.home, rundir, run_id, self.now)
        self._locks.pop(run_id).release()

    def meet_limit(
        self, run_id: str, resets_at: datetime, window: str = "five_hour", merged: bool = True
    ) -> None:
        """The run's client is refused until then."""
        told = {"limit_type": window, "resets_at": instant.text(resets_at)}
        self.end(run_id, "limited", "usage_limit", merged, **told)

    def statuses(self) -> list[tuple[str, str | None]]:
        return [(one.status, one.reason) for one in self.store.runs.all()]
