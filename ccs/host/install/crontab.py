"""The text of a crontab: our block in it, everything else byte for byte. Pure.

    # BEGIN ccs KEY: ...
    * * * * * HOME=... PATH=... PYTHON -IS .../ccs/__main__.py tick --backend cron >/dev/null 2>&1
    # END ccs KEY

The block stands first: a `SHELL=` or `MAILTO=` counts for the lines below it, so nothing of the
user's reaches our line, and as we set no variable of cron, nothing of ours reaches theirs. What a
tick printed would be mailed each minute; `ccs status` shows it instead.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator

from ccs.errors import Conflict, InvalidInput
from ccs.host.install.entry import Entry, calls_tick

# Debian's cron takes 998 bytes after the five fields, cronie and macOS about as much.
LONGEST = 998
REPLACED = b"# replaced by ccs install: "
_SILENT = b" >/dev/null 2>&1"
_END = b" tick --backend cron" + _SILENT
_MARK = re.compile(rb"# (BEGIN|END) ccs ([0-9a-f]{8})\b")


def block(entry: Entry) -> bytes:
    """Raises InvalidInput when cron would cut the line."""
    command = os.fsencode(_line(entry)) + _SILENT
    if len(command) > LONGEST:
        raise InvalidInput(
            f"the line would have {len(command)} characters, of which cron takes {LONGEST}; the"
            f" PATH alone has {len(entry.variables['PATH'])}",
            "PATH=<only what runs need> ccs install, or --backend systemd, which takes any length",
        )
    key, store = entry.key.encode(), os.fsencode(entry.store)
    head = b"# BEGIN ccs %b: written by ccs install for %b, removed by ccs uninstall" % (key, store)
    return b"%b\n* * * * * %b\n# END ccs %b\n" % (head, command, key)


def _line(entry: Entry) -> str:
    words = [f"{name}={quoted(value)}" for name, value in entry.variables.items()]
    return " ".join([*words, *map(quoted, entry.command("cron"))])


def quoted(word: str) -> str:
    r"""For sh behind cron, which ends the command at a bare % and reads \% and \\ as one character.

    So a % stands outside of the quotes as \%, which a cron without that rule leaves to sh, and no
    two backslashes stand together.
    """
    parts = (shlex.quote(part) if part else "" for part in word.split("%"))
    return re.sub(r"\\(?=\\)", r"\\''", r"\%".join(parts)) if word else "''"


def with_block(table: bytes, entry: Entry) -> bytes:
    """The table with our entry, where ours stood or first. A last line without an end gets one,
    because crontab(1) takes none without. Raises InvalidInput, Conflict.
    """
    lines = list(_lines(table))
    own = _own(lines, entry)
    if lines and not lines[-1].endswith(b"\n"):
        lines[-1] += b"\n"
    lines[own] = [block(entry), *_strangers(lines[own], entry)]
    return b"".join(lines)


def without_block(table: bytes, entry: Entry) -> bytes:
    """Raises Conflict."""
    lines = list(_lines(table))
    own = _own(lines, entry)
    lines[own] = _strangers(lines[own], entry)
    return b"".join(lines)


def _strangers(own: list[bytes], entry: Entry) -> list[bytes]:
    """What somebody wrote between our two markers."""

    def is_ours(line: bytes) -> bool:
        if _MARK.match(line) or line.rstrip().endswith(_END):
            return True
        return calls_tick(line) and entry.serves(line)

    return [line for line in own if not is_ours(line)]


def without_handmade(table: bytes, entry: Entry) -> bytes:
    """Entries made by hand become comments."""
    lines = list(_lines(table))
    for number, _ in made_by_hand(table, entry):
        lines[number - 1] = REPLACED + lines[number - 1]
    return b"".join(lines)


def own_block(table: bytes, entry: Entry) -> tuple[int, bytes] | None:
    """Our block and the number of its first line. Raises Conflict."""
    lines = list(_lines(table))
    own = _own(lines, entry)
    return (own.start + 1, b"".join(lines[own])) if own.start != own.stop else None


def made_by_hand(table: bytes, entry: Entry) -> list[tuple[int, bytes]]:
    """Lines outside of any block of ours that call the tick for this store, with their numbers."""
    found: list[tuple[int, bytes]] = []
    settings = b""
    inside = False
    for number, line in enumerate(_lines(table), 1):
        if mark := _MARK.match(line):
            inside = mark[1] == b"BEGIN"
        bare = line.strip()
        if inside or bare.startswith(b"#"):
            continue
        if bare.startswith(b"CCS_HOME"):
            settings = re.sub(rb"\s*=\s*", b"=", bare, count=1) + b"\n"
        elif calls_tick(bare) and entry.serves(settings + bare):
            found.append((number, bare))
    return found


def _own(lines: list[bytes], entry: Entry) -> slice:
    """Where our block is; empty and first where there is none."""
    marks = [
        (number, mark[1])
        for number, line in enumerate(lines)
        if (mark := _MARK.match(line)) and mark[2] == entry.key.encode()
    ]
    if not marks:
        return slice(0, 0)
    if [word for _, word in marks] != [b"BEGIN", b"END"]:
        where = ", ".join(str(number + 1) for number, _ in marks)
        raise Conflict(
            f"the marker lines of ccs in the crontab are not one BEGIN and one END (lines {where})",
            "crontab -e: delete the block, then ccs install",
        )
    return slice(marks[0][0], marks[1][0] + 1)


def _lines(table: bytes) -> Iterator[bytes]:
    """With their ends; only a line feed ends a line, as for cron."""
    start = 0
    while start < len(table):
        end = table.find(b"\n", start) + 1 or len(table)
        yield table[start:end]
        start = end
