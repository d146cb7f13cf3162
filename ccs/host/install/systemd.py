"""systemd: a service and a timer of the user's own manager.

KillMode=process, because the default would end every run with the tick that started it; the price
is a line about left-over processes in the journal. No Protect*= or Private*=: runs are children.
"""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Iterator

from ccs.errors import CcsError, InvalidInput, MissingDependency
from ccs.host.install.entry import Entry, calls_tick
from ccs.host.install.machine import (
    Done,
    Found,
    Machine,
    Text,
    read_file,
    replace_file,
    set_aside,
    unlink,
    utf8,
)

_PLAIN = re.compile(r"[A-Za-z0-9_./=:-]+")
_MARK = b"# Written by ccs install for "
_NO_MANAGER = (
    "log in by ssh or on a console instead of su or sudo, or loginctl enable-linger;"
    " ccs install --backend cron needs no user manager"
)


def fits(machine: Machine) -> str:
    try:
        done = _systemctl(machine, "show-environment")
    except MissingDependency:
        return "there is no systemctl here"
    except CcsError as error:
        return error.message
    return f"the user's systemd cannot be reached: {done.err}" if done.code else ""


def texts(entry: Entry, machine: Machine) -> list[Text]:
    contents = service(entry), timer(entry)
    return [*map(Text, _paths(entry, machine), contents)]


def _paths(entry: Entry, machine: Machine) -> tuple[str, str]:
    base = os.path.join(_directory(entry, machine), entry.name)
    return f"{base}.service", f"{base}.timer"


def service(entry: Entry) -> bytes:
    """Raises InvalidInput for what systemd cannot be told."""
    interpreter, *words = entry.command("systemd")
    if any(one in interpreter for one in "\"'\\"):
        raise InvalidInput(
            f"systemd takes no program with a quote or a backslash in its path: {interpreter}",
            "ccs install --backend cron",
        )
    command = [interpreter, *words]
    # Without the colon a $ begins a variable, and in the program's own path it cannot be doubled.
    literally = ":" if any("$" in word for word in command) else ""
    lines = (
        *_head(entry),
        "Description=ccs tick: starts what is due",
        "",
        "[Service]",
        "Type=oneshot",
        "# The runs outlive the tick that started them.",
        "KillMode=process",
        "TimeoutStartSec=300",
        *(f"Environment={quoted(f'{name}={value}')}" for name, value in entry.variables.items()),
        f"ExecStart={literally}{' '.join(map(quoted, command))}",
        "",
    )
    return utf8("\n".join(lines), "systemd")


def timer(entry: Entry) -> bytes:
    lines = (
        *_head(entry),
        "Description=ccs tick, each minute",
        "",
        "[Timer]",
        "OnCalendar=*-*-* *:*:00 UTC",
        "AccuracySec=1s",
        "# What was missed is the tick's own affair.",
        "Persistent=false",
        "",
        "[Install]",
        "WantedBy=timers.target",
        "",
    )
    return utf8("\n".join(lines), "systemd")


def _head(entry: Entry) -> tuple[str, ...]:
    return (f"{_MARK.decode()}{entry.store}; ccs uninstall removes it.", "[Unit]")


def quoted(word: str) -> str:
    """One word, without specifiers: https://www.freedesktop.org/software/systemd/man/systemd.syntax"""
    if _PLAIN.fullmatch(word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def found(entry: Entry, machine: Machine) -> list[Found]:
    own = {path: read_file(path) for path in _paths(entry, machine)}
    entries = [*_by_hand(entry, machine)]
    present = [(path, content) for path, content in own.items() if content is not None]
    if not present:
        return entries
    strange = [(path, content) for path, content in present if not content.startswith(_MARK)]
    if strange:
        return [*entries, *(Found(path, ours=False, said=_said(text)) for path, text in strange)]
    fault = ""
    if any(own[text.where] != text.content for text in texts(entry, machine)):
        fault = "it is not as ccs install would write it"
    elif fits(machine):
        fault = fits(machine)
    elif _systemctl(machine, "is-active", f"{entry.name}.timer").code:
        fault = f"{entry.name}.timer is not active"
    return [Found(present[-1][0], ours=True, fault=fault), *entries]


def _by_hand(entry: Entry, machine: Machine) -> Iterator[Found]:
    """Services beside ours that call the tick for this store and are in force."""
    directory = _directory(entry, machine)
    names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
    for name in names:
        path = os.path.join(directory, name)
        if name.endswith(".service") and name != f"{entry.name}.service" and os.path.isfile(path):
            content = read_file(path) or b""
            theirs = not content.startswith(_MARK) and _said(content) and entry.serves(content)
            if theirs and _is_in_force(directory, name.removesuffix(".service"), machine):
                yield Found(path, ours=False, said=_said(content))


def _is_in_force(directory: str, unit: str, machine: Machine) -> bool:
    """Enabled, or started by hand."""
    for name in (f"timers.target.wants/{unit}.timer", f"default.target.wants/{unit}.service"):
        if os.path.lexists(os.path.join(directory, name)):
            return True
    return not fits(machine) and _systemctl(machine, "is-active", f"{unit}.timer").code == 0


def _said(content: bytes) -> str:
    lines = (line.strip() for line in content.split(b"\n"))
    calling = (line for line in lines if line.startswith(b"ExecStart") and calls_tick(line))
    return os.fsdecode(next(calling, b""))


def install(entry: Entry, machine: Machine) -> None:
    unfit = fits(machine)
    if unfit:
        raise MissingDependency(unfit, _NO_MANAGER)
    for text in texts(entry, machine):
        old = read_file(text.where)
        if old is not None and not old.startswith(_MARK):
            set_aside(text.where)
        replace_file(text.where, text.content)
    for words in (("daemon-reload",), ("enable", "--now", f"{entry.name}.timer")):
        _must(machine, *words)
    _must(machine, "is-active", f"{entry.name}.timer")


def retire(entry: Entry, machine: Machine, found: list[Found]) -> None:
    """Their timers end; what runs now goes on, for their services may have runs in them, and the
    files stay. Those in our place have been set aside."""
    for one in found:
        unit = os.path.basename(one.where).removesuffix(".service")
        if unit != entry.name and not fits(machine):
            _systemctl(machine, "disable", "--now", f"{unit}.timer")
            _systemctl(machine, "disable", f"{unit}.service")


def uninstall(entry: Entry, machine: Machine) -> None:
    reachable = not fits(machine)
    if reachable:
        _systemctl(machine, "disable", "--now", f"{entry.name}.timer")
    unlink(os.path.join(_directory(entry, machine), "timers.target.wants", f"{entry.name}.timer"))
    for path in reversed(_paths(entry, machine)):
        unlink(path)
    if reachable:
        _must(machine, "daemon-reload")


def warnings(entry: Entry, machine: Machine) -> list[str]:
    if lingers(machine):
        return []
    return [
        "you do not linger: ticks and runs end when you log out, and begin when you log in;"
        f" mend it: loginctl enable-linger {getpass.getuser()}"
    ]


def lingers(machine: Machine) -> bool:
    """Whether the user's manager runs without a login."""
    if machine.program("loginctl"):
        told = machine.call("loginctl", "show-user", getpass.getuser(), "--property=Linger")
        if told.code == 0 and told.out.strip():
            return told.out.strip() == b"Linger=yes"
    return os.path.exists(f"/var/lib/systemd/linger/{getpass.getuser()}")


def _must(machine: Machine, *words: str) -> None:
    done = _systemctl(machine, *words)
    if done.code:
        said = done.err or os.fsdecode(done.out).strip() or f"exit {done.code}"
        raise CcsError(f"systemctl --user {' '.join(words)}: {said}", "ccs uninstall takes it away")


def _systemctl(machine: Machine, *words: str) -> Done:
    """su, sudo and cron leave XDG_RUNTIME_DIR out, although the manager is there."""
    runtime = machine.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    return machine.call("systemctl", "--user", *words, XDG_RUNTIME_DIR=runtime)


def _directory(entry: Entry, machine: Machine) -> str:
    home = entry.variables["HOME"]
    config = machine.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    return os.path.join(config, "systemd", "user")
