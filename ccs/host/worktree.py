"""Worktrees that ccs makes: `<repository>/trees/<name>`, on a branch of that name; see `treemaker`.

A tree is ours when git lists it and `ccs`, a file in the tree's own part of the git directory, says
whose it is. Lean.
"""

from __future__ import annotations

import os

from ccs.host.git import LONG_SECONDS, Git
from ccs.host.mark import is_made, read_mark, read_text
from ccs.host.repository import Repository, branch_of, commit_of, worktrees

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ccs.host.mark import Mark

FOLDER = "trees"
_MAKING = "ccs is making it"


class Tree:
    """`admin`: its part of the git directory; `mark`: whose it is, and what it began from."""

    __slots__ = ("admin", "mark", "name", "path")

    def __init__(self, name: str, path: str, admin: str, mark: Mark) -> None:
        self.name = name
        self.path = path
        self.admin = admin
        self.mark = mark


def find(git: Git, repo: Repository, path: str) -> Tree | None:
    """The tree at `path`, if it is ours and whole."""
    admin = admin_of(repo, path)
    mark = read_mark(admin) if admin else None
    if admin is None or mark is None or not is_made(mark) or not is_whole(git, path, admin):
        return None
    return Tree(os.path.basename(path), path, admin, mark)


def every(git: Git, repo: Repository) -> list[Tree]:
    """Our trees of this repository, by name."""
    found = (find(git, repo, path) for path in worktrees(git))
    return sorted(filter(None, found), key=lambda tree: tree.name)


def half_made(repo: Repository) -> Iterator[tuple[str, str, str]]:
    """Trees whose maker failed or was killed: their path, part of the git directory and reason."""
    for admin in admins(repo):
        locked, path = read_text(os.path.join(admin, "locked")) or "", path_of(admin)
        if path is not None and locked.startswith(_MAKING):
            yield path, admin, locked


def drop_half_made(git: Git, admin: str, reason: str) -> bool:
    """Removes the tree, in which nothing has worked yet, and the branch if it is as it began."""
    path = path_of(admin)
    if path is None or read_text(os.path.join(admin, "locked")) != reason:
        return False
    free = Git(git.directory, git.variables)  # also when the run has been told to end
    mark = read_mark(admin) or {}
    done = free.call("worktree", "remove", "--force", "--force", "--", path)
    if done.code == 0 and mark.get("new_branch"):
        drop_branch(free, os.path.basename(path), str(mark.get("start")))
    return done.code == 0


def mark_of(repo: Repository, name: str) -> Mark | None:
    """Of the tree of that name, whatever its state."""
    admin = admin_of(repo, os.path.join(repo.main, FOLDER, name))
    return read_mark(admin) if admin else None


def reason_of(kind: str, owner: str, store: str) -> str:
    """Why git has a tree locked that is being made. `store`: the path of its home."""
    return f"{_MAKING} for {kind} {owner} of {store}"


def is_whole(git: Git, path: str, admin: str) -> bool:
    """Whether git lists it and the directory leads back to the same part of the repository."""
    if not os.path.isdir(path) or path not in worktrees(git):
        return False
    leads_to = git.at(path).line("rev-parse", "--absolute-git-dir")
    return leads_to is not None and os.path.realpath(leads_to) == os.path.realpath(admin)


def changes_in(git: Git) -> list[str]:
    """What `git status` would name, a line for each. Raises GitFailed."""
    out = git.ask("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all")
    return [os.fsdecode(one) for one in out.split(b"\0") if one]


def is_untouched(git: Git, tree: Tree) -> bool:
    """Whether nothing was changed and nothing committed in it since it was made."""
    inside = git.at(tree.path)
    at_start = commit_of(inside, "HEAD") == tree.mark.get("start")
    return at_start and branch_of(inside) == tree.name and not changes_in(inside)


def remove(git: Git, tree: Tree, force: bool = False) -> None:
    """git looks again whether it is clean. Raises GitFailed."""
    forced = ["--force", "--force"] if force else []
    git.ask("worktree", "remove", *forced, "--", tree.path, seconds=LONG_SECONDS)
    try:
        os.rmdir(os.path.dirname(tree.path))
    except OSError:
        pass  # others are in it


def drop_branch(git: Git, name: str, commit: str) -> bool:
    """Deletes it if it still points there."""
    return git.call("update-ref", "-d", f"refs/heads/{name}", commit).code == 0


def admins(repo: Repository) -> Iterator[str]:
    folder = os.path.join(repo.common, "worktrees")
    if os.path.isdir(folder):
        for name in sorted(os.listdir(folder)):
            yield os.path.join(folder, name)


def path_of(admin: str) -> str | None:
    """The directory it belongs to, as git wrote it down."""
    link = read_text(os.path.join(admin, "gitdir"))
    return os.path.normpath(os.path.join(admin, os.path.dirname(link))) if link else None


def admin_of(repo: Repository, path: str) -> str | None:
    return next((one for one in admins(repo) if path_of(one) == path), None)
