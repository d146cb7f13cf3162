"""Usage windows: how long they last, whom they concern, and what a reading of one may say.

What arrives comes from other programs, other machines and other versions, so each value is taken
for what it can be: a share between 0 and 1, a reset that lies no further ahead than the window is
long. Windows are an open set; one that nobody knows is taken for a week. Lean.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ccs import instant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FIVE_HOURS = timedelta(hours=5)
WEEK = timedelta(days=7)
PROBE = timedelta(hours=1)
# Told by the server, best first; what is only worked out comes last and never outdoes the others.
SOURCES = (
    "event",  # rate_limit_event of a run of ours
    "status_line",
    "hook",
    "refresh",
    "transcript",
    "message",
    "estimate",
    "ccusage",
)
GUESSES = ("estimate", "ccusage")
_LENGTHS = (
    ("five_hour", FIVE_HOURS),
    ("seven_day", WEEK),
    ("daily", timedelta(days=1)),
    ("monthly", timedelta(days=31)),
)
# Suffixes of weekly windows that name no model; one stands for a model by another name.
_NO_MODELS = ("oauth_apps", "cowork", "routines")
_OTHER_NAMES = {"seven_day_overage_included": "fable"}
_YEAR_2001, _YEAR_2100 = 978_307_200.0, 4_102_444_800.0


def length(window: str) -> timedelta:
    return next((span for name, span in _LENGTHS if window.startswith(name)), WEEK)


def is_known(window: str) -> bool:
    """Whether its name tells how long it is."""
    return any(window.startswith(name) for name, _ in _LENGTHS)


def model_of(window: str) -> str | None:
    """The model that a window is scoped to, as `opus`; None for one that counts all models."""
    if window in _OTHER_NAMES:
        return _OTHER_NAMES[window]
    for prefix in ("seven_day_", "five_hour_"):
        if window.startswith(prefix) and not window.endswith(_NO_MODELS):
            return window.removeprefix(prefix).partition("_")[0]
    return None


def concerns(window: str, model: str) -> bool:
    """Whether requests for this model count in the window. Nobody knows which one `default` is:
    the windows of all models concern it, those of one model do not."""
    scope = model_of(window)
    return scope is None or scope in model.lower()


def share(value: object, percent: bool = False) -> float | None:
    """A utilization as a part of one. A bare 100 is a percentage, whoever sent it as a part."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = float(value)
    except (ValueError, OverflowError):
        return None
    if not 0 <= amount <= 1000:
        return None
    if percent or amount > 2:
        amount /= 100
    return round(min(amount, 1.0), 4)


def reset(value: object, window: str, now: datetime) -> datetime | None:
    """A reset given as epoch seconds or as text, at most one length of the window ahead."""
    told = moment(value)
    # No sound reset lies further off; believing it would park work for years.
    return None if told is None else min(told, now + length(window))


def moment(value: object) -> datetime | None:
    """Epoch seconds or a text of this century; None for whatever else it is."""
    if isinstance(value, str):
        try:
            told = instant.parse(value)
        except (ValueError, OverflowError):
            return None
        return told if _YEAR_2001 < told.timestamp() < _YEAR_2100 else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return datetime.fromtimestamp(value, UTC) if _YEAR_2001 < value < _YEAR_2100 else None


class Reading:
    """What one source said of a window at one moment. `seen_at` may lie in a clock's wrong future.

    `status`: `allowed`, `allowed_warning`, `rejected`, or None where the source tells none.
    """

    __slots__ = ("resets_at", "seen_at", "source", "status", "utilization")

    def __init__(
        self,
        source: str,
        seen_at: datetime,
        status: str | None = None,
        utilization: float | None = None,
        resets_at: datetime | None = None,
    ) -> None:
        self.source = source
        self.seen_at = seen_at
        self.status = status
        self.utilization = utilization
        self.resets_at = resets_at

    @property
    def guessed(self) -> bool:
        return self.source in GUESSES

    @property
    def rejected(self) -> bool:
        return self.status == "rejected"

    def ends(self, window: str) -> datetime:
        """When what it says ends to hold: at the reset; without one after the window's length.

        A refusal that names no reset holds for an hour: trying again costs nothing then.
        """
        if self.resets_at is None:
            return self.seen_at + (PROBE if self.rejected else length(window))
        return min(self.resets_at, self.seen_at + length(window) + timedelta(hours=1))

    def record(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "status": self.status,
            "utilization": self.utilization,
            "resets_at": None if self.resets_at is None else instant.text(self.resets_at),
            "seen_at": instant.text(self.seen_at),
        }


def reading(record: object) -> Reading | None:
    """A reading as it stands in the ledger; None for what nobody could have written there."""
    fields = record if isinstance(record, dict) else {}
    source, seen = fields.get("source"), moment(fields.get("seen_at"))
    status = fields.get("status")
    if source not in SOURCES or seen is None or not isinstance(fields.get("seen_at"), str):
        return None
    return Reading(
        source,
        seen,
        status if isinstance(status, str) else None,
        share(fields.get("utilization")),
        moment(fields.get("resets_at")),
    )
