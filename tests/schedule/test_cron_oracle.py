"""Cron against slower ways to the same answer: `missed` against counting all of them, and the
occurrences against the oracle over random expressions, zones and starts, many near a change.

The seed is fixed. `CCS_ORACLE_ROWS=50000 pytest tests/schedule/test_cron_oracle.py` runs more.
"""

import json
import os
import random
import time
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from pathlib import Path
from zoneinfo import ZoneInfo

import oracle
import pytest

from ccs.errors import InvalidInput
from ccs.schedule.cron import Cron

ROWS = int(os.environ.get("CCS_ORACLE_ROWS", "5040"))
SHARDS = 12
YEARS = 5
CASES = json.loads((Path(__file__).parent / "cron-examples.json").read_text())["cases"]
ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
}
ZONES = (  # with years in which something happens
    ("Europe/London", 2024, 2028),
    ("America/New_York", 2024, 2028),
    ("Australia/Lord_Howe", 2024, 2028),
    ("America/Sao_Paulo", 2016, 2019),
    ("Europe/Dublin", 2024, 2028),
    ("Africa/Casablanca", 2024, 2028),
    ("Pacific/Apia", 2011, 2012),
    ("America/Santiago", 2024, 2028),
    ("Africa/Cairo", 2024, 2027),
    ("Antarctica/Troll", 2024, 2027),
    ("America/St_Johns", 2009, 2012),
    ("Asia/Beirut", 2024, 2027),
    ("Asia/Kathmandu", 2026, 2026),
    ("UTC", 2026, 2026),
)
MONTHS = "JAN feb Mar APR may jun JUL aug sep oct nov DEC".split()  # noqa: SIM905
DAYS = "SUN mon Tue WED thu fri SAT".split()  # noqa: SIM905


def place(rng, low, high, near):
    """One place of a list; `near` is the upper end of what is likely to be drawn."""
    kind = rng.randrange(8)
    a, b = sorted(rng.randint(low, near if rng.random() < 0.7 else high) for _ in "ab")
    if kind == 0:
        return f"*/{rng.randint(1, high + 5)}"
    if kind == 1 and high != 7:
        return f"{a}/{rng.randint(1, high)}"
    if kind in (2, 3):
        return f"{a}-{b}"
    if kind == 4:
        return f"{a}-{b}/{rng.randint(1, 9)}"
    return str(a)


def field(rng, low, high, near, star=0.35):
    if rng.random() < star:
        return "*"
    return ",".join(place(rng, low, high, near) for _ in range(rng.choice((1, 1, 1, 2, 3))))


def day_of_month(rng):
    extra = rng.random()
    if extra < 0.04:
        return rng.choice(("L", "L,15", "1-5,L", "*/9,L", "*,L"))
    if extra < 0.08:
        return f"{rng.randint(1, 31)}W"
    return field(rng, 1, 31, 31, star=0.6)


def day_of_week(rng):
    extra = rng.random()
    if extra < 0.04:
        return f"L{rng.randint(0, 7)}"
    if extra < 0.1:
        names = (str(rng.randint(0, 7)), rng.choice(DAYS))
        return ",".join(f"{name}#{rng.randint(1, 5)}" for name in names[: rng.randint(1, 2)])
    if extra < 0.15:
        return rng.choice((rng.choice(DAYS), "MON-fri", "0-6", "1-7", "0,1,2,3,4,5,6"))
    return field(rng, 0, 7, 6, star=0.6)


def month(rng):
    if rng.random() < 0.1:
        return rng.choice((rng.choice(MONTHS), "JAN-mar,OCT", "mar-NOV/2"))
    return field(rng, 1, 12, 12, star=0.8)


def row(rng):
    name, first, last = rng.choice(ZONES)
    zone, year = ZoneInfo(name), rng.randint(first, last)
    texts = (
        field(rng, 0, 59, 59, star=0.15),
        field(rng, 0, 23, rng.choice((4, 23))),
        day_of_month(rng),
        month(rng),
        day_of_week(rng),
    )
    near = oracle.changes(zone, year)
    if near and rng.random() < 0.6:
        start = oracle.EPOCH + timedelta(minutes=rng.choice(near) + rng.randint(-1800, 240))
    else:
        start = datetime(year, 1, 1, tzinfo=UTC) + timedelta(minutes=rng.randrange(365 * 1440))
    return " ".join(texts), zone, start + timedelta(seconds=rng.choice((0, 0, 0, 1, 59)))


def three(moments, start):
    """Up to three, and none from the last day on that the oracle sees."""
    seen = start + timedelta(days=YEARS * 366 - 1)
    return list(islice(takewhile(lambda moment: moment < seen, moments), 3))


def occurrences(expression, zone, start):
    try:
        cron = Cron(expression)
    except InvalidInput as refusal:
        if "no such date" not in refusal.message:
            raise
        return iter(())
    return cron.occurrences(start, datetime.max.replace(tzinfo=UTC), zone)


def rows(shard):
    rng = random.Random(f"cron {shard}")
    return (row(rng) for _ in range(ROWS // SHARDS))


@pytest.mark.parametrize("shard", range(SHARDS))
def test_random_expressions_fire_as_the_oracle_says(shard):
    wrong = []
    for expression, zone, start in rows(shard):
        expected = three(oracle.fires(expression, zone, start, YEARS), start)
        actual = three(occurrences(expression, zone, start), start)
        if expected != actual:
            wrong.append((expression, zone.key, start.isoformat(), expected, actual))
    assert not wrong


def test_rows_are_many_and_often_near_a_change():
    drawn = [item for shard in range(SHARDS) for item in rows(shard)]
    near = [
        start
        for _, zone, start in drawn
        if any(
            abs(start - oracle.EPOCH - timedelta(minutes=n)) < timedelta(hours=31)
            for n in oracle.changes(zone, start.year)
        )
    ]
    assert len(drawn) >= 5000
    assert len(near) > len(drawn) / 3


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_oracle_agrees_with_the_recorded_examples(case):
    expression = ALIASES.get(case["expr"], case["expr"])
    start = datetime.fromisoformat(case["start_utc"])
    expected = [datetime.fromisoformat(text) for text in case["expected_utc"]]
    walk = oracle.fires(expression, ZoneInfo(case["tz"]), start, years=30)
    assert expected == list(islice(walk, 5))


NEW_YORK = ZoneInfo("America/New_York")
CHANGE_DAY = datetime(2026, 3, 8, 7, 31, tzinfo=UTC)  # New York's clock jumped at 07:00
MISSED = [
    ("* * * * *", 0.01),
    ("* * * * *", 1.7),
    ("*/7 1-3 * * *", 1),
    ("*/7 1-3 * * *", 20),
    ("30 1 * * *", 1),
    ("30 1 * * *", 150),
    ("0 */5 * * 1", 3.3),
    ("0 */5 * * 1", 150),
    ("0 0 1 * 5#3", 3.3),
    ("0 0 1 * 5#3", 400),
    ("15 2 8 3 *", 1),
    ("15 2 8 3 *", 1500),
]


@pytest.mark.parametrize(("expression", "days"), MISSED)
def test_missed_equals_counting_all(expression, days):
    cron, until = Cron(expression), CHANGE_DAY
    after = until - timedelta(days=days)
    every = list(cron.occurrences(after, until, NEW_YORK))
    for cap in (1, 2, 100):
        expected = (min(cap, len(every)), every[-1] if every else None)
        assert expected == cron.missed(after, until, NEW_YORK, cap)


def test_missed_of_nothing():
    at = CHANGE_DAY
    assert Cron("* * * * *").missed(at, at, NEW_YORK) == (0, None)
    assert Cron("* * * * *").missed(at, at - timedelta(days=1), NEW_YORK) == (
        0,
        None,
    )


@pytest.mark.parametrize("expression", ["* * * * *", "* 0-20 * * *"])
def test_missed_does_not_count_a_year_of_minutes(expression):
    cron, until = Cron(expression), datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
    started = time.process_time()
    count, newest = cron.missed(until - timedelta(days=365), until, ZoneInfo("Europe/London"))
    assert time.process_time() - started < 0.5  # tens of milliseconds; all of it takes a minute
    assert count == 100
    assert newest in (until, datetime(2026, 11, 20, 20, 59, tzinfo=UTC))
