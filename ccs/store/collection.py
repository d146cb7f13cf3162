"""Records with their meaning: one validated kind in one file.

A bad record is reported by file, line and field and stays in the file; the others go on.
Changes happen under the store lock, which the caller holds (`Store.locked`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from ccs.errors import Ambiguous, NotFound
from ccs.model.record import Record, complaints
from ccs.store import atomic
from ccs.store.records import Records

R = TypeVar("R", bound=Record)


class Problem:
    """A record that could not be used, and why."""

    def __init__(self, path: str, line: int, words: str) -> None:
        self.path = path
        self.line = line
        self.words = words

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.words}"


class Reading(Generic[R]):
    """What one reading of the file gave. `raw`: each good record as it stands in the file."""

    def __init__(
        self,
        records: dict[str, R],
        raw: dict[str, dict[str, Any]],
        problems: list[Problem],
        stamp: atomic.Stamp | None,
    ) -> None:
        self.by_id = records
        self.records = list(records.values())
        self.raw = raw
        self.problems = problems
        self.stamp = stamp


class Collection(Generic[R]):
    def __init__(self, path: str, name: str, kind: type[R]) -> None:
        self.file = Records(path, name)
        self.name = name
        self.kind = kind

    @property
    def noun(self) -> str:
        return self.name.removesuffix("s")

    def read(self) -> Reading[R]:
        """Raises BrokenStore when the file as a whole cannot be used."""
        content = self.file.read()
        good: dict[str, R] = {}
        raw = {}
        problems = []
        for entry in content.records:
            try:
                record = self.kind.model_validate(entry)
            except ValidationError as error:
                line = _line_of(content.raw, entry["id"])
                words = f"{self.noun} {entry['id']}: {'; '.join(complaints(error))}"
                problems.append(Problem(self.file.path, line, words))
                continue
            if record.id in good:
                line = _line_of(content.raw, entry["id"])
                problems.append(Problem(self.file.path, line, f"{record.id} stands there twice"))
                continue
            good[record.id] = record
            raw[record.id] = entry
        for entry in content.damaged:
            problems.append(Problem(self.file.path, 1, f"not a {self.noun}: {str(entry)[:60]}"))
        return Reading(good, raw, problems, content.stamp)

    def all(self) -> list[R]:
        return self.read().records

    def find(self, reference: str) -> R:
        """By id, exact name or unique id prefix. Raises NotFound, Ambiguous."""
        return choose(self.all(), reference, self.noun)

    def get(self, record_id: str) -> R | None:
        """By exact id."""
        return self.read().by_id.get(record_id)

    def put(self, *changed: R) -> None:
        """Adds or replaces records. Keys this version does not know are kept."""
        content = self.file.read()
        fresh = {record.id: record.record() for record in changed}
        records = [fresh.pop(entry["id"].lower(), entry) for entry in content.records]
        self.file.write(content, records + list(fresh.values()))

    def remove(self, ids: Iterable[str]) -> None:
        gone = set(ids)
        content = self.file.read()
        self.file.write(content, [one for one in content.records if one["id"] not in gone])


def choose(records: Iterable[R], reference: str, noun: str) -> R:
    """The record a person means. Raises NotFound, Ambiguous."""
    candidates = list(records)
    wanted = reference.strip().lower()
    ways: list[Callable[[Any], bool]] = [
        lambda record: record.id == wanted,
        lambda record: getattr(record, "name", None) == reference,
        lambda record: len(wanted) >= 4 and record.id.startswith(wanted),
    ]
    for fits in ways:
        found = [record for record in candidates if fits(record)]
        if len(found) == 1:
            return found[0]
        if found:
            raise Ambiguous(
                f"{reference!r} fits {len(found)} {noun}s",
                "give the id, or more of it",
                tuple(f"{one.id} {getattr(one, 'name', '')}".strip() for one in found),
            )
    raise NotFound(f"no {noun} {reference!r}", f"ccs {noun}s list shows them")


def _line_of(raw: bytes, record_id: str) -> int:
    position = raw.find(record_id.encode("utf-8", "replace"))
    return raw.count(b"\n", 0, max(position, 0)) + 1
