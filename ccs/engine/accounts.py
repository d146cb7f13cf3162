"""Which account a run uses, on what terms, and whether it may do so now.

One reading of the ledger and of the profiles for everybody who asks within a command or a tick.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ccs.claude.events import TOKENS
from ccs.errors import CcsError
from ccs.host import client
from ccs.model.job import Job
from ccs.model.profile import Profile
from ccs.model.run import Run
from ccs.model.settings import Settings
from ccs.model.task import Task
from ccs.schedule.hours import is_open, next_closed
from ccs.store.store import Store
from ccs.usage import budget, gate, windows
from ccs.usage.budget import Purse, Spent
from ccs.usage.gate import Hold, Terms
from ccs.usage.ledger import DEFAULT, Window, empty, moment, windows_of

if TYPE_CHECKING:
    from ccs.usage.ledger import Account

# With one of these the profile brings a login of its own, whatever the machine is logged in to.
_OWN_LOGIN = (
    *("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
    *("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY"),
)
# Runs are found by when they were due, which may be long before they spent anything.
_BEFOREHAND = timedelta(days=7)


def account_of(profile: Profile | None) -> str:
    """The name under which the windows of a profile's login are kept; never a secret."""
    if profile is None:
        return DEFAULT
    if profile.account:
        return profile.account
    if profile.config_dir:
        return os.path.expanduser(profile.config_dir)
    brought = {one.name for one in profile.env_vars if one.source != "unset" and one.value != "0"}
    return profile.name if brought & set(_OWN_LOGIN) else DEFAULT


class Accounts:
    """`jobs`: all of them, for their profiles and budgets."""

    def __init__(
        self, store: Store, jobs: Callable[[], Mapping[str, Job]], settings: Settings, now: datetime
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._settings = settings
        self.now = now
        self._recent: list[Run] = []
        self._seen_back_to: datetime | None = None
        self.ledger, self.stamp = store.ledger.read_stamped()

    @cached_property
    def profiles(self) -> Mapping[str, Profile]:
        try:
            return self._store.profiles.read().by_id
        except CcsError:
            return {}  # each run that wants one fails and says why; the others go on

    def profile_id(self, run: Run | None, task: Task) -> str | None:
        """A run that goes on keeps the profile it began with."""
        if run is not None and run.trigger in ("resume", "retry") and run.account is not None:
            return run.profile
        job = self._jobs().get(task.job_id or "")
        return task.profile or (job and job.profile) or self._settings.default_profile

    def account(self, run: Run | None, task: Task) -> str:
        if run is not None and run.account is not None and run.status == "running":
            return run.account
        profile = self.profiles.get(self.profile_id(run, task) or "")
        name = account_of(profile)
        wanted = (profile and profile.claude_path) or self._settings.claude_path
        if self._settings.mock_mode or wanted == client.MOCK:
            # What the stand-in plays must not stop anything real.
            return "mock" if name == DEFAULT else f"mock {name}"
        return name

    def terms(self, run: Run, task: Task) -> Terms:
        profile = self.profiles.get(self.profile_id(run, task) or "")
        return Terms(
            task=task.id,
            account=self.account(run, task),
            model=task.model or "default",
            fallback=task.fallback_model,
            overage=profile is not None and profile.on_overage == "allow",
            reserve=self._reserve(profile),
            by_hand=run.trigger == "manual",
            forced=run.forced,
            margin=self._settings.reset_margin.total_seconds(),
        )

    def known(self, account: str) -> Account:
        return self.ledger.get(account) or empty(account)

    def windows(self, account: str) -> dict[str, Window]:
        return windows_of(self.known(account), self.now)

    def held(self, run: Run, task: Task, begun: Sequence[datetime]) -> Hold | None:
        """`begun`: when the other runs of its account began that go on or are about to."""
        terms = self.terms(run, task)
        if terms.forced:
            return None
        hold = gate.held(self.known(terms.account), terms, begun, self.now)
        if hold is not None and hold.reason == "reserve":
            hold.until = self._reserved_until(run, task, hold.until)
        return hold or self._not_yet(run, terms) or self._budget(run, task, terms.account)

    def most_usd(self, run: Run, task: Task) -> float | None:
        """What the run may spend: its task's limit, or what its budgets have left if that is less.

        Never nothing: a run that was started all the same is somebody's wish (--force).
        """
        left = None
        if not run.forced:
            known, zone = self.windows(self.account(run, task)), ZoneInfo(task.schedule.timezone)
            purses = self._purses(run, task)
            left = budget.left_usd(purses, known, zone, self._spent, self.now)
        amounts = [one for one in (task.max_budget_usd, left) if one is not None and one > 0]
        return min(amounts, default=None)

    def fresh_since(self, account: str) -> datetime | None:
        """When the account's shortest window last began anew, as far as anybody told."""
        window = self.windows(account).get("five_hour")
        if window is None:
            return None
        open_since = window.resets_at and window.resets_at - windows.FIVE_HOURS
        return open_since or window.newest_reset

    def _reserve(self, profile: Profile | None) -> dict[str, float]:
        kept = profile.reserve if profile else None
        if kept is None or not is_open(kept.between, kept.days, self.now, ZoneInfo(kept.timezone)):
            return {}
        return kept.windows

    def _reserved_until(self, run: Run, task: Task, reset: datetime | None) -> datetime | None:
        """The reset of the window, or the end of the hours that the reserve is for."""
        profile = self.profiles.get(self.profile_id(run, task) or "")
        kept = profile.reserve if profile else None
        if kept is None or not (kept.between or kept.days):
            return reset
        ends = next_closed(kept.between, kept.days, self.now, ZoneInfo(kept.timezone))
        return min(filter(None, (reset, ends)), default=None)

    def _not_yet(self, run: Run, terms: Terms) -> Hold | None:
        """Parked until a reset the ledger has lost sight of, or longer than that for good reason;
        an answer since then sets it free."""
        if run.trigger != "resume" or run.not_before is None or run.not_before <= self.now:
            return None
        cleared = moment(self.known(terms.account).get("cleared_at"))
        heard = [] if cleared is None else [cleared]
        window = self.windows(terms.account).get(run.limit_type or "five_hour")
        if window is not None and not window.rejected:
            heard += [one.seen_at for one in window.readings if not one.guessed]
            heard += filter(None, [window.answered_at])
        if any(run.scheduled_time < one <= self.now for one in heard):
            return None
        return Hold("limit", run.not_before, "it waits for its reset")

    def _budget(self, run: Run, task: Task, account: str) -> Hold | None:
        purses = self._purses(run, task)
        if not purses:
            return None
        zone = ZoneInfo(task.schedule.timezone)
        return budget.held(purses, self.windows(account), zone, self._spent, self.now)

    def _purses(self, run: Run, task: Task) -> list[Purse]:
        job = self._jobs().get(task.job_id or "")
        profile = self.profiles.get(self.profile_id(run, task) or "")
        owners = (("task", task), ("job", job), ("profile", profile))
        return [
            Purse(one, scope, owner.id)
            for scope, owner in owners
            if owner is not None
            for one in owner.budgets
        ]

    def _spent(self, purse: Purse, since: datetime) -> Spent:
        usd, tokens = 0.0, 0
        for run in self._spenders(since):
            owner = getattr(run, "profile" if purse.scope == "profile" else f"{purse.scope}_id")
            if owner != purse.owner or run.mock or (run.end_time and run.end_time < since):
                continue
            usd += run.cost_usd or 0.0
            if run.usage is not None:
                tokens += sum(getattr(run.usage, one) for one in TOKENS)
        return Spent(usd, tokens)

    def _spenders(self, since: datetime) -> list[Run]:
        found = self._recent
        if self._seen_back_to is None or since < self._seen_back_to:
            found = []
            for run in self._store.every_run():
                if run.scheduled_time < since - _BEFOREHAND:
                    break
                found.append(run)
            self._recent, self._seen_back_to = found, since
        return found
