"""What a run teaches about its account: written to the ledger as the client tells it.

The next tick and every other run of the account go by it, so a canary's answer counts the moment
it arrives and not when its run has ended. Failing to write it never fails the run: the next event
tells the same. Lean; the texts of limits are loaded only when nothing better is known.
"""

from __future__ import annotations

from contextlib import suppress

from ccs import instant
from ccs.claude.outcome import ENDED_UNPAID
from ccs.errors import CcsError
from ccs.store.ledger import Ledger
from ccs.usage import ledger, windows
from ccs.usage.window import Window
from ccs.usage.windows import Reading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import Any

    from ccs.store.home import Home
    from ccs.usage.gate import Terms
    from ccs.usage.ledger import Account

    Record = dict[str, Any]

# The client's pipes are not read meanwhile.
_PATIENCE = 1.0
_BROKEN = ("auth", "billing")


def hear(home: Home, terms: Terms, facts: Record, began: datetime, now: datetime) -> None:
    """A rate_limit_event of the client of a run that began then."""

    def change(account: Account) -> bool:
        return ledger.tell(account, facts, terms.model, "event", began, now)

    _write(home, terms.account, change)


def conclude(
    home: Home, terms: Terms, ended: Record, refused: bool, began: datetime, now: datetime
) -> None:
    """What the end of a run says; completes `ended` where only the message tells the reset, and
    bounds a reset that no window can have.

    `refused`: by the last that the client told of the limits, the plan does not serve it.
    """
    source = "event"
    if ended["status"] == "limited" and ended["message"] == ENDED_UNPAID:
        ended["resets_at"] = ended["resets_at"] or instant.text(now + windows.FIVE_HOURS)
    elif ended["status"] == "limited" and ended["resets_at"] is None:
        source = _read_message(home, terms, ended, now)
    if ended.get("resets_at") is not None:
        sound = windows.reset(ended["resets_at"], ended["limit_type"] or "five_hour", now)
        ended["resets_at"] = instant.text(sound) if sound else None

    def change(account: Account) -> bool:
        if ended["status"] == "limited":
            return _refusal(account, ended, source, now)
        if ended["status"] == "failed" and ended["reason"] in _BROKEN:
            return ledger.break_down(account, ended["reason"], ended["message"], now)
        if ended["status"] == "success" and not refused:
            return ledger.answered(account, terms.model, began, now)
        return False

    _write(home, terms.account, change)


def parked_again(home: Home, resume: Record, now: datetime) -> None:
    """Refused after reset upon reset: somebody should look."""
    name = resume.get("task_name") or resume["task_id"]
    words = f"{name!r} was refused {resume['parks']} times in a row, each time after the reset"
    account = resume.get("account") or ledger.DEFAULT
    _write(home, account, lambda one: ledger.alarm(one, "parked", words, now))


def disabled(home: Home, run: Record, failures: int, now: datetime) -> None:
    """The circuit breaker has stopped a task."""
    name = run.get("task_name") or run["task_id"]
    words = f"{name!r} failed {failures} times in a row and was disabled: ccs tasks enable"
    account = run.get("account") or ledger.DEFAULT
    _write(home, account, lambda one: ledger.alarm(one, "disabled", words, now))


def _write(home: Home, account: str, change: Callable[[Account], bool]) -> None:
    with suppress(CcsError, OSError):
        Ledger(home).update(account, change, _PATIENCE)


def _refusal(account: Account, ended: Record, source: str, now: datetime) -> bool:
    window = ended["limit_type"] or "five_hour"
    resets_at = windows.reset(ended["resets_at"], window, now)
    known = Window(window, account["windows"].get(window, {}), now)
    if known.refused_until and resets_at in (None, known.refused_until):
        return False  # heard already
    return ledger.observe(account, window, Reading(source, now, "rejected", 1.0, resets_at), now)


def _read_message(home: Home, terms: Terms, ended: Record, now: datetime) -> str:
    """The last resort; which source it was. A text that nobody knows is told loudly."""
    from ccs.engine import limittexts

    message = ended["message"] or ""
    found = limittexts.meaning(home, message, now)
    if found is None:
        words = f"an unknown limit text: {message!r}; {limittexts.HINT}"
        _write(home, terms.account, lambda one: ledger.alarm(one, "unknown_text", words, now))
        return "event"
    if found.kind == "billing":
        ended.update(status="failed", reason="billing", limit_type=None)
    elif found.kind == "limit":
        ended["limit_type"] = ended["limit_type"] or found.window
        ended["resets_at"] = instant.text(found.resets_at) if found.resets_at else None
    return "message"
