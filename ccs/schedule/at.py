"""One moment, as people write it: ISO 8601, `+2h`, `09:00`, `tomorrow 09:00`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from ccs import duration
from ccs.errors import InvalidInput

_CLOCK = re.compile(r"(?:(today|tomorrow)\s+)?(\d{1,2}):(\d{2})", re.IGNORECASE | re.ASCII)
_HINT = "write 2026-12-24T18:00, +2h, 09:00 or 'tomorrow 09:00'"


def parse(words: str, now: datetime, zone: ZoneInfo) -> datetime:
    """In UTC. Wall times are read in `zone`; a time that daylight saving skips is refused.

    A bare clock time is the next such time: today, or tomorrow when it has passed. Raises
    InvalidInput.
    """
    try:
        return _read(words, now, zone)
    except OverflowError:  # the first and last days there are, in another zone
        raise InvalidInput(f"{words!r} is out of reach", _HINT) from None


def _read(words: str, now: datetime, zone: ZoneInfo) -> datetime:
    compact = words.strip()
    if compact.startswith("+"):
        return (now + duration.parse(compact[1:])).astimezone(UTC)
    if match := _CLOCK.fullmatch(compact):
        return _by_clock(match, now, zone)
    try:
        moment = datetime.fromisoformat(compact)
    except ValueError:
        raise InvalidInput(f"{words!r} is not a time", _HINT) from None
    return _placed(moment, zone) if moment.tzinfo is None else moment.astimezone(UTC)


def _by_clock(match: re.Match[str], now: datetime, zone: ZoneInfo) -> datetime:
    day, hour, minute = match.group(1), int(match.group(2)), int(match.group(3))
    if hour > 23 or minute > 59:
        raise InvalidInput(f"{match.group()!r} is not a time of day", _HINT)
    today = now.astimezone(zone).replace(tzinfo=None)
    # Of a repeated hour it keeps the pass that `now` is in.
    wall = today.replace(hour=hour, minute=minute, second=0, microsecond=0)
    passed = day is None and wall <= today
    if passed:
        again = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
        if again > now:
            return again
    if passed or (day and day.lower() == "tomorrow"):
        wall += timedelta(days=1)
    return _placed(wall, zone)


def _placed(wall: datetime, zone: ZoneInfo) -> datetime:
    moment = wall.replace(tzinfo=zone).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) != wall:
        raise InvalidInput(f"{wall} does not exist in {zone.key}: the clocks are put forward then")
    return moment
