"""Windows Task Scheduler: a task of the user's own, registered from XML.

S4U and hidden: it runs whether somebody is logged in or not, without a stored password and without
a window that takes the focus each minute. Without its settings Windows would not start it on
battery, end it after three days, and give what it starts a low priority. The schema:
https://learn.microsoft.com/windows/win32/taskschd/task-scheduler-schema
"""

from __future__ import annotations

import html
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping

from ccs.errors import CcsError, InvalidInput, MissingDependency
from ccs.host.install.entry import Entry
from ccs.host.install.machine import Found, Machine, Text, utf8

_LONGEST_PATH = 260
_TASK = """<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.3" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>ccs tick: starts what is due. Written by ccs install.</Description>
  </RegistrationInfo>
  <Triggers>
    <TimeTrigger>
      <Enabled>true</Enabled>
      <StartBoundary>2026-01-01T00:00:00Z</StartBoundary>
      <Repetition>
        <Interval>PT1M</Interval>
      </Repetition>
    </TimeTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>{user}</UserId>
      <LogonType>S4U</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <Enabled>true</Enabled>
    <Hidden>true</Hidden>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Priority>5</Priority>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{command}</Command>
      <Arguments>{arguments}</Arguments>
    </Exec>
  </Actions>
</Task>
"""


def fits(machine: Machine) -> str:
    return "" if machine.program("schtasks") else "there is no schtasks here: it is of Windows"


def texts(entry: Entry, machine: Machine) -> list[Text]:
    return [Text(f"task {_name(entry)}", task(entry, _user(machine)))]


def task(entry: Entry, user: str) -> bytes:
    """UTF-16 with its mark, as Windows itself exports it. Raises InvalidInput."""
    fields = _fields(entry, user)
    for value in fields.values():
        utf8(value, "Task Scheduler")
    if len(sys.executable) > _LONGEST_PATH:
        raise InvalidInput(
            f"Task Scheduler takes no program whose path is longer than {_LONGEST_PATH} characters",
            f"install ccs in a shorter place than {sys.executable}",
        )
    text = _TASK.format(**{name: html.escape(value, quote=False) for name, value in fields.items()})
    return text.replace("\n", "\r\n").encode("utf-16")


def _fields(entry: Entry, user: str) -> dict[str, str]:
    words = ["-P", "-c", _code(entry), "tick", "--backend", "schtasks"]
    arguments = subprocess.list2cmdline(words)
    return {"user": user, "command": sys.executable, "arguments": arguments}


def _code(entry: Entry) -> str:
    """A task has no environment of its own, so Python sets it before it calls ccs."""
    variables = {name: value for name, value in entry.variables.items() if name != "HOME"}
    return f"import os;os.environ.update({variables!a});from ccs.__main__ import main;main()"


def found(entry: Entry, machine: Machine) -> list[Found]:
    if fits(machine):
        return []
    done = machine.call("schtasks", "/Query", "/TN", _name(entry), "/XML")
    if done.code:  # its words are translated, so only the code can tell
        return []
    same = _runs(done.out, _fields(entry, _user(machine)))
    fault = "" if same else "it is not as ccs install would write it"
    return [Found(f"task {_name(entry)}", ours=True, fault=fault)]


def _runs(xml: bytes, wanted: Mapping[str, str]) -> bool:
    """Windows adds defaults to what it was given, so only what is run is compared."""
    codec = "utf-16" if xml[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    text = html.unescape(xml.decode(codec, "replace"))
    elements = {"Command": wanted["command"], "Arguments": wanted["arguments"]}
    return all(f"<{name}>{value}</{name}>" in text for name, value in elements.items())


def install(entry: Entry, machine: Machine) -> None:
    unfit = fits(machine)
    if unfit:
        raise MissingDependency(unfit)
    with tempfile.TemporaryDirectory(prefix="ccs-") as directory:
        path = os.path.join(directory, "task.xml")
        with open(path, "wb") as file:
            file.write(task(entry, _user(machine)))
        hint = "a task that runs without a login may need a terminal opened as administrator"
        words = ("/Create", "/TN", _name(entry), "/XML", path, "/F")
        machine.do("schtasks", *words, hint=hint)
    if not found(entry, machine):
        raise CcsError(f"Task Scheduler does not have {_name(entry)} after it took it")


def retire(entry: Entry, machine: Machine, found: list[Found]) -> None:
    """None made by hand are found here."""


def uninstall(entry: Entry, machine: Machine) -> None:
    if found(entry, machine):
        machine.do("schtasks", "/Delete", "/TN", _name(entry), "/F")


def warnings(entry: Entry, machine: Machine) -> list[str]:
    return ["run without a login, it reaches no credentials that Windows keeps behind the password"]


def _name(entry: Entry) -> str:
    return f"\\ccs\\{entry.name}"


def _user(machine: Machine) -> str:
    domain, user = (machine.environ.get(name, "") for name in ("USERDOMAIN", "USERNAME"))
    return "\\".join(filter(None, (domain, user or machine.environ.get("USER", ""))))
