"""Recording that somebody has to be told of a run's start or end.

Whoever records an event calls this in the same hold of the store lock, and before the record itself
is written. A kill in between then leaves a notification of something that is certain to be recorded
(the outcome is on disk, and the next tick merges it and comes to the same ids), where the other
order would leave a run that ended untold for ever. So: at least once, under an id that stays the
same and goes along with the message; and what was delivered already is not owed again.

It never fails what it tells of: a run is worth more than the news of it. Where settings.json or
notify.json cannot be used, the run's log says that nobody is told, and `ccs health` why. Lean: the
settings are read as they stand.
"""

from __future__ import annotations

from contextlib import suppress

from ccs import instant
from ccs.errors import CcsError
from ccs.store import atomic, strict
from ccs.store.owed import Owed
from ccs.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from typing import Any

    from ccs.store.home import Home

    Record = dict[str, Any]

_ENDS = {"success": "success", "failed": "failure", "lost": "failure", "limited": "limit"}
# Of a run: what a person or a program may want to know at once.
_FACTS = (
    *("id", "task_id", "task_name", "job_id", "job_run", "trigger", "attempt", "status", "reason"),
    *("message", "scheduled_time", "start_time", "end_time", "duration", "turns", "cost_usd"),
    *("exit_code", "session_id", "account", "model", "limit_type", "resets_at", "mock", "commit"),
)


def started(home: Home, run: Record, asked: Record | None, now: datetime) -> None:
    """A run begins. `asked`: what its supervisor was asked, with the task as it runs."""
    event = "resume" if run.get("trigger") == "resume" else "start"
    _owe(home, event, run["id"], asked, {"run": _facts(run)}, now)


def ended(
    home: Home, run: Record, asked: Record | None, follows: Record | None, now: datetime
) -> None:
    """A run has ended. `follows`: the run that goes on with it or tries again, if there is one."""
    event = _ENDS.get(str(run.get("status")))
    if event is None or (event == "failure" and follows is not None):
        return  # stopped by somebody who knows; or not the last word yet
    facts: Record = {"run": _facts(run)}
    if event == "limit":
        facts["goes_on_at"] = (follows or {}).get("not_before") or (
            instant.text(now) if follows else None
        )
    _owe(home, event, run["id"], asked, facts, now)


def _owe(
    home: Home, event: str, run_id: str, asked: Record | None, facts: Record, now: datetime
) -> None:
    try:
        channels = _channels(home, event, asked)
        if channels:
            made = entries(event, run_id, channels, facts, now)
            Owed(home).change(lambda notices: notices.add(*made))
    except (CcsError, OSError, TypeError, ValueError) as error:
        # The last two: a hand has named a channel by what is no text, or by half a character.
        words = plain(f"-- nobody is told of its {event}: {error}\n")
        with suppress(CcsError, OSError):
            atomic.append(home.log(run_id), words.encode(), durable=False)


def entries(
    event: str, subject: str, channels: Iterable[str], facts: Record, now: datetime
) -> list[Record]:
    from uuid import UUID, uuid5

    space = UUID("c2a86f2b-5f0f-5d52-8e5e-6f1f6f7c0d2e")
    at = instant.text(now)
    return [
        {
            "id": str(uuid5(space, f"{event} {subject} {channel}")),
            "event": event,
            "channel": channel,
            "at": at,
            "facts": facts,
        }
        for channel in dict.fromkeys(channels)
    ]


def _channels(home: Home, event: str, asked: Record | None) -> list[str]:
    """What the task says, else what the settings say; only channels that there are. Raises
    BrokenStore, OSError.
    """
    found = atomic.read(home.settings)
    settings = strict.parse(found[0], home.settings) if found else {}
    general = _part(settings, "notifications")
    there = _names(general.get("channels"))
    own = _part((asked or {}).get("task"), "notifications")
    for told in (_own(own, event), general.get(f"on_{event}")):
        if isinstance(told, list):
            return [one for one in told if one in there]
    return []


def _own(told: Record, event: str) -> object:
    """The prior system's tasks say yes, which is what the settings say, or no."""
    name = f"on_{event}"
    value = told.get("on_end") if name == "on_success" and name not in told else told.get(name)
    return [] if value is False else value


def _part(record: object, name: str) -> Record:
    found = record.get(name) if isinstance(record, dict) else None
    return found if isinstance(found, dict) else {}


def _names(channels: object) -> list[object]:
    listed = channels if isinstance(channels, list) else []
    return [one.get("name") for one in listed if isinstance(one, dict)]


def _facts(run: Record) -> Record:
    return {name: run[name] for name in _FACTS if run.get(name) is not None}
