"""Finished runs that have left runs.json: one append-only JSONL file a month, and an index.

A run is appended and fsynced here first, then leaves runs.json; whoever reads both drops doubles
by id. A deletion is a line of its own, so a deleted id stays known and its slot cannot come back.
The index (`index/<first two hex digits>`: id, month, offset) is a cache: `covered` says how far
each month is in it, and what lies beyond is read from the month itself. Lean.
"""

from __future__ import annotations

import json
import os

from ccs.store import atomic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Record = dict[str, Any]


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

    def knows(self, run_id: str) -> bool:
        """Whether a run of this id was ever archived or deleted."""
        return next(self.lines(run_id), None) is not None

    def get(self, run_id: str) -> Record | None:
        """The run of exactly this id, None when it is unknown or deleted."""
        state = None
        for record in self.lines(run_id):
            state = record if not record.get("deleted") else None
            if state is None:
                return None
        return state

    def lines(self, prefix: str) -> Iterator[Record]:
        """Every line whose id starts with `prefix` (two hex digits at least), oldest first."""
        covered = self._covered()
        for month, offset in self._indexed(prefix):
            record = self._line_at(month, offset)
            if record is not None and record["id"].startswith(prefix):
                yield record
        for month in self.months():
            for _, record in self._from(month, covered.get(month, 0)):
                if record["id"].startswith(prefix):
                    yield record

    def newest_first(self) -> Iterator[Record]:
        """Every archived run that was not deleted, newest month first."""
        for month in reversed(self.months()):
            runs: dict[str, Record] = {}
            for _, record in self._from(month, 0):
                if record.get("deleted"):
                    runs.pop(record["id"], None)
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
        return sorted(name[:-6] for name in names if name.endswith(".jsonl"))

    def _add(self, lines: list[tuple[str, Record]]) -> None:
        months: dict[str, bytes] = {}
        for month, record in lines:
            line = json.dumps(record, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
            months[month] = months.get(month, b"") + line
        for month, content in months.items():
            atomic.append(self._month(month), content)
        self._extend_index()

    def _extend_index(self) -> None:
        """Brings the index up to the ends of the months. Losing it costs time only."""
        covered = self._covered()
        buckets: dict[str, bytes] = {}
        for month in self.months():
            for offset, record in self._from(month, covered.get(month, 0)):
                bucket = record["id"][:2]
                entry = f"{record['id']} {month} {offset}\n".encode()
                buckets[bucket] = buckets.get(bucket, b"") + entry
            covered[month] = os.stat(self._month(month)).st_size
        os.makedirs(self.index, mode=0o700, exist_ok=True)
        for bucket, content in buckets.items():
            fd = atomic.open_append(os.path.join(self.index, bucket))
            try:
                atomic.write_all(fd, content)
            finally:
                os.close(fd)
        text = "".join(f"{month} {size}\n" for month, size in sorted(covered.items()))
        atomic.write(os.path.join(self.index, "covered"), text.encode(), durable=False)

    def _covered(self) -> dict[str, int]:
        found = atomic.read(os.path.join(self.index, "covered"))
        covered = {}
        for line in (found[0] if found else b"").decode().splitlines():
            month, _, size = line.partition(" ")
            if size.isdigit() and self._size(month) >= int(size):
                covered[month] = int(size)
        return covered

    def _indexed(self, prefix: str) -> list[tuple[str, int]]:
        found = atomic.read(os.path.join(self.index, prefix[:2]))
        places = []
        for line in (found[0] if found else b"").decode("ascii", "replace").splitlines():
            run_id, _, place = line.partition(" ")
            month, _, offset = place.partition(" ")
            if run_id.startswith(prefix) and offset.isdigit():
                places.append((month, int(offset)))
        return sorted(set(places))

    def _line_at(self, month: str, offset: int) -> Record | None:
        return next((record for _, record in self._from(month, offset)), None)

    def _from(self, month: str, offset: int) -> Iterator[tuple[int, Record]]:
        try:
            file = open(self._month(month), "rb")
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

    def _size(self, month: str) -> int:
        try:
            return os.stat(self._month(month)).st_size
        except OSError:
            return -1


def _month_of(record: Record) -> str:
    month = str(record["scheduled_time"])[:7]
    # The month becomes a file name, and runs.json may have been edited by hand.
    return month if month.replace("-", "", 1).isdigit() and len(month) == 7 else "0000-00"


def _parse(line: bytes) -> Record | None:
    """A torn or foreign line is passed over: the file is append-only and the rest is good."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    whole = isinstance(record, dict) and isinstance(record.get("id"), str)
    return record if whole and isinstance(record.get("scheduled_time"), str) else None
