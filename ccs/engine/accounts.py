"""Which account a run uses, on what terms, and whether it may do so now.

One reading of the ledger and of the profiles for everybody who asks within a command or a tick.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ccs.engine.spending import Spending
from ccs.errors import CcsError, NotFound
from ccs.host import client
from ccs.model.job import Job
from ccs.model.profile import Profile
from ccs.model.run import Run
from ccs.model.settings import Settings
from ccs.model.task import Task
from ccs.schedule.hours import is_open, next_closed
from ccs.store.store import Store
from ccs.usage import budget, gate, windows
from ccs.usage.budget import Purse
from ccs.usage.gate import DEFAULT_MODEL, Begun, Hold, Terms
from ccs.usage.ledger import DEFAULT, empty
from ccs.usage.window import AHEAD, SLACK, Window, moment, windows_of

if TYPE_CHECKING:
    from ccs.store.atomic import Stamp
    from ccs.store.collection import Reading
    from ccs.usage.ledger import Account

# With one of these the profile brings a login of its own, whatever the machine is logged in to.
_OWN_LOGIN = (
    *("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
    *("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY"),
)
_LEAST_USD = 0.01


def account_of(profile: Profile | None) -> str:
    """The name under which the windows of a profile's login are kept; never a secret."""
    if profile is None:
        return DEFAULT
    if profile.account:
        return profile.account
    if profile.config_dir:
        return os.path.expanduser(profile.config_dir)
    told = {one.name: one.value for one in profile.env_vars if one.source == "static"}
    if directory := told.get("CLAUDE_CONFIG_DIR"):
        return os.path.expanduser(directory)
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
        self.spending = Spending(store)
        self.ledger, self.stamp = store.ledger.read_stamped()

    @cached_property
    def _profiles(self) -> Reading[Profile] | None:
        """None: the file cannot be read."""
        try:
            return self._store.profiles.read()
        except CcsError:
            return None

    @property
    def profiles_stamp(self) -> Stamp | None:
        return self._profiles.stamp if self._profiles else None

    def profile(self, run: Run | None, task: Task) -> Profile | None:
        wanted = self.profile_id(run, task)
        return self._profiles.by_id.get(wanted or "") if self._profiles else None

    def _is_unreadable(self, run: Run, task: Task) -> bool:
        wanted = self.profile_id(run, task)
        if wanted is None:
            return False
        broken = self._profiles
        return broken is None or any(problem.id == wanted for problem in broken.problems)

    def profile_id(self, run: Run | None, task: Task) -> str | None:
        """A run that goes on keeps the profile it began with."""
        if run is not None and run.account is not None and (run.resumed_from or run.retry_of):
            return run.profile
        job = self._jobs().get(task.job_id or "")
        return task.profile or (job and job.profile) or self._settings.default_profile

    def need_profile(self, run: Run, task: Task) -> None:
        """Raises NotFound for one that is named and not there: the run could only fail."""
        wanted = self.profile_id(run, task)
        if wanted is None or self._is_unreadable(run, task) or self.profile(run, task):
            return
        job = self._jobs().get(task.job_id or "")
        if wanted == self._settings.default_profile:
            who, mend = "default_profile in the settings", "ccs settings unset default_profile"
        elif job and wanted == job.profile:
            who, mend = f"its job {job.name!r}", f"ccs jobs update {job.id[:8]} --profile none"
        else:
            who, mend = "it", f"ccs tasks update {task.id[:8]} --profile none"
        raise NotFound(
            f"{task.name!r} cannot run: {who} names the profile {wanted}, which does not exist",
            f"{mend}, or name one that ccs profiles list shows",
        )

    def account(self, run: Run | None, task: Task) -> str:
        if run is not None and run.account is not None and run.status == "running":
            return run.account
        name = account_of(self.profile(run, task))
        if self.is_mock(run, task):
            # What the stand-in plays must not stop anything real.
            return "mock" if name == DEFAULT else f"mock {name}"
        return name

    def is_mock(self, run: Run | None, task: Task) -> bool:
        """Whether the stand-in client would run it."""
        profile = self.profile(run, task)
        wanted = (profile and profile.claude_path) or self._settings.claude_path
        return self._settings.mock_mode or wanted == client.MOCK

    def begun(self, run: Run, task: Task | None) -> Begun:
        model = run.model or (task.model if task else None)
        return Begun(run.start_time or self.now, model or DEFAULT_MODEL)

    def terms(self, run: Run, task: Task) -> Terms:
        profile = self.profile(run, task)
        return Terms(
            task=task.id,
            account=self.account(run, task),
            # Of a run that waits: the fallback that it is to go on with.
            model=run.model or task.model or DEFAULT_MODEL,
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

    def held(self, run: Run, task: Task, begun: Sequence[Begun]) -> Hold | None:
        """`begun`: the other runs of its account that go on or are about to."""
        if self._is_unreadable(run, task):
            return Hold("outage", None, "its profile cannot be read (ccs health)")
        if run.trigger == "resume" and run.mock != self.is_mock(run, task):
            began, now = ("stand-in", "real one") if run.mock else ("real", "stand-in")
            return Hold("limit", None, f"the {began} client began it, and now there is the {now}")
        terms = self.terms(run, task)
        if terms.forced:
            return None
        hold = gate.held(self.known(terms.account), terms, begun, self.now)
        if hold is not None and hold.reason == "reserve":
            hold.until = self._reserved_until(run, task, hold.until)
        return hold or self._not_yet(run, terms) or self._budget(run, task, terms.account)

    def admit(self, run: Run, task: Task) -> None:
        """The run is about to begin: from now on its budgets count with what it may spend."""
        purses = self.purses(run, task)
        if purses and self.spending.granted(run.id) is None:
            self.spending.grant(run.id, purses, self._most_usd(run, task, purses))

    def most_usd(self, run: Run, task: Task) -> float | None:
        """What the run may spend: its task's limit, or what its budgets have left if that is less.

        Never nothing: a run that was started all the same is somebody's wish (--force).
        """
        granted = self.spending.granted(run.id)
        return granted or self._most_usd(run, task, self.purses(run, task))

    def _most_usd(self, run: Run, task: Task, purses: Sequence[Purse]) -> float | None:
        if run.forced or not purses:
            return task.max_budget_usd
        known, zone = self.windows(self.account(run, task)), ZoneInfo(task.schedule.timezone)
        left = budget.left_usd(purses, known, zone, self.spending.spent, self.now)
        amounts = [one for one in (task.max_budget_usd, left) if one is not None]
        return max(min(amounts), _LEAST_USD) if amounts else None

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
        profile = self.profile(run, task)
        kept = profile.reserve if profile else None
        if kept is None or not (kept.between or kept.days):
            return reset
        ends = next_closed(kept.between, kept.days, self.now, ZoneInfo(kept.timezone))
        return min(filter(None, (reset, ends)), default=None)

    def look_back(self, tasks: Iterable[Task]) -> None:
        """Before the store lock: what budgets will ask of history."""
        owners = (
            *tasks,
            *self._jobs().values(),
            *(self._profiles.records if self._profiles else ()),
        )
        spans = [budget.longest(one) for owner in owners for one in owner.budgets]
        if spans:
            self.spending.look_back(self.now - max(spans))

    def _not_yet(self, run: Run, terms: Terms) -> Hold | None:
        """Parked until a reset the ledger has lost sight of, or longer than that for good reason;
        an answer since then sets it free."""
        until, longest = run.parked_until, windows.length(run.limit_type or "five_hour")
        if run.trigger != "resume" or until is None or until <= self.now:
            return None
        if until > self.now + longest + SLACK or run.scheduled_time > self.now + AHEAD:
            return None  # it was parked by a clock that was wrong
        cleared = moment(self.known(terms.account).get("cleared_at"))
        heard = [] if cleared is None else [cleared]
        window = self.windows(terms.account).get(run.limit_type or "five_hour")
        if window is not None and not window.rejected:
            heard += [one.seen_at for one in window.readings if not one.guessed]
            heard += filter(None, [window.answered_at])
        if any(run.scheduled_time < one <= self.now for one in heard):
            return None
        return Hold("limit", until, "it waits for its reset")

    def _budget(self, run: Run, task: Task, account: str) -> Hold | None:
        purses = self.purses(run, task)
        if not purses:
            return None
        zone = ZoneInfo(task.schedule.timezone)
        known, spent = self.windows(account), self.spending.spent
        return budget.held(purses, known, zone, spent, self.now)

    def purses(self, run: Run, task: Task) -> list[Purse]:
        job = self._jobs().get(task.job_id or "")
        profile = self.profile(run, task)
        owners = (("task", task), ("job", job), ("profile", profile))
        return [
            Purse(one, scope, owner.id)
            for scope, owner in owners
            if owner is not None
            for one in owner.budgets
        ]
