"""The worktrees that ccs made for this store, wherever they are, and how each stands."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ccs.errors import Ambiguous, NotFound
from ccs.host import worktree
from ccs.host.git import Git, GitFailed
from ccs.host.repository import Repository, branch_of, commit_of, repository
from ccs.host.worktree import Tree
from ccs.model import treename
from ccs.model.job import Job
from ccs.store.store import Store


@dataclass(frozen=True)
class Found:
    """A tree and how it stands. `dirty`: what is not committed; `ahead`: how many commits `base`
    does not have, None where that cannot be told; `fault`: why git cannot look into it, or empty.
    """

    tree: Tree
    repo: Repository
    git: Git  # in the main tree
    owner: str
    gone: bool
    branch: str | None
    base: str | None
    dirty: list[str]
    ahead: int | None
    fault: str = ""

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
        jobs, tasks = store.jobs.read(), store.tasks.read()
        self.jobs = {job.id: job for job in jobs.records}
        self.tasks = {task.id: task for task in tasks.records}
        # What cannot be read is there all the same.
        self.unreadable = {problem.id for problem in (*jobs.problems, *tasks.problems)}

    def every(self) -> list[Found]:
        return [self._found(*one) for one in self._trees()]

    def half_made(self) -> Iterator[tuple[Git, str, str]]:
        """Of this store, with nobody who is making them: git, part of the directory, reason."""
        making = {one.worktree for one in self.store.runs.all() if one.unfinished}
        for git, repo in self._repositories():
            for path, admin, reason in worktree.half_made(repo):
                mine = reason.endswith(f" of {self.store.home.path}")
                if mine and os.path.basename(path) not in making:
                    yield git, admin, reason

    def _trees(self) -> Iterator[tuple[Git, Repository, Tree]]:
        for git, repo in self._repositories():
            for tree in worktree.every(git, repo):
                if tree.mark.get("store") == self.store.home.path:
                    yield git, repo, tree

    def find(self, reference: str) -> Found:
        """Of a job, or by the tree's own name. Raises NotFound, Conflict, Ambiguous."""
        named = [one for one in self._trees() if one[2].name == reference]
        if len(named) == 1:
            return self._found(*named[0])
        if named:
            raise Ambiguous(
                f"{len(named)} worktrees are named {reference!r}",
                "name its job instead",
                tuple(tree.path for _, _, tree in named),
            )
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
        dirty, fault = list[str](), ""
        try:
            dirty = worktree.changes_in(inside)
        except GitFailed as error:
            fault = str(error)
        name, gone = (record.name, False) if record else ("", owner not in self.unreadable)
        ahead = None if fault else _ahead(inside, base)
        return Found(tree, repo, git, name, gone, branch_of(inside), base, dirty, ahead, fault)


def _ahead(git: Git, base: str | None) -> int | None:
    if base is None:
        return None
    for place in ("refs/heads/", "refs/remotes/"):
        if commit_of(git, place + base) is not None:
            count = git.line("rev-list", "--count", "--end-of-options", f"{place}{base}..HEAD")
            return int(count) if count else None
    return None
