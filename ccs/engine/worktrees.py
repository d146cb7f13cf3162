"""What people do with the worktrees that ccs made: look, merge, remove, clear up.

A tree in which something runs or is to go on is left alone, and nothing that is not committed is
thrown away unless somebody forces it. A branch goes only when all of it has been merged.
"""

from __future__ import annotations

import os

from ccs.engine.trees import Found, Trees
from ccs.errors import CcsError, Conflict, NotFound
from ccs.host import worktree
from ccs.host.git import SETTINGS, Git
from ccs.host.repository import branch_of, commit_of, is_merged, repository, worktrees

_SHOWN = 10


def merge(trees: Trees, reference: str, into: str | None) -> tuple[Found, str]:
    """Takes the tree's commits into the branch it came from. What was done, in words.

    Raises Conflict when something is not committed, in the tree or where it is to go.
    """
    found = trees.find(reference)
    _refuse_use(trees, found)
    _refuse_faults(found)
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
    _refuse_work_in(trees, where)
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
        _refuse_faults(found)
        _refuse_changes(found.tree.path, found.dirty, "commit it, or use --force to lose it")
    return found, _take_away(found, force)


def prune(trees: Trees, dry_run: bool) -> list[tuple[Found, str]]:
    """Removes the trees of jobs and tasks that are gone, and those of single runs, where all is
    committed and merged. Each tree with why it stays, empty for those that went.
    """
    done = []
    if not dry_run:
        for git, admin, reason in trees.half_made():
            worktree.drop_half_made(git, admin, reason)
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
    if found.fault:
        return found.fault
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
    if not found.tree.mark.get("new_branch") or found.branch != found.tree.name:
        return [*words, f"the branch {found.branch} stays: ccs did not make it"]
    if found.merged and worktree.drop_branch(found.git, found.branch, tip):
        return [*words, f"removed the branch {found.branch}: {found.base} has all of it"]
    many = "" if found.ahead is None else f" ({found.ahead} commits that {found.base} has not)"
    return [*words, f"the branch {found.branch} stays{many}"]


def _refuse_use(trees: Trees, found: Found) -> None:
    if runs := trees.in_use(found):
        raise Conflict(
            f"{found.tree.path} is in use", "wait, or end it: ccs runs stop", tuple(runs)
        )


def _refuse_work_in(trees: Trees, where: str) -> None:
    """A merge moves the files under whoever works there."""
    inside = os.path.realpath(where)
    runs = [
        f"{one.id} {one.status}"
        for one in trees.store.runs.all()
        if one.status == "running" and one.cwd and _lies_in(os.path.realpath(one.cwd), inside)
    ]
    if runs:
        raise Conflict(f"a run works in {where}", "wait, or end it: ccs runs stop", tuple(runs))


def _lies_in(path: str, directory: str) -> bool:
    """Other worktrees below it are places of their own."""
    trees = os.path.join(directory, worktree.FOLDER) + os.sep
    return (path + os.sep).startswith(directory + os.sep) and not path.startswith(trees)


def _refuse_faults(found: Found) -> None:
    if found.fault:
        raise Conflict(f"git cannot look into {found.tree.path}", found.fault)


def _refuse_changes(path: str, dirty: list[str], hint: str) -> None:
    if dirty:
        raise Conflict(f"in {path} not all is committed", hint, tuple(dirty[:_SHOWN]))


def _checked_out_at(git: Git, branch: str) -> str | None:
    every = [path for path in worktrees(git) if os.path.isdir(path)]
    return next((path for path in every if branch_of(git.at(path)) == branch), None)
