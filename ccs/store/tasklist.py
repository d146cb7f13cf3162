"""The tasks as a tick needs them: those that may be due, and any other when it is asked for.

Below its line the agenda keeps of each task the moment before which it cannot be due, and where in
tasks.json it stands:

    tasks BUILT COUNT
    WAKE OFFSET LENGTH DIGEST ID
    ...

WAKE is in seconds of the epoch and of one width, so that lines compare as their wakes do.
What is between two braces of the layout that ccs writes is one task, whatever stands around it. So
while tasks.json and cursors.json are as they were, a task is read alone; and of a changed
tasks.json only those are read whose text has changed. In any other layout, with anything that
cannot be read, and once a day, because a zone's rules may have changed, all of it is read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

from ccs.errors import BrokenStore
from ccs.model.task import Task
from ccs.store import agenda, atomic, records, strict
from ccs.store.collection import Collection, Problem, Reading
from ccs.store.home import open_file
from ccs.store.sealed import BETWEEN, TAIL

V = TypeVar("V")
# Always to be looked at, and never again while nothing changes.
ALWAYS, NEVER = 0, 10**11
_WIDTH = 12
_ASLEEP = f"{ALWAYS:0{_WIDTH}} ~"
_DAY = 86_400
_HEAD = b'{\n  "format": 1,\n  "tasks": [\n    {\n'


class Tasks:
    """`awake`: those to look at now. `lines`: of each task that of the agenda; None: none is kept.

    A line's end is the task's id, so it is found without being taken apart.
    """

    def __init__(
        self,
        reading: Reading[Task] | _Sliced,
        awake: list[Task],
        lines: dict[str, str] | None = None,
        built: int = 0,
    ) -> None:
        self.by_id: Mapping[str, Task] = reading.by_id
        self.raw: Mapping[str, dict[str, Any]] = reading.raw
        self.problems: list[Problem] = reading.problems
        self.stamp = reading.stamp
        self.awake = awake
        self._lines = lines
        self._built = built

    @classmethod
    def whole(cls, reading: Reading[Task]) -> Tasks:
        return cls(reading, reading.records)

    def wake(self, wakes: Mapping[str, int]) -> int:
        """The earliest of those that wait for a time, with these moments for what was known."""
        lines = self._lines or {}
        asleep = (line for one, line in lines.items() if one not in wakes and line > _ASLEEP)
        earliest = int(min(asleep, default=str(NEVER))[:_WIDTH])
        return min((at for at in (earliest, *wakes.values()) if at != ALWAYS), default=NEVER)

    def text(self, wakes: Mapping[str, int]) -> str:
        """For the agenda, with these moments in place of what was known."""
        if self._lines is None:
            return ""
        again = {
            task_id: f"{at:0{_WIDTH}}{self._lines[task_id][_WIDTH:]}"
            for task_id, at in wakes.items()
        }
        lines = {**self._lines, **again}.values()
        return "\n".join((f"tasks {self._built} {len(lines)}", *lines, ""))


def read(collection: Collection[Task], home: str, version: str, now: datetime) -> Tasks:
    """Raises BrokenStore when the file as a whole cannot be used."""
    at = int(now.timestamp())
    known = _known(home, version, at)
    if known is not None:
        try:
            return _as_known(collection, home, known, at)
        except _NotAsKnown:
            pass
    content, reading = collection.both()
    lines = None
    spans = None if reading.problems or content.damaged else _spans(content.raw)
    if spans is not None and len(spans) == len(reading.records):
        lines = {
            record.id: _line(span, _digest(content.raw, span), record.id)
            for span, record in zip(spans, reading.records, strict=True)
        }
    return Tasks(reading, reading.records, lines, at)


def _line(span: tuple[int, int], digest: str, task_id: str, wake: str = "0" * _WIDTH) -> str:
    return f"{wake} {span[0]} {span[1]} {digest} {task_id}"


class _NotAsKnown(Exception):
    """The agenda does not tell of this tasks.json."""


class _Known(NamedTuple):
    stamp: str
    built: int
    lines: dict[str, str]


def _known(home: str, version: str, now: int) -> _Known | None:
    """None when there is none that can be trusted."""
    try:
        with agenda.opened(home) as file:
            head, _, rest = file.read().partition("\n")
        told = agenda.Told(head)
        if not told.holds(version, now) or told.stamps["cursors.json"] != agenda.stamp_now(
            home, "cursors.json"
        ):
            return None
        first, *lines = rest.splitlines()
        word, built, count = first.split()
        by_id = {line.rpartition(" ")[2]: line for line in lines if _has_wake(line)}
        known = _Known(told.stamps["tasks.json"], int(built), by_id)
        whole = word == "tasks" and int(count) == len(by_id)
    except (OSError, ValueError, IndexError):
        return None
    return known if whole and 0 <= now - known.built < _DAY else None


def _has_wake(line: str) -> bool:
    return line[:_WIDTH].isdigit() and line[_WIDTH] == " "


def _as_known(collection: Collection[Task], home: str, known: _Known, now: int) -> Tasks:
    """Raises _NotAsKnown."""
    path = collection.file.path
    stamp = _stamp(path)
    lines = known.lines
    if agenda.shown(stamp) != known.stamp:
        found = atomic.read(path)
        if found is None:
            raise _NotAsKnown
        raw, stamp = found
        lines = _matched(raw, lines)
    sliced = _Sliced(collection, home, stamp, lines)
    latest = f"{now:0{_WIDTH}} ~"
    awake = [sliced.by_id[task_id] for task_id, line in lines.items() if line < latest]
    return Tasks(sliced, awake, lines, known.built)


def _matched(raw: bytes, known: dict[str, str]) -> dict[str, str]:
    """The lines of a changed file: as known where the text is. Raises _NotAsKnown."""
    spans = _spans(raw)
    if spans is None:
        raise _NotAsKnown
    before = {
        digest: (wake, task_id) for wake, _, _, digest, task_id in map(_words, known.values())
    }
    lines = {}
    for span in spans:
        digest = _digest(raw, span)
        wake, task_id = before.get(digest) or ("0" * _WIDTH, _id_in(raw, span))
        lines[task_id] = _line(span, digest, task_id, wake)
    if len(lines) < len(spans):
        raise _NotAsKnown  # one stands there twice
    return lines


def _words(line: str) -> list[str]:
    words = line.split()
    if len(words) != 5:
        raise _NotAsKnown
    return words


def _id_in(raw: bytes, span: tuple[int, int]) -> str:
    found = _parsed(raw[span[0] : span[0] + span[1]]).get("id")
    if not isinstance(found, str):
        raise _NotAsKnown
    return records.canonical(found)


def _parsed(part: bytes) -> dict[str, Any]:
    try:
        found = strict.parse(b"{\n" + part + b"\n}", "")
    except BrokenStore:
        raise _NotAsKnown from None
    if not isinstance(found, dict):
        raise _NotAsKnown
    return found


def _spans(raw: bytes) -> list[tuple[int, int]] | None:
    """Where in it each task stands; None when the file is not laid out as ccs writes it.

    No JSON text holds a line break, so what parts two tasks cannot stand inside one.
    """
    if not raw.startswith(_HEAD) or not raw.endswith(TAIL):
        return None
    spans, at = [], len(_HEAD)
    for part in raw[len(_HEAD) : -len(TAIL)].split(BETWEEN):
        spans.append((at, len(part)))
        at += len(part) + len(BETWEEN)
    return spans


def _digest(raw: bytes, span: tuple[int, int]) -> str:
    from hashlib import blake2b

    return blake2b(raw[span[0] : span[0] + span[1]], digest_size=10).hexdigest()


def _stamp(path: str) -> atomic.Stamp:
    try:
        return atomic.stamp(os.stat(path, follow_symlinks=False))
    except OSError:
        raise _NotAsKnown from None


class _Sliced:
    """Of a file that has not changed: each task read when it is asked for."""

    def __init__(
        self, collection: Collection[Task], home: str, stamp: atomic.Stamp, lines: dict[str, str]
    ) -> None:
        self._collection = collection
        self._agenda = f"{home}/agenda"
        self._lines = lines
        self._read: dict[str, tuple[Task, dict[str, Any]]] = {}
        self.stamp: atomic.Stamp | None = stamp
        self.problems: list[Problem] = []
        self.by_id = _Lazy(lines, lambda task_id: self._one(task_id)[0])
        self.raw = _Lazy(lines, lambda task_id: self._one(task_id)[1])

    def _one(self, task_id: str) -> tuple[Task, dict[str, Any]]:
        if task_id not in self._read:
            try:
                self._read[task_id] = self._look_up(task_id)
            except (_NotAsKnown, ValueError):
                # Changed just now, or the agenda is wrong: without it the next tick reads all.
                with suppress(OSError):
                    os.unlink(self._agenda)
                path = self._collection.file.path
                raise ChangedMeanwhile(
                    f"{path} is not as it was read", "the next tick reads it anew"
                ) from None
        return self._read[task_id]

    def _look_up(self, task_id: str) -> tuple[Task, dict[str, Any]]:
        """Raises _NotAsKnown, ValueError."""
        _, offset, length, *_ = _words(self._lines[task_id])
        with os.fdopen(open_file(self._collection.file.path, os.O_RDONLY), "rb") as file:
            if atomic.stamp(os.fstat(file.fileno())) != self.stamp:
                raise _NotAsKnown
            file.seek(int(offset))
            entry = _parsed(file.read(int(length)))
        entry["id"] = records.canonical(str(entry.get("id")))
        task, _ = self._collection.judged(entry)
        if task is None or task.id != task_id:
            raise _NotAsKnown
        return task, entry


class ChangedMeanwhile(BrokenStore, _NotAsKnown):
    """While the tick begins, all is read instead; after that it is for the next tick."""


class _Lazy(Mapping[str, V], Generic[V]):
    def __init__(self, known: Mapping[str, object], look_up: Callable[[str], V]) -> None:
        self._known = known
        self._look_up = look_up

    def __getitem__(self, key: str) -> V:
        if key not in self._known:
            raise KeyError(key)
        return self._look_up(key)

    def __contains__(self, key: object) -> bool:
        return key in self._known

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)
