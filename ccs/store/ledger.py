"""usage.json: what is known of each account's usage windows. It has a lock of its own.

Lock order: tick -> run -> store -> usage. Written only when something changed. Lean: supervisors
write what their client tells as it arrives.
"""

from __future__ import annotations

import os
from contextlib import suppress

from ccs.store import machine
from ccs.store.lock import STORE_TIMEOUT, Lock
from ccs.store.records import Records
from ccs.usage.ledger import empty, sound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ccs.store.atomic import Stamp
    from ccs.store.home import Home
    from ccs.usage.ledger import Account


class Ledger:
    def __init__(self, home: Home) -> None:
        self.home = home
        self._file = Records(home.usage, "accounts")

    def read(self) -> dict[str, Account]:
        """By account. Raises BrokenStore, OSError."""
        return self.read_stamped()[0]

    def read_stamped(self) -> tuple[dict[str, Account], Stamp | None]:
        content = self._file.read()
        return {one["id"]: sound(one) for one in content.records}, content.stamp

    def account(self, name: str) -> Account:
        return self.read().get(name) or empty(name)

    def update(
        self, name: str, change: Callable[[Account], bool], seconds: float = STORE_TIMEOUT
    ) -> bool:
        """Writes what `change` made of the account, if it says that this is news.

        Raises LockTimeout after `seconds`, BrokenStore, OSError.
        """
        self.home.create()
        with Lock(self.home.usage_lock) as lock:
            lock.acquire_within(seconds, "ccs usage")
            machine.check(self.home)
            content = self._file.read()
            accounts = {one["id"]: one for one in content.records}
            changed = sound(accounts.get(name) or empty(name))
            if not change(changed):
                return False
            told = accounts.get(name, {}).get("alarms")
            accounts[name] = changed
            self._file.write(content, list(accounts.values()))
            if changed.get("alarms") != told:
                with suppress(FileNotFoundError):
                    os.unlink(self.home.agenda)  # the next tick looks, and tells of it
        return True
