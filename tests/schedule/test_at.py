"""One moment, as people write it."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccs.errors import InvalidInput
from ccs.schedule.at import parse

Z = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
TOKYO = ZoneInfo("Asia/Tokyo")


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


NOW = utc("2026-11-20 10:00:30")

READ = [  # 10:00:30 UTC is 11:00:30 in Berlin
    ("2026-12-24T18:00", "2026-12-24 17:00"),
    ("2026-12-24 18:00", "2026-12-24 17:00"),
    ("  2026-12-24T18:00:15 ", "2026-12-24 17:00:15"),
    ("2026-07-01", "2026-06-30 22:00"),
    ("2026-12-24T18:00Z", "2026-12-24 18:00"),
    ("2026-12-24T18:00-05:00", "2026-12-24 23:00"),
    ("+2h", "2026-11-20 12:00:30"),
    ("+1h30m", "2026-11-20 11:30:30"),
    ("+90", "2026-11-20 10:02:00"),
    ("+0s", "2026-11-20 10:00:30"),
    ("11:01", "2026-11-20 10:01"),
    ("11:00", "2026-11-21 10:00"),
    ("9:00", "2026-11-21 08:00"),
    ("00:00", "2026-11-20 23:00"),
    ("today 12:00", "2026-11-20 11:00"),
    ("today 06:00", "2026-11-20 05:00"),
    ("Tomorrow  09:00", "2026-11-21 08:00"),
]


@pytest.mark.parametrize(("words", "expected"), READ)
def test_read_in_the_zone_and_given_in_utc(words, expected):
    found = parse(words, NOW, BERLIN)
    assert found == utc(expected)
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "words",
    [
        *("", "soon", "noon", "24:00", "09:60", "9", "09:00:00 pm", "yesterday 09:00", "+", "+x"),
        *("+-2h", "-2h", "+4000d", "2026-13-01", "2026-02-30", "2026-11-20T25:00", "2026-11-20T"),
        *("tomorrow", "2026-11-20T10:00+99:00", "٠٩:٠٠", "\ud800", "09:00\x00", "20:00 tomorrow"),
    ],
)
def test_what_is_no_time_is_refused(words):
    with pytest.raises(InvalidInput):
        parse(words, NOW, BERLIN)


@pytest.mark.parametrize(
    ("words", "now", "zone"),
    [
        ("0001-01-01", NOW, TOKYO),
        ("0001-01-01T00:00+02:00", NOW, Z),
        ("9999-12-31T23:00", NOW, NEW_YORK),
        ("9999-12-31T23:00-05:00", NOW, Z),
        ("+10d", utc("9999-12-30 00:00"), Z),
        ("tomorrow 09:00", utc("9999-12-31 00:00"), Z),
        ("09:00", utc("9999-12-31 10:00"), Z),
        ("09:00", utc("9999-12-31 20:00"), TOKYO),
    ],
)
def test_the_ends_of_the_calendar_are_refused_in_words(words, now, zone):
    with pytest.raises(InvalidInput, match="out of reach"):
        parse(words, now, zone)


@given(st.text(max_size=30) | st.from_regex(r"\+?\d{1,4}[-:hd ]?\d\d[-T: ]?\d*(:\d\d)?Z?"))
def test_anything_is_a_moment_or_invalid_input(words):
    try:
        assert parse(words, NOW, NEW_YORK).tzinfo is UTC
    except InvalidInput:
        pass


class TestNightsOfNewYork:
    """2026-03-08 07:00 UTC 02:00 -> 03:00; 2026-11-01 06:00 UTC 02:00 -> 01:00."""

    @pytest.mark.parametrize(
        ("words", "now"),
        [
            ("2026-03-08T02:30", "2026-01-01 00:00"),
            ("02:30", "2026-03-08 05:30"),
            ("02:30", "2026-03-07 12:00"),
            ("today 02:30", "2026-03-08 12:00"),
            ("tomorrow 02:30", "2026-03-07 12:00"),
        ],
    )
    def test_a_skipped_time_is_refused(self, words, now):
        with pytest.raises(InvalidInput, match="does not exist in America/New_York"):
            parse(words, utc(now), NEW_YORK)

    def test_a_skipped_time_is_no_matter_once_it_has_passed(self):
        assert parse("02:30", utc("2026-03-08 12:00"), NEW_YORK) == utc("2026-03-09 06:30")

    @pytest.mark.parametrize(
        ("words", "now", "expected"),
        [
            ("01:30", "2026-11-01 05:00", "2026-11-01 05:30"),
            ("01:30", "2026-11-01 05:40", "2026-11-01 06:30"),
            ("01:30", "2026-11-01 06:10", "2026-11-01 06:30"),
            ("01:30", "2026-11-01 06:30", "2026-11-02 06:30"),
            ("01:50", "2026-11-01 06:10", "2026-11-01 06:50"),
            ("03:00", "2026-11-01 05:40", "2026-11-01 08:00"),
            ("03:00", "2026-11-01 06:10", "2026-11-01 08:00"),
            ("tomorrow 01:30", "2026-10-31 12:00", "2026-11-01 05:30"),
            ("2026-11-01T01:30", "2026-01-01 00:00", "2026-11-01 05:30"),
        ],
    )
    def test_a_repeated_time_is_the_next_of_its_two(self, words, now, expected):
        assert parse(words, utc(now), NEW_YORK) == utc(expected)
