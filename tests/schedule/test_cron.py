"""Cron expressions: what is accepted, how the rest is refused, when the accepted ones fire."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ccs.errors import InvalidInput
from ccs.schedule.cron import LONGEST, Cron, validate, warnings

EXAMPLES = json.loads((Path(__file__).parent / "cron-examples.json").read_text())
LONDON = ZoneInfo("Europe/London")
NEW_YORK = ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
APIA = ZoneInfo("Pacific/Apia")
Z = ZoneInfo("UTC")


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fires(expression, zone, after, until):
    """The occurrences as `day hour:minute` texts in UTC."""
    found = Cron(expression).occurrences(utc(after), utc(until), zone)
    return [f"{moment:%d %H:%M}" for moment in found]


@pytest.mark.parametrize("case", EXAMPLES["cases"], ids=lambda case: case["id"])
def test_fires_as_recorded(case):
    start = datetime.fromisoformat(case["start"])
    far = start + timedelta(days=366 * 30)
    found = Cron(case["expr"]).occurrences(start, far, ZoneInfo(case["tz"]))
    expected = [datetime.fromisoformat(text) for text in case["expected_utc"]]
    assert expected == list(islice(found, len(expected)))


@pytest.mark.parametrize("case", EXAMPLES["invalid"], ids=lambda case: case["why"])
def test_recorded_invalid_ones_are_refused(case):
    text = case["expr"].split("...<")[0]
    if case.get("expr_repeat"):
        text = f"0-59/{'9' * 5000} * * * *"
    if case["expect"] == "5-only-or-reject":
        assert validate(text) == "0 0 5 * *"
        return
    with pytest.raises(InvalidInput):
        validate(text)


NORMAL = [
    ("  */15   9-17 *\t* 1-5 \n", "*/15 9-17 * * 1-5"),
    ("0 9 * JAN,jul MON-fri", "0 9 * JAN,jul MON-fri"),
    (" @Daily ", "@daily"),
    ("0 9-9 * * *", "0 9 * * *"),
    ("0 9-9/2,12 * JAN-jan sun-SUN", "0 9,12 * JAN sun"),
    ("0 0 * * 5L", "0 0 * * L5"),
    ("0 0 * * l0,7l", "0 0 * * L0,L7"),
    ("0 0 l * *", "0 0 L * *"),
    ("0 0 15w * *", "0 0 15W * *"),
    ("0 0 * * fri#3,1#1", "0 0 * * fri#3,1#1"),
    ("05 009 * * *", "05 009 * * *"),
    ("*/90 * * * *", "*/90 * * * *"),
    ("0 0 30 2 3", "0 0 30 2 3"),
    ("0 0 29 2 */7", "0 0 29 2 */7"),
    ("0 0 * * 0-7", "0 0 * * 0-7"),
]


@pytest.mark.parametrize(("typed", "kept"), NORMAL)
def test_normal_form(typed, kept):
    assert validate(typed) == kept
    assert validate(kept) == kept
    assert Cron(typed).expression == kept


REFUSED = [
    ("", "empty", "five fields"),
    ("   ", "empty", "five fields"),
    ("* * * *", "4 given, 5 needed", "five fields"),
    ("0 0 9 * * 1", "6 given, 5 needed; seconds and years", "five fields"),
    ("0 0 12 * * 1 2027", "7 given, 5 needed; seconds and years", "five fields"),
    ("1," * LONGEST + "1 * * * *", "at most 256", "five fields"),
    ("\u0665 * * * *", "plain ASCII", "five fields"),
    ("0\u00a00 * * *", "plain ASCII", "five fields"),
    ("@reboot", "@reboot is not a cron time", "startup"),
    ("@every 5m", "@every is not a cron time", "interval"),
    ("@noon", "unknown alias '@noon'", "@daily"),
    ("@daily 5", "@daily stands alone", "five fields"),
    ("60 * * * *", "minute '60': must be within 0-59", "*/15"),
    ("* 24 * * *", "hour '24': must be within 0-23", "9-17"),
    ("* * 0 * *", "day of month '0': must be within 1-31", "`L`"),
    ("* * 32W * *", "day of month '32W': must be within 1-31", "15W"),
    ("* * * 13 *", "month '13': must be within 1-12", "JAN"),
    ("* * * * 8", "day of week '8': must be within 0-7", "MON"),
    ("* * * * L9", "day of week 'L9': must be within 0-7", "L5"),
    ("* * * * 1#6", "day of week '1#6': after `#`", "5#3"),
    ("* * * * 1#", "day of week '1#': after `#`", "5#3"),
    ("0 mon * * *", "hour 'mon': unknown word 'mon', only numbers", "9-17"),
    ("0 0 * janu *", "month 'janu': unknown word 'janu', names are jan, feb", "JAN"),
    ("0 0 * * L", "day of week 'L': unknown word", "L5"),
    ("0 0 LW * *", "day of month 'LW': unknown word", "15W"),
    ("0 0 L-3 * *", "day of month 'L-3': unknown word", "`L`"),
    ("0x10 * * * *", "minute '0x10': unknown word", "0,30"),
    ("5* * * * *", "minute '5*': neither a value nor a range", "0,30"),
    ("*-5 * * * *", "minute '*-5': neither a value nor a range", "0,30"),
    ("-5 * * * *", "minute '-5': neither a value nor a range", "0,30"),
    ("1-2-3 * * * *", "minute '1-2-3': neither a value nor a range", "0,30"),
    ("*/ * * * *", "minute '*/': neither a value nor a range", "0,30"),
    ("\x1b[31m * * * *", r"minute '\x1b[31m': neither a value nor a range", "0,30"),
    ("1,,2 * * * *", "minute '': an empty place", "0,30"),
    ("*/0 * * * *", "minute '*/0': a step must be at least 1", "*/15"),
    ("0 22-2 * * *", "hour '22-2': the range runs backwards", "write `22-23,0-2`"),
    ("0 22-4/3 * * *", "hour '22-4/3': the range runs backwards", "write `22,1,4`"),
    ("0 0 * nov-feb *", "month 'nov-feb': the range runs backwards", "write `11-12,1-2`"),
    ("0 0 * * fri-sun", "day of week 'fri-sun': the range runs backwards", "write `5-6,0`"),
    ("0 0 * * 7-3", "day of week '7-3': the range runs backwards", "write `0-3`"),
    ("0 0 * * 1/2", "day of week '1/2': a step needs a range", "write `1-6/2`"),
    ("R * * * *", "minute 'R': random and hashed", "*/15"),
    ("0 R(0-5)/2 * * *", "hour 'R(0-5)/2': random and hashed", "9-17"),
    ("H/5 * * * *", "minute 'H/5': random and hashed", "*/15"),
    ("0~30 * * * *", "minute '0~30': random and hashed", "*/15"),
    ("0 0 ? * 1", "day of month '?': `?` is not supported", "write `*`"),
    ("0 0 1,15W * *", "day of month '1,15W': `W` stands alone", "15W"),
    ("0 0 * * 1#2,3", "day of week '1#2,3': `#` and `L` do not mix", "5#3"),
    ("0 0 30 2 *", "day of month '30' in month '2': there is no such date", "28"),
    ("0 0 31 4,6,9,11 *", "day of month '31' in month '4,6,9,11': there is no", "28"),
    ("0 0 */31 2 1#5", "day of month '*/31' in month '2': there is no such date", "28"),
]


@pytest.mark.parametrize(("text", "message", "hint"), REFUSED)
def test_refusal_names_the_field_and_a_form_that_works(text, message, hint):
    with pytest.raises(InvalidInput) as caught:
        Cron(text)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_every_written_hint_is_itself_valid():
    for text, _, hint in REFUSED:
        if hint.startswith("write `") and hint != "write `*`":
            place, fields = hint.split("`")[1], text.split()
            wrong = next(n for n, field in enumerate(fields) if "-" in field or "/" in field)
            fields[wrong] = place
            assert validate(" ".join(fields)) == " ".join(fields)


WARNED = [
    ("*/90 * * * *", ["minute */90: the step leaves only 0"]),
    ("10-20/15 * * * *", ["minute 10-20/15: the step leaves only 10"]),
    ("0 23/6 * * *", ["hour 23/6: the step leaves only 23"]),
    ("*/7 * * * *", ["minute */7: uneven, 56 is followed by 0"]),
    ("0 */5 * * *", ["hour */5: uneven, 20 is followed by 0"]),
    ("0 9 */2 * *", ["day of month */2: uneven, 31 is followed by 1"]),
    ("0 9 1 * 5", ["day of month and day of week are both given: runs when either matches"]),
    ("0 9 * * *,5", []),
    ("*/15 */6 * */3 *", []),
    ("5-55/25 9 * * 1-5", []),
    ("* 2 * * *", []),
    ("@hourly", []),
]


@pytest.mark.parametrize(("expression", "expected"), WARNED)
def test_warnings(expression, expected):
    assert warnings(expression) == expected


def test_warning_says_that_a_starred_day_field_means_both():
    assert "runs when both match" in warnings("0 9 */10 * 1")[-1]
    assert "runs when both match" in warnings("0 9 1 * */3")[-1]


@pytest.mark.parametrize("expression", ["0 1 * * *", "30 2 * * *", "59 0-3 * * *"])
def test_warning_about_the_hours_that_daylight_saving_moves(expression):
    (text,) = warnings(expression)
    assert text.startswith("01:00-03:00")


class TestDaylightSavingNights:
    """New York: 2026-03-08 07:00 UTC 02:00 -> 03:00; 2026-11-01 06:00 UTC 02:00 -> 01:00."""

    SPRING = ("2026-03-08 05:00", "2026-03-09 05:00")
    AUTUMN = ("2026-11-01 03:00", "2026-11-02 04:00")

    def test_skipped_fixed_time_runs_at_the_jump(self):
        assert fires("30 2 * * *", NEW_YORK, *self.SPRING) == ["08 07:00"]

    def test_several_skipped_times_run_once(self):
        assert fires("0,20,40 2 * * *", NEW_YORK, *self.SPRING) == ["08 07:00"]

    def test_a_time_due_at_the_jump_itself_is_not_doubled(self):
        assert fires("0 2-4 * * *", NEW_YORK, *self.SPRING) == ["08 07:00", "08 08:00"]

    def test_a_skipped_date_that_does_not_match_runs_nothing(self):
        assert fires("30 2 9 3 *", NEW_YORK, *self.SPRING) == []

    def test_wildcard_job_runs_nothing_in_the_gap(self):
        assert fires("*/30 2 * * *", NEW_YORK, *self.SPRING) == []
        assert fires("0 */2 * * *", NEW_YORK, *self.SPRING)[:2] == ["08 08:00", "08 10:00"]

    def test_repeated_fixed_time_runs_the_first_time_only(self):
        assert fires("30 1 * * *", NEW_YORK, *self.AUTUMN) == ["01 05:30"]

    def test_repeated_fixed_time_stays_past_when_asked_in_the_second_pass(self):
        assert fires("30 1 * * *", NEW_YORK, "2026-11-01 06:10", self.AUTUMN[1]) == []

    def test_wildcard_job_runs_twice(self):
        expected = ["01 05:00", "01 05:30", "01 06:00", "01 06:30"]
        assert fires("*/30 1 * * *", NEW_YORK, *self.AUTUMN) == expected

    def test_hourly_job_written_as_a_range_keeps_the_rule_of_fixed_jobs(self):
        found = fires("0 0-23 * * *", NEW_YORK, "2026-11-01 04:30", "2026-11-01 08:00")
        assert found == ["01 05:00", "01 07:00", "01 08:00"]

    def test_half_hour_put_forward(self):
        # Lord Howe: 2026-10-03 15:30 UTC, 02:00 -> 02:30.
        window = ("2026-10-03 14:00", "2026-10-03 17:00")
        assert fires("15 2 * * *", LORD_HOWE, *window) == ["03 15:30"]
        assert fires("15 * * * *", LORD_HOWE, *window) == ["03 14:45", "03 16:15"]

    def test_half_hour_put_back(self):
        # Lord Howe: 2026-04-04 15:00 UTC, 02:00 -> 01:30.
        window = ("2026-04-04 14:00", "2026-04-04 16:00")
        assert fires("*/20 1 * * *", LORD_HOWE, *window) == ["04 14:20", "04 14:40", "04 15:10"]
        assert fires("40 1 * * *", LORD_HOWE, *window) == ["04 14:40"]

    def test_skipped_day_is_no_season(self):
        # Apia went from 29 to 31 December 2011: more than three hours are not made up for.
        window = ("2011-12-29 00:00", "2011-12-31 12:00")
        assert fires("0 12 30 * *", APIA, *window) == []
        assert fires("0 12 * * *", APIA, *window) == ["29 22:00", "30 22:00"]

    def test_day_put_back_runs_again(self):
        # Kwajalein went back 23 hours on 1969-10-01: more than three hours count as new time.
        kwajalein = ZoneInfo("Pacific/Kwajalein")
        window = ("1969-09-29 13:30", "1969-10-01 11:30")
        assert fires("30 10 * * *", kwajalein, *window) == ["29 23:30", "30 22:30"]

    def test_negative_daylight_saving(self):
        window = ("2026-03-28 22:00", "2026-03-29 06:00")
        assert fires("30 1 * * *", ZoneInfo("Europe/Dublin"), *window) == ["29 01:00"]


class TestNext:
    def test_is_strictly_after_and_in_utc(self):
        at = utc("2026-06-01 08:00")
        assert Cron("0 9 * * *").next(at, LONDON) == utc("2026-06-02 08:00")
        assert Cron("0 9 * * *").next(at - timedelta(microseconds=1), LONDON) == at
        assert Cron("0 9 * * *").next(at, LONDON).tzinfo is UTC

    def test_asked_from_another_zone_says_the_same(self):
        at = utc("2026-11-01 06:10")
        local = at.astimezone(LORD_HOWE)
        assert Cron("*/7 1 * * *").next(local, NEW_YORK) == Cron("*/7 1 * * *").next(at, NEW_YORK)

    def test_wants_an_instant(self):
        with pytest.raises(ValueError, match="time zone"):
            Cron("* * * * *").next(datetime(2026, 1, 1), LONDON)

    def test_finds_a_leap_day_across_the_year_2100_but_looks_no_further(self):
        assert Cron("0 0 29 2 *").next(utc("2096-02-29"), Z) == utc("2104-02-29")
        assert Cron("0 0 29 2 */7").next(utc("2032-02-29"), Z) is None

    def test_ends_with_the_calendar(self):
        assert Cron("0 0 1 1 *").next(utc("9999-06-01"), Z) is None

    def test_extensions_are_either_or_with_the_other_day_field(self):
        window = ("2026-06-01", "2026-06-30 23:59")
        assert fires("0 0 10 * 5#3", Z, *window) == ["10 00:00", "19 00:00"]
        assert fires("0 0 L * L1", Z, *window) == ["29 00:00", "30 00:00"]
        assert fires("0 0 14W * 3#1", Z, *window) == ["03 00:00", "15 00:00"]


def test_cron_is_a_value():
    assert Cron("5-5 * * * *") == Cron(" 5 * * * * ")
    with pytest.raises(AttributeError):
        Cron("* * * * *").expression = "0 * * * *"


def test_occurrences_take_the_end_and_leave_the_start():
    assert fires("0 * * * *", Z, "2026-01-01 00:00", "2026-01-01 02:00") == ["01 01:00", "01 02:00"]


def test_importing_the_module_does_not_import_croniter():
    code = "import sys, ccs.schedule.cron; sys.exit('croniter' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
