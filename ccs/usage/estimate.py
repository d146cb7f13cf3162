"""The usage window as far as own use tells it, for accounts of which the server has told nothing.

Minutes are those of `ccs.claude.transcripts`: tokens by `2026-11-20T10:15Z`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from ccs import instant


def window_start(activity: Mapping[str, int], now: datetime, length: timedelta) -> datetime | None:
    """Of the window open at `now`, if each begins with the first use after the one before ended.

    To the minute, not the hour: the resets that the server prints fall at ten, twenty or fifty past
    as well, and an hour's floor would end the window up to 59 minutes early. The start is sure only
    after a pause of `length`; who knows of a reset passes no use from before it.
    """
    start = None
    for minute in sorted(activity):
        moment = instant.parse(minute)
        if moment > now:
            break
        if activity[minute] > 0 and (start is None or moment >= start + length):
            start = moment
    return start if start is not None and now < start + length else None
