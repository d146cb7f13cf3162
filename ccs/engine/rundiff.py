"""What a run changed in the files it worked on, as far as that can be told."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ccs.engine import workplace
from ccs.errors import Conflict
from ccs.host import changes, difference
from ccs.host.changes import State
from ccs.host.git import Git
from ccs.host.repository import commit_of, is_merged, repository
from ccs.model.run import Run
from ccs.store.store import Store

Kept = dict[str, Any]


def changed_by(
    store: Store, reference: str, stat: bool, environment: Mapping[str, str]
) -> tuple[bytes, str]:
    """The difference, and words about how far it can be believed. Raises Conflict that says why
    it cannot be told, NotFound, GitFailed.
    """
    run = store.find_run(reference)
    if run.status == "upcoming":
        raise Conflict(f"run {run.id[:8]} has not started")
    kept = workplace.recorded(store.home, run.id)
    if run.commit:
        return _of_commit(run, run.commit, kept, stat, environment)
    if kept is None:
        raise Conflict(
            f"run {run.id[:8]} committed nothing, and what its directory was like before is not "
            "known",
            "it was no git repository, a mock run, or a task that does not commit",
        )
    if kept["gone"]:
        return b"", "nothing was changed, and the worktree of the run was removed"
    if kept["tree"] is None:
        raise Conflict(
            f"run {run.id[:8]} committed nothing, and others work in {kept['top']} as well",
            _moved(kept) or f"what is uncommitted there: git -C {kept['top']} diff",
        )
    return _of_tree(run, kept, stat, environment)


def _of_commit(
    run: Run, commit: str, kept: Kept | None, stat: bool, environment: Mapping[str, str]
) -> tuple[bytes, str]:
    """In a worktree, with what the client has committed by itself before it. Elsewhere somebody
    else may have."""
    places = [kept["common"], kept["top"]] if kept else []
    where = next((one for one in (*places, run.cwd) if one and os.path.isdir(one)), None)
    git = Git(where or os.sep, environment)
    if where is None or commit_of(git, commit) is None:
        raise Conflict(
            f"the commit {commit[:12]} of run {run.id[:8]} is not found any more",
            f"it was made in {run.cwd}",
        )
    old = kept["before"]["head"] if kept else None
    if kept and kept["tree"] and old and is_merged(git, old, commit):
        return difference.of_commits(git, old, commit, stat), ""
    words = ""
    if old and commit_of(git, f"{commit}^") != commit_of(git, old):
        words = f"there were commits before it: git -C {where} log {old[:12]}..{commit[:12]}"
    return difference.of_commit(git, commit, stat), words


def _of_tree(run: Run, kept: Kept, stat: bool, environment: Mapping[str, str]) -> tuple[bytes, str]:
    git = Git(kept["top"], environment)
    repo = repository(git) if os.path.isdir(kept["top"]) else None
    if repo is None or repo.top != kept["top"]:
        raise Conflict(
            f"the worktree of run {run.id[:8]} is gone",
            _moved(kept) or f"what it had committed is on the branch {kept['tree']}, if any",
        )
    before, now = State.of(kept["before"]), changes.look(git, repo.top)
    if before.unclear or now.unclear:
        raise Conflict(f"what run {run.id[:8]} changed is unclear: {before.unclear or now.unclear}")
    paths = [path for path, it in now.dirty.items() if before.dirty.get(path) != it]
    text = difference.of_tree(git, repo, before.head, paths, stat)
    return text, f"{repo.top} as it is now, with what later runs changed in it"


def _moved(kept: Kept) -> str:
    """How to see what was committed while the run went on, by it or beside it."""
    old, new = kept["before"]["head"], kept["head"]
    if not old or not new or old == new:
        return ""
    return f"HEAD moved while it ran: git -C {kept['top']} diff {old[:12]} {new[:12]}"
