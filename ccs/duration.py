"""Spans of time as people write them: `90s`, `15m`, `1h30m`, `2d`, `1w`; a bare number: seconds."""

from __future__ import annotations

import re
from datetime import timedelta

from ccs.errors import InvalidInput

_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_PART = re.compile(r"(\d+(?:\.\d+)?)([wdhms])")
_HINT = "write it like 90s, 15m, 1h30m or 2d"
_LONGEST = timedelta(days=3_660)


def parse(value: str | int | float | timedelta) -> timedelta:
    """Raises InvalidInput for anything that is no span, for negatives and beyond ten years."""
    if isinstance(value, timedelta):
        span = value
    elif isinstance(value, bool):
        raise InvalidInput(f"{value!r} is not a duration", _HINT)
    elif isinstance(value, int | float):
        span = _seconds(value)
    elif not isinstance(value, str):
        raise InvalidInput(f"{value!r} is not a duration", _HINT)
    else:
        span = _seconds(_total(value.strip().lower(), value))
    if span < timedelta(0):
        raise InvalidInput(f"a duration cannot be negative: {value}", _HINT)
    if span > _LONGEST:
        raise InvalidInput(f"a duration of more than ten years: {value}", _HINT)
    return span


def _seconds(number: float) -> timedelta:
    try:
        return timedelta(seconds=number)
    except (ValueError, OverflowError):
        raise InvalidInput(f"{number} is not a duration", _HINT) from None


def _total(compact: str, written: str) -> float:
    if compact.lstrip("-").replace(".", "", 1).isdigit():
        return float(compact)
    parts = _PART.findall(compact)
    if not parts or "".join(number + unit for number, unit in parts) != compact:
        raise InvalidInput(f"{written!r} is not a duration", _HINT)
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def text(span: timedelta) -> str:
    """The shortest exact form: `1h30m`, `0s`. Fractions of a second are kept."""
    left = span.total_seconds()
    parts = []
    for unit, size in _SECONDS.items():
        if unit == "w":
            continue
        count = left if unit == "s" else left // size
        if count:
            parts.append(f"{count:g}{unit}")
            left -= count * size
    return "".join(parts) or "0s"
