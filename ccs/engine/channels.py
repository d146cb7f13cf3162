"""What people do with channels: add, take away, choose what goes where, try one out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from ccs import instant
from ccs.engine import deliver
from ccs.engine.notify import zone_of
from ccs.errors import CcsError, Conflict, InvalidInput, NotFound
from ccs.model.notify import EVENTS, OF_ALL, Channel, Notifications
from ccs.model.settings import Settings
from ccs.model.task import Task
from ccs.notify import forms
from ccs.store.owed import Owed
from ccs.store.store import Store

# What several events are called together on a command line; `end` was the prior system's word.
TOGETHER = {"all": EVENTS, "end": ("success", "failure")}


def add(store: Store, fields: Mapping[str, Any], events: Sequence[str]) -> Channel:
    """A new channel, and what of the whole store goes to it. Raises InvalidInput, Conflict."""
    channel = Channel.checked(dict(fields))
    with store.locked("ccs notify add"):
        told = store.settings().notifications
        if told.channel(channel.name) is not None:
            raise Conflict(
                f"there is a channel {channel.name!r} already",
                f"take it away first: ccs notify remove {channel.name}",
            )
        record = {name: one for name, one in channel.record().items() if name in fields}
        changed: dict[str, Any] = {"channels": [*_written(store).get("channels", ()), record]}
        for event in named(events):
            changed[f"on_{event}"] = [*told.of(event), channel.name]
        _write(store, changed)
    return channel


def remove(store: Store, name: str) -> Channel:
    """Also from all that names it, with what it was still to be told. Raises NotFound."""
    with store.locked("ccs notify remove"):
        told = store.settings().notifications
        channel = found(told, name)
        every = _written(store)["channels"]
        changed: dict[str, Any] = {"channels": [one for one in every if one["name"] != name]}
        for event in (f"on_{one}" for one in (*EVENTS, *OF_ALL)):
            if name in (getattr(told, event) or ()):
                changed[event] = [one for one in getattr(told, event) if one != name]
        for task in store.tasks.all():
            if any(name in (getattr(task.notifications, f"on_{one}") or ()) for one in EVENTS):
                store.tasks.put(task.changed(notifications=_without(task, name)))
        _write(store, changed)
        Owed(store.home).change(lambda notices: notices.drop(name))
    return channel


def route(store: Store, event: str, names: Sequence[str], more: Mapping[str, Any]) -> Notifications:
    """Where an event of the whole store goes; none: nowhere. Raises InvalidInput, NotFound."""
    with store.locked("ccs notify on"):
        told = store.settings().notifications
        known = [found(told, one).name for one in names]
        return _write(store, {**{f"on_{one}": known for one in named([event])}, **more})


def _written(store: Store) -> dict[str, Any]:
    """As they stand in the file: what is not there has its default, of this version or another."""
    return dict(store.settings_fields().get("notifications") or {})


def _write(store: Store, changed: Mapping[str, Any]) -> Notifications:
    """Raises InvalidInput, BrokenStore."""
    fields = store.settings_fields()
    fields["notifications"] = {**_written(store), **changed}
    settings = Settings.checked(fields)
    store.put_settings(fields)
    return settings.notifications


def named(events: Sequence[str]) -> list[str]:
    """The events behind the words of a command line. Raises InvalidInput."""
    known = {**TOGETHER, **{one: (one,) for one in (*EVENTS, *OF_ALL)}}
    for one in events:
        if one not in known:
            raise InvalidInput(f"{one!r} is no event", f"one of {', '.join(known)}")
    return list(dict.fromkeys(event for one in events for event in known[one]))


def found(told: Notifications, name: str) -> Channel:
    """Raises NotFound."""
    channel = told.channel(name)
    if channel is None:
        there = ", ".join(one.name for one in told.channels) or "there is none yet"
        raise NotFound(f"no channel {name!r}", f"channels: {there}; make one: ccs notify add")
    return channel


def try_out(
    store: Store, name: str | None, environment: Mapping[str, str], now: datetime
) -> list[dict[str, Any]]:
    """A test message to one channel or to all, now. What happened to each; a failure under
    `error`. Raises NotFound."""
    told = store.settings().notifications
    if name is None and not told.channels:
        raise NotFound("there is no channel yet", "make one: ccs notify add --help")
    results = []
    for channel in told.channels if name is None else [found(told, name)]:
        entry: dict[str, Any] = {"id": str(uuid4()), "event": forms.TEST, "channel": channel.name}
        facts = {"message": "If you can read this, it works."}
        entry |= {"at": instant.text(now), "facts": facts}
        result: dict[str, Any] = {"channel": channel.name, "kind": channel.kind}
        try:
            result["result"] = deliver.send(channel, entry, zone_of(told), environment)
        except CcsError as error:
            result |= {"error": error.message, "hint": error.hint}
        results.append(result)
    return results


def owed(store: Store) -> list[dict[str, Any]]:
    """What has still to be told, and what was given up; in words and without secrets."""
    told = store.settings().notifications
    notices = Owed(store.home).read()
    states = [(one, "owed") for one in notices.owed]
    states += [(one, "given up") for one in notices.given_up]
    return [
        {
            "id": one.get("id"),
            "state": state,
            "event": one.get("event"),
            "channel": one.get("channel"),
            "title": forms.Message(one, zone_of(told)).title,
            "at": one.get("at"),
            "tries": one.get("tries", 0),
            "next_try_at": one.get("next_try") if state == "owed" else None,
            "error": one.get("error"),
        }
        for one, state in states
        if isinstance(one.get("id"), str)
    ]


def forget(store: Store) -> int:
    """Drops all that is owed or given up. How much that was."""
    gone: list[int] = []
    Owed(store.home).locked_change(lambda notices: gone.append(notices.forget()))
    return gone[0]


def _without(task: Task, name: str) -> dict[str, Any]:
    fields = task.notifications.record()
    for event in EVENTS:
        if fields[f"on_{event}"]:
            fields[f"on_{event}"] = [one for one in fields[f"on_{event}"] if one != name]
    return fields
