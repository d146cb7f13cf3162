"""Use and limits as the client's transcripts tell them, each byte of them read once.

Use once seen stays seen for as long as it counts: a transcript that is removed, cut or replaced
takes none of it away. Nothing raises, whatever stands in the transcripts and in the state.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ccs import instant
from ccs.claude.transcriptfile import Limit, Span, Transcript, buckets
from ccs.claude.values import Event, mapping

KEPT = timedelta(days=8)
_FORM = 1
_CHUNK = 1 << 20
_MOST_LIMITS = 100
_MOST_PROBLEMS = 20
_FLAGS = os.O_RDONLY
for _name in ("O_CLOEXEC", "O_NONBLOCK", "O_NOFOLLOW", "O_BINARY"):
    _FLAGS |= getattr(os, _name, 0)


@dataclass(frozen=True)
class Account:
    """`activity`: tokens of all four classes by minute, `2026-11-20T10:15Z`, in order, of `KEPT`.

    `limits`: what this reading came upon, {"seen_at": instant, "facts": limit_facts}, newest last.
    """

    activity: dict[str, int]
    limits: list[dict[str, Any]]


@dataclass(frozen=True)
class Found:
    """`state`: for the next reading; it knows only the directories that this one was given."""

    state: dict[str, Any]
    accounts: dict[str, Account]
    problems: list[str]
    read_bytes: int


def config_dirs(environ: Mapping[str, str]) -> list[str]:
    """Where a client started with `environ` may keep transcripts: what exists, each once."""
    told = environ.get("CLAUDE_CONFIG_DIR", "").strip()
    if told:
        places = [told] if os.path.isdir(told) else [one.strip() for one in told.split(",")]
    else:
        home = environ.get("HOME", "")
        xdg = environ.get("XDG_CONFIG_HOME") or (home and os.path.join(home, ".config"))
        pairs = ((xdg, "claude"), (home, ".claude"))
        places = [os.path.join(base, name) for base, name in pairs if base]
    distinct: dict[str, str] = {}
    for place in places:
        if os.path.isdir(place):
            distinct.setdefault(os.path.realpath(place), place)
    return list(distinct.values())


def read(config_dirs: Sequence[str], state: dict[str, Any], now: datetime) -> Found:
    """Reads what was added since `state` was returned ({} at first). Leaves `state` as it is.

    Directories that are really one are read once and share an account.
    """
    told = mapping(state)
    known = mapping(told.get("dirs")) if told.get("form") == _FORM else {}
    reading = _Reading(now)
    roots = {one: os.path.realpath(os.path.join(one, "projects")) for one in config_dirs}
    accounts: dict[str, Account] = {}
    after: dict[str, Event] = {}
    for root in dict.fromkeys(roots.values()):
        accounts[root], memory = reading.account(root, mapping(known.get(_fit(root))))
        if memory:
            after[_fit(root)] = memory
    return Found(
        state={"form": _FORM, "dirs": after},
        accounts={one: accounts[root] for one, root in roots.items()},
        problems=reading.problems(),
        read_bytes=reading.read_bytes,
    )


class _Reading:
    def __init__(self, now: datetime) -> None:
        self.read_bytes = 0
        self._span = Span(now, KEPT)
        self._limits: list[Limit] = []
        self._problems: list[str] = []
        self._unlisted = 0

    def problems(self) -> list[str]:
        more = [f"and {self._unlisted} more"] if self._unlisted else []
        return self._problems + more

    def account(self, root: str, known: Event) -> tuple[Account, Event | None]:
        """What stands below `root`, and what to remember of it, if anything."""
        self._limits = []
        there, unread = self._walk(root)
        before = mapping(known.get("files"))
        gone = buckets(known.get("gone"))
        files: dict[str, Transcript] = {}
        for key, (path, status) in there.items():
            file = Transcript.restored(before.get(key))
            if file is None or (file.inode, file.size) != (status.st_ino, status.st_size):
                file = self._read(path, file)
            if file:
                files[key] = file
        for key in before.keys() - there.keys():
            file = Transcript.restored(before[key])
            if file and key.startswith(unread):
                files[key] = file
            elif file:
                _add(gone, file.activity)
        for file in files.values():
            file.prune(self._span)
        gone = self._span.prune(gone)
        activity = dict(gone)
        for file in files.values():
            _add(activity, file.activity)
        account = Account(dict(sorted(activity.items())), self._latest_limits())
        if "" in unread and not activity:
            return account, None  # a directory that may never come back
        return account, {
            "gone": gone,
            "files": {key: file.as_json() for key, file in files.items()},
        }

    def _latest_limits(self) -> list[dict[str, Any]]:
        latest = sorted(self._limits, key=lambda limit: limit[0])[-_MOST_LIMITS:]
        return [{"seen_at": instant.text(moment), "facts": facts} for moment, facts in latest]

    def _walk(self, root: str) -> tuple[dict[str, tuple[str, os.stat_result]], tuple[str, ...]]:
        """The transcripts by their path below `root`, and the paths that cannot be told of now.

        What was known below those stays: taken for gone, it would count twice once it is back.
        """
        there: dict[str, tuple[str, os.stat_result]] = {}
        unread: list[str] = []
        waiting = [""]
        while waiting:
            below = waiting.pop()
            try:
                entries = list(os.scandir(os.path.join(root, below)))
            except OSError as error:
                if error.errno != errno.ENOENT or not below:
                    unread.append(_fit(below))
                self._problem(root, error)
                continue
            for entry in entries:
                path = f"{below}{entry.name}"
                try:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(f"{path}/")
                    elif _is_transcript(path) and entry.is_file(follow_symlinks=False):
                        there[_fit(path)] = entry.path, entry.stat(follow_symlinks=False)
                except OSError as error:
                    if error.errno != errno.ENOENT:
                        unread.append(_fit(path))
                    self._problem(entry.path, error)
        return there, tuple(unread)

    def _read(self, path: str, before: Transcript | None) -> Transcript | None:
        try:
            fd = os.open(path, _FLAGS)
        except OSError as error:
            self._problem(path, error)
            return before
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                return before
            goes_on = before is not None and before.goes_on_as(status.st_ino, status.st_size)
            file = before if before and goes_on else Transcript(status.st_ino)
            start = file.offset
            try:
                self._limits.extend(file.take(_chunks(fd, start), self._span))
            except OSError as error:
                self._problem(path, error)
            self.read_bytes += file.size - start
            if before and not goes_on:
                file.inherit(before)
            return file
        finally:
            os.close(fd)

    def _problem(self, path: str, error: OSError) -> None:
        if error.errno == errno.ENOENT:
            return  # gone since it was listed, or never used
        if len(self._problems) < _MOST_PROBLEMS:
            self._problems.append(_fit(f"{error.filename or path}: {error.strerror}"))
        else:
            self._unlisted += 1


def _chunks(fd: int, start: int) -> Iterator[bytes]:
    os.lseek(fd, start, os.SEEK_SET)
    while chunk := os.read(fd, _CHUNK):
        yield chunk


def _is_transcript(path: str) -> bool:
    return path.endswith(".jsonl") and "/" in path


def _fit(path: str) -> str:
    """Fit for a file of text: the system takes names that are no UTF-8."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _add(total: dict[str, int], part: Mapping[str, int]) -> None:
    for minute, tokens in part.items():
        total[minute] = total.get(minute, 0) + tokens
