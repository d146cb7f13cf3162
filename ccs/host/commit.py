"""Commits chosen paths of a working tree and nothing else.

The commit is made from an index of its own, so what the user has staged stays staged and does not
get in. Hooks run as for any commit, on that index. The user's index is brought up to date for the
committed paths afterwards; it would take them for deleted otherwise. Lean.
"""

from __future__ import annotations

import os

from ccs.host.git import LONG_SECONDS, SETTINGS, Git, GitFailed
from ccs.host.repository import Repository, commit_of
from ccs.redact import redacted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_INDEX = "GIT_INDEX_FILE"
# The index that is behind a commit makes the user's next one delete what this one brought, so it
# follows at once, also when nobody lives who asked for it.
_COMMIT = """
follow=$1; shift
git "$@" commit -q --cleanup=whitespace -F - || exit
unset GIT_INDEX_FILE
git "$@" update-index -z --index-info <"$follow" 2>/dev/null || true
"""
_ATTEMPTS = 20
# On so many HEADs, when somebody commits meanwhile.
_ROUNDS = 3


def commit(
    git: Git,
    repo: Repository,
    paths: Iterable[str],
    message: str,
    say: Callable[[str], None],
    told_to_stop: Callable[[], bool] | None = None,
) -> tuple[str | None, str]:
    """The new commit, None when these paths are as they were; and what went wrong after it, or
    nothing. Raises GitFailed, OSError.

    `git` is at the top of the tree. The last line of `message` is to be of this commit alone.
    `say` gets what hooks and git print; `told_to_stop` ends the commit and its hooks, and nothing
    that comes after it.
    """
    chosen = [os.fsencode(path) for path in paths]
    for _ in range(_ROUNDS):
        before = commit_of(git, "HEAD")
        one = _One(git, repo, before, chosen, message)
        if not one.make(say, told_to_stop):
            return None, ""
        if one.made is None:
            if commit_of(git, "HEAD") != before and one.done.code is not None:
                continue  # somebody committed meanwhile; git noticed, and theirs stands
            raise GitFailed(f"git refused: {one.done.words()}")
        if one.parent == before:
            one.undo_if_more()
            return one.made, _follow(git, before, one.made)
        one.take_back()
    raise GitFailed("somebody commits again and again; it is tried no more")


class _One:
    """One attempt on one HEAD. `made`: the commit, if there is one; `parent`: what it stands on."""

    def __init__(
        self, git: Git, repo: Repository, before: str | None, chosen: list[bytes], message: str
    ) -> None:
        self.git = git
        self.repo = repo
        self.before = before
        self.chosen = set(chosen)
        self.message = message
        self.made: str | None = None
        self.parent: str | None = None
        self.staged: dict[bytes, list[bytes]] = {}

    def make(self, say: Callable[[str], None], told_to_stop: Callable[[], bool] | None) -> bool:
        """Whether there was anything to commit."""
        git = self.git
        index = os.path.join(self.repo.git_dir, f"ccs-index-{os.getpid()}")
        follow, own = f"{index}.follow", {_INDEX: index}
        try:
            _like(git, self.repo, self.before, index)
            listed = b"".join(path + b"\0" for path in sorted(self.chosen))
            add = ("update-index", "-z", "--add", "--remove", "--replace", "--stdin")
            git.ask(*add, given=listed, seconds=LONG_SECONDS, variables=own)
            entries = _staged(git, self.before, own)
            if not entries:
                return False
            theirs = _staged(git, self.before, {})
            self.staged = {path: fields for fields, path in theirs if path in self.chosen}
            with open(follow, "wb") as file:
                file.writelines(_entry(fields[1], fields[3], path) for fields, path in entries)
            hurried = Git(git.directory, git.variables, git.held, told_to_stop)
            argv = ["/bin/sh", "-c", _COMMIT, "git", follow, *SETTINGS]
            self.done = hurried.do(argv, self.message.encode("utf-8", "replace"), own)
        finally:
            for path in (index, f"{index}.lock", follow):
                try:
                    os.unlink(path)
                except FileNotFoundError:
                    pass  # git takes its lock away itself unless it is ended
        # As a whole: the lines inside of a key in PEM form cannot be told from others one by one.
        said = redacted((self.done.out + self.done.err).decode("utf-8", "replace"))
        for line in said.splitlines():
            say(f"git commit: {line}")
        self._find()
        return True

    def _find(self) -> None:
        """By its last line; a hook may have taken that away, and somebody may have committed on."""
        since = [f"^{self.before}"] if self.before else []
        words = ("log", "-z", "-n", "50", "--format=%H %P%n%B", "HEAD", *since)
        out = self.git.call(*words)
        commits = out.out.decode("utf-8", "replace").split("\0") if out.code == 0 else []
        mark = self.message.strip().splitlines()[-1]
        for one in filter(None, commits):
            head, *body = one.splitlines()
            made, parent, *_ = [*head.split(), None]
            if mark in body or (self.done.code == 0 and parent == self.before):
                self.made, self.parent = made, parent
                return

    def take_back(self) -> None:
        """It was made from another HEAD than it stands on, so it undoes what came in between."""
        self._reset("ccs: somebody committed meanwhile", self.parent)

    def undo_if_more(self) -> None:
        """A hook may add whatever is in the tree, which the user has not finished. Raises
        GitFailed."""
        words = ("diff-tree", "-r", "-z", "--no-renames", "--no-commit-id")
        out = self.git.ask(*words, self.before or nothing(self.git), self.made or "")
        held = {path for _, path in _pairs(out)}
        # A file that made way for a directory, or the other way round, goes without being named.
        added = [one for one in sorted(held - self.chosen) if not _makes_way(one, self.chosen)]
        if not added:
            return
        self._reset("ccs: a hook added other paths", self.before)
        others = ", ".join(os.fsdecode(path) for path in added[:3])
        raise GitFailed(f"a hook added what the run did not change: {others}")

    def _reset(self, why: str, to: str | None) -> None:
        made = self.made or ""
        if to is None:
            self.git.ask("update-ref", "-d", "HEAD", made)
        else:
            self.git.ask("update-ref", "-m", why, "HEAD", to, made)
        self._give_back()

    def _give_back(self) -> None:
        """To the user's index what it had at these paths."""
        entries = []
        for fields, path in _staged(self.git, commit_of(self.git, "HEAD"), {}):
            if path in self.chosen:
                was = self.staged.get(path)
                kept = (was[1], was[3]) if was else (fields[0], fields[2])
                entries.append(_entry(*kept, path))
        if entries:
            _put(self.git, entries)


def _makes_way(path: bytes, chosen: set[bytes]) -> bool:
    return any(one.startswith(path + b"/") or path.startswith(one + b"/") for one in chosen)


def _like(git: Git, repo: Repository, head: str | None, index: str) -> None:
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
    staged = _staged(git, head, {_INDEX: index})
    entries = [_entry(fields[0], fields[2], path) for fields, path in staged]
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
    entries = [_entry(fields[1], fields[3], path) for fields, path in _pairs(out)]
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


def _entry(mode: bytes, content: bytes, path: bytes) -> bytes:
    return b"%s %s\t%s\0" % (mode, content, path)


def nothing(git: Git) -> str:
    """The empty tree, which a first commit is compared with."""
    return git.ask("hash-object", "-t", "tree", "--stdin", given=b"").decode().strip()


def _pairs(out: bytes) -> Iterator[tuple[list[bytes], bytes]]:
    fields = out.split(b"\0")
    for head, path in zip(fields[::2], fields[1::2], strict=False):
        yield head[1:].split(), path
