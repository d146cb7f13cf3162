"""Reading a log that may still grow, or that was compressed when it had grown old."""

from __future__ import annotations

import gzip
import os
import zlib
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import FileIO
from typing import Any, BinaryIO, cast

from ccs import instant
from ccs.errors import CcsError
from ccs.store import atomic
from ccs.store.home import COMPRESSED, Home


@dataclass(frozen=True)
class Line:
    """`at`: when it was written, to the second; None when nobody noted it."""

    text: str
    at: datetime | None = None


class Tail:
    """Lines of one of a run's logs, each given once. A log that is not there yet has none."""

    def __init__(
        self,
        home: Home,
        run_id: str,
        raw: bool = False,
        timed: bool = False,
        since: datetime | None = None,
    ) -> None:
        """`raw`: the client's output as it came. `since`: what is known to be older is left out."""
        self._path = home.stream(run_id) if raw else home.log(run_id)
        self._times = _Times(home.times(run_id), 2 if raw else 1) if timed or since else None
        self._since = since
        self._offset = 0

    def last(self, count: int, ended: bool) -> Iterator[Line]:
        """The last `count` lines of what is there now."""
        return iter(deque(self.fresh(ended), maxlen=count))

    def fresh(self, ended: bool) -> Iterator[Line]:
        """Lines added since the last call; one still being written waits, unless it has `ended`.

        Raises CcsError for a damaged one.
        """
        file = self._opened()
        if file is None:
            return
        if self._times is not None:
            self._times.read()
        with file:
            try:
                file.seek(self._offset)
                for line in file:
                    if not line.endswith(b"\n") and not ended:
                        return
                    at = None if self._times is None else self._times.of(self._offset)
                    self._offset += len(line)
                    if self._since is None or at is None or at >= self._since:
                        yield Line(line.removesuffix(b"\n").decode("utf-8", "replace"), at)
            except (EOFError, zlib.error, gzip.BadGzipFile):
                raise CcsError(f"{self._path}{COMPRESSED} is damaged") from None

    def _opened(self) -> BinaryIO | None:
        try:
            return atomic.open_read(self._path)
        except FileNotFoundError:
            pass  # compressed by now, or not there yet
        try:
            packed = atomic.open_read(self._path + COMPRESSED)
        except FileNotFoundError:
            return None
        unpacked = gzip.GzipFile(fileobj=packed)
        unpacked.myfileobj = cast(FileIO, packed)  # closed with it, as if it had opened it itself
        return cast(BinaryIO, unpacked)


def kept(home: Home) -> list[dict[str, Any]]:
    """Each run of which a log is kept, whatever else is known of it; the last written first."""
    found: dict[str, dict[str, Any]] = {}
    try:
        names = os.listdir(home.file("logs"))
    except FileNotFoundError:
        return []
    for run_id in {name[4:].partition(".")[0] for name in names if name.startswith("run_")}:
        files = files_of(home, run_id)
        if files:
            last = max(str(one["written_at"]) for one in files)
            size = sum(one["bytes"] for one in files)
            found[run_id] = {"id": run_id, "bytes": size, "written_at": last, "files": files}
    return sorted(found.values(), key=lambda one: str(one["written_at"]), reverse=True)


def files_of(home: Home, run_id: str) -> list[dict[str, Any]]:
    """What is kept of a run beside its record."""
    found = []
    for path in home.logs_of(run_id):
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            continue
        at = instant.text(datetime.fromtimestamp(int(status.st_mtime), UTC))
        found.append({"path": path, "bytes": status.st_size, "written_at": at})
    return found


class _Times:
    """What `ccs.engine.logs.Times` noted of one of the two logs."""

    def __init__(self, path: str, column: int) -> None:
        self._path = path
        self._column = column
        self._begins: list[int] = []
        self._moments: list[datetime] = []

    def read(self) -> None:
        self._begins, self._moments = [], []
        try:
            with atomic.open_read(self._path) as file:
                for line in file:
                    self._add(line.decode("ascii", "replace").split())
        except FileNotFoundError:
            return  # of a run that ran before times were kept

    def _add(self, words: list[str]) -> None:
        try:
            at, begin = instant.parse(words[0]), int(words[self._column])
        except (IndexError, ValueError):
            return  # torn by a crash
        self._begins.append(begin)
        self._moments.append(at)

    def of(self, offset: int) -> datetime | None:
        place = bisect_right(self._begins, offset)
        return self._moments[place - 1] if place else None
