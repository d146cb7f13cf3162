"""launchd: an agent of the user's login session.

AbandonProcessGroup, because launchd would end the runs with the tick that started them.
Interactive, because what is marked as background is throttled and may not read the keychain.
"""

from __future__ import annotations

import os
import plistlib
import time
from typing import Any

from ccs.errors import CcsError, MissingDependency
from ccs.host.install.entry import Entry, calls_tick
from ccs.host.install.machine import (
    Found,
    Machine,
    Text,
    read_file,
    replace_file,
    set_aside,
    unlink,
    utf8,
)

_PAUSE = 0.1
_GONE_WITHIN = 5.0


def fits(machine: Machine) -> str:
    return "" if machine.program("launchctl") else "there is no launchctl here: it is of macOS"


def texts(entry: Entry, machine: Machine) -> list[Text]:
    return [Text(_path(entry), plistlib.dumps(agent(entry), sort_keys=False))]


def agent(entry: Entry) -> dict[str, Any]:
    """Raises InvalidInput for what a property list cannot hold."""
    for value in (*entry.variables.values(), *entry.command("launchd")):
        utf8(value, "launchd")
    return {
        "Label": label(entry),
        "ProgramArguments": entry.command("launchd"),
        "EnvironmentVariables": dict(entry.variables),
        "StartInterval": 60,
        "RunAtLoad": True,
        "AbandonProcessGroup": True,
        "ProcessType": "Interactive",
    }


def label(entry: Entry) -> str:
    return entry.name.replace("-", ".")


def found(entry: Entry, machine: Machine) -> list[Found]:
    directory = os.path.dirname(_path(entry))
    entries = []
    for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
        path = os.path.join(directory, name)
        content = read_file(path) if name.endswith(".plist") and os.path.isfile(path) else None
        known = _parsed(content) if content else None
        if known is None:
            continue
        command = known.get("ProgramArguments")
        said = " ".join(map(str, command)) if isinstance(command, list) else ""
        if path == _path(entry) and known.keys() == agent(entry).keys():
            entries.append(Found(path, ours=True, fault=_fault(entry, machine, known)))
        elif path == _path(entry) or (calls_tick(os.fsencode(said)) and _serves(entry, known)):
            entries.append(Found(path, ours=False, said=said))
    return entries


def _fault(entry: Entry, machine: Machine, known: dict[str, Any]) -> str:
    if known != agent(entry):
        return "it is not as ccs install would write it"
    if machine.program("launchctl") and machine.call("launchctl", "print", _target(entry)).code:
        return f"launchd has not loaded {label(entry)}"
    return ""


def _serves(entry: Entry, known: dict[str, Any]) -> bool:
    variables = known.get("EnvironmentVariables")
    if not isinstance(variables, dict) or "CCS_HOME" not in variables:
        return entry.is_default
    return bool(variables["CCS_HOME"] == entry.store)


def _parsed(content: bytes) -> dict[str, Any] | None:
    try:
        known = plistlib.loads(content)
    except Exception:  # a foreign file may break the parser in any of a dozen ways
        return None
    return known if isinstance(known, dict) else None


def install(entry: Entry, machine: Machine) -> None:
    unfit = fits(machine)
    if unfit:
        raise MissingDependency(unfit)
    if any(not one.ours and one.where == _path(entry) for one in found(entry, machine)):
        set_aside(_path(entry))
    [text] = texts(entry, machine)
    replace_file(text.where, text.content)
    _unload(entry, machine)
    hint = "log in at the Mac's own screen once; ccs uninstall takes it away"
    machine.do("launchctl", "enable", _target(entry), hint=hint)
    machine.do("launchctl", "bootstrap", _domain(), text.where, hint=hint)
    machine.do("launchctl", "print", _target(entry), hint=hint)


def retire(entry: Entry, machine: Machine, found: list[Found]) -> None:
    for one in found:
        if one.where != _path(entry):
            machine.call("launchctl", "bootout", _domain(), one.where)
            set_aside(one.where)


def uninstall(entry: Entry, machine: Machine) -> None:
    if not fits(machine):
        _unload(entry, machine)
    unlink(_path(entry))


def _unload(entry: Entry, machine: Machine) -> None:
    """It goes on for a moment after bootout has returned, and bootstrap fails until it is gone."""
    machine.call("launchctl", "bootout", _target(entry))
    gone_by = time.monotonic() + _GONE_WITHIN
    while machine.call("launchctl", "print", _target(entry)).code == 0:
        if time.monotonic() >= gone_by:
            raise CcsError(f"launchd does not let go of {label(entry)}", "try again in a minute")
        time.sleep(_PAUSE)


def warnings(entry: Entry, machine: Machine) -> list[str]:
    return [
        "an agent runs only while you are logged in at the Mac's own screen",
        "if runs say that nobody is logged in: give a profile CLAUDE_CODE_OAUTH_TOKEN"
        " (claude setup-token), because launchd may not reach the login keychain",
    ]


def _domain() -> str:
    return f"gui/{os.getuid()}"


def _target(entry: Entry) -> str:
    return f"{_domain()}/{label(entry)}"


def _path(entry: Entry) -> str:
    return os.path.join(entry.variables["HOME"], "Library/LaunchAgents", f"{label(entry)}.plist")
