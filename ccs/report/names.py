"""By what words a record can be named: for completion, which has no time to load the models.

Read as the files stand, without a lock. What is offered lands in a shell's command line, so no word
has a letter in it that means something to a shell; a record whose name has one is offered by its
id, and its name is only told beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from ccs.redact import redacted
from ccs.store import atomic
from ccs.store.home import Home
from ccs.text import shorten

Record = dict[str, Any]
_PLAIN = frozenset("._-+@")
_SHORT = 8  # letters of an id, as the lists show it
_LONGEST_NAME = 80
_LONGEST_WORDS = 60


class Word(NamedTuple):
    word: str
    about: str


def words(home: Home, collection: str, begun: str) -> list[Word]:
    """Those of `collection` that go on from `begun`, in the file's order; runs newest first.

    Raises BrokenStore, OSError, ValueError.
    """
    records = _records(home, collection)
    if collection == "runs":
        records.sort(key=lambda one: str(one.get("scheduled_time")), reverse=True)
    return list(_chosen(records, collection, begun))


def _records(home: Home, collection: str) -> list[Record]:
    if not home.exists():
        return []
    found = atomic.read(home.collection(collection))
    if found is None:
        return []
    document = json.loads(found[0])
    # The prior system wrote a bare list.
    entries = document[collection] if isinstance(document, dict) else document
    return [one for one in entries if isinstance(one, dict) and isinstance(one.get("id"), str)]


def _chosen(records: list[Record], collection: str, begun: str) -> Iterator[Word]:
    ids = [str(one["id"]).lower() for one in records]
    names = [str(one.get("name") or "") for one in records]
    for record, known, name in zip(records, ids, names, strict=True):
        about = _about(collection, record)
        if not _is_plain(name) or names.count(name) > 1 or name.lower() in ids:
            about = shorten(f"{redacted(name)} {about}", _LONGEST_WORDS)
        elif name.startswith(begun):
            yield Word(name, about)
            continue
        elif not begun:
            continue
        word = _shortest(known, ids, names)
        for offered in (word, known):
            if _is_plain(offered) and offered.startswith(begun.lower()):
                yield Word(offered, about)
                break


def _shortest(known: str, ids: list[str], names: list[str]) -> str:
    """The id as the lists show it, where that names nothing else."""
    short = known[:_SHORT]
    alone = sum(one.startswith(short) for one in ids) == 1
    return short if alone and short not in names else known


def _is_plain(word: str) -> bool:
    """One word in every shell and on every terminal, and no option."""
    return (
        0 < len(word) <= _LONGEST_NAME
        and word.isascii()
        and all(letter.isalnum() or letter in _PLAIN for letter in word)
        and word[0].isalnum()
    )


def _about(collection: str, record: Record) -> str:
    if collection == "runs":
        told = [record.get("task_name"), record.get("status"), record.get("reason")]
        told.append(str(record.get("scheduled_time") or "")[:16].replace("T", " "))
    elif collection == "tasks":
        told = [_when(record.get("schedule")), "" if record.get("enabled", True) else "disabled"]
    elif collection == "jobs":
        told = [record.get("status"), record.get("description")]
    else:
        told = [record.get("description")]
    return shorten(redacted(" ".join(str(one) for one in told if one)), _LONGEST_WORDS)


def _when(schedule: Any) -> str:
    if not isinstance(schedule, dict):
        return ""
    kind = str(schedule.get("schedule_type") or "")
    for field in ("cron", "every", "calendar_time", "at"):
        if schedule.get(field):
            return f"{kind} {schedule[field]}"
    return kind
