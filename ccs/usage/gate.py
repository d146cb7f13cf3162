"""Whether a run may use its account now: held, never failed, while the answer is no.

Asked by the tick that plans, by whoever starts a run by hand, and again under the store lock by
the supervisor that starts it, so the rule stands once. Lean.
"""

from __future__ import annotations

from datetime import timedelta

from ccs.usage import windows
from ccs.usage.window import moment, windows_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from typing import Any

    from ccs.usage.ledger import Account
    from ccs.usage.window import Window

MARGIN = timedelta(seconds=90)
# The client's own choice.
DEFAULT_MODEL = "default"
_TRIAL = timedelta(minutes=10)


class Terms:
    """On what terms a run uses its account.

    `reserve`: per window the share that is left to people, as it holds at this moment. `margin`:
    how long after a reset nothing starts yet. `by_hand`: somebody waits for it.
    """

    __slots__ = (
        "account",
        "by_hand",
        "fallback",
        "forced",
        "margin",
        "model",
        "overage",
        "reserve",
        "task",
    )

    def __init__(
        self,
        task: str,
        account: str,
        model: str = DEFAULT_MODEL,
        fallback: str | None = None,
        overage: bool = False,
        reserve: dict[str, float] | None = None,
        by_hand: bool = False,
        forced: bool = False,
        margin: float = MARGIN.total_seconds(),
    ) -> None:
        self.task = task
        self.account = account
        self.model = model
        self.fallback = fallback
        self.overage = overage
        self.reserve = reserve or {}
        self.by_hand = by_hand
        self.forced = forced
        self.margin = margin

    def record(self) -> dict[str, Any]:
        """As arguments of another Terms, for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


class Begun:
    """A run that goes on: when it began, and for which model it asks."""

    __slots__ = ("at", "model")

    def __init__(self, at: datetime, model: str) -> None:
        self.at = at
        self.model = model


class Hold:
    """Why a run has to wait: the run's `held_reason`, until when (None: nobody can say), words."""

    __slots__ = ("reason", "until", "words")

    def __init__(self, reason: str, until: datetime | None, words: str) -> None:
        self.reason = reason
        self.until = until
        self.words = words


def held(account: Account, terms: Terms, begun: Sequence[Begun], now: datetime) -> Hold | None:
    """`begun`: the other runs of the account that go on or are about to."""
    if terms.forced:
        return None
    known = windows_of(account, now)
    model = model_for(account, terms, now)
    mine = [one for name, one in known.items() if windows.concerns(name, model)]
    return (
        _outage(account, terms, begun, now)
        or _limit(account, terms, mine, begun, now)
        or (None if terms.by_hand else _reserve(terms, mine))
    )


def model_for(account: Account, terms: Terms, now: datetime) -> str:
    """The task's model, or its fallback while a window that counts only that model is used up."""
    if not terms.fallback or terms.forced:
        return terms.model
    used_up = [name for name, one in windows_of(account, now).items() if one.refused_until]
    mine = [name for name in used_up if windows.concerns(name, terms.model)]
    helps = not any(windows.concerns(name, terms.fallback) for name in mine)
    return terms.fallback if mine and helps else terms.model


def spread(task: str, margin: float) -> timedelta:
    """The margin after a reset, and a part of it again that differs from task to task.

    Twenty parked tasks that wake in one second would spend the fresh window at once.
    """
    return timedelta(seconds=margin * (1 + int(task[:4], 16) % 60 / 90))


def _outage(account: Account, terms: Terms, begun: Sequence[Begun], now: datetime) -> Hold | None:
    """One run an hour goes through to try it, and any that somebody starts by hand."""
    broken = account.get("outage")
    if not broken or terms.by_hand:
        return None
    tried = moment(broken.get("tried_at"))
    again = now if tried is None or tried > now else tried + windows.PROBE
    if again <= now and not any(one.at >= again for one in begun):
        return None
    words = f"{broken.get('reason')}: {broken.get('message')}"
    return Hold("outage", max(again, now), words)


def _limit(
    account: Account,
    terms: Terms,
    mine: list[Window],
    begun: Sequence[Begun],
    now: datetime,
) -> Hold | None:
    if terms.overage and "overage" in account:
        return None
    ends = list(_refusals(terms, mine, now))
    if ends:
        until, window = max(ends, key=lambda end: end[0])
        return Hold("limit", until, f"the {window.name} window is used up")
    for one in mine:
        if one.unproven and any(_tries(run, one, now) for run in begun):
            words = f"another run tries first whether the {one.name} window has reset"
            return Hold("limit", None, words)
    return None


def _tries(run: Begun, window: Window, now: datetime) -> bool:
    """Whether the run is about to tell if the window has reset. One from before the reset tells
    nothing, nor one for another model; and one that is silent for long is not waited for."""
    known = windows.concerns(window.name, run.model) and now - run.at < _TRIAL
    return known and (window.lifts_at is None or run.at >= window.lifts_at)


def _refusals(terms: Terms, mine: list[Window], now: datetime) -> Iterator[tuple[datetime, Window]]:
    for one in mine:
        if one.lifts_at is not None:
            until = one.lifts_at + spread(terms.task, terms.margin)
            if until > now:
                yield until, one


def _reserve(terms: Terms, mine: list[Window]) -> Hold | None:
    for one in mine:
        most, used = terms.reserve.get(one.name), one.utilization
        if one.best is not None and most is not None and used is not None and used >= most:
            words = f"{used:.0%} of the {one.name} window are used, {most:.0%} are for runs"
            return Hold("reserve", one.best.ends(one.name), words)
    return None
