"""What a client used by hand tells ccs, and what the ledger makes of it."""

from __future__ import annotations

import json
import os
from datetime import timedelta

from ccs.store.store import Store
from ccs.usage.window import windows_of

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
WEEKLY = "You've hit your weekly limit · resets Nov 23, 10:32pm (UTC)"


def epoch(moment):
    return int(moment.timestamp())


def line(now, used=40, window="five_hour", ahead=2 * HOUR):
    told = {"used_percentage": used, "resets_at": epoch(now + ahead)}
    return json.dumps({"rate_limits": {window: told}}).encode()


def failed(error, message=None, **more):
    event = {"hook_event_name": "StopFailure", "error": error, "last_assistant_message": message}
    return json.dumps({**event, **more}).encode()


def windows(home, now, account="default"):
    return windows_of(Store(home).ledger.account(account), now)


def used(home, now, window="five_hour"):
    return windows(home, now)[window].utilization


def stamp(home):
    status = os.stat(home.usage)
    return status.st_mtime_ns, status.st_ino
