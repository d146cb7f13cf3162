"""ccs jobs worktree"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from ccs.cli import params
from ccs.cli.output import Column, Output

if TYPE_CHECKING:
    from ccs.engine.trees import Trees

COLUMNS: list[Column] = [
    ("TREE", lambda tree: tree["id"]),
    ("OF", lambda tree: tree["name"] or f"({tree['kind']} gone)"),
    ("BRANCH", lambda tree: tree["branch"] or "(none)"),
    ("AHEAD", lambda tree: "?" if tree["ahead"] is None else tree["ahead"]),
    ("CHANGES", lambda tree: tree["changes"] or ""),
    ("PATH", lambda tree: tree["path"]),
]


@click.group("worktree")
def worktree() -> None:
    """The git worktrees of jobs and of single runs.

    JOB is a job, or the name of a tree as `list` shows it.

    \b
    Example:
      ccs jobs worktree list
    """


@worktree.command("list")
@params.output_options
def list_(out: Output) -> None:
    """List the worktrees in the repositories of all jobs and tasks, and of this directory.

    \b
    Example:
      ccs jobs worktree list
    """
    out.records("worktrees", [one.record() for one in _trees().every()], COLUMNS)


@worktree.command()
@click.argument("job")
def path(job: str) -> None:
    """Print the directory of a worktree.

    \b
    Example:
      cd "$(ccs jobs worktree path nightly)"
    """
    click.echo(_trees().find(job).tree.path)


@worktree.command()
@click.argument("job")
@click.option("--into", help="The branch to merge into. Else: the one it began from.")
@params.output_options
def merge(job: str, into: str | None, out: Output) -> None:
    """Merge the branch of a worktree. Refused while something is not committed, here or there.

    \b
    Example:
      ccs jobs worktree merge nightly --into main
    """
    from ccs.engine import worktrees as verbs

    found, words = verbs.merge(_trees(), job, into)
    out.done(words, found.record())


@worktree.command()
@click.argument("job")
@click.option("-f", "--force", is_flag=True, help="Lose what is not committed; it is listed.")
@params.output_options
def remove(job: str, force: bool, out: Output) -> None:
    """Remove a worktree. The branch that was made with it goes too if all of it is merged.

    \b
    Example:
      ccs jobs worktree remove nightly
    """
    from ccs.engine import worktrees as verbs

    found, words = verbs.remove(_trees(), job, force)
    for one in words:
        out.say(one)
    out.done(f"removed {found.tree.path}", found.record())


@worktree.command()
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@params.output_options
def prune(dry_run: bool, out: Output) -> None:
    """Remove trees of jobs that are gone and of single runs, if clean and merged.

    \b
    Example:
      ccs jobs worktree prune --dry-run
    """
    from ccs.engine import worktrees as verbs

    done = verbs.prune(_trees(), dry_run)
    for found, why in done:
        did = "would remove" if dry_run else "removed"
        out.say(f"kept {found.tree.path}: {why}" if why else f"{did} {found.tree.path}")
    if out.format != "table":
        out.records("worktrees", [found.record() for found, why in done if not why], [])


def _trees() -> Trees:
    from ccs.engine.trees import Trees

    return Trees(params.store(), os.environ, params.here())
