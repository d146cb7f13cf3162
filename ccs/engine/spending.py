"""What the runs of a task, a job or a profile have spent in a budget's period.

A run that goes on counts with all that it may still spend: what it will have cost in the end nobody
knows, and a budget is a bound. Runs are looked at once per command or tick.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import cached_property

from ccs.claude.events import TOKENS
from ccs.model.run import Run
from ccs.store.store import Store
from ccs.usage.budget import Purse, Spent

# History is found by when runs were due, which may be long before they spent anything.
_BEFOREHAND = timedelta(days=7)


class Spending:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._granted: dict[str, tuple[set[tuple[str, str]], float | None]] = {}
        self._history: list[Run] = []
        self._seen_back_to: datetime | None = None

    def grant(self, run_id: str, purses: Sequence[Purse], most_usd: float | None) -> None:
        """The run is about to begin, and may spend that much."""
        self._granted[run_id] = ({(one.scope, one.owner) for one in purses}, most_usd)

    def granted(self, run_id: str) -> float | None:
        return self._granted[run_id][1] if run_id in self._granted else None

    def counted(self) -> list[str]:
        """The runs that go on, or are about to, as far as is known here."""
        return [*self._granted, *(run.id for run in self._current if run.status == "running")]

    def spent(self, purse: Purse, since: datetime) -> Spent:
        usd, tokens, unbounded = 0.0, 0, set()
        for key, most in self._granted.values():
            if (purse.scope, purse.owner) in key:
                usd += most or 0.0
                unbounded |= {"tokens"} if most is not None else {"tokens", "usd"}
        for run in self._spenders(since):
            if run.mock or getattr(run, purse.field) != purse.owner or run.id in self._granted:
                continue
            if run.status == "running":
                usd += run.max_budget_usd or 0.0
                unbounded |= {"tokens"} if run.max_budget_usd is not None else {"tokens", "usd"}
            elif run.end_time is None or run.end_time >= since:
                usd += run.cost_usd or 0.0
                if run.usage is not None:
                    tokens += sum(getattr(run.usage, one) for one in TOKENS)
        return Spent(usd, tokens, frozenset(unbounded))

    def look_back(self, since: datetime) -> None:
        """Reads history once as far back as anybody will ask: it takes time, and a tick asks
        under the store lock."""
        if self._seen_back_to is None or since < self._seen_back_to:
            self._history, self._seen_back_to = self._archived(since), since

    @cached_property
    def _current(self) -> list[Run]:
        return self._store.runs.all()

    def _spenders(self, since: datetime) -> Iterator[Run]:
        self.look_back(since)
        current = {run.id for run in self._current}
        yield from self._current
        # What moved into history after that was read stands among the current ones no more, and
        # cannot move while the store is locked; what was read twice counts once.
        yield from (run for run in self._history if run.id not in current)

    def _archived(self, since: datetime) -> list[Run]:
        """Runs reach history in no strict order, so an old one ends nothing."""
        oldest = since - _BEFOREHAND
        every = self._store.every_run(oldest)
        return [run for run in every if run.scheduled_time >= oldest and not run.unfinished]
