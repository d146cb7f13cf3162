"""notify.json: what somebody has still to be told, and what was told lately.

    owed         entries: id, event, channel, at, facts; of a failed try also tries, next_try, error
    told         ids delivered lately: what is recorded again after a crash is not sent again
    given_up     entries that could not be delivered within a day; for a person to see
    alarms       ids of the alarms of usage.json that have been looked at
    digest       until when the last digest told

Changed under the store lock only, so that what is owed for a run's end stands there before the run
is recorded as ended. Bounded, whatever happens. Lean.
"""

from __future__ import annotations

from ccs.store import machine
from ccs.store.lock import STORE_TIMEOUT, Lock
from ccs.store.records import Records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ccs.store.home import Home

    Record = dict[str, Any]

_TOLD_KEPT = 500
_GIVEN_UP_KEPT = 20
# A night of failures at a server that is down; what comes on top pushes the oldest out.
_MOST = 500


class Notices:
    """The content of the file. `dirty`: whether anything was changed since."""

    def __init__(self, envelope: Record, owed: list[Record]) -> None:
        self.envelope = envelope
        self.owed = owed
        self.dirty = False

    @property
    def told(self) -> list[str]:
        return _texts(self.envelope.get("told"))

    @property
    def given_up(self) -> list[Record]:
        found = self.envelope.get("given_up")
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    def mark(self, name: str) -> Any:
        return self.envelope.get(name)

    def set_mark(self, name: str, value: Any) -> None:
        if self.envelope.get(name) != value:
            self.envelope[name] = value
            self.dirty = True

    def add(self, *entries: Record) -> None:
        """Those that are neither owed, told nor given up yet."""
        known = {one["id"] for one in (*self.owed, *self.given_up) if "id" in one}
        known.update(self.told)
        for entry in entries:
            if entry["id"] not in known:
                self.owed.append(entry)
                self.dirty = True
        while len(self.owed) > _MOST:
            self.give_up(self.owed[0]["id"], "too much was owed at once")

    def settle(self, entry_id: str) -> None:
        """It was delivered; so its channel works again."""
        done = self._take(entry_id)
        self.envelope["told"] = [*self.told, entry_id][-_TOLD_KEPT:]
        if done is not None:
            stays = [one for one in self.given_up if one.get("channel") != done.get("channel")]
            self.envelope["given_up"] = stays
        self.dirty = True

    def give_up(self, entry_id: str, error: str) -> None:
        entry = self._take(entry_id)
        if entry is not None:
            kept = [*self.given_up, {**entry, "error": error}]
            self.envelope["given_up"] = kept[-_GIVEN_UP_KEPT:]
            self.dirty = True

    def postpone(self, entry_id: str, next_try: str, error: str, tried: bool) -> None:
        for entry in self.owed:
            if entry["id"] == entry_id:
                entry.update(next_try=next_try, error=error)
                entry["tries"] = tries(entry) + tried
                self.dirty = True

    def forget(self) -> int:
        """Drops what is owed and what was given up. How much that was."""
        gone = [*self.owed, *self.given_up]
        if gone:
            self._done_with(gone, [], [])
        return len(gone)

    def drop(self, channel: str) -> None:
        """The same for one channel."""
        every = [*self.owed, *self.given_up]
        gone = [one for one in every if one.get("channel") == channel]
        if gone:
            owed, given_up = (
                [one for one in entries if one.get("channel") != channel]
                for entries in (self.owed, self.given_up)
            )
            self._done_with(gone, owed, given_up)

    def _done_with(self, gone: list[Record], owed: list[Record], given_up: list[Record]) -> None:
        told = [one["id"] for one in gone if isinstance(one.get("id"), str)]
        self.envelope["told"] = [*self.told, *told][-_TOLD_KEPT:]
        self.envelope["given_up"] = given_up
        self.owed = owed
        self.dirty = True

    def _take(self, entry_id: str) -> Record | None:
        entry = next((one for one in self.owed if one["id"] == entry_id), None)
        self.owed = [one for one in self.owed if one is not entry]
        return entry


class Owed:
    def __init__(self, home: Home) -> None:
        self.home = home
        self._file = Records(home.file("notify.json"), "owed")

    def read(self) -> Notices:
        """Needs no lock. Raises BrokenStore, OSError."""
        content = self._file.read()
        return Notices(content.envelope, content.records)

    def change(self, what: Callable[[Notices], None]) -> None:
        """Under the store lock, which the caller holds. Raises BrokenStore, OSError."""
        content = self._file.read()
        notices = Notices(content.envelope, content.records)
        what(notices)
        if notices.dirty:
            content.envelope = notices.envelope
            self._file.write(content, notices.owed)

    def locked_change(self, what: Callable[[Notices], None]) -> None:
        """The same for who does not hold it. Raises LockTimeout, BrokenStore, OSError."""
        with Lock(self.home.store_lock) as lock:
            lock.acquire_within(STORE_TIMEOUT, "ccs notify")
            machine.check(self.home)
            self.change(what)


def tries(entry: Record) -> int:
    """How often it was tried; what a hand put there instead of a number counts as never."""
    found = entry.get("tries")
    return found if isinstance(found, int) else 0


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
