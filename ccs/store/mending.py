"""Commands for a person, that mend what ccs refuses; none of them loses anything. Lean."""

from __future__ import annotations

import os
import sys

# What is added to the name of what is moved.
AWAY = ".away"


def out_of_the_way(path: str) -> str:
    """To where nothing lies: mv would write over a file there, and move into a directory."""
    names = (path + AWAY + number for number in ("", *map(str, range(2, 1000))))
    aside = next(one for one in names if not os.path.lexists(one))
    return f"mv {quoted(path)} {quoted(aside)}"


def own_copy(path: str) -> str:
    """The command that puts a file of its own in the place of a linked one."""
    own = quoted(path + ".own")
    return f"cp {quoted(path)} {own} && chmod 600 {own} && mv -f {own} {quoted(path)}"


def own_lock(path: str) -> str:
    """The same for a lock, which may be held: only while it is held by nobody else, for whoever
    holds the old file would not keep the next one from the new one."""
    own = quoted(path + ".own")
    hold = "lockf -kt 10" if sys.platform == "darwin" else "flock -w 10"
    return f"touch {own} && chmod 600 {own} && {hold} {quoted(path)} mv -f {own} {quoted(path)}"


def quoted(path: str) -> str:
    """As one word of a shell's line."""
    return "'" + path.replace("'", "'\\''") + "'"
