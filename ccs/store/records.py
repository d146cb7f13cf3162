"""One JSON file of records: `{"format": 1, "<name>": [...]}`, as plain dictionaries.

A file that cannot be read is refused and left as it is; nothing is written over it, and it never
counts as empty. A record that is no object stays in the file and is reported. Keys of later
versions, in the file or in a record, survive a rewrite. Lean: what is valid is decided by
`ccs.store.collection`, which supervisors do not load.
"""

from __future__ import annotations

import os

from ccs.errors import BrokenStore
from ccs.store import atomic, sealed
from ccs.store.home import FORMAT, open_file
from ccs.store.strict import MEND, encode, parse, parse_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from ccs.store.sealed import Wanted

    Record = dict[str, Any]

_HEX = frozenset("0123456789abcdef")
# What people do not edit as a rule; there a checksum says what ccs itself has left.
_SEALED = ("runs", "cursors")


class Content:
    """A file as it was read: what is in it and the stamp to recognise a change by.

    `texts`: of each entry of a file that is as ccs left it, `places`: where among them each of the
    `entries` stands that have been read.
    """

    __slots__ = (
        *("damaged", "entries", "envelope", "newer", "places", "raw", "records", "stamp", "texts"),
    )

    def __init__(self, raw: bytes, stamp: atomic.Stamp | None) -> None:
        self.raw = raw
        self.stamp = stamp
        self.envelope: Record = {}
        self.entries: list[Any] = []  # what the file lists, in its order: records and damaged
        self.records: list[Record] = []
        self.damaged: list[Any] = []
        self.newer = False
        self.texts: list[bytes] | None = None
        self.places: list[int] = []

    def add(self, record: Record) -> None:
        """One more, which the next `Records.change` writes as well."""
        self.entries.append(record)
        self.records.append(record)

    def want(self, wanted: Wanted) -> None:
        """Reads those that are wanted, unless they have been."""
        if self.texts is None or len(self.places) == len(self.texts):
            return
        known = dict(zip(self.places, self.records, strict=True))
        for place in wanted(self.texts):
            if place not in known:
                known[place] = sealed.record(self.texts[place])
        self.places = sorted(known)
        self.entries = [known[place] for place in self.places]
        self.records = list(self.entries)


class Records:
    """Reading needs no lock; `write` is called under the store lock only.

    `name_later`: what is written is certain only after `flush_name`, for which nobody needs to wait
    at the lock.
    """

    def __init__(self, path: str, name: str, name_later: bool = False) -> None:
        self.path = path
        self.name = name
        self._name_later = name_later

    def read(self) -> Content:
        """Raises BrokenStore for a file that is no list of records, OSError."""
        found = atomic.read(self.path)
        if found is None:
            refuse_if_lost(self.path)
            return Content(b"", None)
        content = Content(*found)
        document = parse(content.raw, self.path)
        content.texts = sealed.texts(content.raw, self.name)
        if isinstance(document, list):  # format 0: the prior system's bare list
            content.entries = document
        elif isinstance(document, dict) and isinstance(document.get(self.name), list):
            content.entries = document.pop(self.name)
            content.envelope = document
            document.pop(sealed.KEY, None)
            content.newer = is_newer(document)
        else:
            raise BrokenStore(
                f'{self.path} is not of the form {{"format": {FORMAT}, "{self.name}": [...]}}',
                MEND,
            )
        for entry in content.entries:
            if isinstance(entry, dict) and isinstance(entry.get("id"), str):
                entry["id"] = canonical(entry["id"])
                content.records.append(entry)
            else:
                content.damaged.append(entry)
        if content.texts is not None:
            content.places = list(range(len(content.texts)))
        return content

    def read_some(self, wanted: Wanted) -> Content:
        """Of a file that is as ccs left it only the records that are wanted, more of them by
        `Content.want`; of any other file all. Raises BrokenStore, OSError.
        """
        found = atomic.read(self.path)
        texts = sealed.texts(found[0], self.name) if found else None
        if found is None or texts is None:
            return self.read()
        content = Content(*found)
        content.texts = texts
        content.want(wanted)
        return content

    def read_about(self, ids: Iterable[str]) -> Content:
        """The same of the records with these ids."""
        return self.read_some(sealed.about(ids))

    def write(self, content: Content, records: list[Record]) -> atomic.Stamp:
        """Replaces the file and keeps what it held as `.prev`. Raises BrokenStore, OSError.

        `records`: all that it is to hold, so that the content must have been read whole.
        """
        envelope = {"format": FORMAT, **content.envelope}
        if self.name in _SEALED and records and not content.damaged and len(envelope) == 1:
            return self.replace(content, sealed.seal(self.name, map(sealed.text, records)))
        envelope[self.name] = [*records, *content.damaged]
        return self.replace(content, encode(envelope))

    def change(
        self,
        content: Content,
        instead: Sequence[tuple[Record, Record | None]],
        added: Sequence[Record] = (),
    ) -> atomic.Stamp:
        """Replaces single records of what was read, None: by nothing. The others stay as they
        stand, read or not. Raises BrokenStore, OSError.
        """
        following = {id(old): new for old, new in instead}
        if content.texts is None:
            for one in filter(None, (*following.values(), *added)):
                self._text(one)
            records = [following.get(id(one), one) for one in content.records]
            return self.write(content, [one for one in records if one is not None] + [*added])
        texts: list[bytes | None] = [*content.texts]
        for place, entry in zip(content.places, content.entries, strict=False):
            if id(entry) in following:
                new = following[id(entry)]
                texts[place] = None if new is None else self._text(new)
        more = [following.get(id(one), one) for one in content.entries[len(content.places) :]]
        texts += [self._text(one) for one in (*more, *added) if one is not None]
        left = [one for one in texts if one is not None]
        if not left:
            return self.replace(content, encode({"format": FORMAT, self.name: []}))
        return self.replace(content, sealed.seal(self.name, left))

    def _text(self, record: Record) -> bytes:
        """Raises BrokenStore for one that could not be read again, and all the others with it."""
        text = sealed.text(record)
        parse_record(b"".join((b"{", text, b"}")), f"a record for {self.path}")
        return text

    def put(self, content: Content, records: Sequence[Record]) -> atomic.Stamp:
        """Adds records, or puts them in the place of those with their ids."""
        fresh = {one["id"]: one for one in records}
        standing = [one for one in content.records if one["id"] in fresh]
        return self.change(
            content, [(one, fresh.pop(one["id"], None)) for one in standing], [*fresh.values()]
        )

    def replace(self, content: Content, text: bytes) -> atomic.Stamp:
        """The same with the text of the whole file."""
        if content.newer:
            raise too_new(self.path)
        atomic.sweep(self.path)
        if content.raw.lstrip()[:1] == b"[":
            atomic.write(self.path + ".format-0", content.raw)
        previous = self.path + ".prev" if content.raw else ""
        return atomic.write(self.path, text, previous=previous, flush_name=not self._name_later)

    def flush_name(self) -> None:
        """Raises OSError."""
        atomic.flush_directory(os.path.dirname(self.path))


def refuse_if_lost(path: str) -> None:
    """An absent file beside its own previous copy was removed or lost, it was never empty."""
    if atomic.stamp_of(path + ".prev") is not None:
        # Not by cp: what was launched since that copy was made would be launched again.
        raise BrokenStore(
            f"{path} is gone, but its previous copy is there; without that it begins anew",
            "ccs doctor --repair",
        )


def canonical(identity: str) -> str:
    """A UUID however it was typed (uuidgen of macOS prints capitals); anything else as it is."""
    digits = identity.lower().removeprefix("urn:uuid:").strip("{}").replace("-", "")
    if len(digits) != 32 or not set(digits) <= _HEX:
        return identity
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def is_newer(document: Record) -> bool:
    """Whether a later version of ccs wrote it, or nobody knows who."""
    version = document.get("format", FORMAT)
    return not isinstance(version, int) or version > FORMAT


def begins_newer(path: str) -> bool:
    """The same, by a file's first words alone, where every version of ccs writes its format."""
    try:
        fd = open_file(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        head = os.read(fd, 64)
    finally:
        os.close(fd)
    name, _, version = head.strip(b"{ \t\r\n").replace(b",", b" ").partition(b":")
    number = version.split()[:1]
    if name.strip() != b'"format"' or not number or not number[0].isdigit():
        return False
    return int(number[0]) > FORMAT


def too_new(path: str) -> BrokenStore:
    return BrokenStore(
        f"{path} was written by a later version of ccs", "use that version, or one at least as new"
    )
