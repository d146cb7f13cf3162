"""A repository that changed what it starts by itself since its task was made waits for a person.

What it starts runs with the task's permissions. The tools that it allows count only where the
task does not allow everything anyway. The supervisor looks, because a tick
touches no path outside the store; the run it holds knows what was seen, so the plan needs no look.
Lean.
"""

from __future__ import annotations

import os

from ccs.host import trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def withheld(asked: dict[str, Any]) -> str | None:
    """The fingerprint that nobody has approved, of where the run is to work."""
    if not asked["approved"] or not asked["cwd"]:
        return None
    seen = seen_in(asked["cwd"])
    everything = _everything_allowed(asked)
    known = any(trust.agree(one, seen, everything) for one in asked["approved"])
    return None if known else seen


def is_new_in(worktree: str, asked: dict[str, Any]) -> bool:
    """Whether a worktree adds to what its repository, which was approved, starts or allows."""
    main = asked["place"]["directory"]
    if not asked["approved"] or not main or worktree == main:
        return False
    try:
        return trust.adds_to(worktree, main, _everything_allowed(asked))
    except (OSError, ValueError):
        return True


def seen_in(directory: str) -> str:
    try:
        return trust.fingerprint(os.path.expanduser(directory))
    except (OSError, ValueError) as error:
        return f"unreadable: {error}"[:200]


def _everything_allowed(asked: dict[str, Any]) -> bool:
    return bool(asked["task"].get("permissions", "bypass") == "bypass")
