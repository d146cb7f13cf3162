"""Finished runs that have left runs.json: one append-only JSONL file a month, and an index.

A run is appended and fsynced here first, then leaves runs.json; whoever reads both drops doubles
by id. A deletion is a line of its own, so a deleted id stays known and its slot cannot come back.

The index is a cache. `index/<first two hex digits>` holds id, month and offset of each line, and
`index/covered` the stamp of each month and the length of each of these buckets when it was made.
A month that is not as it was is read whole; an index that is not as it was is made anew. Lean.
"""

from __future__ import annotations

import json
import os

from ccs.errors import BrokenStore
from ccs.store import atomic
from ccs.store.home import make_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Record = dict[str, Any]

_HEX = frozenset("0123456789abcdef")


class History:
    """Appending happens under the store lock; reading needs none."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.index = os.path.join(directory, "index")

    def append(self, runs: list[Record]) -> None:
        """Each run into the month its slot lies in (UTC)."""
        self._add([(_month_of(run), run) for run in runs])

    def bury(self, runs: list[Record]) -> None:
        """Remembers deleted runs by id and slot only."""
        stones = [
            {"id": run["id"], "deleted": True, "task_id": run.get("task_id"),
             "scheduled_time": run["scheduled_time"]}
            for run in runs
        ]  # fmt: skip
        self._add([(_month_of(stone), stone) for stone in stones])

    def compact(self) -> None:
        """Takes deleted runs out of the months; that they were deleted stays known.

        Called under the store lock. A reader without it may miss a run for a moment.
        """
        changed = False
        for month in self.months():
            lines = list(self._lines_of(month))
            gone = {one["id"] for _, one in lines if one is not None and one.get("deleted")}
            kept = [
                line for line, one in lines
                if one is None or one.get("deleted") or one["id"] not in gone
            ]  # fmt: skip
            if len(kept) < len(lines):
                if not changed:
                    self._drop_index()  # its offsets are of the months as they were
                changed = True
                atomic.write(self._month(month), b"".join(kept))
        if changed:
            try:
                self._extend_index({})
            except (OSError, BrokenStore):
                pass  # a cache: without it the months are read

    def knows(self, run_id: str) -> bool:
        """Whether a run of this id was ever archived or deleted."""
        return any(record["id"] == run_id for record in self.lines(run_id))

    def get(self, run_id: str) -> Record | None:
        """The run of exactly this id, None when it is unknown or deleted."""
        found = [record for record in self.lines(run_id) if record["id"] == run_id]
        if not found or any(record.get("deleted") for record in found):
            return None
        return found[-1]

    def lines(self, prefix: str) -> Iterator[Record]:
        """Every line whose id starts with `prefix`: two hex digits at least, else there is none."""
        bucket = prefix[:2]
        if not _is_bucket(bucket):
            return
        covered = self._covered()
        sound = bucket not in covered or self._is_sound(bucket, covered)
        current = {m for m in self.months() if sound and covered.get(m) == self._stamp(m)}
        for month, offset in self._indexed(prefix):
            if month in current:
                yield from self._line_at(month, offset, prefix)
        for month in self.months():
            if month not in current:
                for _, record in self._from(month, 0):
                    if record["id"].startswith(prefix):
                        yield record

    def newest_first(self, oldest: str = "") -> Iterator[Record]:
        """Every archived run that was not deleted, newest month first, down to the `oldest`."""
        for month in reversed([one for one in self.months() if one >= oldest]):
            runs: dict[str, Record] = {}
            for _, record in self._from(month, 0):
                if record.get("deleted"):
                    runs[record["id"]] = record
                else:
                    runs.setdefault(record["id"], record)
            alive = [run for run in runs.values() if not run.get("deleted")]
            yield from sorted(alive, key=lambda run: str(run["scheduled_time"]), reverse=True)

    def months(self) -> list[str]:
        try:
            names = os.listdir(self.directory)
        except FileNotFoundError:
            return []
        return sorted(n[:-6] for n in names if n.endswith(".jsonl") and _is_month(n[:-6]))

    def damaged(self) -> Iterator[tuple[str, int]]:
        """Path and number of each line that is passed over. Reads everything."""
        for month in self.months():
            for number, (line, record) in enumerate(self._lines_of(month), 1):
                if record is None and line.strip():
                    yield self._month(month), number

    # Writing ----------------------------------------------------------------

    def _add(self, lines: list[tuple[str, Record]]) -> None:
        months: dict[str, bytes] = {}
        for month, record in lines:
            line = json.dumps(record, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
            months[month] = months.get(month, b"") + line
        indexed = self._indexed_ends()
        for month, content in months.items():
            atomic.append(self._month(month), content)
        try:
            self._extend_index(indexed)
        except (OSError, BrokenStore):
            pass  # a cache: the months now have other stamps than it says and are read instead

    def _indexed_ends(self) -> dict[str, int]:
        """How far the index covers each month, asked before anything is appended."""
        covered = self._covered()
        buckets = {*filter(_is_bucket, covered), *self._buckets()}
        if not all(self._is_sound(bucket, covered) for bucket in buckets):
            return {}
        same = [month for month in self.months() if covered.get(month) == self._stamp(month)]
        return {month: os.lstat(self._month(month)).st_size for month in same}

    def _extend_index(self, indexed: dict[str, int]) -> None:
        if not indexed:
            self._drop_index()
        covered = {}
        buckets: dict[str, bytes] = {}
        for month in self.months():
            covered[month] = self._stamp(month)  # before it is read: what comes later shows
            for offset, record in self._from(month, indexed.get(month, 0)):
                entry = f"{record['id']} {month} {offset}\n".encode("ascii", "replace")
                bucket = record["id"][:2]
                buckets[bucket] = buckets.get(bucket, b"") + entry
        make_directory(self.index)
        for bucket, content in buckets.items():
            atomic.append(os.path.join(self.index, bucket), content, durable=False)
        for bucket in self._buckets():
            covered[bucket] = str(os.lstat(os.path.join(self.index, bucket)).st_size)
        text = "".join(f"{name} {state}\n" for name, state in sorted(covered.items()))
        atomic.write(os.path.join(self.index, "covered"), text.encode())

    def _drop_index(self) -> None:
        for name in ("covered", *self._buckets()):  # in this order, should it be cut off here
            try:
                os.unlink(os.path.join(self.index, name))
            except FileNotFoundError:
                pass

    def _buckets(self) -> list[str]:
        try:
            return list(filter(_is_bucket, os.listdir(self.index)))
        except OSError:
            return []

    # Reading ----------------------------------------------------------------

    def _covered(self) -> dict[str, str]:
        """Month to stamp and bucket to length, as the index was when it was last extended."""
        lines = self._cached("covered").splitlines()
        return dict(line.split(" ", 1) for line in lines if " " in line)

    def _is_sound(self, bucket: str, covered: dict[str, str]) -> bool:
        """It is not fsynced, so a power cut may take some of it, and so may a person."""
        size = covered.get(bucket, "")
        try:
            path = os.path.join(self.index, bucket)
            return size.isdigit() and atomic.is_whole(path, int(size[:15]))
        except (OSError, BrokenStore):
            return False

    def _indexed(self, prefix: str) -> list[tuple[str, int]]:
        places = set()
        for line in self._cached(prefix[:2]).splitlines():
            run_id, _, place = line.partition(" ")
            month, _, offset = place.partition(" ")
            if run_id.startswith(prefix) and offset.isdigit():
                places.add((month, int(offset[:15])))
        return sorted(places)

    def _cached(self, name: str) -> str:
        try:
            found = atomic.read(os.path.join(self.index, name))
        except (OSError, BrokenStore):
            return ""  # a cache that cannot be read is one that is not there
        return found[0].decode("ascii", "replace") if found else ""

    def _lines_of(self, month: str) -> Iterator[tuple[bytes, Record | None]]:
        with atomic.open_read(self._month(month)) as file:
            for line in file:
                yield line, _parse(line)

    def _line_at(self, month: str, offset: int, prefix: str) -> Iterator[Record]:
        place, record = next(self._from(month, offset), (-1, {}))
        if place == offset and record["id"].startswith(prefix):
            yield record

    def _from(self, month: str, offset: int) -> Iterator[tuple[int, Record]]:
        try:
            file = atomic.open_read(self._month(month))
        except FileNotFoundError:
            return
        with file:
            file.seek(offset)
            for line in file:
                record = _parse(line)
                if record is not None:
                    yield offset, record
                offset += len(line)

    def _month(self, month: str) -> str:
        return os.path.join(self.directory, f"{month}.jsonl")

    def _stamp(self, month: str) -> str:
        return ":".join(map(str, atomic.stamp(os.lstat(self._month(month)))))


def _month_of(record: Record) -> str:
    month = str(record["scheduled_time"])[:7]
    # The month becomes a file name, and runs.json may have been edited by hand.
    return month if _is_month(month) else "0000-00"


def _is_month(name: str) -> bool:
    year, dash, month = name[:4], name[4:5], name[5:]
    digits = (year + month).isdigit() and name.isascii()
    return digits and dash == "-" and len(name) == 7


def _is_bucket(name: str) -> bool:
    return len(name) == 2 and set(name) <= _HEX


def _parse(line: bytes) -> Record | None:
    """A torn or foreign line is passed over: the file is append-only and the rest is good."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not isinstance(record.get("scheduled_time"), str):
        return None
    run_id = record.get("id")
    return record if isinstance(run_id, str) and _is_bucket(run_id[:2]) else None
