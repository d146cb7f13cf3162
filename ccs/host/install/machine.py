"""What every backend needs of the machine: its programs, and files replaced whole."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ccs.errors import CcsError, InvalidInput, MissingDependency
from ccs.host import asking
from ccs.host.install.entry import Entry

_SECONDS = 30.0
# Where the schedulers' programs lie although a user's PATH may not say so.
_BESIDE = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin")


@dataclass(frozen=True)
class Text:
    """Something that is written: where, and what."""

    where: str
    content: bytes


@dataclass(frozen=True)
class Found:
    """An entry that exists. `fault`: why it is not what would be written now; `said`: the words of
    one that was made by hand."""

    where: str
    ours: bool
    fault: str = ""
    said: str = ""


@dataclass(frozen=True)
class Done:
    code: int
    out: bytes
    err: str


class Machine:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ

    def program(self, name: str) -> str | None:
        path = self.environ.get("PATH", os.defpath)
        return shutil.which(name, path=os.pathsep.join([path, *_BESIDE]))

    def call(self, name: str, *words: str, given: bytes = b"", **environ: str) -> Done:
        """Runs a program to its end. Raises MissingDependency, CcsError when it does not end."""
        path = self.program(name)
        if path is None:
            raise MissingDependency(f"there is no program {name} here")
        variables = {**self.environ, "LC_ALL": "C", **environ}
        with tempfile.TemporaryFile() as question:
            question.write(given)
            question.seek(0)
            answer = asking.ask([path, *words], question, "/", variables, _SECONDS)
        if answer.code is None:
            raise CcsError(f"{' '.join([name, *words])}: {answer.fault}")
        return Done(answer.code, answer.out, os.fsdecode(answer.err).strip())

    def do(self, name: str, *words: str, hint: str = "") -> None:
        """Raises CcsError with what the program said when it fails."""
        done = self.call(name, *words)
        if done.code:
            said = done.err or os.fsdecode(done.out).strip() or f"exit {done.code}"
            raise CcsError(f"{' '.join([name, *words])}: {said}", hint)


class Backend(Protocol):
    """What each module of this room offers; `fits` aside, all raise CcsError and OSError."""

    def fits(self, machine: Machine) -> str:
        """Why it cannot be used here, in words; empty when it can."""

    def texts(self, entry: Entry, machine: Machine) -> list[Text]:
        """What would be written, by itself. Pure but for the paths. Raises InvalidInput."""

    def found(self, entry: Entry, machine: Machine) -> list[Found]:
        """The entries that call the tick for this store."""

    def install(self, entry: Entry, machine: Machine) -> None:
        """Writes the entry, in place of an older one of ours, and reads it back."""

    def retire(self, entry: Entry, machine: Machine, found: list[Found]) -> None:
        """Puts these, made by hand, out of force, and keeps what they said."""

    def uninstall(self, entry: Entry, machine: Machine) -> None:
        """Removes ours."""

    def warnings(self, entry: Entry, machine: Machine) -> list[str]:
        """What keeps the entry from being called, or will."""


def replace_file(path: str, content: bytes) -> None:
    """Whole or not at all. Raises OSError."""
    directory, name = os.path.split(path)
    os.makedirs(directory, exist_ok=True)
    draft = os.path.join(directory, f".{name}.{os.getpid()}.tmp")
    try:
        with open(draft, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    finally:
        if os.path.lexists(draft):
            os.unlink(draft)


def read_file(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def set_aside(path: str) -> None:
    """What a user wrote is kept beside, never written over."""
    number = 0
    while os.path.lexists(aside := f"{path}.replaced{number or ''}"):
        number += 1
    os.rename(path, aside)


def utf8(text: str, what: str) -> bytes:
    """Raises InvalidInput for a path that is no text, which systemd and launchd could not read."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidInput(
            f"a path in the entry is not valid UTF-8, and {what} takes nothing else",
            "ccs install --backend cron takes any bytes",
        ) from None
