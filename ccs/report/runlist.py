"""Which runs a person asks for, and what is said about each beside its record."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from ccs.claude import allow
from ccs.errors import BrokenStore
from ccs.model.run import Run
from ccs.model.task import Task
from ccs.report import listed
from ccs.report.listed import BYPASS
from ccs.store.store import Store

_PATHS = ("file_path", "notebook_path", "path")


class Wanted(NamedTuple):
    """What is None or empty does not matter. `since`: of the slot, as the list is sorted."""

    task_id: str | None = None
    job_id: str | None = None
    statuses: frozenset[str] = frozenset()
    since: datetime | None = None

    def __contains__(self, run: object) -> bool:
        return (
            isinstance(run, Run)
            and self.task_id in (None, run.task_id)
            and self.job_id in (None, run.job_id)
            and (not self.statuses or run.status in self.statuses)
            and (self.since is None or run.scheduled_time >= self.since)
        )


def chosen(store: Store, wanted: Wanted) -> Iterator[Run]:
    """Newest first. Raises BrokenStore."""
    return (run for run in store.every_run(wanted.since) if run in wanted)


class Trust:
    """What runs were allowed to do: by the task as it ran, else as it is now."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @cached_property
    def _now(self) -> dict[str, str]:
        kept = listed.permissions(self._store.home)
        if kept is None:
            kept = {task.id: task.permissions for task in _tasks(self._store)}
            if kept:
                listed.tasks_read(self._store)
        return kept

    def task(self, run: Run) -> dict[str, Any] | None:
        task = listed.task_of(self._store.home, run.id)
        if task is not None:
            return task
        return next((one.record() for one in _tasks(self._store) if one.id == run.task_id), None)

    def record(self, run: Run) -> dict[str, Any]:
        mode = listed.permitted(self._store.home, run.id) or self._now.get(run.task_id)
        return {**run.record(), "permissions": mode}


def permitted(store: Store) -> dict[str, set[str]]:
    """What the tasks of each job may do."""
    found: dict[str, set[str]] = {}
    for task in _tasks(store):
        found.setdefault(task.job_id or "", set()).add(task.permissions)
    return found


def _tasks(store: Store) -> list[Task]:
    """None where they cannot be read: what is listed beside them is told all the same, and
    `ccs health` tells the rest."""
    try:
        return store.tasks.all()
    except BrokenStore:
        return []


def described(store: Store, run: Run) -> dict[str, Any]:
    """The record; beside each denial the rules that would have let it pass."""
    trust = Trust(store)
    record = trust.record(run)
    forbidden = (trust.task(run) or {}).get("disallowed_tools")
    for denial in record["permission_denials"]:
        denial["allow"] = _allowing(denial, record, forbidden)
    return record


def _allowing(denial: dict[str, Any], record: dict[str, Any], forbidden: object) -> list[str]:
    tool, given = str(denial.get("tool_name")), denial.get("tool_input")
    if record["permissions"] == BYPASS:
        return []  # all that is not forbidden passes
    if record["permissions"] == "plan" and tool in allow.EDITING:
        return []  # whatever is allowed, that mode writes nothing
    rules = forbidden if isinstance(forbidden, list) else []
    if any(allow.forbids(str(rule), tool, given) for rule in rules):
        return []
    return list(
        dict.fromkeys(
            rule
            for one in _with_links_followed(given, record["cwd"])
            for rule in allow.rules(tool, one, record["cwd"])
        )
    )


def _with_links_followed(given: object, cwd: str | None) -> list[object]:
    """What a tool was given; and where a link is in its path, the same with the place behind it,
    for the client asks about both."""
    paths = {
        name: os.path.join(cwd or "", value)
        for name, value in (given.items() if isinstance(given, dict) else ())
        if name in _PATHS and isinstance(value, str) and "\0" not in value
    }
    real = {name: os.path.realpath(path) for name, path in paths.items() if os.path.isabs(path)}
    if not isinstance(given, dict) or all(
        os.path.normpath(paths[one]) == real[one] for one in real
    ):
        return [given]
    return [given, {**given, **real}]


def permitting(store: Store, record: dict[str, Any]) -> list[str] | None:
    """All tools and rules that the run's task would need; None when it is gone or lacks none."""
    task = store.tasks.get(record["task_id"])
    wanted = [rule for denial in record["permission_denials"] for rule in denial["allow"]]
    if task is None or set(wanted) <= set(task.allowed_tools):
        return None
    every = list(dict.fromkeys([*task.allowed_tools, *wanted]))
    tools = {one for one in every if "(" not in one}
    return [one for one in every if one in tools or one.partition("(")[0] not in tools]
