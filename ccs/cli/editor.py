"""A text that a person changes in an editor of theirs."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import click

from ccs.cli import terminal
from ccs.cli.output import Output
from ccs.errors import CcsError, InvalidInput, MissingDependency

T = TypeVar("T")


def edited(text: str, prefix: str, take: Callable[[str], T], out: Output) -> T | None:
    """What `take` makes of the changed text; None when nothing was changed. What it refuses by
    InvalidInput can be mended on a terminal. If it is not taken the text is kept, in a file whose
    name begins with `prefix`. Raises CcsError when the person gives up, and what `take` raises.
    """
    argv = _editor()
    draft = _draft(text, prefix)
    try:
        found = _taken(text, argv, draft, take, out)
    except BaseException:  # whatever it is, what somebody wrote must not be lost
        if _is_of_use(draft, text):
            out.say(f"what you wrote is kept in {draft}")
        raise
    with suppress(FileNotFoundError):
        os.unlink(draft)
    return found


def _taken(
    text: str, argv: list[str], draft: str, take: Callable[[str], T], out: Output
) -> T | None:
    while True:
        _call([*argv, draft])
        try:
            written = _read(draft)
            return None if written == text else take(written)
        except InvalidInput as problem:
            if not terminal.can_ask():
                raise
            out.say(f"error: {problem.message}" + (f" ({problem.hint})" if problem.hint else ""))
            if not click.confirm("Edit it again?", default=True, err=True):
                raise CcsError("nothing was changed") from None


def _is_of_use(draft: str, given: str) -> bool:
    """Removes it if not."""
    try:
        if _read(draft) != given:
            return True
        os.unlink(draft)
    except InvalidInput:
        return os.path.exists(draft)
    return False


def _editor() -> list[str]:
    """Raises MissingDependency, InvalidInput."""
    for variable in ("VISUAL", "EDITOR"):
        try:
            argv = shlex.split(os.environ.get(variable, ""))
        except ValueError as error:
            raise InvalidInput(f"${variable}: {error}") from None
        if argv and argv[0]:
            return argv
    if not terminal.can_ask():
        raise InvalidInput("there is no terminal to edit on", "name what edits it: EDITOR=… ccs …")
    for name in ("editor", "vi", "nano"):
        if path := shutil.which(name):
            return [path]
    raise MissingDependency("no editor was found", "name one: EDITOR=nano ccs …")


def _call(argv: list[str]) -> None:
    """Ctrl-C is the editor's while it runs; to it, as to any program, it is not ignored."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        code = subprocess.Popen(argv).wait()
    except OSError as error:
        raise MissingDependency(f"the editor {argv[0]}: {error.strerror}", "set EDITOR") from None
    finally:
        signal.signal(signal.SIGINT, before)
    if code:
        raise CcsError(f"the editor ended with {code}; nothing was changed")


def _draft(text: str, prefix: str) -> str:
    """Private, and outside the store: whoever gives up may keep it."""
    fd, path = tempfile.mkstemp(prefix=prefix, suffix=".json")
    with open(fd, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} cannot be read: {error}", "save it as UTF-8") from None
