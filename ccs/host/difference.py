"""What differs, as text: between two commits, or between a commit and a tree as it stands. Reads
only; what has to be hashed for it is thrown away afterwards.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable

from ccs.host.git import LONG_SECONDS, Git
from ccs.host.repository import Repository

# Programs that a repository names for showing its files stay out of it.
_PLAIN = ("--no-ext-diff", "--no-textconv", "--no-color")


def of_commits(git: Git, old: str, new: str, stat: bool) -> bytes:
    """Raises GitFailed."""
    return git.ask("diff", *_PLAIN, *_form(stat), old, new, "--", seconds=LONG_SECONDS)


def of_commit(git: Git, commit: str, stat: bool) -> bytes:
    """Raises GitFailed."""
    words = ("show", "--format=", *_PLAIN, *_form(stat))
    return git.ask(*words, commit, "--", seconds=LONG_SECONDS)


def of_tree(git: Git, repo: Repository, old: str | None, paths: Iterable[str], stat: bool) -> bytes:
    """Between a commit and HEAD with these paths as they stand. Raises GitFailed, OSError."""
    with tempfile.TemporaryDirectory(prefix="ccs-") as aside:
        objects = os.path.join(aside, "objects")
        os.mkdir(objects)
        own = {
            "GIT_INDEX_FILE": os.path.join(aside, "index"),
            "GIT_OBJECT_DIRECTORY": objects,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": _quoted(os.path.join(repo.common, "objects")),
        }
        git.ask("read-tree", "HEAD" if old else "--empty", variables=own)
        listed = b"".join(os.fsencode(path) + b"\0" for path in paths)
        add = ("update-index", "-z", "--add", "--remove", "--replace", "--stdin")
        git.ask(*add, given=listed, seconds=LONG_SECONDS, variables=own)
        words = ("diff", *_PLAIN, *_form(stat), "--cached", *([old] if old else []), "--")
        return git.ask(*words, seconds=LONG_SECONDS, variables=own)


def _form(stat: bool) -> list[str]:
    return ["--stat"] if stat else []


def _quoted(path: str) -> str:
    """As an entry of a list that git splits at colons."""
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'
