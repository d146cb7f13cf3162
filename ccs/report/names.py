"""By what words a record can be named: for completion, which has no time to load the models.

Read as the files stand, without a lock. What is offered lands in a shell's command line, so no word
has a letter in it that means something to a shell; a record whose name has one is offered by its
id, and its name is only told beside it.
"""

from __future__ import annotations

import json
from collections import Counter
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


def channels(home: Home) -> dict[str, str]:
    """Those of notifications, and their kinds. Raises BrokenStore, OSError, LookupError."""
    found = atomic.read(home.settings) if home.exists() else None
    told = json.loads(found[0])["notifications"]["channels"] if found else []
    return {one["name"]: str(one["kind"]) for one in told if _is_plain(one["name"])}


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
    known, named, begins = set(ids), Counter(names), Counter(one[:_SHORT] for one in ids)
    for record, identity, name in zip(records, ids, names, strict=True):
        if _is_plain(name) and named[name] == 1 and name.lower() not in known:
            if name.startswith(begun):
                yield Word(name, _about(collection, record))
                continue
            if not begun:
                continue
        short = identity[:_SHORT]
        means_one = begins[short] == 1 and short not in named
        for word in (short, identity) if means_one else (identity,):
            if _is_plain(word) and word.startswith(begun.lower()):
                about = f"{redacted(name)} {_about(collection, record)}"
                yield Word(word, shorten(about, _LONGEST_WORDS))
                break


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
