"""Makes a worktree for a job or a single run, or finds the one that stands.

git locks a new tree before it makes anything of it, and here with a reason that names the owner;
the lock goes when all is done: checkout, copied files, setup. So a tree that is locked with that
reason was left by a maker that failed or was killed. Nothing has worked in it yet, and it is made
anew. Lean.
"""

from __future__ import annotations

import os
import time

from ccs.errors import Conflict
from ccs.host import included, worktree
from ccs.host.git import LONG_SECONDS, Git, GitFailed
from ccs.host.mark import is_made, read_mark, read_text, write_mark
from ccs.host.repository import Repository, branch_of, commit_of
from ccs.host.worktree import FOLDER, Tree
from ccs.model import treename
from ccs.redact import redacted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ccs.host.mark import Mark

_HALF_MADE = "/commondir"
_ATTEMPTS, _PAUSE = 30, 0.1
_OWNER = ("store", "kind", "owner")


class Maker:
    """Finds or makes one tree. `mark`: `store`, `kind` and `owner`; `gone`: whether the owner that
    a standing tree names does not exist any more, so that the tree may be taken over."""

    def __init__(
        self, git: Git, repo: Repository, name: str, mark: Mark, gone: Callable[[Mark], bool]
    ) -> None:
        if fault := treename.fault(name):
            raise GitFailed(f"a worktree cannot be named {name!r}: it {fault}")
        self.git = git
        self.repo = repo
        self.name = name
        self.mark = mark
        self.gone = gone
        self.path = os.path.join(repo.main, FOLDER, name)
        self.reason = worktree.reason_of(mark["kind"], mark["owner"], mark["store"])

    def hold(self, descriptors: Sequence[int]) -> None:
        """What git is to hold while it makes the tree, so that nobody else does meanwhile."""
        self.git = Git(self.git.directory, self.git.variables, descriptors, self.git.told_to_stop)

    def standing(self) -> Tree | None:
        """The tree, if it is there, whole and ours; nothing is done about one that is not.

        Raises GitFailed.
        """
        admin = worktree.admin_of(self.repo, self.path)
        if admin is None or os.path.islink(os.path.dirname(self.path)):
            return None
        mark = read_mark(admin)
        if mark is None or any(mark.get(key) != self.mark[key] for key in _OWNER):
            return None
        return worktree.find(self.git, self.repo, self.path)

    def ensure(self, base: str | None, setup: str | None) -> tuple[Tree, list[str]]:
        """The tree, and words about how it came to be; none when it was there before.

        Raises GitFailed, Conflict, OSError.
        """
        for path in (os.path.dirname(self.path), self.path):
            if os.path.islink(path):
                raise Conflict(f"{path} is a link; a worktree is not made through one")
        admin = worktree.admin_of(self.repo, self.path)
        if admin is not None:
            found = self._standing(admin)
            if found is not None:
                return found, []
        elif os.path.lexists(self.path) and not _is_empty(self.path):
            raise Conflict(
                f"{self.path} is no worktree of {self.repo.main}",
                "move it away, or use another name",
            )
        self._sweep()
        for left in range(_ATTEMPTS, -1, -1):
            try:
                return self._make(base, setup)
            except GitFailed as error:
                # git stumbles over a tree that another git is just making.
                if _HALF_MADE not in str(error) or not left:
                    self._drop()
                    raise
                time.sleep(_PAUSE)
        raise AssertionError  # the last attempt has returned or raised

    def _standing(self, admin: str) -> Tree | None:
        """The tree that is there, if it can be used; else the place is free afterwards."""
        mark, locked = read_mark(admin), read_text(os.path.join(admin, "locked"))
        if mark is None or not is_made(mark):
            if locked != self.reason:
                raise Conflict(
                    f"{self.path} is a worktree that ccs did not make",
                    f"use another name, or take it away: git worktree remove {self.path} "
                    "(its branch stays, and is gone on with)",
                )
            self._clear()
            return None
        if any(mark.get(key) != self.mark[key] for key in _OWNER):
            if not self.gone(mark):
                raise Conflict(
                    f"{self.path} belongs to {mark.get('kind')} {mark.get('owner')}",
                    "use another name",
                )
            mark = {**mark, **self.mark}
            write_mark(admin, mark)
        if not os.path.isdir(self.path):
            self._remove()  # somebody deleted the directory; what was committed is in its branch
            return None
        if not worktree.is_whole(self.git, self.path, admin):
            raise Conflict(
                f"{self.path} is no working tree of its repository any more",
                f"git worktree repair {self.path}",
            )
        if locked == self.reason:
            self.git.ask("worktree", "unlock", "--", self.path)
        return Tree(self.name, self.path, admin, mark)

    def _make(self, base: str | None, setup: str | None) -> tuple[Tree, list[str]]:
        _exclude(self.repo)
        base, start = self._base(base)
        own = commit_of(self.git, f"refs/heads/{self.name}")
        branch = ["--no-track", "-b", self.name] if own is None else []
        self.git.ask(
            *("worktree", "add", "--lock", f"--reason={self.reason}", *branch, "--", self.path),
            start if own is None else self.name,
            seconds=LONG_SECONDS,
        )
        inside = self.git.at(self.path)
        admin = inside.line("rev-parse", "--absolute-git-dir")
        if admin is None:
            raise GitFailed(f"{self.path} was made and is no working tree")
        began = {"base": base, "start": own or start, "new_branch": own is None}
        write_mark(admin, {**self.mark, **began, "made": False})
        told = [f"made the worktree {self.path} on the branch {self.name}"]
        told += included.copy(self.git.at(self.repo.main), self.repo.main, self.path)
        if setup:
            told += self._set_up(inside, setup)
        mark = {**self.mark, **began, "made": True}
        write_mark(admin, mark)
        self.git.ask("worktree", "unlock", "--", self.path)
        return Tree(self.name, self.path, admin, mark), told

    def _set_up(self, inside: Git, setup: str) -> list[str]:
        # What it leaves running must not hold the lock under which trees are made.
        free = Git(inside.directory, inside.variables, (), inside.told_to_stop)
        done = free.do(["/bin/sh", "-c", setup])
        # Whole lines, and all before some are taken: half a secret would not be recognised.
        lines = redacted((done.out + done.err).decode("utf-8", "replace")).splitlines()[-20:]
        if done.code != 0:
            said = f": {lines[-1]}" if lines else ""
            how = done.fault or f"exit {done.code}"
            raise GitFailed(f"the setup of the worktree failed, {how}{said}")
        return [f"setup: {setup}", *lines]

    def _base(self, wanted: str | None) -> tuple[str | None, str]:
        """The branch a new tree goes back to, and the commit it begins at."""
        if wanted is None:
            main = commit_of(self.git, "refs/heads/main")
            wanted = "main" if main else branch_of(self.git)
            start = main or commit_of(self.git, "HEAD")
            if start is None:
                raise GitFailed(f"{self.repo.main} has no commit yet, so no worktree can be made")
            return wanted, start
        for place in ("refs/heads/", "refs/remotes/", ""):
            if (start := commit_of(self.git, place + wanted)) is not None:
                return wanted, start
        raise GitFailed(f"{self.repo.main} has no branch {wanted!r}")

    def _clear(self) -> None:
        """What a killed maker left: at first an empty directory, then a tree nobody has used."""
        if _is_empty(self.path):
            os.rmdir(self.path)
        admin = worktree.admin_of(self.repo, self.path)
        if admin is None or not worktree.drop_half_made(self.git, admin, self.reason):
            self._remove()

    def _remove(self) -> None:
        self.git.ask("worktree", "remove", "--force", "--force", "--", self.path)

    def _drop(self) -> None:
        """What a single run could not make is of no use to any other; its name never comes again.
        That of a job is made anew by its next run."""
        admin = worktree.admin_of(self.repo, self.path)
        if self.mark["kind"] == "task" and admin is not None:
            worktree.drop_half_made(self.git, admin, self.reason)

    def _sweep(self) -> None:
        """What a maker left that was killed before git knew which tree it was to be."""
        for admin in worktree.admins(self.repo):
            locked = os.path.join(admin, "locked")
            if worktree.path_of(admin) is None and read_text(locked) == self.reason:
                try:
                    os.unlink(locked)
                    os.rmdir(admin)
                except OSError:
                    pass  # it takes no room and is in nobody's way


def _exclude(repo: Repository) -> None:
    """Hides `trees/` from git without touching a file that is versioned. Raises OSError."""
    path = os.path.join(repo.common, "info", "exclude")
    line = f"/{FOLDER}/"
    standing = read_text(path) or ""
    if line in (one.strip() for one in standing.splitlines()):
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "a", encoding="utf-8") as file:
        file.write(f"\n{line}\n" if standing and not standing.endswith("\n") else f"{line}\n")


def _is_empty(path: str) -> bool:
    try:
        return not os.listdir(path)
    except OSError:
        return False
