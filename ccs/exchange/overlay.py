"""What only ccs says of a record, laid over what the prior system's words say of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ccs.exchange.document import IN_PARTS
from ccs.exchange.notes import Note
from ccs.model.record import Record
from ccs.text import shorten


def lay(
    fields: dict[str, Any], extra: Mapping[str, Any], kind: type[Record], never: frozenset[str]
) -> list[Note]:
    """What only ccs says goes over what the prior system's words say."""
    known = set(kind.model_fields) - never
    for name in known & extra.keys():
        before, value = fields.get(name), extra[name]
        # The working directory of a task is a text, that of a job has parts.
        if name in IN_PARTS and isinstance(before, dict) and isinstance(value, dict):
            value = {**before, **value}
        fields[name] = value
    left_out = [name for name in extra if name not in known]
    return [Note(f"ccs.{shorten(name, 60)}", "not taken from a file") for name in left_out]


def by_hand(
    fields: Mapping[str, Any],
    common: Mapping[str, Any],
    again: Mapping[str, Any],
    entry: Mapping[str, Any],
    extra: Mapping[str, Any],
) -> dict[str, Any]:
    """The fields that say, in the words of the prior system, something else than ccs says of them.

    Whoever reads or changes the file does it in those words, so they count. `common`: what they
    meant, `again`: what they would, if ccs had written them.
    """
    found = {}
    written = {name for name, value in entry.items() if value is not None}
    for name in written & extra.keys() & common.keys() & again.keys():
        said, meant, whole = common[name], again[name], fields[name]
        if name in IN_PARTS and isinstance(said, dict) and isinstance(whole, dict):
            other = {key: one for key, one in said.items() if meant.get(key) != one}
            if other:
                found[name] = {**whole, **other}
        elif said != meant:
            found[name] = said
    return found


def contradicted(names: Collection[str]) -> list[Note]:
    words = "ccs says otherwise of it; what the prior system would read counts"
    return [Note(name, words) for name in sorted(names)]
