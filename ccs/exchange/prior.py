"""Jobs and tasks in the words of the prior system, both ways; its runs and profiles one way.

Its files hold whatever was written into them, so the fields that come out here are still to be
checked by the models. What cannot be carried as it stood is told, never dropped in silence.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from ccs.errors import InvalidInput
from ccs.exchange import schedules
from ccs.exchange.notes import Here, Note, number, one_line, part, text, unknown
from ccs.model.job import Job
from ccs.model.task import Task
from ccs.redact import redacted
from ccs.text import plain, shorten

_JOB = frozenset((
    *("id", "name", "description", "status", "created_at", "updated_at", "profile"),
    *("working_directory", "task_order"),
))  # fmt: skip
_PLACE = ("path", "use_git_worktree", "worktree_name", "worktree_branch")
_TASK = frozenset((
    *("id", "job_id", "name", "enabled", "commit_on_success", "model", "profile", "schedule"),
    *("prompt_type", "prompt", "command", "command_type", "permissions", "session_mode"),
    *("last_session_id", "allowed_tools", "disallowed_tools", "retry", "notifications"),
    *("created_at", "updated_at", "last_run_status", "working_directory"),
))  # fmt: skip
_RUN = frozenset((
    *("id", "task_id", "task_name", "status", "scheduled_time", "start_time", "end_time"),
    *("duration", "session_id", "output", "raw_output", "errors", "exit_code"),
))  # fmt: skip
_PROFILE = frozenset(("id", "name", "description", "env_vars", "created_at", "updated_at"))
_PERMISSIONS = ("default", "bypass", "acceptEdits", "plan")
_SESSIONS = ("new", "reuse", "fork")
_PROMPTS = ("prompt", "slash_command")
_PLACE_OF_OLD = "~/projects"
_MOST_MESSAGE = 2_000
# So that no secret is cut in two and not known any more.
_MOST_READ = 20_000
_LONGEST_NAME = 200
# Its fields that say yes or no, with what it took an absent one for.
_TOLD = {"on_start": False, "on_end": True, "on_failure": True}
_PARTS: dict[str, Collection[str]] = {
    "schedule": schedules.EMPTY,
    "retry": ("enabled", "max_attempts", "delay_seconds", "backoff_multiplier"),
    "notifications": _TOLD,
}
_OURS = {"on_end": "on_success"}


# To its words ---------------------------------------------------------------------


def of_job(job: Job) -> dict[str, Any]:
    place = job.working_directory.record()
    return {
        "id": job.id,
        "name": job.name,
        "description": job.description,
        "status": "failed" if job.status == "cancelled" else job.status,
        "created_at": _local(job.created_at),
        "updated_at": _local(job.updated_at),
        "profile": job.profile,
        "working_directory": {name: place[name] for name in _PLACE},
        "task_order": job.task_order,
    }


def of_task(task: Task) -> dict[str, Any]:
    retried = task.retry.max_attempts > 1
    told = {name: getattr(task.notifications, _OURS.get(name, name)) != [] for name in _TOLD}
    return {
        "id": task.id,
        "job_id": task.job_id,
        "name": task.name,
        "enabled": task.enabled,
        "commit_on_success": task.commit_on_success,
        "model": task.model or "sonnet",
        "profile": task.profile,
        "schedule": schedules.told(task.schedule),
        "prompt_type": task.prompt_type if task.prompt_type in _PROMPTS else "prompt",
        "prompt": task.prompt,
        "permissions": task.permissions if task.permissions in _PERMISSIONS else "default",
        "session_mode": task.session_mode,
        "last_session_id": None,
        "allowed_tools": task.allowed_tools,
        "disallowed_tools": task.disallowed_tools,
        "retry": {
            "enabled": retried,
            # It counts those after the first.
            "max_attempts": task.retry.max_attempts - 1 if retried else 3,
            "delay_seconds": int(task.retry.delay.total_seconds()),
            "backoff_multiplier": task.retry.backoff_multiplier,
        },
        "notifications": told,
        "created_at": _local(task.created_at),
        "updated_at": _local(task.updated_at),
        "last_run_status": None,
    }


def _local(moment: datetime) -> str:
    """It compares these with naive times of its own, so an offset would trip it."""
    return moment.astimezone().replace(tzinfo=None).isoformat()


# From its words -------------------------------------------------------------------


def job(entry: Mapping[str, Any], here: Here) -> tuple[dict[str, Any], list[Note]]:
    """Raises InvalidInput."""
    notes = unknown(entry, _JOB)
    fields = {name: entry[name] for name in _JOB if entry.get(name) is not None}
    fields["name"] = _name(entry, "Untitled Job", notes)
    place = entry.get("working_directory")
    if isinstance(place, str):
        place = {"path": place}
    elif isinstance(place, dict):
        notes += unknown(place, _PLACE, "working_directory.")
        place = {name: place[name] for name in _PLACE if place.get(name) is not None}
    elif place is not None:
        raise InvalidInput("working_directory: must be an object")
    place = place or {}
    place["path"] = here.path(text(place, "path", _PLACE_OF_OLD))
    if entry.get("status") == "in_progress":
        fields["status"] = "pending"
        notes.append(Note("status", "in_progress: nothing of it goes on here, so it is pending"))
    return {**fields, "working_directory": place}, notes


def task(entry: Mapping[str, Any], here: Here, born: str) -> tuple[dict[str, Any], list[Note]]:
    """`born`: from when its interval counts. Raises InvalidInput."""
    notes = unknown(entry, _TASK)
    same = ("id", "job_id", "enabled", "commit_on_success", "model", "profile")
    more = ("allowed_tools", "disallowed_tools", "created_at", "updated_at")
    fields = {name: entry[name] for name in (*same, *more) if entry.get(name) is not None}
    fields["name"] = _name(entry, "Untitled Task", notes)
    prompt = text(entry, "prompt") or text(entry, "command")
    if not prompt.strip():
        prompt = text(entry, "name").strip() or fields["name"]
        notes.append(Note("prompt", "it was empty, so the name is the prompt, as it was"))
    fields["prompt"] = prompt
    kind = text(entry, "prompt_type") or text(entry, "command_type", "prompt")
    fields["prompt_type"] = _one_of(_PROMPTS, kind, "prompt", "prompt_type", notes)
    fields["permissions"] = _permissions(entry.get("permissions"), notes)
    mode = text(entry, "session_mode", "new")
    fields["session_mode"] = _one_of(_SESSIONS, mode, "new", "session_mode", notes)
    parts = {name: part(entry, name) for name in _PARTS}
    for name, known in _PARTS.items():
        notes += unknown(parts[name], known, f"{name}.")
    fields["retry"] = _retry(parts["retry"])
    fields["notifications"] = _notifications(parts["notifications"])
    fields["schedule"], more_notes = schedules.heard(parts["schedule"], here, born)
    if entry.get("last_session_id") is not None:
        notes.append(Note("last_session_id", "its next run begins a session of its own"))
    if entry.get("job_id") is None:
        written = text(entry, "working_directory", _PLACE_OF_OLD)
        fields["working_directory"] = here.path(written)
    return fields, [*notes, *more_notes]


def profile(entry: Mapping[str, Any]) -> tuple[dict[str, Any], list[Note]]:
    notes = unknown(entry, _PROFILE)
    fields = {name: entry[name] for name in _PROFILE if entry.get(name) is not None}
    fields["name"] = _name(entry, "Untitled Profile", notes)
    return fields, notes


def run(entry: Mapping[str, Any]) -> tuple[dict[str, Any], list[Note]]:
    """A finished one: what was going on when it was written went on nowhere. Raises InvalidInput.

    What started it was not recorded: it counts as started by hand, so no slot hangs on it.
    """
    notes = unknown(entry, _RUN)
    same = ("id", "task_id", "scheduled_time", "start_time", "end_time", "duration")
    fields = {name: entry[name] for name in same if entry.get(name) is not None}
    fields["task_name"] = shorten(text(entry, "task_name"), 200)
    for name in ("session_id", "exit_code"):
        fields[name] = entry.get(name)
    status = text(entry, "status", "upcoming")
    written = redacted(text(entry, "errors")[:_MOST_READ])
    message = plain(written[:_MOST_MESSAGE]) or None
    if status in ("upcoming", "running"):
        notes.append(Note("status", f"{status}: how it ended is not known, so it is lost"))
        status, message = "lost", "it had not ended when its store was taken over"
    reason = {"failed": "error", "cancelled": "stopped", "lost": "crash"}.get(status)
    return {**fields, "status": status, "reason": reason, "message": message,
            "trigger": "manual"}, notes  # fmt: skip


def _name(entry: Mapping[str, Any], default: str, notes: list[Note]) -> str:
    """It took any text; where it was empty too, what it showed of one that is absent."""
    name = one_line(text(entry, "name"), notes)
    name = name if name.strip() else default
    if len(name) <= _LONGEST_NAME:
        return name
    notes.append(Note("name", f"shortened to {_LONGEST_NAME} characters"))
    return name[: _LONGEST_NAME - 1] + "…"


def _one_of(known: tuple[str, ...], value: str, default: str, field: str, notes: list[Note]) -> str:
    if value in known:
        return value
    notes.append(Note(field, f"{shorten(value, 60)!r} was taken for {default}, and is {default}"))
    return default


def _permissions(value: Any, notes: list[Note]) -> str:
    """Its command line wrote a list, and a part of it the text of one: `['bypass']`."""
    if value is None:
        return "bypass"
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, str):
        notes.append(Note("permissions", "neither one of its words nor a list of one: default"))
        return "default"
    word = value.removeprefix("['").removesuffix("']")
    return _one_of(_PERMISSIONS, word, "default", "permissions", notes)


def _retry(entry: Mapping[str, Any]) -> dict[str, Any]:
    attempts = number(entry, "max_attempts", 3) + 1 if entry.get("enabled") is True else 1
    fields: dict[str, Any] = {"max_attempts": attempts}
    fields["delay"] = number(entry, "delay_seconds", 60)
    if entry.get("backoff_multiplier") is not None:
        fields["backoff_multiplier"] = entry["backoff_multiplier"]
    return fields


def _notifications(entry: Mapping[str, Any]) -> dict[str, Any]:
    """None leaves it to the settings, an empty list is nobody."""
    said = {
        name: absent if entry.get(name) is None else entry[name] for name, absent in _TOLD.items()
    }
    return {_OURS.get(name, name): None if yes is True else [] for name, yes in said.items()}
