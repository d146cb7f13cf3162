"""What is known of each account's usage windows: how much, until when, who says so, how long ago.

Read from the store alone, so that it can be told while nothing else works.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from ccs import instant
from ccs.claude.values import listing, mapping
from ccs.engine.accounts import Accounts
from ccs.engine.usage import known_accounts
from ccs.errors import CcsError, NotFound
from ccs.schedule.plan import BY_ACCOUNT
from ccs.store.store import Store
from ccs.usage import windows
from ccs.usage.ledger import DEFAULT, empty
from ccs.usage.window import Window, windows_of
from ccs.usage.windows import Reading

if TYPE_CHECKING:
    from ccs.usage.ledger import Account

RESET = "has reset, nothing seen since"
TRIED_FIRST = "its reset has come, one run tries first"

View = dict[str, Any]


def usage(store: Store, now: datetime, account: str | None = None) -> list[View]:
    """Of each known account, or of the one named. Raises NotFound, BrokenStore.

    `state`: outage, overage, limited, unproven or ok. `parked` is None where the runs that wait
    cannot be told.
    """
    ledger, waiting = store.ledger.read(), _waiting(store, now)
    names = list(dict.fromkeys([*known_accounts(store), *sorted(waiting or {})]))
    if account is not None and account not in names:
        raise NotFound(f"nothing is known of an account {account!r}", "ccs usage shows them all")
    views = []
    for name in names if account is None else [account]:
        known = ledger.get(name) or empty(name)
        found = windows_of(known, now)
        views.append(
            {
                "account": name,
                **_state(known, list(found.values())),
                "windows": [_window(one, one.best, now) for one in found.values() if one.best],
                "parked": None if waiting is None else waiting.get(name, []),
                "alarms": [one for one in listing(known.get("alarms")) if mapping(one)],
            }
        )
    return views


def _state(known: Account, found: list[Window]) -> View:
    """`until`: the end of the refusal that holds longest, of windows that count all models."""
    general = [one for one in found if windows.model_of(one.name) is None]
    ends = [(one.refused_until, one) for one in general if one.refused_until]
    until, longest = max(ends, key=lambda end: end[0], default=(None, None))
    unproven = next((one for one in general if one.unproven), None)
    outage, overage = mapping(known.get("outage")), mapping(known.get("overage"))
    rows: list[tuple[str, object, Any]] = [
        ("outage", outage, outage.get("since")),
        ("overage", overage, overage.get("since")),
        ("limited", longest, longest and longest.refusal and _text(longest.refusal.seen_at)),
        ("unproven", unproven, unproven and _text(unproven.lifts_at)),
        ("ok", True, None),
    ]
    state, since = next((state, since) for state, applies, since in rows if applies)
    return {
        "state": state,
        "since": since,
        "until": _text(until),
        "reason": outage.get("reason"),
        "message": outage.get("message"),
    }


def _window(one: Window, best: Reading, now: datetime) -> View:
    over = best.ends(one.name) <= now
    status = None if over else best.status
    if one.rejected:
        status = "unproven" if one.unproven else "rejected"
    elif status == "rejected":
        status = "allowed"  # somebody was answered since
    return {
        "window": one.name,
        "utilization": one.utilization,
        "status": status,
        "resets_at": _text(one.resets_at),
        "source": best.source,
        "seen_at": _text(best.seen_at),
        "age_seconds": max(0, int((now - best.seen_at).total_seconds())),
        "guessed": best.guessed,
        "note": TRIED_FIRST if one.unproven else RESET if over else None,
        "readings": [reading.record() for reading in one.readings],
    }


def _waiting(store: Store, now: datetime) -> dict[str, list[View]] | None:
    """By account the runs that wait for it; None when what is needed to tell cannot be read."""
    try:
        tasks, jobs = store.tasks.read().by_id, store.jobs.read().by_id
        accounts = Accounts(store, lambda: jobs, store.settings(), now)
        runs = store.runs.all()
    except CcsError:
        return None
    found: dict[str, list[View]] = {}
    for run in sorted(runs, key=lambda one: one.not_before or one.scheduled_time):
        if run.status != "upcoming" or run.held_reason not in BY_ACCOUNT:
            continue
        task = tasks.get(run.task_id)
        account = accounts.account(run, task) if task else run.account or DEFAULT
        view = {
            "run_id": run.id,
            "task_name": task.name if task else run.task_name,
            "reason": run.held_reason,
            "not_before": _text(run.not_before),
        }
        found.setdefault(account, []).append(view)
    return found


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else instant.text(moment)
