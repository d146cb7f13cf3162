"""After a success: a commit of the paths that were clean before the run and are not now.

What was changed before the run stays as it is and uncommitted, also where the run changed it
further; of that, and of whatever else the run changed and nobody should commit unseen, the run's
message tells. Nothing here makes a success a failure. Lean.
"""

from __future__ import annotations

import os
import zlib

from ccs.errors import CcsError
from ccs.host import changes
from ccs.host import commit as commits
from ccs.host.changes import State
from ccs.host.git import LONG_SECONDS
from ccs.host.repository import Repository
from ccs.store.lock import Lock
from ccs.text import shorten

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ccs.engine.workplace import Place
    from ccs.store.home import Home

    Record = dict[str, Any]
    Say = Callable[[str], None]

_TOLD = 3
_SUBJECT = 72


def commit(
    place: Place,
    asked: Record,
    run_id: str,
    say: Say,
    mask: Callable[[str], str],
    told_to_stop: Callable[[], bool] | None = None,
) -> str | None:
    """The id of the commit of what the run changed; None when there is none, and why is told.

    Called after a success, never for a mock. `mask` takes secrets out of its message, which may be
    pushed to anybody; `told_to_stop` ends hooks that are running.
    """
    if place.before is None or place.repo is None or asked["mock"]:
        return None
    if not asked["place"]["commit"]:
        return None
    message = _message(asked, run_id, mask)
    try:
        with Lock(_lock_of(place.home, place.repo)) as lock:
            # Two runs that commit at once would each look at the other's half-made commit.
            lock.acquire_within(2 * LONG_SECONDS, "ccs supervise")
            place.commit = _commit(place, place.repo, place.before, message, say, told_to_stop)
    except (CcsError, OSError) as error:
        _tell(place, f"nothing was committed: {error}", say)
    return place.commit


def _lock_of(home: Home, repo: Repository) -> str:
    """One for each repository, with all its worktrees."""
    name = f"commit-{zlib.crc32(os.fsencode(repo.common)):08x}.lock"
    return os.path.join(home.file("locks"), name)


def _commit(
    place: Place,
    repo: Repository,
    before: State,
    message: str,
    say: Say,
    told_to_stop: Callable[[], bool] | None,
) -> str | None:
    now = changes.look(place.at_top(), repo.top)
    unclear = before.unclear or now.unclear
    if unclear:
        _tell(place, f"nothing was committed: {unclear}; is something not ignored?", say)
        return None
    chosen, passed_over = _chosen(repo.top, before, now)
    if passed_over:
        more = len(passed_over) - _TOLD
        words = ", ".join(passed_over[:_TOLD]) + (f" and {more} more" if more > 0 else "")
        _tell(place, f"left uncommitted: {words}", say)
    if not chosen:
        return None
    if now.branch is None:
        _tell(place, "nothing was committed: no branch is checked out", say)
        return None
    if (under_way := repo.under_way()) is not None:
        _tell(place, f"nothing was committed: {under_way} is under way", say)
        return None
    made, complaint = commits.commit(place.at_top(), repo, chosen, message, say, told_to_stop)
    if made is not None:
        say(f"committed as {made[:12]} on {now.branch}: {len(chosen)} paths")
    if complaint:
        _tell(place, complaint, say)
    return made


def _chosen(top: str, before: State, now: State) -> tuple[list[str], list[str]]:
    """What is to be committed, and in words what the run changed and is not."""
    # A file of the user under another name is still the user's.
    moved = changes.has_moved(before, now)
    chosen = []
    passed_over = [
        f"{path} ({why})" for path, why in now.foreign.items() if path not in before.foreign
    ]
    for path, it in now.dirty.items():
        if path in before.dirty:
            if it != before.dirty[path]:
                passed_over.append(f"{path} (changed before as well)")
        elif it in moved:
            passed_over.append(f"{path} (was uncommitted before, under another name)")
        elif changes.is_too_large(os.path.join(top, path)):
            passed_over.append(f"{path} (over 100 MB)")
        elif it != "other" and not it.endswith("unreadable"):
            chosen.append(path)
    return chosen, passed_over


def _message(asked: Record, run_id: str, mask: Callable[[str], str]) -> str:
    task = asked["task"]
    # Before it is cut: half a secret would not be recognised.
    name = shorten(mask(str(task.get("name") or "task")), _SUBJECT)
    lines = mask(str(task.get("prompt") or task.get("command") or "")).strip().splitlines()
    first = shorten(lines[0], 4 * _SUBJECT) if lines else ""
    body = f"\n\n{first}" if first and not first.startswith(name.rstrip("…")) else ""
    return f"{name}{body}\n\nCcs-Run: {run_id}\n"


def _tell(place: Place, words: str, say: Say) -> None:
    say(words)
    place.told.append(words)
