"""ccs tasks edit, ccs tasks duplicate"""

from __future__ import annotations

import os
import shlex
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from ccs.cli import params, terminal
from ccs.cli.output import Output
from ccs.errors import CcsError, InvalidInput, MissingDependency

if TYPE_CHECKING:
    from ccs.model.task import Task
    from ccs.store.store import Store


@click.command()
@click.argument("task")
@params.output_options
def edit(task: str, out: Output) -> None:
    """Change a task as JSON in $VISUAL or $EDITOR. A field that is taken out gets its default.

    What does not make sense is said, and can be mended or given up; a task that somebody else has
    changed meanwhile is left as it is. The text is kept then.

    \b
    Examples:
      ccs tasks edit deps
      EDITOR=nano ccs tasks edit deps
    """
    from ccs.engine import edit as verbs

    store = params.store()
    found = store.tasks.find(task)
    argv = _editor()
    draft = _draft(verbs.text(found))
    try:
        changed = _edited(store, found, argv, draft, out)
    except BaseException:  # whatever it is, what somebody wrote must not be lost
        if _is_of_use(draft, verbs.text(found)):
            out.say(f"what you wrote is kept in {draft}")
        raise
    with suppress(FileNotFoundError):
        os.unlink(draft)
    if changed is None:
        out.say("nothing was changed")
        changed = found
    elif changed.schedule != found.schedule or changed.enabled != found.enabled:
        from ccs.cli.tasks import tell_schedule

        tell_schedule(store, changed, params.now(), out)
    out.record(changed.record())


@click.command()
@click.argument("task")
@click.option("--name", help="Of the copy; else the task's name and 'copy'.")
@params.output_options
def duplicate(task: str, name: str | None, out: Output) -> None:
    """Copy a task. The copy is disabled.

    \b
    Example:
      ccs tasks duplicate nightly --name weekly
    """
    from ccs.engine import edit as verbs

    copy = verbs.duplicate(params.store(), task, name, params.now())
    out.record(copy.record())
    out.say(f"created task {copy.name!r}, disabled; when it is right: ccs tasks enable {copy.id}")


def _edited(store: Store, task: Task, argv: list[str], draft: str, out: Output) -> Task | None:
    """None when nothing was changed. Raises CcsError when the person gives up."""
    from ccs.engine import edit as verbs

    while True:
        _call([*argv, draft])
        try:
            written = _read(draft)
            if written == verbs.text(task):
                return None
            return verbs.replace(store, task, verbs.fields(written, task), params.now())
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
    from shutil import which

    for name in ("editor", "vi", "nano"):
        if path := which(name):
            return [path]
    raise MissingDependency("no editor was found", "name one: EDITOR=nano ccs tasks edit …")


def _call(argv: list[str]) -> None:
    """Ctrl-C is the editor's while it runs; to it, as to any program, it is not ignored."""
    from subprocess import Popen

    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        code = Popen(argv).wait()
    except OSError as error:
        raise MissingDependency(f"the editor {argv[0]}: {error.strerror}", "set EDITOR") from None
    finally:
        signal.signal(signal.SIGINT, before)
    if code:
        raise CcsError(f"the editor ended with {code}; nothing was changed")


def _draft(text: str) -> str:
    """Private, and outside the store: whoever gives up may keep it."""
    from tempfile import mkstemp

    fd, path = mkstemp(prefix="ccs-task-", suffix=".json")
    with open(fd, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read: {error}") from None
