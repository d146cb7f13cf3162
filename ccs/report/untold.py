"""What people should have been told and were not: for `ccs health`."""

from __future__ import annotations

from ccs.model.notify import EVENTS, OF_ALL
from ccs.store.owed import Owed
from ccs.store.store import Store
from ccs.text import shorten


def words(store: Store) -> list[str]:
    """One line a channel. Raises BrokenStore, OSError."""
    told = store.settings().notifications
    channels = {one.name for one in told.channels}
    wanted = {one for event in (*EVENTS, *OF_ALL) for one in told.of(event)}
    for task in store.tasks.all():
        of_task = (getattr(task.notifications, f"on_{event}") or [] for event in EVENTS)
        wanted |= {one for names in of_task for one in names}
    found = [f"no channel {one!r}, though events go to it" for one in sorted(wanted - channels)]
    given_up: dict[str, list[str]] = {}
    for entry in Owed(store.home).read().given_up:
        given_up.setdefault(str(entry.get("channel")), []).append(str(entry.get("error")))
    for channel, errors in given_up.items():
        count = f"{len(errors)} notification" + ("" if len(errors) == 1 else "s")
        found.append(f"{count} to {channel!r} given up: {shorten(errors[-1], 200)}")
    return found
