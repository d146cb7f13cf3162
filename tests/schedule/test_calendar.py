"""Calendar schedules against the days of the standard library's calendar."""

import calendar
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from ccs.errors import InvalidInput
from ccs.model.schedule import Calendar
from ccs.schedule.calendar import expression
from ccs.schedule.slots import coming, next_slot

MINUTE = timedelta(minutes=1)
DAILY = {"calendar_frequency": "daily"}
WEEKDAYS = {"calendar_frequency": "weekly", "calendar_days_of_week": [0, 1, 2, 3, 4]}
SUNDAYS = {"calendar_frequency": "weekly", "calendar_days_of_week": [6]}
MIXED = {"calendar_frequency": "weekly", "calendar_days_of_week": [5, 0, 5, 3]}


def monthly(day):
    return {"calendar_frequency": "monthly", "calendar_day_of_month": day}


def is_on(fields, day):
    if fields["calendar_frequency"] == "daily":
        return True
    if fields["calendar_frequency"] == "weekly":
        return day.weekday() in fields["calendar_days_of_week"]
    wanted = fields["calendar_day_of_month"]
    return day.day == (calendar.monthrange(day.year, day.month)[1] if wanted == "last" else wanted)


def instant(wall, zone):
    """The first reading of a wall time; of one that is skipped the first instant after the jump."""
    early, late = sorted(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if early.astimezone(zone).replace(tzinfo=None) == wall:
        return early
    while early.astimezone(zone).replace(tzinfo=None) < wall:
        early += MINUTE
    assert early <= late
    return early


def expected(fields, at, zone, first, last):
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [instant(datetime.combine(day, at), zone) for day in days if is_on(fields, day)]


def found(fields, at, zone, first, last):
    schedule = Calendar(calendar_time=f"{at:%H:%M}", timezone=zone.key, **fields)
    begin = datetime.combine(first, time(), zone) - timedelta(microseconds=1)
    return [*coming(schedule, begin, datetime.combine(last, time(23, 59), zone))]


# Zone, a first year, times near its changes.
PLACES = [
    ("UTC", 2027, "00:00 23:59"),
    ("Europe/London", 2026, "00:59 01:00 01:30 02:00"),
    ("America/New_York", 2026, "01:59 02:00 02:30 03:00"),
    ("Australia/Lord_Howe", 2026, "01:30 01:59 02:15 02:30"),
    ("America/Sao_Paulo", 2017, "00:00 00:30 23:30"),
    ("Africa/Cairo", 2026, "00:00 00:59 23:00"),
    ("Africa/Casablanca", 2026, "02:00 02:30 03:00"),
    ("Europe/Dublin", 2026, "01:15"),
    ("Asia/Kathmandu", 2026, "09:00"),
]


@pytest.mark.parametrize(
    ("name", "year", "clock"),
    [(name, year, clock) for name, year, times in PLACES for clock in times.split()],
)
def test_agrees_with_the_days_of_the_calendar(name, year, clock):
    zone, at = ZoneInfo(name), time.fromisoformat(clock)
    first, last = date(year, 1, 1), date(year + 1, 12, 31)
    for fields in (WEEKDAYS, SUNDAYS, MIXED, *map(monthly, (1, 28, 29, 30, 31, "last"))):
        span = (fields, at, zone, first, last)
        assert found(*span) == expected(*span), fields
    span = (DAILY, at, zone, first, date(year, 12, 31))
    assert found(*span) == expected(*span)


def test_day_31_skips_the_shorter_months_and_the_last_day_none():
    year = (date(2027, 1, 1), date(2027, 12, 31))
    nine, zone = time(9), ZoneInfo("UTC")
    assert [one.month for one in found(monthly(31), nine, zone, *year)] == [1, 3, 5, 7, 8, 10, 12]
    assert [one.month for one in found(monthly("last"), nine, zone, *year)] == [*range(1, 13)]
    assert [one.month for one in found(monthly(29), nine, zone, *year)] == [1, *range(3, 13)]
    leap = (date(2028, 2, 1), date(2028, 2, 29))
    assert [one.day for one in found(monthly("last"), nine, zone, *leap)] == [29]


def test_the_29th_is_found_across_a_century_without_a_leap_day():
    schedule = Calendar(calendar_time="09:00", **monthly(29))
    after = datetime(2100, 1, 29, 9, tzinfo=UTC)
    assert next_slot(schedule, after) == datetime(2100, 3, 29, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "at", "written"),
    [
        (DAILY, "9:05", "5 9 * * *"),
        (DAILY, "09:00:00", "0 9 * * *"),
        (WEEKDAYS, "18:30", "30 18 * * 1,2,3,4,5"),
        (SUNDAYS, "00:00", "0 0 * * 0"),
        (MIXED, "00:00", "0 0 * * 1,4,6"),
        (monthly(31), "23:59", "59 23 31 * *"),
        (monthly("last"), "00:00", "0 0 L * *"),
    ],
)
def test_as_a_cron_expression(fields, at, written):
    assert expression(Calendar(calendar_time=at, **fields)) == written


@pytest.mark.parametrize(
    "fields",
    [
        {"calendar_time": "24:00"},
        {"calendar_time": "09:60"},
        {"calendar_time": "9"},
        {"calendar_time": "09:00:30"},
        {"calendar_frequency": "yearly"},
        {"calendar_frequency": "weekly", "calendar_days_of_week": []},
        {"calendar_frequency": "weekly", "calendar_days_of_week": [7]},
        monthly(0),
        monthly(32),
        monthly("first"),
        {"timezone": "Mars/Olympus"},
    ],
)
def test_what_no_calendar_has_is_refused(fields):
    with pytest.raises(InvalidInput):
        Calendar.checked(fields)
