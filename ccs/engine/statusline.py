"""What a client that is used by hand tells of itself: its status line, and a turn that failed.

The client calls this all day long, so what is no news costs one reading of the ledger, and what
makes no sense is passed over. Nothing that a model or a tool wrote is looked at: of a hook's
message only that of a turn which ended on an error of the API. Lean.
"""

from __future__ import annotations

from datetime import timedelta

from ccs.claude.values import listing, mapping, parse, word
from ccs.redact import redacted
from ccs.store.ledger import Ledger
from ccs.usage import answers, ledger, windows
from ccs.usage.window import Window
from ccs.usage.windows import Reading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ccs.store.home import Home
    from ccs.usage.ledger import Account

    Change = Callable[[Account], bool]

# A status line that hangs is worse than one number missed; a refusal is told only once.
_PATIENCE, _HOOK_PATIENCE = 0.5, 5.0
# What one source rounds away and another does not.
_ROUNDED = 0.02
_OLD = timedelta(hours=1)
_AUTH = (
    *("authentication_failed", "oauth_org_not_allowed"),
    *("account_on_hold", "verification_required"),
)


def record(home: Home, account: str, text: bytes, now: datetime) -> bool:
    """A status line's input. Whether it was news. Raises CcsError, OSError."""
    told = answers.status_line(text, now)

    def change(known: Account) -> bool:
        news = False
        for name, found in told.items():
            if not _is_outdated(known, name, found, now):
                news |= ledger.observe(known, name, found, now)
        return news

    return bool(told) and _write(home, account, change, _PATIENCE)


def hook(home: Home, account: str, text: bytes, now: datetime) -> bool:
    """A StopFailure hook's input. Whether it was news. Raises CcsError, OSError."""
    event = mapping(parse(text))
    if event.get("hook_event_name") not in (None, "StopFailure"):
        return False
    message = word(event.get("last_assistant_message"), 2000)
    message = message and redacted(message)
    change = _lesson(home, word(event.get("error")), message, now)
    return change is not None and _write(home, account, change, _HOOK_PATIENCE)


def _is_outdated(account: Account, name: str, found: Reading, now: datetime) -> bool:
    """A session left open repeats what it heard last; but use only grows until the reset.

    Not believed for an hour: a window that was reset before its time is told in the same words.
    """
    assert found.utilization is not None
    assert found.resets_at is not None
    half = windows.length(name) / 2
    for one in Window(name, account["windows"].get(name, {}), now).readings:
        if one.guessed or one.resets_at is None or abs(now - one.seen_at) > _OLD:
            continue
        if found.resets_at < one.resets_at - half:
            return True
        same = found.resets_at < one.resets_at + half
        if same and found.utilization + _ROUNDED < (one.utilization or 0):
            return True
    return False


def _lesson(home: Home, error: str | None, message: str | None, now: datetime) -> Change | None:
    """What to make of the account after a turn that failed with `error`; None for nothing."""
    if error in _AUTH:
        return lambda account: ledger.break_down(account, "auth", message or error, now)
    if error == "billing_error":
        return lambda account: ledger.break_down(account, "billing", message or error, now)
    if error != "rate_limit" or message is None:
        return None
    from ccs.engine import limittexts

    found = limittexts.meaning(home, message, now)
    if found is None:
        words = f"an unknown limit text: {message[:300]!r}; {limittexts.HINT}"
        return lambda account: _alarm_once(account, words, now)
    if found.kind in ("billing", "auth"):
        return lambda account: ledger.break_down(account, found.kind, message, now)
    if found.kind != "limit":
        return None
    return lambda account: _refuse(account, found.window or "five_hour", found.resets_at, now)


def _refuse(account: Account, window: str, resets_at: datetime | None, now: datetime) -> bool:
    ends = resets_at and min(resets_at, now + windows.length(window))
    return ledger.observe(account, window, Reading("hook", now, "rejected", 1.0, ends), now)


def _alarm_once(account: Account, words: str, now: datetime) -> bool:
    """The same text comes back with every turn, and would push the other alarms out."""
    if any(mapping(one).get("message") == words for one in listing(account.get("alarms"))):
        return False
    return ledger.alarm(account, "unknown_text", words, now)


def _write(home: Home, account: str, change: Change, seconds: float) -> bool:
    """Looks without the lock first: mostly there is nothing to write, and nobody to wait for."""
    found = Ledger(home)
    if not change(found.account(account)):
        return False
    return found.update(account, change, seconds)
