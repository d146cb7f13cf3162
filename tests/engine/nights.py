"""Nights on one account: supervisors that begin as real ones do, and a server with usage windows.

The server serves so many requests per window and refuses the rest until the reset, in the form in
which the client tells it. Each run makes one request, as it begins.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from histories import Ticks, at

from ccs.claude.events import limit_facts
from ccs.engine import approval, begin, learn
from ccs.model.run import Run
from ccs.model.settings import Settings
from ccs.store.asked import as_it_ran
from ccs.store.store import Store
from ccs.usage.gate import Terms

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def facts(
    status: str = "allowed",
    window: str = "five_hour",
    used: object = 0.5,
    resets: datetime | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A `rate_limit_info` as the supervisor hears it."""
    told: dict[str, Any] = {"status": status, "rateLimitType": window, **more}
    if resets is not None:
        epoch = int(resets.timestamp())
        told |= {"resetsAt": epoch}
        told["unifiedWindows"] = {window: {"utilization": used, "resetsAt": epoch}}
    found = limit_facts(told)
    assert found is not None
    return found


class Night(Ticks):
    """`grants`: requests per window. `asked`: each request, with the session it was made in."""

    def __init__(self, store: Store, monkeypatch: Any, grants: int = 3) -> None:
        super().__init__(store, monkeypatch)
        self.grants = grants
        self.resets = at("20 12:00")
        self.asked: list[tuple[datetime, str, str, bool]] = []
        self.going_on: dict[str, int] = {}

    def started(self, run_id: str) -> bool:
        """Whether the last look of a supervisor lets it start its client."""
        rundir = self.store.rundir(run_id)
        lock = rundir.lock()
        assert lock.acquire()
        asked = as_it_ran(self.store.home, run_id)
        assert asked is not None
        if not begin.begin(self.store.home, rundir, asked, approval.withheld(asked), self.now):
            lock.release()
            return False
        self._locks[run_id] = lock
        return True

    def hears(self, run_id: str, told: dict[str, Any]) -> None:
        asked = as_it_ran(self.store.home, run_id)
        found = self.store.runs.get(run_id)
        assert asked is not None
        assert found is not None
        assert found.start_time is not None
        terms = Terms(**{**asked["terms"], "model": asked["model"]})
        learn.hear(self.store.home, terms, told, found.start_time, self.now)

    def minutes(self, first: str, last: str, lasts: int = 2) -> None:
        """Ticks each minute; what begins is answered at once and ends so many minutes later."""
        moment = at(first)
        while moment <= at(last):
            self.minute(moment, lasts)
            moment += MINUTE

    def minute(self, moment: datetime, lasts: int) -> None:
        for run_id in self.tick(moment).launched:
            if self.started(run_id):
                self.request(run_id)
        for run_id in list(self.going_on):
            self.going_on[run_id] += 1
            if self.going_on[run_id] > lasts:
                del self.going_on[run_id]
                self.end(run_id, message=None)

    def request(self, run_id: str, merged: bool = True) -> None:
        found = self.store.runs.get(run_id)
        assert found is not None
        served = self._served()
        self.asked.append((self.now, run_id, str(found.session_id), served))
        if not served:
            self.hears(run_id, facts("rejected", used=1, resets=self.resets))
            self.meet_limit(run_id, self.resets, merged=merged)
            return
        self.hears(run_id, facts(used=self._used() / self.grants, resets=self.resets))
        self.going_on[run_id] = 0

    def _served(self) -> bool:
        if self.now >= self.resets:
            self.resets = self.now.replace(second=0) + 5 * HOUR
        return self._used() < self.grants

    def _used(self) -> int:
        since = self.resets - 5 * HOUR
        return sum(served and moment >= since for moment, _, _, served in self.asked)

    def settings(self, **fields: Any) -> None:
        self.store.write_settings(Settings(**fields))

    def session(self, run_id: str) -> str | None:
        found = self.store.runs.get(run_id)
        return found.session_id if found else None

    @property
    def runs(self) -> list[Run]:
        return self.store.runs.all()

    def parked(self) -> list[Run]:
        return [one for one in self.runs if one.trigger == "resume" and one.unfinished]

    def alarms(self, account: str = "default") -> list[str]:
        return [one["kind"] for one in self.store.ledger.account(account).get("alarms", [])]
