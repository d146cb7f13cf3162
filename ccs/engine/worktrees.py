"""What people do with the worktrees that ccs made: look, merge, remove, clear up.

A tree in which something runs or is to go on is left alone, and nothing that is not committed is
thrown away unless somebody forces it. A branch goes only when all of it has been merged.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ccs.errors import CcsError, Conflict, NotFound
from ccs.host import worktree
from ccs.host.git import SETTINGS, Git, GitFailed
from ccs.host.repository import Repository, branch_of, commit_of, is_merged, repository, worktrees
from ccs.host.worktree import Tree
from ccs.model import treename
from ccs.model.job import Job
from ccs.store.store import Store

_SHOWN = 10


@dataclass(frozen=True)
class Found:
    """A tree and how it stands. `dirty`: what is not committed; `ahead`: how many commits `base`
    does not have, None where that cannot be told."""

    tree: Tree
    repo: Repository
    git: Git  # in the main tree
    owner: str
    gone: bool
    branch: str | None
    base: str | None
    dirty: list[str]
    ahead: int | None

    @property
    def merged(self) -> bool:
        return self.ahead == 0

    def record(self) -> dict[str, Any]:
        return {
            "id": self.tree.name,
            "kind": self.tree.mark["kind"],
            "owner": self.tree.mark["owner"],
            "name": self.owner,
            "gone": self.gone,
            "path": self.tree.path,
            "branch": self.branch,
            "base": self.base,
            "changes": len(self.dirty),
            "ahead": self.ahead,
        }


class Trees:
    """The trees of one store, in the repositories of its jobs and tasks, and of `here`."""

    def __init__(self, store: Store, environment: Mapping[str, str], here: str | None) -> None:
        self.store = store
        self.environment = environment
        self.here = here
        self.jobs = {job.id: job for job in store.jobs.all()}
        self.tasks = {task.id: task for task in store.tasks.all()}

    def every(self) -> list[Found]:
        return [
            self._found(git, repo, tree)
            for git, repo in self._repositories()
            for tree in worktree.every(git, repo)
            if tree.mark.get("store") == self.store.home.path
        ]

    def find(self, reference: str) -> Found:
        """Of a job, or by the tree's own name. Raises NotFound, Conflict, Ambiguous."""
        named = [one for one in self.every() if one.tree.name == reference]
        if len(named) == 1:
            return named[0]
        try:
            job = self.store.jobs.find(reference)
        except NotFound:
            raise NotFound(
                f"no job and no worktree {reference!r}", "ccs jobs worktree list shows them"
            ) from None
        return self.of_job(job)

    def of_job(self, job: Job) -> Found:
        """Raises NotFound."""
        directory = os.path.expanduser(job.working_directory.path)
        git = Git(directory, self.environment)
        repo = repository(git) if os.path.isdir(directory) else None
        if repo is not None:
            name = job.working_directory.worktree_name or treename.of_job(job.id)
            tree = worktree.find(git, repo, os.path.join(repo.main, "trees", name))
            if tree is not None and tree.mark.get("owner") == job.id:
                return self._found(git.at(repo.main), repo, tree)
        raise NotFound(
            f"the job {job.name!r} has no worktree",
            "it is made when the job runs, if the job was told --use-worktree",
        )

    def in_use(self, found: Found) -> list[str]:
        """The runs that work in it or will."""
        mark = found.tree.mark
        unfinished = [one for one in self.store.runs.all() if one.unfinished]
        return [
            f"{one.id} {one.status}"
            for one in unfinished
            if one.worktree == found.tree.name
            or (mark["kind"] == "job" and one.job_id == mark["owner"])
        ]

    def _repositories(self) -> Iterator[tuple[Git, Repository]]:
        """Each once. A directory that is away, or no repository, has no trees."""
        places = [job.working_directory.path for job in self.jobs.values()]
        places += [task.working_directory for task in self.tasks.values() if task.working_directory]
        seen = set()
        for place in dict.fromkeys([*places, self.here or ""]):
            directory = os.path.expanduser(place)
            if not place or not os.path.isdir(directory):
                continue
            try:
                repo = repository(Git(directory, self.environment))
            except GitFailed:
                continue
            if repo is not None and repo.common not in seen:
                seen.add(repo.common)
                yield Git(repo.main, self.environment), repo

    def _found(self, git: Git, repo: Repository, tree: Tree) -> Found:
        inside = git.at(tree.path)
        kind, owner = tree.mark["kind"], tree.mark["owner"]
        record = self.jobs.get(owner) if kind == "job" else self.tasks.get(owner)
        base = tree.mark.get("base") or branch_of(git)
        return Found(
            tree,
            repo,
            git,
            record.name if record else "",
            record is None,
            branch_of(inside),
            base,
            worktree.changes_in(inside),
            _ahead(inside, base),
        )


def merge(trees: Trees, reference: str, into: str | None) -> tuple[Found, str]:
    """Takes the tree's commits into the branch it came from. What was done, in words.

    Raises Conflict when something is not committed, in the tree or where it is to go.
    """
    found = trees.find(reference)
    _refuse_use(trees, found)
    _refuse_changes(found.tree.path, found.dirty, "commit it there first")
    target = into or found.base
    if found.branch is None or target is None:
        raise Conflict(f"no branch is checked out in {found.tree.path}", "merge it by hand")
    old = commit_of(found.git, f"refs/heads/{target}")
    new = commit_of(found.git, f"refs/heads/{found.branch}")
    if old is None or new is None:
        raise NotFound(f"no branch {target!r} in {found.repo.main}", "--into names another one")
    if is_merged(found.git, new, old):
        return found, f"{target} has all of {found.branch} already"
    where = _checked_out_at(found.git, target)
    if where is None:
        if not is_merged(found.git, old, new):
            raise Conflict(
                f"{target} has commits of its own and is checked out nowhere",
                f"check it out first: git -C {found.repo.main} switch {target}",
            )
        words = ("-m", f"ccs: merge {found.branch}", f"refs/heads/{target}", new, old)
        found.git.ask("update-ref", *words)
        return found, f"moved {target} on to {found.branch}"
    _merge_there(found.git.at(where), target, found.branch)
    return found, f"merged {found.branch} into {target} in {where}"


def _merge_there(git: Git, target: str, branch: str) -> None:
    repo = repository(git)
    if repo is not None and (under_way := repo.under_way()) is not None:
        raise Conflict(f"{under_way} is under way in {git.directory}", "end it first")
    versioned = [one for one in worktree.changes_in(git) if not one.startswith("??")]
    _refuse_changes(git.directory, versioned, "commit or stash it first")
    done = git.do(["git", *SETTINGS, "merge", "--no-edit", "-q", f"refs/heads/{branch}"])
    if done.code == 0:
        return
    said = tuple(done.out.decode("utf-8", "replace").splitlines()[:_SHOWN])
    if repo is not None and repo.under_way():
        git.call("merge", "--abort")
    raise Conflict(
        f"{branch} cannot be merged into {target}: {done.words()}; nothing was changed",
        f"by hand: git -C {git.directory} merge {branch}",
        said,
    )


def remove(trees: Trees, reference: str, force: bool) -> tuple[Found, list[str]]:
    """The tree, and its branch if all of that is merged. Words about what was lost and what stays.

    Raises Conflict when something in it is not committed, unless forced.
    """
    found = trees.find(reference)
    _refuse_use(trees, found)
    if not force:
        _refuse_changes(found.tree.path, found.dirty, "commit it, or use --force to lose it")
    return found, _take_away(found, force)


def prune(trees: Trees, dry_run: bool) -> list[tuple[Found, str]]:
    """Removes the trees of jobs and tasks that are gone, and those of single runs, where all is
    committed and merged. Each tree with why it stays, empty for those that went.
    """
    done = []
    for found in trees.every():
        why = _why_kept(trees, found)
        if not why and not dry_run:
            try:
                _take_away(found, False)
            except CcsError as error:
                why = str(error)
        done.append((found, why))
    return done


def _why_kept(trees: Trees, found: Found) -> str:
    if not found.gone and found.tree.mark["kind"] == "job":
        return "its job is there"
    if trees.in_use(found):
        return "a run goes on with it"
    if found.dirty:
        return f"{len(found.dirty)} changes are not committed"
    if not found.merged:
        return f"{found.ahead or 'some'} commits are not in {found.base}"
    return ""


def _take_away(found: Found, force: bool) -> list[str]:
    words = [f"lost: {one}" for one in found.dirty[:_SHOWN]]
    if len(found.dirty) > _SHOWN:
        words.append(f"lost: {len(found.dirty) - _SHOWN} more")
    tip = commit_of(found.git, f"refs/heads/{found.branch}") if found.branch else None
    here = commit_of(found.git.at(found.tree.path), "HEAD")
    if found.branch is None and here is not None and not found.merged:
        words.append(f"on no branch any more: {here}")
    worktree.remove(found.git, found.tree, force)
    if found.branch is None or tip is None or found.branch == found.base:
        return words
    if found.merged and worktree.drop_branch(found.git, found.branch, tip):
        return [*words, f"removed the branch {found.branch}: {found.base} has all of it"]
    many = "" if found.ahead is None else f" ({found.ahead} commits that {found.base} has not)"
    return [*words, f"the branch {found.branch} stays{many}"]


def _refuse_use(trees: Trees, found: Found) -> None:
    if runs := trees.in_use(found):
        raise Conflict(
            f"{found.tree.path} is in use", "wait, or end it: ccs runs stop", tuple(runs)
        )


def _refuse_changes(path: str, dirty: list[str], hint: str) -> None:
    if dirty:
        raise Conflict(f"in {path} not all is committed", hint, tuple(dirty[:_SHOWN]))


def _ahead(git: Git, base: str | None) -> int | None:
    if base is None:
        return None
    for place in ("refs/heads/", "refs/remotes/"):
        if commit_of(git, place + base) is not None:
            count = git.line("rev-list", "--count", f"{place}{base}..HEAD")
            return int(count) if count else None
    return None


def _checked_out_at(git: Git, branch: str) -> str | None:
    every = [path for path in worktrees(git) if os.path.isdir(path)]
    return next((path for path in every if branch_of(git.at(path)) == branch), None)
