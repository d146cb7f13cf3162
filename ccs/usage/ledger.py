"""What is known of one account: its windows, each with the last word of every source, and whether
its login and its purse work. Records are plain dictionaries as they stand in usage.json.

Every change says whether it changed anything, because a status line repeats itself all day and the
file is written only for news. What is read back is not trusted: a hand may have been at it. Lean.
"""

from __future__ import annotations

from datetime import timedelta

from ccs import instant
from ccs.usage import windows
from ccs.usage.window import AHEAD, Window, listed, moment, windows_of
from ccs.usage.windows import Reading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

    Account = dict[str, Any]

DEFAULT = "default"
# The same news again is written again only to tell that it still holds.
_STALE = timedelta(minutes=5)
_JITTER = timedelta(seconds=90)
_SERVED = ("allowed", "allowed_warning")
_ALARMS_KEPT = 20
_MOST_WINDOWS = 30


def sound(record: Account) -> Account:
    """The record with every part that this module goes into of the kind it expects there."""
    kept = {name: one for name, one in record.items() if name not in ("outage", "overage")}
    kept |= {n: record[n] for n in ("outage", "overage") if isinstance(record.get(n), dict)}
    named = _mapped(record.get("windows")).items()
    kept["windows"] = {name: one for name, one in named if isinstance(one, dict)}
    return kept


def observe(account: Account, window: str, found: Reading, now: datetime) -> bool:
    """Takes in a reading. Whether that changed anything."""
    kept = account["windows"]
    if window not in kept and len(kept) >= _MOST_WINDOWS:
        return False
    record = kept.setdefault(window, {"readings": []})
    before = Window(window, record, now)
    changed = not found.guessed and _weigh(record, before, found, now)
    # What a wrong clock wrote yields to whatever arrives.
    sound = [one for one in before.readings if one.seen_at <= now + AHEAD]
    same = next((one for one in sound if one.source == found.source), None)
    if same is not None and (found.seen_at < same.seen_at or _repeats(found, same)):
        return changed
    passed = _passed_reset(before, found)
    if passed is not None:
        record["last_reset"] = instant.text(passed)
    others = [one for one in sound if one.source != found.source]
    record["readings"] = [one.record() for one in (found, *others)]
    return True


def _weigh(record: dict[str, Any], before: Window, found: Reading, now: datetime) -> bool:
    """Notes a refusal, or drops the one that stands. Whether either was done."""
    standing = before.refusal
    if standing is not None and standing.seen_at > now + AHEAD:
        standing = None
    if found.rejected:
        news = standing is None or found.seen_at > standing.seen_at
        if not news or _adds_nothing(found, before) or _comes_late(found, before, now):
            return False
        record["refusal"] = found.record()
        return True
    if before.refusal is None or (standing is not None and not _outdates(found, standing, before)):
        return False
    del record["refusal"]
    return True


def _comes_late(found: Reading, before: Window, now: datetime) -> bool:
    """Whether there was an answer since."""
    told = (one for one in before.readings if one.status in _SERVED)
    free = (one for one in before.readings if _outdates(one, found, before))
    heard = [*(one.seen_at for one in (*told, *free)), *filter(None, [before.answered_at])]
    return any(found.seen_at < one <= now + AHEAD for one in heard)


def _outdates(one: Reading, refusal: Reading, window: Window) -> bool:
    """Whether a reading that is no answer to a run tells that a refusal is over: it is of the
    window after it, or whoever asked later was told that there is room."""
    if one.guessed or one.rejected or one.seen_at <= refusal.seen_at:
        return False
    half = windows.length(window.name) / 2
    ends, refused = one.resets_at, refusal.resets_at
    if ends is not None and refused is not None and ends - refused > half:
        return True
    # A status line repeats what its session heard last, however long ago; a refresh asks.
    return one.source == "refresh" and one.utilization is not None and one.utilization < 1


def _adds_nothing(found: Reading, before: Window) -> bool:
    """Whether a refusal only repeats the one in force."""
    until = before.refused_until
    if until is None or before.refusal is None:
        return False
    return found.resets_at is None or (
        before.refusal.resets_at is not None and abs(found.resets_at - until) <= _JITTER
    )


def _repeats(found: Reading, same: Reading) -> bool:
    if (found.status, found.utilization) != (same.status, same.utilization):
        return False
    if found.seen_at - same.seen_at >= _STALE:
        return False
    if found.resets_at is None or same.resets_at is None:
        return found.resets_at == same.resets_at
    return abs(found.resets_at - same.resets_at) <= _JITTER


def _passed_reset(before: Window, found: Reading) -> datetime | None:
    """The reset that lies between what was known and a reading of the window after it."""
    known = before.best.resets_at if before.best else None
    if known is None or found.resets_at is None or found.guessed:
        return None
    if found.resets_at - known < windows.length(before.name) / 2:
        return None
    # A window can be reset before its time.
    return min(known, found.seen_at)


def tell(
    account: Account,
    facts: dict[str, Any],
    model: str,
    source: str,
    began: datetime,
    now: datetime,
) -> bool:
    """Takes in a `rate_limit_info` (see `ccs.claude.events.limit_facts`) that arrives now, of a
    run for this model that began then."""
    own, status = facts["rateLimitType"], facts["status"]
    changed = False
    for name, window in facts["unifiedWindows"].items():
        said = window["status"] or (status if name == own else None)
        used = windows.share(window["utilization"])
        if facts["isUsingOverage"] and used == 1 and windows.model_of(name) is None:
            said = "rejected"  # by the plan; what is served now is paid for
        resets_at = windows.reset(window["resetsAt"], name, now)
        changed |= observe(account, name, Reading(source, now, said, used, resets_at), now)
    if own not in {None, "overage", *facts["unifiedWindows"]}:
        changed |= observe(account, own, Reading(source, now, status), now)
    if status in _SERVED and not facts["isUsingOverage"]:
        changed |= answered(account, model, began, now)
    return _spend(account, facts, now) or changed


def _spend(account: Account, facts: dict[str, Any], seen: datetime) -> bool:
    """Whether the account lives on paid credits now; the first time is worth an alarm."""
    paying = bool(facts["isUsingOverage"])
    if paying == ("overage" in account):
        return False
    if not paying:
        del account["overage"]
        return True
    account["overage"] = {"since": instant.text(seen)}
    return alarm(account, "overage", "requests are paid with extra-usage credits now", seen)


def answered(account: Account, model: str, began: datetime, now: datetime) -> bool:
    """A run for this model that began then was served: what refused others before no longer does.

    What was refused since it began may have been refused after this answer, which comes late; such
    a refusal stands until its reset.
    """
    changed = "outage" in account and _before(moment(account["outage"].get("since")), began, now)
    if changed:
        del account["outage"]
    for name, window in windows_of(account, now).items():
        if window.refusal is None or not windows.concerns(name, model):
            continue
        if window.unproven or _before(window.refusal.seen_at, began, now):
            record = account["windows"][name]
            record["answered_at"] = instant.text(now)
            del record["refusal"]
            changed = True
    return changed


def _before(seen: datetime | None, began: datetime, now: datetime) -> bool:
    """What lies ahead was seen by a clock that was wrong, and yields."""
    return seen is None or seen < began or seen > now + AHEAD


def break_down(account: Account, reason: str, message: str | None, now: datetime) -> bool:
    """The login or the purse does not work (`auth`, `billing`): an alarm once, not per run."""
    if "outage" in account:
        return False
    words = message or reason
    since = instant.text(now)
    account["outage"] = {"reason": reason, "since": since, "message": words, "tried_at": since}
    return alarm(account, "outage", f"{reason}: {words}", now)


def alarm(account: Account, kind: str, message: str, now: datetime) -> bool:
    """Something a person should know. Always news."""
    said = {"kind": kind, "at": instant.text(now), "message": message}
    account["alarms"] = [*listed(account.get("alarms")), said][-_ALARMS_KEPT:]
    return True


def empty(account: str) -> Account:
    return {"id": account, "windows": {}}


def _mapped(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
