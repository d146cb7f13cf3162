"""Values in what other programs print: each taken for what it can be. Nothing here raises. Lean."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Event = dict[str, Any]
else:
    Event = dict


def parse(line: bytes) -> Event | None:
    """The JSON object that `line` is, None for anything else."""
    try:
        value = _STRICT.decode(line.decode("utf-8").strip())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _finite(literal: str) -> float:
    value = float(literal)
    if value - value != 0:
        raise ValueError(f"{literal} is no JSON number")
    return value


# Strict: a NaN or an infinity let in here could not be written into a record as JSON.
_STRICT = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)


def number(value: object) -> float | None:
    """`value` when it is a plain amount (not negative, not absurd), else None."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15:
        return value
    return None


def word(value: object, limit: int = 200) -> str | None:
    """`value` when it is a text with something in it, cut at `limit` and fit for a file."""
    if not isinstance(value, str) or not value:
        return None
    return value[:limit].encode("utf-8", "replace").decode("utf-8")


def mapping(value: object) -> Event:
    return value if isinstance(value, dict) else {}


def listing(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
