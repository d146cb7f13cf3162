"""The tick's part in telling people.

Alarms and the digest are added to what is owed, and if anything is due a detached child is started
that delivers it (`ccs.engine.deliver`). A tick never waits for a network.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from ccs import instant
from ccs.engine import owe
from ccs.engine.launch import start_ccs
from ccs.host import zone
from ccs.model.notify import Notifications
from ccs.notify import forms
from ccs.store.home import Home
from ccs.store.owed import Notices, Owed
from ccs.store.store import Store
from ccs.usage.window import moment

_MINUTE = timedelta(minutes=1)
# The same alarm again is no news within this time.
_SAME_ALARM = timedelta(hours=1)


def look(store: Store, told: Notifications, now: datetime) -> list[datetime]:
    """Adds what the store as a whole has to tell; when the next tick is to look again.

    Raises CcsError, OSError. Under the tick lock; takes the store lock if there is news.
    """
    owed = Owed(store.home)
    notices = owed.read()
    if told.of("alarm") or told.of("digest"):
        _add(store, told, notices, now)
        if notices.dirty:
            owed.locked_change(lambda current: _add(store, told, current, now))
            notices = owed.read()
    wakes = [max(due_at(one, now), now + _MINUTE) for one in notices.owed]
    if told.of("digest"):
        wakes.append(forms.next_digest(told.digest_at, zone_of(told), now))
    return wakes


def start(home: Home, environment: Mapping[str, str], now: datetime) -> None:
    """The child, if there is anything to try now. Raises BrokenStore, OSError."""
    if any(due_at(one, now) <= now for one in Owed(home).read().owed):
        start_ccs(home.path, ["notify-owed"], environment)


def _add(store: Store, told: Notifications, notices: Notices, now: datetime) -> None:
    if told.of("alarm"):
        _add_alarms(store, told, notices, now)
    if told.of("digest"):
        _add_digest(told, notices, now)


def _add_alarms(store: Store, told: Notifications, notices: Notices, now: datetime) -> None:
    seen = notices.mark("alarms")
    standing: list[str] = []
    for name, account in store.ledger.read().items():
        said: dict[tuple[str, str], datetime] = {}
        for one in account.get("alarms") or []:
            if not isinstance(one, dict):
                continue
            kind, message = str(one.get("kind")), str(one.get("message"))
            at = moment(one.get("at")) or now
            subject = f"{name} {kind} {instant.text(at)}"
            standing.append(subject)
            again = at - said.get((kind, message), at - _SAME_ALARM) < _SAME_ALARM
            said[kind, message] = at
            # Alarms from before anybody asked to be told are shown by `ccs usage`.
            if again or not isinstance(seen, list) or subject in seen:
                continue
            facts = {"kind": kind, "account": name, "message": message}
            notices.add(*owe.entries("alarm", subject, told.of("alarm"), facts, now))
    notices.set_mark("alarms", standing)


def _add_digest(told: Notifications, notices: Notices, now: datetime) -> None:
    """After a sleep of several days there is one digest for all of them."""
    since = moment(notices.mark("digest"))
    slot = forms.digest_slot(told.digest_at, zone_of(told), now)
    if since is None or since > now:
        notices.set_mark("digest", instant.text(now))
    elif since < slot:
        facts = {"since": instant.text(since), "until": instant.text(now)}
        made = owe.entries("digest", instant.text(slot), told.of("digest"), facts, now)
        notices.add(*made)
        notices.set_mark("digest", instant.text(now))


def due_at(entry: Mapping[str, object], now: datetime) -> datetime:
    """One that lies further ahead than anything is ever put off was written by a wrong clock."""
    at = moment(entry.get("next_try"))
    return now if at is None or at > now + forms.LONGEST_WAIT + _MINUTE else at


def zone_of(told: Notifications) -> ZoneInfo:
    return ZoneInfo(told.timezone or zone.local_name(os.environ))
