"""What has been spent in a budget's period, and whether a run may add to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ccs.model.budget import DAY, Budget
from ccs.usage import windows
from ccs.usage.gate import Hold
from ccs.usage.window import Window


class Spent(NamedTuple):
    """`unbounded`: in which of `usd` and `tokens` a run goes on that nothing stops."""

    usd: float = 0.0
    tokens: int = 0
    unbounded: frozenset[str] = frozenset()


class Purse(NamedTuple):
    """A budget and whose it is: `scope` is `task`, `job` or `profile`, `owner` its id."""

    budget: Budget
    scope: str
    owner: str

    @property
    def field(self) -> str:
        """Of a run's record: whose it is."""
        return self.scope if self.scope == "profile" else f"{self.scope}_id"


Spending = Callable[[Purse, datetime], Spent]


def longest(budget: Budget) -> timedelta:
    """How far back its period can reach; a day may have an hour more."""
    return timedelta(hours=25) if budget.per == DAY else windows.length(budget.per)


def period(
    budget: Budget, window: Window | None, zone: ZoneInfo, now: datetime
) -> tuple[datetime, datetime]:
    """From when the budget counts and when it begins anew.

    Of a window nobody has told about, the longest it can have lasted is assumed.
    """
    if budget.per == DAY:
        today = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        tomorrow = (today + timedelta(days=1)).replace(fold=0)
        return today.astimezone(UTC), tomorrow.astimezone(UTC)
    span = windows.length(budget.per)
    if window is not None and window.resets_at is not None:
        return window.resets_at - span, window.resets_at
    begun = now - span
    if window is not None and window.newest_reset is not None:
        begun = max(begun, window.newest_reset)
    return begun, now + windows.PROBE


def held(
    purses: Sequence[Purse],
    known: dict[str, Window],
    zone: ZoneInfo,
    spending: Spending,
    now: datetime,
) -> Hold | None:
    """The hold that lasts longest, of those budgets that are spent."""
    holds = []
    for purse in purses:
        begun, ends = period(purse.budget, known.get(purse.budget.per), zone, now)
        spent = spending(purse, begun)
        words, waits = _used_up(purse, spent), _may_use_it_up(purse, spent)
        if words:
            holds.append(Hold("budget", ends, words))
        elif waits:
            holds.append(Hold("budget", None, waits))
    return max(holds, key=lambda hold: hold.until or now, default=None)


def left_usd(
    purses: Sequence[Purse],
    known: dict[str, Window],
    zone: ZoneInfo,
    spending: Spending,
    now: datetime,
) -> float | None:
    """How much one run may still spend; None when no budget in money says."""
    left = []
    for purse in purses:
        if purse.budget.usd is not None:
            begun, _ = period(purse.budget, known.get(purse.budget.per), zone, now)
            left.append(purse.budget.usd - spending(purse, begun).usd)
    return min(left, default=None)


def _used_up(purse: Purse, spent: Spent) -> str | None:
    budget, period_name = purse.budget, purse.budget.per
    if budget.usd is not None and spent.usd >= budget.usd:
        return f"${spent.usd:.2f} of ${budget.usd:.2f} per {period_name} of its {purse.scope}"
    if budget.tokens is not None and spent.tokens >= budget.tokens:
        return f"{spent.tokens} of {budget.tokens} tokens per {period_name} of its {purse.scope}"
    return None


def _may_use_it_up(purse: Purse, spent: Spent) -> str | None:
    for unit in ("usd", "tokens"):
        if getattr(purse.budget, unit) is not None and unit in spent.unbounded:
            return f"another run of its {purse.scope} goes on, which may use up the budget"
    return None
