"""ccs tasks edit, ccs tasks duplicate"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ccs.cli import params
from ccs.cli.output import Output

if TYPE_CHECKING:
    from ccs.model.task import Task


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
    from ccs.cli import editor
    from ccs.engine import edit as verbs

    store = params.store()
    found = store.tasks.find(task)

    def take(written: str) -> Task:
        return verbs.replace(store, found, verbs.fields(written, found), params.now())

    changed = editor.edited(verbs.text(found), "ccs-task-", take, out)
    if changed is None:
        out.say("nothing was changed")
        changed = found
    elif changed.schedule != found.schedule or changed.enabled != found.enabled:
        from ccs.cli.tasks import tell_schedule

        tell_schedule(store, changed, params.now(), out)
    out.kept(changed)


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
    out.kept(copy)
    out.say(f"created task {copy.name!r}, disabled; when it is right: ccs tasks enable {copy.id}")
