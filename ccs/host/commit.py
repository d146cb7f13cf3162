"""Commits chosen paths of a working tree and nothing else.

The commit is made from an index of its own, so what the user has staged stays staged and does not
get in. Hooks run as for any commit, on that index. The user's index is brought up to date for the
committed paths afterwards; it would take them for deleted otherwise. Lean.
"""

from __future__ import annotations

import os

from ccs.host.git import LONG_SECONDS, SETTINGS, Git, GitFailed
from ccs.host.repository import Repository, commit_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_INDEX = "GIT_INDEX_FILE"
_ATTEMPTS = 20


def commit(
    git: Git, repo: Repository, paths: Iterable[str], message: str, say: Callable[[str], None]
) -> tuple[str | None, str]:
    """The new commit, None when these paths are as they were; and what went wrong after it, or
    nothing. Raises GitFailed, OSError.

    `git` is at the top of the tree. `say` gets what hooks and git print.
    """
    before, chosen = commit_of(git, "HEAD"), [os.fsencode(path) for path in paths]
    index = os.path.join(repo.git_dir, f"ccs-index-{os.getpid()}")
    own = {_INDEX: index}
    try:
        _like_head(git, repo, index)
        listed = b"".join(path + b"\0" for path in chosen)
        add = ("update-index", "-z", "--add", "--remove", "--replace", "--stdin")
        git.ask(*add, given=listed, seconds=LONG_SECONDS, variables=own)
        if not _staged(git, before, own):
            return None, ""
        argv = ["git", *SETTINGS, "commit", "-q", "--cleanup=whitespace", "-F", "-"]
        done = git.do(argv, message.encode("utf-8", "replace"), own)
        for line in (done.out + done.err).decode("utf-8", "replace").splitlines():
            say(f"git commit: {line}")
    finally:
        for path in (index, f"{index}.lock"):
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass  # git takes its lock away itself unless it is ended
    made = commit_of(git, "HEAD")
    if made is None or made == before:
        raise GitFailed(f"git refused: {done.words()}")
    _undo_if_more(git, before, made, chosen)
    return made, _follow(git, before, made)


def _undo_if_more(git: Git, before: str | None, made: str, chosen: list[bytes]) -> None:
    """A hook may add whatever is in the tree, which the user has not finished. Raises GitFailed."""
    words = ("diff-tree", "-r", "-z", "--no-renames", "--no-commit-id")
    held = {path for _, path in _pairs(git.ask(*words, before or nothing(git), made))}
    # A file that made way for a directory, or the other way round, goes without being named.
    added = [path for path in sorted(held - set(chosen)) if not _makes_way(path, chosen)]
    if not added:
        return
    if before is None:
        git.ask("update-ref", "-d", "HEAD", made)
    else:
        git.ask("update-ref", "-m", "ccs: a hook added other paths", "HEAD", before, made)
    others = ", ".join(os.fsdecode(path) for path in added[:3])
    raise GitFailed(f"a hook added what the run did not change: {others}")


def _makes_way(path: bytes, chosen: list[bytes]) -> bool:
    return any(one.startswith(path + b"/") or path.startswith(one + b"/") for one in chosen)


def _like_head(git: Git, repo: Repository, index: str) -> None:
    """A copy of the user's index, so that git need not read every file again, less what is
    staged."""
    standing = os.path.join(repo.git_dir, "index")
    try:
        with open(standing, "rb") as old, open(index, "wb") as new:
            while chunk := old.read(1 << 20):
                new.write(chunk)
            written = os.fstat(old.fileno()).st_mtime_ns
        # By it git knows which files may have been changed in the second they were looked at.
        os.utime(index, ns=(written, written))
    except FileNotFoundError:
        git.ask("read-tree", "--empty", variables={_INDEX: index})
    entries = [
        b"%s %s\t%s\0" % (fields[0], fields[2], path)
        for fields, path in _staged(git, commit_of(git, "HEAD"), {_INDEX: index})
    ]
    if entries:
        _put(git, entries, {_INDEX: index})


def _staged(git: Git, head: str | None, own: Mapping[str, str]) -> list[tuple[list[bytes], bytes]]:
    """How an index differs from a commit: modes and hashes, old and new, and the path."""
    words = ("diff-index", "--cached", "--no-renames", "-z", head or nothing(git))
    return list(_pairs(git.ask(*words, variables=own)))


def _follow(git: Git, before: str | None, made: str) -> str:
    """The user's own index takes over what was committed; why not, if not."""
    words = ("diff-tree", "-r", "-z", "--no-renames", "--no-commit-id")
    out = git.ask(*words, before or nothing(git), made)
    entries = [b"%s %s\t%s\0" % (fields[1], fields[3], path) for fields, path in _pairs(out)]
    try:
        _put(git, entries)
    except GitFailed as error:
        return f"the index still has the old content: {error}; mend it by: git reset"
    git.call("update-index", "-q", "--refresh")
    return ""


def _put(git: Git, entries: list[bytes], own: Mapping[str, str] | None = None) -> None:
    """Somebody else may hold the lock of the index for a moment. Raises GitFailed."""
    import time

    for attempt in range(_ATTEMPTS):
        words = ("update-index", "-z", "--index-info")
        done = git.call(*words, given=b"".join(entries), variables=own)
        if done.code == 0:
            return
        if b".lock" not in done.err:
            break
        time.sleep(0.05 * (attempt + 1))
    raise GitFailed(f"git update-index: {done.words()}")


def nothing(git: Git) -> str:
    """The empty tree, which a first commit is compared with."""
    return git.ask("hash-object", "-t", "tree", "--stdin", given=b"").decode().strip()


def _pairs(out: bytes) -> Iterator[tuple[list[bytes], bytes]]:
    fields = out.split(b"\0")
    for head, path in zip(fields[::2], fields[1::2], strict=False):
        yield head[1:].split(), path
