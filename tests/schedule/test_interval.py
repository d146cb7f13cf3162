"""Intervals keep their phase; the questions about slots agree with counting them."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from ccs.errors import InvalidInput
from ccs.model.schedule import Calendar, CronSchedule, Interval, Manual, Once, Startup
from ccs.schedule.slots import COUNTED, coming, newest, next_slot, passed

START = datetime(2026, 11, 20, 10, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
INSTANT = timedelta(microseconds=1)
DAY = timedelta(days=1)


def interval(every, start=START):
    return Interval(every=every, start=start)


def beats(schedule, after, until):
    """Every one of them, counted out from the start."""
    found, beat = [], schedule.start + schedule.every
    while beat <= until:
        found += [beat] if beat > after else []
        beat += schedule.every
    return found


def test_the_phase_is_fixed_by_the_start():
    schedule = interval("7h")
    late = START + 1000 * DAY
    assert (next_slot(schedule, late) - START) % timedelta(hours=7) == timedelta(0)
    assert next_slot(schedule, START - 10 * DAY) == START + timedelta(hours=7)
    assert next_slot(schedule, START) == START + timedelta(hours=7)


def test_a_slot_is_not_its_own_next_and_belongs_to_the_range_it_ends():
    schedule = interval("15m")
    first, second = START + 15 * MINUTE, START + 30 * MINUTE
    assert next_slot(schedule, first) == second
    assert next_slot(schedule, first - INSTANT) == first
    assert passed(schedule, START, first) == (1, first)
    assert passed(schedule, first, second - INSTANT) == (0, None)
    assert passed(schedule, first, second) == (1, second)


def test_counting_stops_at_a_hundred_and_the_newest_is_still_found():
    last = START + 60 * 24 * 365 * MINUTE
    assert passed(interval("1m"), START, last) == (COUNTED, last)
    assert newest(interval("1m"), START, last, 3) == [last - 2 * MINUTE, last - MINUTE, last]


@pytest.mark.parametrize("seed", range(20))
def test_agrees_with_counting_every_beat(seed):
    rng = random.Random(seed)
    for _ in range(40):
        every = timedelta(minutes=rng.choice((1, 2, 7, 15, 60, 90, 1440, 10_080)))
        start = START + timedelta(seconds=rng.randrange(-600, 600))
        schedule = interval(every, start)
        # Ranges begin before the start and on beats too.
        after = start + rng.randrange(-20, 150) * every / rng.choice((1, 1, 2, 60))
        until = after + rng.randrange(0, 130) * every / rng.choice((1, 1, 3))
        expected = beats(schedule, after, until)
        assert [*coming(schedule, after, until)] == expected
        last = expected[-1] if expected else None
        assert passed(schedule, after, until) == (min(len(expected), COUNTED), last)
        most = rng.randrange(0, 12)
        assert newest(schedule, after, until, most) == (expected[-most:] if most else [])
        assert next_slot(schedule, after) == beats(schedule, after, max(after, start) + every)[0]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    "schedule",
    [
        CronSchedule(cron="*/20 * * * *", timezone="Europe/London"),
        CronSchedule(cron="30 1 * * *", timezone="America/New_York"),
        Calendar(calendar_time="02:30", timezone="Europe/London"),
        Once(at=START),
        Manual(),
        Startup(),
    ],
    ids=lambda schedule: schedule.schedule_type,
)
def test_the_answers_agree_for_every_kind(schedule, seed):
    rng = random.Random(seed)
    after = START + timedelta(minutes=rng.randrange(-200_000, 10))
    until = after + timedelta(minutes=rng.randrange(0, 60_000 if seed % 2 else 3_000))
    expected = [*coming(schedule, after, until)]
    last = expected[-1] if expected else None
    assert passed(schedule, after, until) == (min(len(expected), COUNTED), last)
    assert newest(schedule, after, until, 4) == expected[-4:]
    first = next_slot(schedule, after)
    assert expected == [] or expected[0] == first
    assert expected or first is None or first > until


@pytest.mark.parametrize("every", ["0s", "30s", "90s", "61s", "-5m", "5 minutes", "", "4000d"])
def test_only_whole_minutes_are_an_interval(every):
    with pytest.raises(InvalidInput, match="every"):
        Interval.checked({"every": every, "start": START})
