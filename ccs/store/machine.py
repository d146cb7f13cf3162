"""Which machine a store belongs to: two of them, each with its own tick, would run everything
twice, and the locks of one do not always hold the other off.

    host   {"format": 1, "machine": "a hash of the machine's id", "name": "its name"}

Written with the first change of the store; from then on changes from elsewhere are refused. Inside
a container nothing is checked: its id comes with the image, or changes whenever it is made anew,
and containers of one machine are held off by its kernel's locks. Lean.
"""

from __future__ import annotations

import json
import os

from ccs.errors import BrokenStore
from ccs.store import atomic
from ccs.store.home import FORMAT, Home

_IDS = ("etc/machine-id", "var/lib/dbus/machine-id", "etc/hostid")
_CONTAINERS = (".dockerenv", "run/.containerenv", "run/systemd/container")
_SHORTEST = 16  # systemd writes "uninitialized" before the first boot
ROOT = "/"
TAKE_OVER = "if nothing there uses it any more: ccs doctor --take-over"


def identity() -> str | None:
    """None where the system has no id that lasts, or none that is this machine's own."""
    if in_container():
        return None
    for name in _IDS:
        try:
            with open(os.path.join(ROOT, name), "rb") as file:
                found = file.read(100).strip()
        except OSError:
            continue
        if len(found) >= _SHORTEST:
            import hashlib  # brings OpenSSL along, which an unclaimed store has no need of

            # Not the id itself: machine-id(5) asks to keep that from others.
            return hashlib.sha256(b"ccs store " + found).hexdigest()[:32]
    return None


def in_container() -> bool:
    return any(os.path.exists(os.path.join(ROOT, name)) for name in _CONTAINERS)


def check(home: Home) -> bool:
    """Whether the store has been claimed. Raises BrokenStore when another machine did, OSError."""
    found = atomic.read(home.host)
    if found is None:
        return False
    own = identity()
    if own is None:
        return True
    try:
        kept = json.loads(found[0])
        machine, name = kept["machine"], kept.get("name")
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        raise BrokenStore(
            f"{home.host} cannot be read, so it may belong to another machine", TAKE_OVER
        ) from None
    if machine != own:
        other = f" ({str(name)[:100]})" if name else ""
        raise BrokenStore(f"{home.path} belongs to another machine{other}", TAKE_OVER)
    return True


def claim(home: Home) -> None:
    """Called under the store lock. Raises OSError."""
    own = identity()
    if own is not None:
        name = os.uname().nodename if hasattr(os, "uname") else ""
        kept = {"format": FORMAT, "machine": own, "name": name}
        atomic.write(home.host, json.dumps(kept).encode() + b"\n")
