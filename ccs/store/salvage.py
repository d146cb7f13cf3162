"""What can be saved of a file of records that is damaged. Decides, changes nothing.

Records come from the file itself as far as it can be read. What it has lost or spoilt comes from
its previous copy: a record that stands damaged in the file, and after a torn end whatever the copy
has; what else the copy has was deleted since then and stays so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from ccs.errors import BrokenStore
from ccs.store import atomic
from ccs.store.collection import lines
from ccs.store.home import FORMAT
from ccs.store.records import Content, Records, begins_newer, canonical
from ccs.store.strict import decoder, encode

Record = dict[str, Any]
# Why an entry cannot be used, empty when it can.
Judge = Callable[[Any], str]

_A_RECORD = re.compile(r'\{\s*"id"\s*:')


class Salvage:
    """What becomes of one file. `told`: in words, for each record that is not kept as it stands."""

    def __init__(self, path: str, raw: bytes) -> None:
        self.path = path
        self.raw = raw
        self.content = b""
        self.told: list[str] = []


def salvage(file: Records, judge: Judge, restored: Callable[[Record], Record]) -> Salvage | None:
    """None when there is nothing to mend, or nothing that could be mended here.

    `restored`: what is to be made of a record of the previous copy. Raises BrokenStore for a file
    that is not to be read at all, OSError.
    """
    found = atomic.read(file.path)
    previous = _previous(file, judge, restored)
    if found is None and previous is None:
        return None
    plan = Salvage(file.path, found[0] if found else b"")
    if previous and previous.damaged:
        count = f"{len(previous.records)} {file.name} are whole in it"
        plan.told.append(f"{file.path}.prev is damaged too: {count}")
    earlier = previous.records if previous else []
    content: Content | None = None
    try:
        content = file.read() if found else None
    except BrokenStore:
        pass  # what is left of it is looked for
    if content is not None:
        # A list of the prior system is taken over as a whole, by its own command.
        if content.newer or is_prior(content) or not (faults := bad(content, judge)):
            return None
        line = lines(content.raw, file.name)
        envelope, records = content.envelope, _mended(plan, content, line, faults, earlier)
    else:
        envelope = previous.envelope if previous else {}
        records = _collected(plan, file.name, judge, earlier)
        if previous and previous.damaged and not plan.raw:
            plan.raw = previous.raw  # all there is, and the next change writes over it
    plan.content = encode({"format": FORMAT, **envelope, file.name: records})
    return plan


def _previous(file: Records, judge: Judge, restored: Callable[[Record], Record]) -> Content | None:
    """As far as it can be read; it may be damaged as well."""
    path = file.path + ".prev"
    try:
        found = None if begins_newer(path) else atomic.read(path)
    except (BrokenStore, OSError):
        return None
    if not found or not found[0]:
        return None
    try:
        content = Records(path, file.name).read()
    except BrokenStore:
        content = Content(*found)
        content.damaged = [content.raw]
        content.records = _found_in(content.raw, file.name, judge)
    if content.newer:
        return None
    content.records = [restored(one) for one in content.records if not judge(one)]
    return content


def is_prior(content: Content) -> bool:
    return content.raw.lstrip()[:1] == b"["


def bad(content: Content, judge: Judge) -> dict[int, str]:
    """The places of the entries that cannot be used, and why."""
    found: dict[int, str] = {}
    seen = set()
    for place, entry in enumerate(content.entries):
        words = judge(entry)
        if not words and entry["id"] in seen:
            words = f"{entry['id']} stands there twice"
        if words:
            found[place] = words
        else:
            seen.add(entry["id"])
    return found


def _mended(
    plan: Salvage, content: Content, line: list[int], faults: dict[int, str], earlier: list[Record]
) -> list[Record]:
    before = {one["id"]: one for one in earlier}
    good = {one["id"] for place, one in enumerate(content.entries) if place not in faults}
    kept = []
    for place, entry in enumerate(content.entries):
        if place not in faults:
            kept.append(entry)
            continue
        where = f"{plan.path}:{line[place]}: {faults[place]}"
        record_id = entry.get("id") if isinstance(entry, dict) else None
        if isinstance(record_id, str) and record_id in before and record_id not in good:
            good.add(record_id)
            kept.append(before[record_id])
            plan.told.append(f"{where}; the record comes back as it was in the previous copy")
        else:
            plan.told.append(f"{where}; taken out, and kept in the file set aside")
    return kept


def _collected(plan: Salvage, name: str, judge: Judge, earlier: list[Record]) -> list[Record]:
    found = {one["id"]: one for one in _found_in(plan.raw, name, judge)}
    torn = _is_torn(plan.raw)
    lowered = plan.raw.lower()
    kept: dict[str, Record] = {}
    for record in earlier:
        record_id = record["id"]
        if record_id in found:
            kept[record_id] = found[record_id]
        elif torn or record_id.lower().encode("utf-8", "surrogatepass") in lowered:
            kept[record_id] = record
            plan.told.append(f"{plan.path}: {record_id} comes back from the previous copy")
    kept = {**kept, **{one: found[one] for one in found if one not in kept}}
    whole = f"{len(found)} whole in the damaged file" if plan.raw else "the file is gone"
    plan.told.insert(0, f"{plan.path}: {whole}; then {len(kept)} {name}")
    return list(kept.values())


def _found_in(raw: bytes, name: str, judge: Judge) -> list[Record]:
    found: dict[str, Record] = {}
    for entry in _whole_ones(raw, name):
        entry["id"] = canonical(entry["id"])
        if not judge(entry):
            found.setdefault(entry["id"], entry)
    return list(found.values())


def _is_torn(raw: bytes) -> bool:
    """Whether its end is missing: as ccs writes it, a bracket on a line of its own."""
    *before, last = raw.rstrip().rsplit(b"\n", 1)
    return last not in (b"}", b"]") if before else not last.endswith((b"]}", b"]"))


def _whole_ones(raw: bytes, name: str) -> Iterator[Record]:
    """The records that can still be read, wherever the damage is."""
    # A byte that is no UTF-8 becomes half a surrogate pair, which the judge refuses.
    text = raw.decode("utf-8", "surrogateescape")
    known = decoder()
    listed = re.search(rf'"{name}"\s*:\s*\[', text)
    at = listed.end() if listed else 0
    while begin := _A_RECORD.search(text, at):
        try:
            entry, at = known.raw_decode(text, begin.start())
            json.dumps(entry, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            at = begin.start() + 1
            continue
        if isinstance(entry.get("id"), str):
            yield entry
