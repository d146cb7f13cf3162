"""A kept record as a person needs it: what was chosen or has happened, and in words. What is as it
would be by itself, and what ccs keeps for its own sake, is left out; JSON has everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ccs.model.record import Part
from ccs.model.schedule import Kind
from ccs.model.shape import form_of

_OWN = frozenset(("approved", "active_since", "parks"))
# They decide about money and trust, or are what somebody looks for.
_ALWAYS = frozenset(("status", "enabled", "model", "permissions", "timeout"))


def shown(kept: Part, record: Mapping[str, Any]) -> dict[str, Any]:
    """`record`: of `kept`, or more than that."""
    by_itself = {one.name: one.default for one in form_of(type(kept)).fields if not one.required}
    found: dict[str, Any] = {}
    for name, value in record.items():
        meant = getattr(kept, name, None)
        if name in _OWN:
            continue
        if name in by_itself and name not in _ALWAYS and meant == by_itself[name]:
            continue
        if isinstance(meant, Kind):
            found[name] = _words(meant)
        elif isinstance(meant, Part) and isinstance(value, Mapping):
            found[name] = shown(meant, value)
        else:
            found[name] = value
    if "updated_at" in found and found["updated_at"] == found.get("created_at"):
        del found["updated_at"]
    return found


def _words(schedule: Kind) -> str:
    from ccs.schedule.words import explain

    return f"{explain(schedule)} ({schedule.timezone})"
