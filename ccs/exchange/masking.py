"""Secrets that stand in the texts of an export are masked there, and told by field.

Which fields of a record hold a mask is listed under `ccs.masked`, so that whoever imports it is
told what is missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from ccs.model.job import Job
from ccs.model.task import Task
from ccs.redact import redacted
from ccs.text import MASK, shorten

# In these a value that a profile holds is masked. Elsewhere it is a coincidence, and its mask would
# be no name of a model, no path and no kind of schedule; what looks like a secret by its form is
# masked there too.
TEXTS = frozenset((
    *("name", "description", "prompt", "append_system_prompt", "extra_args", "mcp_config"),
    *("allowed_tools", "disallowed_tools", "verify", "worktree_setup", "tags"),
))  # fmt: skip
_KNOWN = Task.model_fields.keys() | Job.model_fields.keys()
# Eight asterisks are a mask; more of them are a line that somebody drew.
_ALONE = re.compile(rf"(?<!\*){re.escape(MASK)}(?!\*)")


def mask(document: dict[str, Any], hide: Callable[[str], str]) -> list[str]:
    """Masks in place; says where. `hide` masks all that is known to be secret."""
    ours, job = document["ccs"], document["job"]
    told: dict[str, Any] = {}
    found = []
    if job is not None and (fields := _mask([job, ours["job"]], hide)):
        told["job"] = fields
        found += [f"job {_shown(job)}: {name}" for name in fields]
    for task in document["tasks"]:
        if fields := _mask([task, ours["tasks"][task["id"]]], hide):
            told.setdefault("tasks", {})[task["id"]] = fields
            found += [f"task {_shown(task)}: {name}" for name in fields]
    for label in ours["profiles"]:
        label.update(_masked(label, "", redacted, redacted))
    if told:
        ours["masked"] = told
    return found


def lacking(record: Mapping[str, Any], listed: Collection[str]) -> list[str]:
    """The fields of an imported record in which a mask stands for what was not exported."""
    return [
        name
        for name, value in record.items()
        if any(_ALONE.search(one) or (name in listed and MASK in one) for one in texts(value))
    ]


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from texts(one)


def _mask(parts: Sequence[dict[str, Any]], hide: Callable[[str], str]) -> list[str]:
    """The same record in two languages; which of its fields held something."""
    fields: dict[str, None] = {}
    for part in parts:
        for name, value in part.items():
            safe = _masked(value, name, redacted if name in _KNOWN else hide, hide)
            if safe != value:
                part[name] = safe
                fields[name] = None
    return [*fields]


def _shown(record: Mapping[str, Any]) -> str:
    return repr(shorten(record["name"], 100))


def _masked(value: Any, name: str, by: Callable[[str], str], hide: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return hide(value) if name in TEXTS else by(value)
    if isinstance(value, list):
        return [_masked(one, name, by, hide) for one in value]
    if isinstance(value, dict):
        return {key: _masked(one, key, by, hide) for key, one in value.items()}
    return value
