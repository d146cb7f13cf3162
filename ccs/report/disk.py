"""What the store takes on the disk, by what it is for."""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from ccs.store.home import COMPRESSED, Home

# By the end of the name, the first that fits; in any directory.
_BY_NAME = (
    (".prev", "previous_copies"),
    (".format-0", "previous_copies"),
    (".tmp", "drafts"),
)
_LOGS = (
    (COMPRESSED, "logs_compressed"),
    (".log", "logs"),
    (".jsonl", "streams"),
    (".task.json", "tasks_as_they_ran"),
    (".times", "log_times"),
)
_DIRECTORIES: dict[str, str] = {
    "history": "history",
    "runs": "unfinished_runs",
    "watch": "watched_trees",
}


def use(home: Home) -> dict[str, Any]:
    """Files and bytes of each part, all together, and what is free."""
    parts: dict[str, dict[str, int]] = defaultdict(lambda: {"files": 0, "bytes": 0})
    for path, size in _files(home.path):
        for one in (parts[_part(os.path.relpath(path, home.path))], parts["total"]):
            one["files"] += 1
            one["bytes"] += size
    total = parts.pop("total", {"files": 0, "bytes": 0})
    by_size = sorted(parts.items(), key=lambda item: -item[1]["bytes"])
    return {"parts": dict(by_size), "total": total, "free_bytes": _free(home.path)}


def _part(path: str) -> str:
    directory, _, rest = str(path).partition(os.sep)
    for ending, part in _BY_NAME + _LOGS if directory == "logs" else _BY_NAME:
        if path.endswith(ending):
            return part
    if not rest:
        return "records"
    return _DIRECTORIES.get(directory, directory)


def _files(path: str) -> Iterator[tuple[str, int]]:
    """What cannot be looked at, or goes away meanwhile, is left out. Links are not followed."""
    for directory, _, names in os.walk(path):
        for name in names:
            whole = os.path.join(directory, name)
            try:
                yield whole, os.lstat(whole).st_size
            except OSError:
                continue


def _free(path: str) -> int | None:
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return None  # there is no store yet
