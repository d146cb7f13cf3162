"""Instants as they stand in files: RFC 3339 in UTC with milliseconds, `2026-11-20T23:15:00.000Z`.

One fixed width, so that the texts sort as the instants do and lean code may compare them as text.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

MINUTE = timedelta(minutes=1)


def text(moment: datetime) -> str:
    """Raises ValueError for a naive datetime: a time without a zone is no instant."""
    if moment.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(value: str) -> datetime:
    """Any ISO 8601 form with an offset; the result is in UTC. Raises ValueError."""
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{value!r} is before the year 1 or after 9999 in UTC") from None


def minute(moment: datetime) -> datetime:
    """The start of the UTC minute that `moment` lies in: a slot's resolution."""
    return moment.astimezone(UTC).replace(second=0, microsecond=0)
