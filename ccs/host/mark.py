"""Whose a worktree is: a file in the tree's own part of the git directory. Lean."""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Mark = dict[str, Any]

_MARKER = "ccs"


def read_mark(admin: str) -> Mark | None:
    try:
        mark = json.loads(read_text(os.path.join(admin, _MARKER)) or "null")
    except ValueError:
        return None
    return mark if isinstance(mark, dict) else None


def is_made(mark: Mark) -> bool:
    """Whether its maker came to the end."""
    return mark.get("made", True) is True


def write_mark(admin: str, mark: Mark) -> None:
    """Whole or not at all: a torn one would make the tree a stranger's."""
    path = os.path.join(admin, _MARKER)
    with open(f"{path}.tmp", "w", encoding="utf-8") as file:
        json.dump(mark, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(f"{path}.tmp", path)


def read_text(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read(1 << 20).removesuffix("\n")
    except OSError:
        return None
