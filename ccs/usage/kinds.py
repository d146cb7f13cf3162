"""Schedules that go by a usage window: at each reset, once there is room, before a reset.

Pure, and without memory but for one mark per task: the reset of the window it last ran for. Resets
half a window apart or less are the same one, because servers and sources round differently. When
nothing is known the assumption is told.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from ccs.model.schedule import BeforeReset, Kind, UsageReset, WhenAvailable
from ccs.usage import windows
from ccs.usage.window import Window

ByUsage = UsageReset | WhenAvailable | BeforeReset
# A moment that came longer ago than this, the machine being off, is not told as the run's time.
_RECENT = timedelta(hours=1)


class Coming(NamedTuple):
    """`mark`: set when the task is due now, what to remember. `slot`: for which moment.

    `wake`: when to look again if nothing new is heard until then. `assumes`: in words, what was
    taken for granted.
    """

    mark: datetime | None = None
    slot: datetime | None = None
    wake: datetime | None = None
    assumes: str | None = None


def coming(
    schedule: Kind, window: Window | None, fired: datetime | None, since: datetime, now: datetime
) -> Coming:
    """`fired`: the mark of the last firing; `since`: when the schedule began to count."""
    if window is not None and window.best is None:
        window = None
    if isinstance(schedule, UsageReset):
        return _at_reset(schedule, window, fired, since, now)
    if isinstance(schedule, WhenAvailable):
        return _when_available(schedule, window, fired, now)
    if isinstance(schedule, BeforeReset):
        return _before_reset(schedule, window, fired, now)
    return Coming()


def _at_reset(
    kind: UsageReset, window: Window | None, fired: datetime | None, since: datetime, now: datetime
) -> Coming:
    span = windows.length(kind.window)
    if window is None and fired is None:
        # Half a window back, so that the first reset anybody tells of is another one.
        assumed = f"nothing is known about the {kind.window} window: it is taken to have just reset"
        return Coming(now - span / 2, now, None, assumed)
    last, ahead, words = _resets(window, fired or since, span, now - kind.offset, kind.window)
    if ahead is None:
        return Coming()
    wake = ahead + kind.offset
    due = last is not None and last > since and last + kind.offset <= now
    if last is None or not due or _same(last, fired, span):
        return Coming(None, None, wake, words)
    slot = last + kind.offset
    mark = last if window is not None else last - span / 2
    return Coming(mark, slot if now - slot <= _RECENT else now, wake, words)


def _resets(
    window: Window | None, before: datetime, span: timedelta, until: datetime, name: str
) -> tuple[datetime | None, datetime | None, str | None]:
    """The newest reset up to `until` and the one after it; in words when they are assumed."""
    last = before + span / 2 if window is None else window.newest_reset
    if window is not None and window.resets_at is not None:
        if window.resets_at <= until:
            return window.resets_at, window.resets_at + span, None
        return last, window.resets_at, None
    if last is None:
        return None, None, None
    passed = max((until - last) // span, 0)
    words = None
    if passed or window is None:
        words = f"nobody told of the {name} window since {last:%d %b %H:%M} UTC: it is taken"
        words += " to follow the one before without a gap"
    return last + passed * span, last + (passed + 1) * span, words


def _when_available(
    kind: WhenAvailable, window: Window | None, fired: datetime | None, now: datetime
) -> Coming:
    span = windows.length(kind.window)
    if window is None or window.resets_at is None:
        free = f"no {kind.window} window is known to be open: it is taken to be free"
        if fired is not None and now < fired:
            return Coming(None, None, fired, free)
        return Coming(now + span, now, now + span, free)
    words: str | None = None
    end, used = window.resets_at, window.utilization
    if used is None:
        used, words = 0.0, f"nobody told how much of the {kind.window} window is used: nothing"
    room = not window.rejected and used <= 1 - kind.headroom / 100
    if not room or _same(end, fired, span):
        return Coming(None, None, end, words)
    return Coming(end, now, end, words)


def _before_reset(
    kind: BeforeReset, window: Window | None, fired: datetime | None, now: datetime
) -> Coming:
    if window is None or window.resets_at is None:
        return Coming(None, None, None, f"no {kind.window} window is known to be open")
    end, used = window.resets_at, window.utilization
    begins = end - kind.lead
    if used is None:
        words = f"nobody told how much of the {kind.window} window is used: it may be all"
        return Coming(None, None, end, words)
    room = not window.rejected and used < kind.below / 100
    if now < begins:
        return Coming(None, None, begins)
    if not room or _same(end, fired, windows.length(kind.window)):
        return Coming(None, None, end)
    return Coming(end, now, end)


def _same(reset: datetime, fired: datetime | None, span: timedelta) -> bool:
    return fired is not None and reset - fired <= span / 2
