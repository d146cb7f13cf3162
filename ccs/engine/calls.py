"""In which session a run works, and the calls of the client that are tried for it, in turn.

Two runs must never work in one session: the client does not lock it and forks its history. So
`session` is what the supervisor claims under the store lock before it starts.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from ccs.claude import command
from ccs.model.run import Run
from ccs.model.task import Task
from ccs.store.store import Store

# Failures of runs whose session no client ever knew.
_BEFORE_THE_CLIENT = ("start_failed", "env_failed", "workdir_missing")


class Calls(NamedTuple):
    """`resumes`: whether it goes on with what was begun before. `tried`: the second, if any, when
    the client knows nothing of the session."""

    session: str
    resumes: bool
    tried: list[dict[str, Any]]


def calls(run: Run, task: Task, last: str | None, model: str, most: float | None) -> Calls:
    """`last`: the session of the task's run before this one."""

    def call(session: list[str], prompt: str, is_file: bool = False) -> dict[str, Any]:
        words = command.options(task, session, model, most)
        return {"options": words, "prompt": prompt, "prompt_is_file": is_file}

    def asking(session: list[str]) -> dict[str, Any]:
        return call(session, command.prompt(task), task.prompt_type == "file")

    if run.session_id:
        on = ["--resume", run.session_id]
        words = _going_on(run, task)
        first = asking(on) if words is None else call(on, words)
        if run.prompt is not None:  # said by a person to this very session: nothing else will do
            return Calls(run.session_id, True, [first])
        return Calls(run.session_id, True, [first, asking(["--session-id", run.session_id])])
    fresh = asking(["--session-id", run.id])
    if last is None or task.session_mode == "new":
        return Calls(run.id, False, [fresh])
    if task.session_mode == "fork":
        forked = asking(["--resume", last, "--fork-session", "--session-id", run.id])
        return Calls(run.id, False, [forked, fresh])
    return Calls(last, True, [asking(["--resume", last]), fresh])


def _going_on(run: Run, task: Task) -> str | None:
    """What is said to the session; None: what the task says, which stands in a file.

    A try again repeats what was asked, because nobody knows whether the session ever heard it.
    """
    if run.trigger == "resume":
        return command.CONTINUE
    if run.trigger != "retry":
        return run.prompt or command.GO_ON
    if run.prompt is None and task.prompt_type == "file":
        return None
    return f"{command.AGAIN} It is this:\n\n{run.prompt or command.prompt(task)}"


def last_session(store: Store, run: Run, task: Task, mock: bool) -> str | None:
    """Of the task's newest run that had one, of the same client."""
    if task.session_mode == "new" or run.session_id:
        return None
    found = [one for one in store.runs.all() if _is_its_own(one, task, mock)]
    if found:
        return max(found, key=began).session_id
    older = (one for one in store.every_run(task.created_at) if _is_its_own(one, task, mock))
    return next((one.session_id for one in older), None)


def began(run: Run) -> datetime:
    return run.start_time or run.scheduled_time


def had_session(run: Run) -> bool:
    never_began = run.status == "upcoming" or run.reason in _BEFORE_THE_CLIENT
    return run.session_id is not None and not never_began


def _is_its_own(run: Run, task: Task, mock: bool) -> bool:
    return run.task_id == task.id and run.mock == mock and had_session(run)
