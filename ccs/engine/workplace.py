"""Where a run works, and what becomes of the place afterwards.

    prepare   the directory; a worktree found or made; the state of the tree recorded
    leave     a worktree of this run alone goes if nothing was changed in it; what is left is told

Between the two the client works, and `commit` commits what it changed. A run that goes on with
another one takes over what that one had changed and left uncommitted. Lean.
"""

from __future__ import annotations

import json
import os

from ccs.errors import CcsError, LockTimeout
from ccs.host import changes, worktree
from ccs.host.changes import State
from ccs.host.git import LONG_SECONDS, Git
from ccs.host.repository import Repository, repository
from ccs.host.treemaker import Maker
from ccs.store import atomic
from ccs.store.home import Home
from ccs.store.lock import Lock
from ccs.store.records import Records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    Record = dict[str, Any]
    Say = Callable[[str], None]

_STEP = 0.5


class NoPlace(CcsError):
    """There is nowhere for the run to work. `reason` is that of its failure."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Place:
    """`before`: the tree as it was, None where nobody is to know; `told`: words for the run's
    message; `notes`: words for its log."""

    def __init__(self, home: Home, cwd: str, git: Git) -> None:
        self.home = home
        self.cwd = cwd
        self.git = git
        self.repo: Repository | None = None
        self.tree: worktree.Tree | None = None
        self.before: State | None = None
        self.commit: str | None = None
        self.notes: list[str] = []
        self.told: list[str] = []

    def at_top(self) -> Git:
        assert self.repo is not None
        return self.git.at(self.repo.top)


def prepare(
    home: Home,
    asked: Record,
    variables: Mapping[str, str],
    told_to_stop: Callable[[], bool],
    held: Sequence[int] = (),
) -> Place:
    """Raises NoPlace. `variables`: what git and a setup get, with the run's marker; `held`: what
    git is to hold, for as long as it works for this run."""
    try:
        if asked["place"]["worktree"] is not None:
            place = _in_worktree(home, asked, variables, told_to_stop, held)
            _record(place, asked)
        else:
            cwd = _directory(asked["cwd"])
            place = Place(home, cwd, Git(cwd, variables, held))
            if asked["place"]["commit"] and not asked["mock"]:
                _try_to_record(place, asked)
    except NoPlace:
        raise
    except (CcsError, OSError) as error:
        raise NoPlace("start_failed", str(error)) from None
    return place


def leave(place: Place, ended: Record, run_id: str, say: Say) -> None:
    """Writes into `ended` where the run worked and what came of it."""
    ended["cwd"] = place.cwd
    ended["worktree"] = place.tree.name if place.tree else None
    ended["commit"] = place.commit
    try:
        gone = _remove_own(place, ended, say)
        if place.before is not None and place.repo is not None:
            now = None if gone else changes.look(place.at_top(), place.repo.top)
            _keep(place, run_id, now, gone)
    except (CcsError, OSError) as error:
        say(f"git: {error}")
    words = [ended.get("message"), *place.told]
    ended["message"] = "; ".join(filter(None, words)) or None


def recorded(home: Home, run_id: str) -> Record | None:
    """What `prepare` and `leave` wrote down of a run."""
    try:
        found = atomic.read(home.tree_before(run_id))
        kept = json.loads(found[0]) if found else None
    except (ValueError, OSError, CcsError):
        return None  # torn or gone: as if nothing had been written
    return kept if isinstance(kept, dict) else None


# The directory -----------------------------------------------------------


def _directory(path: str | None) -> str:
    if not path:
        raise NoPlace("workdir_missing", "neither the task nor its job names a directory")
    if not os.path.isdir(path):
        raise NoPlace("workdir_missing", f"{path} is not a directory")
    return path


def _in_worktree(
    home: Home,
    asked: Record,
    variables: Mapping[str, str],
    told_to_stop: Callable[[], bool],
    held: Sequence[int],
) -> Place:
    plan = asked["place"]
    # A run that goes on remembers its tree, which may have been taken away since.
    known = [one for one in (asked["cwd"], plan["directory"]) if one and os.path.isdir(one)]
    start = known[0] if known else _directory(plan["directory"] or asked["cwd"])
    git = Git(start, variables, (), told_to_stop)
    repo = repository(git)
    if repo is None:
        raise NoPlace("start_failed", f"{start} is in no git repository: no worktree")
    mark = _mark(home, asked, repo)
    maker = Maker(git, repo, plan["worktree"], mark, lambda one: _is_gone(home, one))
    tree, notes = maker.standing(), list[str]()
    if tree is None:
        tree, notes = _made(home, maker, plan, told_to_stop)
    cwd = os.path.join(tree.path, repo.prefix).rstrip("/")
    place = Place(home, cwd, Git(tree.path, variables, held))
    place.tree = tree
    place.notes = notes
    place.repo = repository(place.git)
    if not os.path.isdir(cwd):
        raise NoPlace("workdir_missing", f"{cwd} is not a directory: the branch does not have it")
    return place


def _mark(home: Home, asked: Record, repo: Repository) -> Record:
    """Whose the tree is or will be. A job may have got another name for its tree since the run
    that this one goes on with began."""
    plan = asked["place"]
    standing = worktree.mark_of(repo, plan["worktree"]) or {}
    mine = [one for one in plan["owners"] if one == [standing.get("kind"), standing.get("owner")]]
    kind, owner = mine[0] if mine and standing.get("store") == home.path else plan["owner"]
    return {"store": home.path, "kind": kind, "owner": owner, "run": asked["run"]}


def _made(
    home: Home, maker: Maker, plan: Record, told_to_stop: Callable[[], bool]
) -> tuple[worktree.Tree, list[str]]:
    """What hooks and a setup leave running may hold the lock for long: only making waits for it."""
    with Lock(os.path.join(home.file("locks"), f"tree-{maker.mark['owner']}.lock")) as lock:
        if maker.mark["kind"] == "job":  # what belongs to one run is made by one supervisor only
            _wait_for(lock, told_to_stop)
        maker.hold(() if lock.fd is None else (lock.fd,))
        return maker.ensure(plan["base"], plan["setup"])


def _wait_for(lock: Lock, told_to_stop: Callable[[], bool]) -> None:
    """Until the run that makes the tree now has made it."""
    for _ in range(int(3 * LONG_SECONDS / _STEP)):
        try:
            lock.acquire_within(_STEP, "ccs supervise")
            return
        except LockTimeout:
            if told_to_stop():
                raise NoPlace("start_failed", "told to end while it waited for a tree") from None
    raise NoPlace("start_failed", "another run has been making the worktree for too long")


def _is_gone(home: Home, mark: Record) -> bool:
    """Whether the job that a tree was made for was deleted from this store."""
    if mark.get("store") != home.path or mark.get("kind") != "job":
        return False
    jobs = Records(home.collection("jobs"), "jobs").read().records
    return all(one["id"] != mark.get("owner") for one in jobs)


# What was there before --------------------------------------------------


def _try_to_record(place: Place, asked: Record) -> None:
    """A run in no repository is fine, and so is one where git cannot be used: only no commit."""
    try:
        place.repo = repository(place.git)
        if place.repo is not None:
            _record(place, asked)
    except CcsError as error:
        place.notes.append(f"nothing will be committed: {error}")


def _record(place: Place, asked: Record) -> None:
    assert place.repo is not None
    state = changes.look(place.at_top(), place.repo.top)
    after = asked["place"]["after"]
    earlier = recorded(place.home, after) if after else None
    if earlier is not None and earlier["top"] == place.repo.top:
        left = earlier.get("left")
        if left is None and place.tree is not None:
            # It was cut off. In a worktree nobody else is expected to have changed anything.
            known = earlier["before"]["dirty"]
            left = {path: now for path, now in state.dirty.items() if path not in known}
        state.dirty = {p: now for p, now in state.dirty.items() if (left or {}).get(p) != now}
    place.before = state
    _keep(place, asked["run"], None)


def _keep(place: Place, run_id: str, now: State | None, gone: bool = False) -> None:
    """For a run that goes on with this one, and for whoever asks what it changed."""
    assert place.repo is not None
    assert place.before is not None
    known = place.before.dirty
    kept = {
        "cwd": place.cwd,
        "top": place.repo.top,
        "common": place.repo.common,
        "tree": place.tree.name if place.tree else None,
        "before": place.before.record(),
        "left": {p: it for p, it in now.dirty.items() if p not in known} if now else None,
        "head": now.head if now else None,
        "gone": gone,
    }
    try:
        atomic.write(place.home.tree_before(run_id), json.dumps(kept).encode(), durable=False)
    except OSError as error:
        place.notes.append(f"what the tree was like could not be written down: {error}")


# Afterwards -------------------------------------------------------------


def _remove_own(place: Place, ended: Record, say: Say) -> bool:
    """Whether the worktree was the run's own and is gone. One that waits for a reset goes on in
    its tree."""
    tree = place.tree
    if tree is None or tree.mark.get("kind") != "task" or ended["status"] == "limited":
        return False
    if not worktree.is_untouched(place.git, tree):
        place.told.append(f"its worktree was kept: {tree.path}")
        return False
    assert place.repo is not None
    git = place.git.at(place.repo.main)
    worktree.remove(git, tree)
    if tree.mark.get("new_branch"):
        worktree.drop_branch(git, tree.name, str(tree.mark.get("start")))
    say(f"removed the worktree {tree.path}: nothing was changed in it")
    return True
