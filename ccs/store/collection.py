"""Records with their meaning: one validated kind in one file.

A bad record is reported by file, line and field and stays in the file; the others go on.
Changes happen under the store lock, which the caller holds (`Store.locked`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from ccs.errors import Ambiguous, BrokenStore, NotFound
from ccs.model.record import Record
from ccs.model.taking import Refused
from ccs.store import atomic
from ccs.store.records import Content, Records
from ccs.text import similar

R = TypeVar("R", bound=Record)
_BLANK = re.compile(r"[ \t\n\r]*")


class Problem:
    """A record that could not be used, and why. `id` is empty for what has none."""

    def __init__(self, path: str, line: int, words: str, id: str) -> None:
        self.path = path
        self.line = line
        self.words = words
        self.id = id

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
        self._last: tuple[Content, Reading[R]] | None = None
        self._pin: atomic.Pin | None = None

    @property
    def noun(self) -> str:
        return self.name.removesuffix("s")

    def read(self) -> Reading[R]:
        """Raises BrokenStore when the file as a whole cannot be used."""
        return self.both()[1]

    def both(self) -> tuple[Content, Reading[R]]:
        """The file as it stands and what it means. Read once while it does not change; not to be
        changed in memory."""
        if self._last is None or self._pin is None or not self._pin.holds():
            content = self.file.read()
            self._last = content, self.judge(content)
            self._pin = atomic.Pin.of(self.file.path, content.stamp)
        return self._last

    def judge(self, content: Content) -> Reading[R]:
        good: dict[str, R] = {}
        raw = {}
        bad: list[tuple[int, str, str]] = []
        for place, entry in enumerate(content.entries):
            record, words = self.judged(entry)
            record_id = record.id if record else _id_of(entry)
            if record is None or record.id in good:
                bad.append((place, words or f"{record_id} stands there twice", record_id))
                continue
            good[record.id] = record
            raw[record.id] = entry
        at = lines(content.raw, self.name) if bad else []
        problems = [Problem(self.file.path, at[place], *rest) for place, *rest in bad]
        return Reading(good, raw, problems, content.stamp)

    def judged(self, entry: Any) -> tuple[R | None, str]:
        """The record, or what is wrong with it. Never shows its values: they may be secret."""
        if not isinstance(entry, dict):
            return None, f"not a {self.noun}: no object"
        if not isinstance(entry.get("id"), str):
            return None, f"not a {self.noun}: no id"
        try:
            return self.kind.model_validate(entry), ""
        except Refused as error:
            return None, f"{self.noun} {entry['id']}: {'; '.join(error.complaints)}"
        except Exception as error:
            # A check that trips over what it did not expect must not stop the other records.
            return None, f"{self.noun} {entry['id']}: {type(error).__name__} while it was checked"

    def all(self) -> list[R]:
        return self.read().records

    def find(self, reference: str) -> R:
        """By id, exact name or unique id prefix. Raises NotFound, Ambiguous."""
        return choose(self.all(), reference, self.noun)

    def get(self, record_id: str) -> R | None:
        """By exact id."""
        return self.read().by_id.get(record_id)

    def put(self, *changed: R) -> None:
        """Adds or replaces records. Keys this version does not know are kept.

        Raises BrokenStore rather than write over, or beside, a broken record of the same id.
        """
        content, reading = self.both()
        fresh = {record.id: record.record() for record in changed}
        for problem in reading.problems:
            if problem.id in fresh and problem.id not in reading.by_id:
                raise BrokenStore(str(problem), "mend it by hand, or take it out of the file")
        instead = [
            (entry, fresh.pop(record_id))
            for record_id, entry in reading.raw.items()
            if record_id in fresh
        ]
        self.file.change(content, instead, [*fresh.values()])

    def remove(self, ids: Iterable[str]) -> None:
        gone = set(ids)
        content = self.file.read()
        self.file.change(content, [(one, None) for one in content.records if one["id"] in gone])


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
    near = similar(reference, (getattr(record, "name", "") for record in candidates))
    meant = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    raise NotFound(f"no {noun} {reference!r}", f"{meant}ccs {noun}s list shows them")


def _id_of(entry: Any) -> str:
    found = entry.get("id") if isinstance(entry, dict) else None
    return found if isinstance(found, str) else ""


def lines(raw: bytes, name: str) -> list[int]:
    """Where each entry of the list begins, in a file that was parsed before."""
    text = raw.decode("utf-8")
    decoder = json.JSONDecoder()
    at = _past(text, _list_at(text, name, decoder) + 1)
    found = [1 + text.count("\n", 0, at)]
    while text[at] != "]":
        end = _past(text, decoder.raw_decode(text, at)[1])
        following = _past(text, end + 1) if text[end] == "," else end
        found.append(found[-1] + text.count("\n", at, following))
        at = following
    return found


def _list_at(text: str, name: str, decoder: json.JSONDecoder) -> int:
    at = _past(text, 0)
    while text[at] != "[":
        key, end = decoder.raw_decode(text, _past(text, at + 1))  # past the brace or the comma
        at = _past(text, _past(text, end) + 1)  # past the colon
        if key != name:
            at = _past(text, decoder.raw_decode(text, at)[1])
    return at


def _past(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return blank.end() if blank else at
