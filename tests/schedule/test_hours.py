"""The hours and days in which runs may start."""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ccs.errors import InvalidInput
from ccs.schedule.hours import DAYS, clock_change, days, is_open, next_open, window

MINUTE = timedelta(minutes=1)
Z = ZoneInfo("UTC")
LONDON = ZoneInfo("Europe/London")
NEW_YORK = ZoneInfo("America/New_York")


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("22:00-07:00", (1320, 420)),
        (" 9:00-17:30 ", (540, 1050)),
        ("00:00-24:00", (0, 1440)),
        ("22:00-24:00", (1320, 1440)),
        ("22:00-00:00", (1320, 0)),
        ("23:59-00:00", (1439, 0)),
    ],
)
def test_window(text, expected):
    assert window(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "22-07", "22:00", "22:00-", "-07:00", "22:00-07:00,12:00-13:00", "22:00 - 07:00"),
        *("24:00-07:00", "25:00-07:00", "22:60-07:00", "22:00-07:60", "22:00-24:01", "09:00-99:00"),
        *("09:00-09:00", "00:00-00:00", "٢٢:00-07:00", "22:00-07:00\n22:00-07:00"),
    ],
)
def test_no_window(text):
    with pytest.raises(InvalidInput) as caught:
        window(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["mon"], "mon"),
        (["mon-fri"], "mon tue wed thu fri"),
        (["SAT", "Mon"], "mon sat"),
        (["fri-mon"], "mon fri sat sun"),
        (["sun-sat"], "mon tue wed thu fri sat sun"),
        (["mon-mon"], "mon"),
        (["mon, wed", "wed,fri"], "mon wed fri"),
    ],
)
def test_days(words, expected):
    assert days(words) == expected.split()


@pytest.mark.parametrize("word", ["", "monday", "mon-", "-fri", "mon-xyz", "1-5", "mon,,tue", "*"])
def test_no_days(word):
    with pytest.raises(InvalidInput):
        days([word])


NIGHTS = [  # 2026-11-20 is a Friday
    ("22:00-07:00", "", "20 21:59", False),
    ("22:00-07:00", "", "20 22:00", True),
    ("22:00-07:00", "", "21 06:59", True),
    ("22:00-07:00", "", "21 07:00", False),
    ("22:00-07:00", "fri", "20 06:00", False),  # still Thursday's night
    ("22:00-07:00", "fri", "20 23:00", True),
    ("22:00-07:00", "fri", "21 06:59", True),
    ("22:00-07:00", "fri", "21 22:00", False),
    ("22:00-07:00", "sun", "23 03:00", True),
    ("22:00-07:00", "mon", "23 03:00", False),
    ("22:00-24:00", "fri", "20 23:59", True),
    ("22:00-24:00", "fri", "21 00:00", False),
    ("22:00-00:00", "fri", "20 23:59", True),
    ("22:00-00:00", "fri", "21 00:00", False),
    ("00:00-24:00", "fri", "20 00:00", True),
    ("00:00-24:00", "fri", "21 00:00", False),
    ("09:00-17:00", "", "20 09:00", True),
    ("09:00-17:00", "", "20 17:00", False),
    ("09:00-17:00", "sat sun", "20 12:00", False),
    (None, "fri", "20 00:00", True),
    (None, "fri", "20 23:59", True),
    (None, "fri", "21 00:00", False),
    (None, "", "21 00:00", True),
]


@pytest.mark.parametrize(("between", "allowed", "at", "expected"), NIGHTS)
def test_a_night_belongs_to_the_day_it_begins_on(between, allowed, at, expected):
    assert is_open(between, allowed.split(), utc(f"2026-11-{at}"), Z) is expected


class TestNightsOfNewYork:
    """2026-03-08 07:00 UTC 02:00 -> 03:00; 2026-11-01 06:00 UTC 02:00 -> 01:00."""

    def test_a_night_is_an_hour_shorter_or_longer(self):
        def length(day):
            noon = utc(f"{day} 17:00")
            opened = next_open("22:00-07:00", [], noon, NEW_YORK)
            minutes = (opened + n * MINUTE for n in range(900))
            return sum(is_open("22:00-07:00", [], one, NEW_YORK) for one in minutes) / 60

        assert [length("2026-03-06"), length("2026-03-07"), length("2026-10-31")] == [9, 8, 10]

    def test_hours_that_begin_in_the_gap_open_at_the_jump(self):
        assert next_open("02:30-05:00", [], utc("2026-03-08 06:00"), NEW_YORK) == utc(
            "2026-03-08 07:00"
        )

    def test_hours_inside_the_gap_do_not_open_that_night(self):
        assert next_open("02:15-02:45", [], utc("2026-03-08 06:00"), NEW_YORK) == utc(
            "2026-03-09 06:15"
        )

    def test_a_weekly_window_lost_in_the_gap_opens_two_weeks_later(self):
        assert next_open("02:15-02:45", ["sun"], utc("2026-03-01 07:45"), NEW_YORK) == utc(
            "2026-03-15 06:15"
        )

    def test_the_clock_put_back_opens_closed_hours_again(self):
        assert next_open("00:30-01:30", [], utc("2026-11-01 05:40"), NEW_YORK) == utc(
            "2026-11-01 06:00"
        )


def test_a_day_skipped_whole_is_passed_over():
    """Apia had no 30 December 2011, a Friday."""
    apia = ZoneInfo("Pacific/Apia")
    after = utc("2011-12-24 12:00")
    assert next_open("09:00-17:00", ["fri"], after, apia) == utc("2012-01-05 19:00")


def test_the_moment_itself_counts_and_is_rounded_up_to_a_minute():
    assert next_open(None, [], utc("2026-11-20 10:00"), Z) == utc("2026-11-20 10:00")
    assert next_open(None, [], utc("2026-11-20 10:00:01"), Z) == utc("2026-11-20 10:01")
    after = utc("2026-11-20 16:59:59.5")
    assert next_open("09:00-17:00", [], after, Z) == utc("2026-11-21 09:00")


def test_the_zone_of_the_moment_asked_about_does_not_matter():
    """Arithmetic on a local datetime would leave out the repeated hour."""
    after = utc("2026-11-01 04:00")
    for zone in (NEW_YORK, LONDON):
        found = next_open("01:30-01:45", [], after.astimezone(zone), NEW_YORK)
        assert found == utc("2026-11-01 05:30")
        assert found.tzinfo is UTC


def test_clock_change():
    day = timedelta(days=1)
    assert clock_change(utc("2026-03-08 00:00"), utc("2026-03-08 07:00"), NEW_YORK) == utc(
        "2026-03-08 07:00"
    )
    assert clock_change(utc("2026-03-08 00:00"), utc("2026-03-08 06:59"), NEW_YORK) is None
    start = utc("2026-10-31 17:13")
    assert clock_change(start, start + day, NEW_YORK) == utc("2026-11-01 06:00")
    assert clock_change(start, start + day, Z) is None


CHANGES = [  # a change of the clocks in each
    ("Europe/London", "2026-03-29 01:00"),
    ("Europe/London", "2026-10-25 01:00"),
    ("America/New_York", "2026-03-08 07:00"),
    ("America/New_York", "2026-11-01 06:00"),
    ("Australia/Lord_Howe", "2026-04-04 15:00"),
    ("Australia/Lord_Howe", "2026-10-03 15:30"),
    ("America/Sao_Paulo", "2018-11-04 03:00"),  # midnight is skipped
    ("America/Sao_Paulo", "2018-02-18 02:00"),
    ("Africa/Cairo", "2026-04-23 22:00"),
    ("Pacific/Apia", "2011-12-30 10:00"),  # a day is skipped
    ("Asia/Kathmandu", "2026-06-01 00:00"),
    ("Africa/Monrovia", "1972-01-07 00:44:30"),  # an offset with seconds
]


def brute(between, allowed, after, zone):
    moment = after.replace(second=0, microsecond=0)
    moment += MINUTE if moment < after else timedelta(0)
    while not is_open(between, allowed, moment, zone):
        moment += MINUTE
    return moment


@pytest.mark.parametrize(("name", "change"), CHANGES)
def test_next_open_equals_looking_at_each_minute(name, change):
    rng, zone = random.Random(change), ZoneInfo(name)
    for _ in range(25):
        after = utc(change) + timedelta(seconds=rng.randrange(-90_000, 40_000))
        wall = utc(change).astimezone(zone)
        begin = (wall.hour * 60 + wall.minute + rng.randrange(-150, 150)) % 1440
        end = (begin + rng.choice((1, 20, 45, 90, 300, 1000, 1439))) % 1440
        between = f"{begin // 60:02}:{begin % 60:02}-{end // 60:02}:{end % 60:02}"
        place = wall.weekday()
        near = {DAYS[(place + n) % 7] for n in (-1, 0, 1)}
        allowed = [day for day in DAYS if day in near and rng.random() < 0.7]
        between = rng.choice((between, between, between, None))
        expected = brute(between, allowed, after, zone)
        assert next_open(between, allowed, after, zone) == expected, (between, allowed, after)
