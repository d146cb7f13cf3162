"""One look into the keyring, in a process of its own: its packages are many, and it may wait for
somebody to unlock it.

    python -m ccs.host.keyringchild SERVICE ACCOUNT

The last line of its output is `[password, ""]` or `[null, fault]`; a fault is a word of this file
or the name of an error, never its text, which is the backend's.
"""

from __future__ import annotations

import json
import sys


def look(service: str, account: str) -> tuple[str | None, str]:
    try:
        import keyring
    except ModuleNotFoundError as error:
        return None, "no package" if error.name == "keyring" else type(error).__name__
    try:
        found = keyring.get_password(service, account)
    except Exception as error:  # backends pass on whatever their libraries raise
        return None, type(error).__name__
    return (None, "absent") if found is None else (found, "")


if __name__ == "__main__":
    sys.stdout.write(f"\n{json.dumps(look(*sys.argv[1:3]))}\n")
