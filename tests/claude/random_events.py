"""Events as a client of another version, or a broken one, might print them.

Built from a seed, not drawn piece by piece: hundreds of them cost milliseconds that way.
"""

from __future__ import annotations

import copy
import random
from typing import Any

import recorded_streams
from hypothesis import strategies as st

TYPES = ["system", "assistant", "user", "result", "rate_limit_event"]
RECORDED = [event for name in recorded_streams.EXPECTED for event in recorded_streams.events(name)]
NASTY = [None, True, False, 0, -1, 10**400, 1.5, float("nan"), float("inf"), "", "\ud800\x1b[m"]
NASTY += ["x" * 5000, [], {}, [[]], [None, 3], {"": None}, [{"type": []}], {"a": {"b": [1]}}]


def _parts(value: Any) -> list[Any]:
    inner = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(inner, list):
        return [value]
    return [value, *(part for item in inner for part in _parts(item))]


PARTS = NASTY * 10 + [part for event in RECORDED for part in _parts(event)]
NAMES = sorted({name for part in PARTS if isinstance(part, dict) for name in part})


def mutated(seed: int) -> dict[str, Any]:
    """A recorded event in which some fields, at any depth, are another thing or are gone."""
    chance = random.Random(seed)
    event = copy.deepcopy(chance.choice(RECORDED))
    for _ in range(chance.randint(1, 3)):
        place: Any = chance.choice([part for part in _parts(event) if part and _holds(part)])
        key = chance.choice(list(place) if isinstance(place, dict) else range(len(place)))
        if chance.random() < 0.8:
            place[key] = copy.deepcopy(chance.choice(PARTS))
        else:
            del place[key]
        if not event:
            break
    return event


def invented(seed: int) -> dict[str, Any]:
    chance = random.Random(seed)
    event = {chance.choice(NAMES): chance.choice(PARTS) for _ in range(chance.randint(0, 6))}
    return event | ({"type": chance.choice(TYPES)} if chance.random() < 0.8 else {})


def _holds(part: Any) -> bool:
    return isinstance(part, dict | list)


SEEDS = st.integers(0, 2**40)
EVENTS = st.one_of(
    SEEDS.map(mutated),
    SEEDS.map(invented),
    st.dictionaries(st.text(max_size=4), st.one_of(st.none(), st.floats(), st.text()), max_size=3),
)
