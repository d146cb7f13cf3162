"""Delivering what is owed, in a child of the tick, under a lock of its own.

Each entry that is due is sent, and taken out once it was. A failure comes again after 1, 2, 4, ...
minutes, at most an hour; after a day, or where the answer would stay the same, it is given up, for
`ccs health` to say. A server that does not answer is asked once for all that it would get.

Killed between the delivery and its record, an entry is sent again under the same id. The pings of
one address go in their order, or a late `fail` would undo a later success; a start whose run has
ended meanwhile is not sent to it at all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from ccs import instant
from ccs.engine import digest
from ccs.engine.clock import Clock
from ccs.engine.notify import due_at, zone_of
from ccs.errors import CcsError
from ccs.host import notify as out
from ccs.model.notify import Channel
from ccs.notify import forms
from ccs.store.lock import Lock
from ccs.store.owed import Notices, Owed, tries
from ccs.store.store import Store
from ccs.text import MASK, shorten
from ccs.usage.window import moment

Record = dict[str, Any]

# Of one child; what is left is for the child of a later tick.
_PATIENCE = 240.0
_LONGEST_ERROR = 240
_BEFORE_ITS_END = ("start", "resume")


def deliver(store: Store, environment: Mapping[str, str], clock: Clock) -> None:
    """Everything that is due, each on its own. Raises BrokenStore, LockTimeout, OSError."""
    with Lock(os.path.join(store.home.file("locks"), "notify.lock")) as lock:
        if lock.acquire():
            _Pass(store, environment, clock).run()


class _Pass:
    def __init__(self, store: Store, environment: Mapping[str, str], clock: Clock) -> None:
        self.store = store
        self.environment = environment
        self.clock = clock
        self.owed = Owed(store.home)
        self.told = store.settings().notifications
        self.until = clock.monotonic() + _PATIENCE
        # Channels nobody answers at, and the addresses in them whose earlier ping still waits.
        self.silent: dict[str, tuple[str, str]] = {}
        self.waiting: set[tuple[str, str]] = set()

    def run(self) -> None:
        owed = self.owed.read().owed
        ended = {(one.get("channel"), _run_of(one)) for one in owed if not _begins(one)}
        for entry in owed:
            if self.clock.monotonic() >= self.until:
                return
            self._look_at(entry, ended)

    def _look_at(self, entry: Record, ended: set[tuple[Any, Any]]) -> None:
        now, name = self.clock.now(), str(entry.get("channel"))
        channel = self.told.channel(name)
        if channel is None:
            self._change(lambda it: it.give_up(entry["id"], f"there is no channel {name!r}"))
            return
        address = (name, forms.address(channel, forms.Message(entry, zone_of(self.told))))
        if channel.kind == "ping":
            if _begins(entry) and (name, _run_of(entry)) in ended:
                self._change(lambda it: it.settle(entry["id"]))
                return
            if address in self.waiting:
                return
        if due_at(entry, now) > now:
            self.waiting.add(address)
            return
        if name in self.silent:
            at, error = self.silent[name]
            self._change(lambda it: it.postpone(entry["id"], at, error, tried=False))
            return
        try:
            send(channel, self._composed(entry), zone_of(self.told), self.environment)
        except CcsError as error:
            self._fail(address, entry, error)
        else:
            self._change(lambda it: it.settle(entry["id"]))

    def _composed(self, entry: Record) -> Record:
        if entry.get("event") != "digest":
            return entry
        facts = entry.get("facts") or {}
        since, until = moment(facts.get("since")), moment(facts.get("until"))
        if since is None or until is None:
            raise CcsError("it names no span of time")
        found = digest.of(self.store, since, until)
        return {**entry, "facts": forms.digest(found, zone_of(self.told))}

    def _fail(self, address: tuple[str, str], entry: Record, error: CcsError) -> None:
        now = self.clock.now()
        at = instant.text(now + forms.back_off(tries(entry) + 1))
        if getattr(error, "silent", False):
            self.silent[address[0]] = (at, error.message)
        refused = getattr(error, "refused", False)
        if refused or forms.is_final(moment(entry.get("at")) or now, now):
            self._change(lambda it: it.give_up(entry["id"], error.message))
            return
        self.waiting.add(address)
        self._change(lambda it: it.postpone(entry["id"], at, error.message, tried=True))

    def _change(self, what: Callable[[Notices], None]) -> None:
        self.owed.locked_change(what)


def send(channel: Channel, entry: Record, where: ZoneInfo, environment: Mapping[str, str]) -> str:
    """How it went, in words. Raises CcsError; neither holds a secret of the channel."""
    message = forms.Message(entry, where)
    try:
        return _masked(_sent(channel, message, environment), channel, message)
    except CcsError as error:
        error.message = shorten(_masked(error.message, channel, message), _LONGEST_ERROR)
        raise


def _sent(channel: Channel, message: forms.Message, environment: Mapping[str, str]) -> str:
    if channel.kind == "desktop":
        return out.desktop(message.title, message.text, environment)
    if channel.kind == "apprise":
        return out.by_apprise(channel.url or "", message.title, message.text)
    if channel.kind == "command":
        told = json.dumps(message.record()).encode("ascii") + b"\n"
        seconds = channel.timeout.total_seconds()
        return out.command(channel.command or "", told, message.variables(), environment, seconds)
    request = forms.request(channel, message)
    if request is None:
        return "nothing to say to that"
    return out.post(request.url, request.body, request.headers)


def _masked(words: str, channel: Channel, message: forms.Message) -> str:
    for secret in forms.hidden(channel, message):
        words = words.replace(secret, MASK)
    return words


def _begins(entry: Record) -> bool:
    return entry.get("event") in _BEFORE_ITS_END


def _run_of(entry: Record) -> Any:
    facts = entry.get("facts")
    run = facts.get("run") if isinstance(facts, dict) else None
    return run.get("id") if isinstance(run, dict) else None
