"""The window that own use tells of: when it began and what was used in it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from ccs.usage.estimate import window_start

LENGTH = timedelta(hours=5)
DAY = datetime(2026, 11, 20, tzinfo=UTC)


def at(clock: str) -> datetime:
    hours, minutes = clock.split(":")
    return DAY + timedelta(hours=int(hours), minutes=int(minutes))


def key(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%MZ")


def used(*clocks: str, tokens: int = 100) -> dict[str, int]:
    return {key(at(clock)): tokens for clock in clocks}


@pytest.mark.parametrize(
    ("clocks", "now", "start"),
    [
        ([], "10:00", None),
        (["09:10"], "10:00", "09:10"),
        (["09:10"], "09:10", "09:10"),
        (["09:10", "13:50"], "14:09", "09:10"),
        (["09:10", "13:50"], "14:10", None),
        (["09:10", "14:09"], "14:20", None),
        (["09:10", "14:10"], "14:20", "14:10"),
        (["09:10", "14:09", "14:11"], "14:20", "14:11"),
        (["02:20", "09:10", "09:30"], "10:00", "09:10"),
        (["01:10", "03:00", "06:20", "08:00", "11:50"], "12:00", "11:50"),
        (["-20:50", "-19:00", "09:50"], "10:00", "09:50"),
        (["09:10", "10:05"], "10:00", "09:10"),
        (["10:05"], "10:00", None),
    ],
)
def test_a_window_begins_with_the_first_use_after_the_one_before(clocks, now, start):
    expected = None if start is None else at(start)
    assert window_start(used(*clocks), at(now), LENGTH) == expected
    backwards = dict(reversed(used(*clocks).items()))
    assert window_start(backwards, at(now), LENGTH) == expected


def test_minutes_without_tokens_open_no_window():
    activity = used("08:00", tokens=0) | used("09:10")
    assert window_start(activity, at("10:00"), LENGTH) == at("09:10")
    assert window_start(used("09:10", tokens=0), at("10:00"), LENGTH) is None


def test_now_may_be_told_in_any_zone():
    now = datetime.fromisoformat("2026-11-20T23:00:00+13:00")
    assert window_start(used("09:10"), now, LENGTH) == at("09:10")


def test_it_agrees_with_an_account_played_minute_by_minute():
    for seed in range(40):
        chance = random.Random(seed)
        density = chance.choice([0.001, 0.005, 0.05])
        activity: dict[str, int] = {}
        opened = None
        for minute in range(3 * 1440):
            moment = DAY + timedelta(minutes=minute)
            if opened is not None and moment >= opened + LENGTH:
                opened = None
            if chance.random() < density:
                activity[key(moment)] = chance.randint(1, 10**6)
                opened = opened or moment
            if minute % 97 == 0:
                assert window_start(activity, moment, LENGTH) == opened
