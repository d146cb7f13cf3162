"""The IANA name of this machine's time zone; Python knows its rules but not its name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from zoneinfo import ZoneInfo

_DATABASE = "zoneinfo/"


def local_name(environ: Mapping[str, str]) -> str:
    """From $TZ, /etc/localtime or /etc/timezone; UTC when none of them names a zone."""
    named = environ.get("TZ", "").lstrip(":")
    candidates = [named.partition(_DATABASE)[2] or named]
    target = os.path.realpath("/etc/localtime")
    candidates.append(target.partition(_DATABASE)[2])
    try:
        with open("/etc/timezone", encoding="ascii") as file:
            candidates.append(file.readline().strip())
    except (OSError, UnicodeDecodeError):
        pass  # only some systems have it
    return next((name for name in candidates if _is_zone(name)), "UTC")


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True
