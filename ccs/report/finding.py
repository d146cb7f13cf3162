"""What `ccs doctor` finds, and what its checks look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from ccs.engine import sight
from ccs.engine.accounts import account_of
from ccs.errors import CcsError
from ccs.host import client
from ccs.model.run import Run
from ccs.model.settings import Settings
from ccs.model.task import Task
from ccs.store.store import Store
from ccs.usage.ledger import DEFAULT

BROKEN, WARNING, NOTE = "broken", "warning", "note"
_BY_ITSELF = ("manual", "sequential")


@dataclass(frozen=True)
class Finding:
    """`where`: a path, with the line if there is one; `mend`: a command, or words for a person."""

    level: str
    what: str
    where: str
    mend: str


@dataclass(frozen=True)
class Scene:
    """One store, seen from one shell."""

    store: Store
    environment: Mapping[str, str]
    now: datetime

    @cached_property
    def settings(self) -> Settings | None:
        """None: they cannot be read, which is another check's finding."""
        try:
            return self.store.settings()
        except (CcsError, OSError):
            return None

    @cached_property
    def timed(self) -> list[Task]:
        """The tasks that a tick would start."""
        try:
            every = self.store.tasks.read().records
        except (CcsError, OSError):
            return []
        return [
            one for one in every if one.enabled and one.schedule.schedule_type not in _BY_ITSELF
        ]

    @cached_property
    def runs(self) -> list[Run]:
        """Those in runs.json."""
        try:
            return self.store.runs.read().records
        except (CcsError, OSError):
            return []

    @property
    def is_real(self) -> bool:
        """Whether a real client would be called, as far as the settings tell."""
        settings = self.settings
        return bool(settings and not settings.mock_mode and settings.claude_path != client.MOCK)

    @property
    def uses_login(self) -> bool:
        """Whether a task that a tick would start needs the login of the machine."""
        try:
            profiles = self.store.profiles.read().by_id
            jobs = self.store.jobs.read().by_id
        except (CcsError, OSError):
            return False
        for task in self.timed:
            job = jobs.get(task.job_id or "")
            fallback = self.settings.default_profile if self.settings else None
            wanted = task.profile or (job and job.profile) or fallback
            if account_of(profiles.get(wanted or "")) == DEFAULT:
                return True
        return False

    @cached_property
    def seen(self) -> dict[str, Any]:
        """By a tick that the scheduler called; empty when there was none."""
        return sight.seen(self.store.home)

    @cached_property
    def here(self) -> dict[str, Any]:
        return sight.around(self.store, self.environment)


Check = Callable[[Scene], Iterable[Finding]]
