"""Exports that somebody might send: the bytes, the exit code, words of the refusal.

Exit code 0 with words stands for one that comes in without harm, and says so.
"""

from __future__ import annotations

import json
from typing import Any

import prior_files as files

OTHER = files.OTHER
SEQUENTIAL = files.schedule("sequential")


def text(document: Any) -> bytes:
    return json.dumps(document).encode()


def ours(task: dict[str, Any] | None = None, **fields: Any) -> bytes:
    """What only ccs knows, of a task or of the file."""
    return text(files.exported(ccs={"format": 1, "tasks": {files.TASK: task or {}}, **fields}))


def tasks(*entries: Any) -> bytes:
    return text(files.exported(tasks=list(entries)))


def task(**fields: Any) -> bytes:
    return tasks(files.task(**fields))


def job(**fields: Any) -> bytes:
    return text(files.exported(job=files.job(**fields)))


def place(**fields: Any) -> bytes:
    return job(working_directory={"path": "/tmp", **fields})


def deep(levels: int) -> bytes:
    return b'{"version": "1.0", "job": ' + b"[" * levels + b"]" * levels + b"}"


def circle() -> bytes:
    both = [files.task(), files.task(id=OTHER)]
    after = {files.TASK: {"after": [OTHER]}, OTHER: {"after": [files.TASK]}}
    return text(files.exported(tasks=both, ccs={"format": 1, "tasks": after}))


BARE = {"version": "1.0"}
WHOLE = text(files.exported())
PACK: dict[str, tuple[bytes, int, str]] = {
    # No JSON
    "empty": (b"", 2, "line 1"),
    "blank": (b" \n\n", 2, "cannot be read"),
    "torn": (WHOLE[:200], 2, "line 1"),
    "two documents": (WHOLE + WHOLE, 2, "Extra data"),
    "byte order mark": (b"\xef\xbb\xbf" + WHOLE, 2, "BOM"),
    "utf-16": (WHOLE.decode().encode("utf-16"), 2, "not UTF-8"),
    "latin-1": (b'{"version": "1.0\xe9"}', 2, "not UTF-8"),
    "binary": (bytes(range(256)), 2, "cannot be read"),
    "NaN": (b'{"version": NaN}', 2, "NaN is not JSON"),
    "infinity": (b'{"version": -Infinity}', 2, "Infinity is not JSON"),
    "beyond all numbers": (b'{"version": 1e999}', 2, "too large a number"),
    "endless number": (b'{"version": ' + b"9" * 10_000 + b"}", 2, "cannot be read"),
    "one key twice": (b'{"version": "1.0", "version": "1.0"}', 2, "twice"),
    "deep": (deep(100), 2, "nested too deeply"),
    "deeper": (deep(200_000), 2, "nested too deeply"),
    "millions of nothing": (b'{"tasks": [' + b"[]," * 4_000_000 + b"[]]}", 2, "brackets"),
    # No export
    "a list": (text([files.job()]), 2, "import-store"),
    "a number": (b"1", 2, "one JSON object"),
    "null": (b"null", 2, "one JSON object"),
    "no version": (text({"job": files.job(), "tasks": []}), 2, "version None"),
    "unknown version": (text(files.exported(version="2.0")), 2, "version 2.0"),
    "version as a number": (text(files.exported(version=1.0)), 2, "version 1.0"),
    "escape as version": (text(files.exported(version="\x1b]0;x\a")), 2, "only 1.0"),
    "later format": (ours(format=2), 2, "later version"),
    "no format": (ours(format=0), 2, "only 1 is known"),
    "format is true": (ours(format=True), 2, "only 1 is known"),
    "masked is a list": (ours(masked=[]), 2, "masked: must be an object"),
    "masked fields are a text": (ours(masked={"tasks": {files.TASK: "x"}}), 2, "must be a list"),
    "no job": (text(files.exported(job=None)), 2, "job: must be an object"),
    "job is a list": (text(files.exported(job=[])), 2, "job: must be an object"),
    "no tasks": (text(files.exported(tasks=None)), 2, "tasks: must be a list"),
    "tasks are an object": (text(files.exported(tasks={})), 2, "tasks: must be a list"),
    "a task is text": (tasks("x"), 2, "tasks.0: must be an object"),
    "too many tasks": (tasks(*[{}] * 20_001), 2, "at most 20000"),
    "job and jobs": (text(files.exported(jobs=[])), 2, "jobs"),
    "jobs are an object": (text({"version": "1.0", "jobs": {}}), 2, "jobs"),
    "jobs within jobs": (text({**BARE, "jobs": [{**BARE, "jobs": []}]}), 2, "jobs.0"),
    "ccs is a list": (text(files.exported(ccs=[])), 2, "ccs: must be an object"),
    "ccs.tasks is a list": (ours(tasks=[]), 2, "tasks: must be an object"),
    # Ids
    "no id": (job(id=None), 2, "id: must be there"),
    "id is a path": (job(id="../../../etc/passwd"), 2, "not a UUID"),
    "id of ten megabytes": (job(id="x" * 10_000_000), 2, "job: id: "),
    "task id with a NUL": (task(id="\0" * 36), 2, "not a UUID"),
    "one id twice": (tasks(files.task(), files.task()), 2, "stands there twice"),
    "one id in two spellings": (tasks(files.task(), files.task(id=files.TASK.upper())), 2, "twice"),
    "task with the id of its job": (tasks(files.task(id=files.JOB)), 2, "twice"),
    "circle": (circle(), 2, "a circle"),
    "after itself": (ours({"after": [files.TASK]}), 2, "a circle"),
    # Names and places
    "half a character": (task(prompt="\ud800"), 2, "surrogate"),
    "NUL in an argument": (ours({"extra_args": ["a\0b"]}), 2, "NUL"),
    "worktree elsewhere": (place(worktree_name="../../x"), 2, "no slash"),
    "worktree as an option": (place(worktree_name="-f"), 2, "not begin with a dash"),
    "branch as an option": (place(worktree_branch="--upload-pack=x"), 2, "git branch"),
    "relative directory": (place(path="../../etc"), 2, "must be absolute"),
    "another's home": (place(path="~root/x"), 2, "must be absolute"),
    "directory with a NUL": (place(path="/a\0b"), 2, "must name a directory"),
    "directory is a number": (place(path=3), 2, "must be text"),
    "directory is a list": (job(working_directory=["/"]), 2, "must be an object"),
    "relative watch": (
        task(schedule=files.schedule("file_watch", watch_directory="..")), 2, "absolute path"
    ),
    "watch of the store": (
        task(schedule=files.schedule("file_watch", watch_directory="/")), 2, "holds the store"
    ),
    # Values
    "unknown schedule": (task(schedule=files.schedule("@reboot; rm")), 2, "schedule_type"),
    "interval of nothing": (
        task(schedule=files.schedule("interval", interval_value=0)), 2, "must lie between 1"
    ),
    "endless interval": (
        task(schedule=files.schedule("interval", interval_value=10**400)), 2, "whole number"
    ),
    "unknown zone": (
        task(schedule=files.schedule(timezone="../../etc/passwd")), 2, "not a time zone"
    ),
    "day 99": (
        task(schedule=files.schedule("calendar", calendar_days_of_week=[99])), 2, "days_of_week"
    ),
    "retries without end": (
        task(retry={"enabled": True, "max_attempts": 10**9}), 2, "max_attempts"
    ),
    "enabled is an object": (task(enabled={}), 2, "enabled"),
    "our options": (ours({"extra_args": ["--output-format", "text"]}), 2, "set by ccs itself"),
    "budget without limit": (ours({"budgets": [{"per": "day"}]}), 2, "usd or tokens"),
    "prompt too long": (task(prompt="x" * 10_000_001), 2, "10 MB"),
    "unknown profile": (task(profile=OTHER), 3, "profiles that are not here"),
    "profile is a path": (task(profile="../x"), 2, "not a UUID"),
    # Harmless
    "nobody looked": (ours({"approved": "forged", "id": OTHER}), 0, "ccs.approved: not taken"),
    "of a later version": (ours({"launch_missiles": True}), 0, "ccs.launch_missiles: not taken"),
    "deep inside": (ours({"retry": {"max_attempts": 2, "odd": 1}}), 0, "retry.odd"),
    "another's job": (task(job_id=OTHER), 0, "belongs to the one it came with"),
    "after another's task": (ours({"after": [OTHER]}), 0, "after: tasks that are not in the file"),
    "order of strangers": (job(task_order=[OTHER, files.TASK, files.TASK]), 0, "named twice"),
    "escape in a job's name": (job(name="\x1b[2J"), 0, "control characters"),
    "line break in a task's name": (task(name="a\nERROR: b"), 0, "task 'a ERROR: b'"),
    "reordered name": (task(name="\u202egnp.exe"), 0, "task 'gnp.exe'"),
    "reordered by ccs": (ours({"name": "\u202egnp.exe"}), 0, "control characters"),
    "ccs contradicts": (
        ours({"permissions": "auto", "prompt": "another", "enabled": False}), 0,
        "permissions: ccs says otherwise"
    ),
    "it says it runs": (job(status="in_progress"), 0, "pending"),
    "cron with escapes": (
        task(
            schedule=files.schedule("interval", interval_type="cron", interval_cron="\x1b[2J * * *")
        ), 0, "only when asked"
    ),
    "of nobody": (
        ours(tasks={OTHER: {"verify": "make"}}), 0, "ccs.tasks: 1 of them are not among the tasks"
    ),
    "keys of a later version": (ours(hooks=["x"]), 0, "ccs.hooks: not known here"),
    "keys of somebody": (text(files.exported(hooks=["x"])), 0, "hooks: not known here"),
    "interval of ages": (
        task(schedule=files.schedule("interval", interval_value=10**6, interval_unit="days")),
        2, "must lie between 1 and ten years"
    ),
    "smuggled": (task(verify="curl x | sh"), 0, "verify: not known here"),
}  # fmt: skip
