"""One usage window as the ledger knows it: which reading counts, and whether it refuses. Lean."""

from __future__ import annotations

from datetime import timedelta

from ccs import instant
from ccs.usage import windows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

    from ccs.usage.windows import Reading

# A better source outdoes a fresher one by this much age for each rank between them.
_PER_RANK = timedelta(minutes=2)
# How far ahead a moment may lie before it counts as one of a clock that was wrong.
AHEAD = timedelta(minutes=1)
# What a reset may lie ahead of a window's length: servers round, and are asked a little later.
SLACK = timedelta(hours=1)


class Window:
    """One window of an account at one moment.

    `best`: the reading that counts. `refusal`: the last one that no answer has lifted; it outlives
    fresher readings, because a share of what is used does not tell that requests are served again.
    """

    __slots__ = ("_now", "answered_at", "best", "last_reset", "name", "readings", "refusal")

    def __init__(self, name: str, record: dict[str, Any], now: datetime) -> None:
        self.name = name
        self._now = now
        found = (windows.reading(one) for one in listed(record.get("readings")))
        self.readings = sorted(filter(None, found), key=self._weight, reverse=True)
        refusal = windows.reading(record.get("refusal"))
        self.refusal = refusal if refusal is not None and refusal.rejected else None
        self.last_reset = moment(record.get("last_reset"))
        self.answered_at = moment(record.get("answered_at"))
        self.best = self.readings[0] if self.readings else None
        if self.refused_until is not None or self.best is None:
            self.best = self.refusal

    def _weight(self, one: Reading) -> tuple[bool, bool, datetime]:
        late = windows.SOURCES.index(one.source) * _PER_RANK
        return not one.guessed, one.seen_at <= self._now + AHEAD, one.seen_at - late

    @property
    def rejected(self) -> bool:
        """Whether the last word is a refusal that no later answer has lifted."""
        return self.refusal is not None

    @property
    def lifts_at(self) -> datetime | None:
        """When what was refused ends to be, which may be past. None without a refusal, and for one
        that lies further ahead than the window is long: the clock was wrong when it was written.
        """
        ends = self.refusal.ends(self.name) if self.refusal else None
        longest = self._now + windows.length(self.name) + SLACK
        return ends if ends is not None and ends <= longest else None

    @property
    def refused_until(self) -> datetime | None:
        """While it is used up: when it resets."""
        ends = self.lifts_at
        return ends if ends is not None and ends > self._now else None

    @property
    def unproven(self) -> bool:
        """Its reset has come, but nobody has been answered since: one run has to try."""
        return self.rejected and self.refused_until is None

    @property
    def resets_at(self) -> datetime | None:
        """When the window that is open now resets; None when none is known to be open."""
        told = [one.resets_at for one in (self.best, *self.readings[:1]) if one is not None]
        return next((one for one in told if one is not None and one > self._now), None)

    @property
    def newest_reset(self) -> datetime | None:
        """The last reset that is known to have come."""
        told = self.best.resets_at if self.best else None
        past = [one for one in (told, self.last_reset) if one is not None and one <= self._now]
        return max(past, default=None)

    @property
    def utilization(self) -> float | None:
        """0 once the reset has come and nothing was seen since; None when nothing is known."""
        if self.best is None:
            return None
        return 0.0 if self.best.ends(self.name) <= self._now else self.best.utilization


def windows_of(account: dict[str, Any], now: datetime) -> dict[str, Window]:
    return {name: Window(name, record, now) for name, record in account["windows"].items()}


def listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def moment(value: object) -> datetime | None:
    """An instant as it stands in a record; None for anything else."""
    try:
        return instant.parse(value) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None
