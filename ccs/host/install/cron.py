"""cron: one block in the user's crontab, through crontab(1)."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ccs.errors import CcsError, MissingDependency
from ccs.host.install import crontab
from ccs.host.install.entry import Entry
from ccs.host.install.machine import Found, Machine, Text, read_file

_DAEMONS = ("cron", "crond", "fcron", "dcron", "bcron-sched", "bcron-start")
_INSTALL = "install one (apt install cron, dnf install cronie) or ccs install --backend systemd"
# Of vixie-cron and its kin, and of busybox.
_NONE = ("no crontab", "no such file")
# Debian's `crontab -l` prints these two control characters as two characters each.
_SHOWN_ESCAPED = (b"\\r", b"\\b")


def fits(machine: Machine) -> str:
    return "" if machine.program("crontab") else "there is no program crontab here"


def texts(entry: Entry, machine: Machine) -> list[Text]:
    return [Text("crontab", crontab.block(entry))]


def found(entry: Entry, machine: Machine) -> list[Found]:
    table = read(machine)
    entries = [
        Found(f"crontab line {number}", ours=False, said=os.fsdecode(line))
        for number, line in crontab.made_by_hand(table, entry)
    ]
    if own := crontab.own_block(table, entry):
        number, text = own
        fault = "" if text == crontab.block(entry) else "it is not as ccs install would write it"
        entries.insert(0, Found(f"crontab line {number}", ours=True, fault=fault))
    return entries


def install(entry: Entry, machine: Machine) -> None:
    _change(entry, machine, lambda table: crontab.with_block(table, entry))


def retire(entry: Entry, machine: Machine, found: list[Found]) -> None:
    _change(entry, machine, lambda table: crontab.without_handmade(table, entry))


def uninstall(entry: Entry, machine: Machine) -> None:
    _change(entry, machine, lambda table: crontab.without_block(table, entry))


def _change(entry: Entry, machine: Machine, edit: Callable[[bytes], bytes]) -> None:
    with _alone(entry):
        table = read(machine)
        wanted = edit(table)
        if not wanted and table:
            machine.do("crontab", "-r")
        elif wanted != table:
            _write(machine, wanted)


def warnings(entry: Entry, machine: Machine) -> list[str]:
    if has_daemon(machine):
        return []
    return [
        "no cron daemon runs, so nothing will call it: start it (service cron start, or"
        " systemctl enable --now cron; on Fedora and Arch it is crond or cronie)"
    ]


def has_daemon(machine: Machine) -> bool:
    """Whether one is seen. macOS starts its own when a crontab appears; of systemd-cron, which
    makes timers of crontabs, nothing runs by itself."""
    if sys.platform == "darwin":
        return True
    import psutil

    for process in psutil.process_iter(["name", "cmdline"]):
        name, words = process.info["name"] or "", process.info["cmdline"] or []
        if name in _DAEMONS or (name == "busybox" and "crond" in words[:2]):
            return True
    return _is_systemd_cron(machine)


def _is_systemd_cron(machine: Machine) -> bool:
    """No other cron has a target of that name."""
    return bool(
        machine.program("systemctl")
        and machine.call("systemctl", "--system", "is-active", "cron.target").code == 0
    )


def read(machine: Machine) -> bytes:
    """The user's crontab as it is, empty when there is none. Raises MissingDependency, CcsError.

    Any other failure is an error: what is taken for empty would be written over.
    """
    if fits(machine):
        raise MissingDependency("there is no program crontab here", _INSTALL)
    done = machine.call("crontab", "-l")
    if done.code:
        if any(words in done.err.lower() for words in _NONE):
            return b""
        raise CcsError(
            f"the crontab cannot be read: {done.err or f'exit {done.code}'}",
            "if you may not use cron (/etc/cron.allow, /etc/cron.deny): --backend systemd",
        )
    if any(escape in done.out for escape in _SHOWN_ESCAPED):
        return _exactly(machine, done.out)
    return done.out


def _exactly(machine: Machine, listed: bytes) -> bytes:
    """The table's own bytes, from the copy that `crontab -e` gives to an editor, which here only
    copies it; so that what was shown escaped is not written back so."""
    with tempfile.TemporaryDirectory(prefix="ccs-") as directory:
        script, copy = os.path.join(directory, "editor"), os.path.join(directory, "copy")
        with open(script, "w", encoding="ascii") as file:
            file.write('exec cat -- "$1" > "${0%/*}/copy"\n')
        editor = f"sh {shlex.quote(script)}"
        machine.call("crontab", "-e", VISUAL=editor, EDITOR=editor)
        table = read_file(copy)
    if table is None or listed not in (table, _escaped(table)):
        raise CcsError(
            r"the crontab has \r or \b in it, which crontab -l does not show as it is",
            "crontab -e: take out carriage returns, or ccs install --print and add it by hand",
        )
    return table


def _escaped(table: bytes) -> bytes:
    return table.replace(b"\r", b"\\r").replace(b"\b", b"\\b")


def _write(machine: Machine, table: bytes) -> None:
    done = machine.call("crontab", "-", given=table)
    if done.code:
        raise CcsError(
            f"crontab refused it, and the old one stands: {done.err or f'exit {done.code}'}",
            "crontab -l shows the lines it complains of",
        )
    if read(machine) != table:
        raise CcsError(
            "the crontab is not what was written: somebody changed it meanwhile, or this crontab"
            " program adds lines of its own",
            "look at it: crontab -l",
        )


@contextmanager
def _alone(entry: Entry) -> Iterator[None]:
    """Two stores share one crontab: no second install between reading and writing it. The lock is
    on the home directory, so it leaves no file."""
    import fcntl

    fd = os.open(entry.variables["HOME"], os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
