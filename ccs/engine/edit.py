"""A task as a text that a person changes, and the way back; a task once more."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ccs.engine import tasks
from ccs.errors import InvalidInput
from ccs.model.record import Part
from ccs.model.task import Task
from ccs.store.store import Store

# What ccs itself writes.
_DERIVED = ("id", "active_since", "created_at", "updated_at", "disabled_why", "approved")
_LONGEST_NAME = 200


def text(task: Task) -> str:
    shown = {name: value for name, value in task.record().items() if name not in _DERIVED}
    found = json.dumps(shown, indent=2, ensure_ascii=False)
    if any("\ud800" <= letter <= "\udfff" for letter in found):
        found = json.dumps(shown, indent=2)  # half a surrogate pair fits into no file
    return found + "\n"


def fields(edited: str, task: Task) -> dict[str, Any]:
    """Every field of the task as it is to be; one that was taken out has its default again.

    Raises InvalidInput.
    """
    try:
        told = json.loads(edited)
    except ValueError as error:
        raise InvalidInput(f"this is not JSON: {error}") from None
    except RecursionError:
        raise InvalidInput("this is nested too deeply") from None
    if not isinstance(told, dict):
        raise InvalidInput("this is no JSON object", 'it begins with "{" and ends with "}"')
    present = task.record()
    fixed = {name: present[name] for name in _DERIVED}
    own = [name for name in _DERIVED if name in told and told[name] != fixed[name]]
    if own:
        raise InvalidInput(f"{', '.join(own)}: written by ccs itself")
    changed = Task.checked({**told, **fixed})
    unknown = set(_unknown(changed)) - set(_unknown(task))
    if unknown:
        raise InvalidInput(f"{', '.join(sorted(unknown))}: no such field")
    return {name: value for name, value in changed.record().items() if name not in _DERIVED}


def replace(store: Store, seen: Task, edited: Mapping[str, Any], now: datetime) -> Task:
    """Raises Conflict if the task is not as it was `seen`, InvalidInput, NotFound."""
    return tasks.update(store, seen.id, edited, now, seen)


def duplicate(store: Store, reference: str, name: str | None, now: datetime) -> Task:
    """Disabled: two tasks with one schedule are rarely meant. What nobody has agreed to for the
    task is not agreed to for the copy. Raises NotFound, Ambiguous.
    """
    task = store.tasks.find(reference)
    copied = {key: value for key, value in task.record().items() if key not in _DERIVED}
    taken = {one.name for one in store.tasks.all()}
    copied.update(enabled=False, name=name or _free(task.name, taken))
    return tasks.create(store, copied, now, task.approved)


def _free(name: str, taken: set[str]) -> str:
    number = 1
    while True:
        ending = " copy" if number == 1 else f" copy {number}"
        found = name[: _LONGEST_NAME - len(ending)] + ending
        if found not in taken:
            return found
        number += 1


def _unknown(part: Part, path: str = "") -> Iterator[str]:
    """Where keys stand that no field is for: a misspelt one would silently do nothing."""
    for key in part.model_extra or {}:
        yield path + key
    for name in type(part).model_fields:
        value = getattr(part, name)
        for place, one in enumerate(value) if isinstance(value, list) else [(-1, value)]:
            if isinstance(one, Part):
                yield from _unknown(one, f"{path}{name}." + (f"{place}." if place >= 0 else ""))
