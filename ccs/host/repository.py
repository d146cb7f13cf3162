"""What a directory is to git, and where the user works in it. Lean."""

from __future__ import annotations

import os

from ccs.host.git import Git, GitFailed

# While one of these is there, a commit would mean something else than it says.
_GOING_ON = (
    *("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply"),
    "sequencer",
)


class Repository:
    """`top`: of the working tree the directory lies in; `prefix`: where in it, with a slash at the
    end or empty; `main`: the working tree the repository began with."""

    __slots__ = ("common", "git_dir", "main", "prefix", "top")

    def __init__(self, top: str, git_dir: str, common: str, main: str, prefix: str) -> None:
        self.top = top
        self.git_dir = git_dir
        self.common = common
        self.main = main
        self.prefix = prefix

    def under_way(self) -> str | None:
        """The merge, rebase or the like that somebody has begun here, by the name of its file."""
        names = (one for one in _GOING_ON if os.path.exists(os.path.join(self.git_dir, one)))
        return next(names, None)


def repository(git: Git) -> Repository | None:
    """Of the directory `git` is in; None when that is in no repository. Raises GitFailed."""
    if os.path.isdir(git.directory) and not _may_be_in_one(git.directory):
        return None
    done = git.call("rev-parse", "--show-toplevel", variables={"LC_ALL": "C"})
    if done.code != 0:
        if b"not a git repository" in done.err:
            return None
        raise GitFailed(f"git cannot work in {git.directory}: {done.words()}")
    top = os.fsdecode(done.out).removesuffix("\n")
    git_dir = os.path.join(git.directory, git.line("rev-parse", "--absolute-git-dir") or "")
    common = _absolute(git, git.line("rev-parse", "--git-common-dir") or git_dir)
    main = top if os.path.realpath(git_dir) == common else _first(git, top)
    return Repository(top, git_dir, common, main, git.line("rev-parse", "--show-prefix") or "")


def _may_be_in_one(directory: str) -> bool:
    """Whether git is worth asking: where nothing above looks like a repository, bare or not, that
    would start a program for each run to hear of it.
    """
    place = os.path.realpath(directory)
    while not any(os.path.lexists(os.path.join(place, one)) for one in (".git", "HEAD")):
        above = os.path.dirname(place)
        if above == place:
            return False
        place = above
    return True


def branch_of(git: Git) -> str | None:
    """The branch that is checked out; None when HEAD is detached."""
    found = git.line("symbolic-ref", "--quiet", "HEAD")
    return found.removeprefix("refs/heads/") if found else None


def commit_of(git: Git, reference: str) -> str | None:
    return git.line(
        "rev-parse", "--verify", "--quiet", "--end-of-options", f"{reference}^{{commit}}"
    )


def is_merged(git: Git, commit: str, into: str) -> bool:
    return git.call("merge-base", "--is-ancestor", commit, into).code == 0


def worktrees(git: Git) -> list[str]:
    """The working trees that git lists, the main one first."""
    lines = os.fsdecode(git.ask("worktree", "list", "--porcelain")).splitlines()
    return [one.removeprefix("worktree ") for one in lines if one.startswith("worktree ")]


def _absolute(git: Git, path: str) -> str:
    return os.path.realpath(os.path.join(git.directory, path))


def _first(git: Git, top: str) -> str:
    """A bare repository and a submodule have no main tree; a linked one stands for it then."""
    main = worktrees(git)[0]
    return main if os.path.exists(os.path.join(main, ".git")) else top
