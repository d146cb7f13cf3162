"""Schedules in words, and the words of caution."""

import random
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccs.model.schedule import (
    Anchor,
    BeforeReset,
    Calendar,
    CronSchedule,
    FileWatch,
    Interval,
    Kind,
    Manual,
    Once,
    Sequential,
    Startup,
    UsageReset,
    WhenAvailable,
)
from ccs.schedule.cron import Cron
from ccs.schedule.words import cautions, explain

NOW = datetime(2026, 11, 20, 10, 0, 30, tzinfo=UTC)
LONDON = "Europe/London"


def cron(expression, zone="UTC"):
    return CronSchedule(cron=expression, timezone=zone)


SENTENCES = """
* * * * *             Every minute
*/1 * * * *           Every minute
0-59 * * * *          Every minute
*/2 * * * *           Every 2 minutes
*/15 * * * *          Every 15 minutes
0,15,30,45 * * * *    Every 15 minutes
0,30 * * * *          Every 30 minutes
*/15 * * 12 *         Every 15 minutes in December
*/15 9-17 * * 1-5     Every 15 minutes from 09:00 to 17:45 on Monday to Friday
*/5 9 * * *           Every 5 minutes from 09:00 to 09:55
* 9-17 * * *          Every minute from 09:00 to 17:59
* */2 * * *           Every minute of every second hour
*/15 8-10,20 * * *    Every 15 minutes of hour 8 to 10 and 20
*/20 */2 * * *        Every 20 minutes of every second hour
*/7 * * * *           At every seventh minute of every hour
*/7 9-17 * * *        At every seventh minute of hour 9 to 17
5/15 * * * *          At every 15th minute from 5 to 50 of every hour
1-59/2 * * * *        At every second minute from 1 to 59 of every hour
0-30/10 * * * *       At every tenth minute from 0 to 30 of every hour
*/25 * * * *          At minute 0, 25 and 50 past every hour
0 * * * *             Every full hour
*/90 * * * *          Every full hour
0 * * * 6,0           Every full hour on Saturday and Sunday
5 * * * *             At minute 5 past every hour
5,10 * * * *          At minute 5 and 10 past every hour
3,10-20 * * * *       At minute 3 and 10 to 20 past every hour
5 */2 * * *           At minute 5 past every second hour
0 */2 * * *           At minute 0 past every second hour
15 1-23/2 * * *       At minute 15 past every second hour from 1 to 23
0 0-3,9-12,20 * * *   At minute 0 past hour 0 to 3, 9 to 12 and 20
0 9-17 * * 1-5        Every hour from 09:00 to 17:00 on Monday to Friday
5 9-17 * * *          Every hour from 09:05 to 17:05
0 */6 * * *           At 00:00, 06:00, 12:00 and 18:00 every day
0 9 * * *             At 09:00 every day
05 009 * * *          At 09:05 every day
0,30 9,17 * * *       At 09:00, 09:30, 17:00 and 17:30 every day
*/15 9 * * *          At 09:00, 09:15, 09:30 and 09:45 every day
0 3 * * 1-5           At 03:00 on Monday to Friday
0 3 * * MON,thu       At 03:00 on Monday and Thursday
0 3 * * 5-7           At 03:00 on Friday to Sunday
0 3 * * sun           At 03:00 on Sunday
0 3 * * 7             At 03:00 on Sunday
0 3 * * 0-6           At 03:00 every day
0 3 * * */2           At 03:00 on Tuesday, Thursday, Saturday and Sunday
0 3 * * 1,3-5         At 03:00 on Monday and Wednesday to Friday
0 3 * 6-8 *           At 03:00 every day in June to August
0 3 * JAN,jul 1       At 03:00 on Monday in January and July
0 3 * */3 *           At 03:00 every day in January, April, July and October
0 9 * * 5#3           At 09:00 on the third Friday of the month
0 9 * * sun#1         At 09:00 on the first Sunday of the month
0 9 * * 1#1,5#5       At 09:00 on the first Monday and the fifth Friday of the month
0 9 * * L5            At 09:00 on the last Friday of the month
0 9 * * 0L            At 09:00 on the last Sunday of the month
30 9 1,15 * *         On day 1 and 15 of the month, at 09:30
0 9 1-7 * *           On day 1 to 7 of the month, at 09:00
*/15 * 1 * *          On day 1 of the month, every 15 minutes
0 9 */2 * *           On every second day of the month, at 09:00
0 9 2/7 * *           On every seventh day from 2 to 30 of the month, at 09:00
0 9 L * *             On the last day of the month, at 09:00
0 9 1,15,L * *        On day 1 and 15 and the last day of the month, at 09:00
0 9 15W * *           On the working day nearest day 15 of the month, at 09:00
0 9 1 1 *             In January, on day 1 of the month, at 09:00
0 9 29 2 *            In February, on day 29 of the month, at 09:00
0 0 13 * 5            On day 13 of the month or on Friday, at 00:00
0 0 L * 1             On the last day of the month or on Monday, at 00:00
0 0 13 1-3 5          In January to March, on day 13 of the month or on Friday, at 00:00
0 0 13 * 5#2          On day 13 of the month or on the second Friday of the month, at 00:00
0 0 13 * */5          On day 13 of the month and only on Friday and Sunday, at 00:00
0 9 */2 * 1           On every second day of the month and only on Monday, at 09:00
0 9 *,15 * 1          At 09:00 on Monday
0 0 13 * 0-6          At 00:00 every day
0 0 1-31 * 5          At 00:00 every day
@hourly               Every full hour
@daily                At 00:00 every day
@weekly               At 00:00 on Sunday
@monthly              On day 1 of the month, at 00:00
@yearly               In January, on day 1 of the month, at 00:00
"""
TABLE = [(line[:22].strip(), line[22:]) for line in SENTENCES.strip().splitlines()]


@pytest.mark.parametrize(("expression", "sentence"), TABLE)
def test_cron_in_words(expression, sentence):
    assert explain(cron(expression)) == sentence


OTHERS = [
    (Calendar(calendar_time="9:00"), "At 09:00 every day"),
    (
        Calendar(
            calendar_frequency="weekly", calendar_days_of_week=[0, 1, 6], calendar_time="18:30"
        ),
        "At 18:30 on Monday, Tuesday and Sunday",
    ),
    (
        Calendar(calendar_frequency="monthly", calendar_day_of_month="last"),
        "On the last day of the month, at 00:00",
    ),
    (
        Interval(every="2h", start="2026-11-20T10:00Z"),
        "Every 2 hours, counted from 2026-11-20 10:00 UTC",
    ),
    (
        Interval(every="1h", start="2026-11-20T10:00:05Z", timezone="Europe/Berlin"),
        "Every hour, counted from 2026-11-20 11:00:05 CET",
    ),
    (
        Interval(every="1d1h30m", start="2026-06-20T10:00Z", timezone=LONDON),
        "Every 1 day 1 hour 30 minutes, counted from 2026-06-20 11:00 BST",
    ),
    (Once(at="2026-12-24T18:00Z"), "Once, on 2026-12-24 18:00 UTC"),
    (Startup(), "Once after each boot"),
    (Sequential(), "As a step of its job"),
    (Manual(), "Only when asked"),
    (
        FileWatch(watch_directory="/srv/in"),
        "When files below /srv/in have changed and then rested for 5 seconds",
    ),
    (
        FileWatch(
            watch_directory="/srv/in",
            watch_patterns=["*.py", "*.md"],
            watch_ignore=["*.tmp"],
            watch_recursive=False,
            watch_debounce="1m30s",
        ),
        "When files like *.py or *.md directly in /srv/in (but not *.tmp)"
        " have changed and then rested for 1 minute 30 seconds",
    ),
    (UsageReset(), "At each reset of the five-hour window"),
    (
        UsageReset(window="seven_day", offset="10m"),
        "10 minutes after each reset of the seven-day window",
    ),
    (WhenAvailable(), "Once in each five-hour window, as soon as 30 % of it is free"),
    (
        BeforeReset(),
        "45 minutes before each reset of the five-hour window, if less than 80 % of it is used",
    ),
    (
        Anchor(anchor_time="6:00"),
        "At 06:00 every day, to open the five-hour window unless one is open",
    ),
]


@pytest.mark.parametrize(
    ("schedule", "sentence"), OTHERS, ids=lambda one: getattr(one, "schedule_type", "")
)
def test_other_kinds_in_words(schedule, sentence):
    assert explain(schedule) == sentence


def test_every_kind_has_words_of_its_own():
    told = {schedule.schedule_type for schedule, _ in OTHERS} | {"cron"}
    assert told == {kind.schedule_type for kind in Kind.__subclasses__()}


def places(low, high, *special):
    number = st.integers(low, high)
    span = st.tuples(number, number).map(lambda two: "-".join(map(str, sorted(two))))
    step = st.integers(1, high + 20)
    stepped = st.tuples(st.just("*") | span, step).map(lambda two: f"{two[0]}/{two[1]}")
    plain = st.lists(number.map(str) | span | stepped, min_size=1, max_size=4).map(",".join)
    return st.just("*") | plain | st.sampled_from(special or ("*",))


EXPRESSIONS = st.tuples(
    places(0, 59),
    places(0, 23),
    places(1, 31, "L", "1,L", "15W", "31W", "*,3"),
    places(1, 12, "jan", "FEB,aug"),
    places(0, 7, "mon", "L5", "5L,1L", "5#3", "fri#1,2#5", "sun-SUN"),
).map(" ".join)


@given(EXPRESSIONS, st.sampled_from(["UTC", LONDON, "Australia/Lord_Howe", "Pacific/Apia"]))
def test_whatever_is_valid_has_one_sentence(expression, zone):
    try:
        schedule = cron(expression, zone)
    except ValueError:
        return  # no such date, or one that a test's list may not hold
    sentence = explain(schedule)
    assert sentence[0].isupper()
    assert not {"  ", "\n", " ,"} & {sentence[n : n + 2] for n in range(len(sentence))}
    assert sentence.split()[0] in ("At", "Every", "On", "In")
    for caution in cautions(schedule, NOW):
        assert caution == caution.strip() != ""


def test_what_is_told_alike_runs_alike():
    """No sentence leaves out what makes a difference."""
    rng, first = random.Random(7), {}
    minutes = "* 0 0,30 */15 */7 5 5,35 0-59 */30 30/30".split()  # noqa: SIM905
    hours = "* 9 */2 */12 0,12 9-11 9,10,11 0-23 12/12".split()  # noqa: SIM905
    days = "* 1 */2 1-31/2 1-31 L 1,L 15W *,1 1-3 1,2,3".split()  # noqa: SIM905
    weekdays = "* 1 */2 0-6 5#1 L5 5-7 0,5,6 0,2,4,6 *,1".split()  # noqa: SIM905
    alike = 0
    for _ in range(500):
        expression = " ".join(
            (*map(rng.choice, (minutes, hours, days)), rng.choice(("*", "1")), rng.choice(weekdays))
        )
        far = datetime(2040, 1, 1, tzinfo=UTC)
        fires = [*islice(Cron(expression).occurrences(NOW, far, ZoneInfo("UTC")), 6)]
        sentence = explain(cron(expression))
        other, times = first.setdefault(sentence, (expression, fires))
        assert times == fires, f"{expression} and {other}: {sentence}"
        alike += other != expression
    assert alike > 60


MONTHS = "February, April, June, September and November"
CAUTIONS = [
    (cron("0 9 * * *"), []),
    (cron("*/90 * * * *"), ["minute */90: the step leaves only 0"]),
    (cron("*/7 * * * *"), ["minute */7: uneven, 56 is followed by 0"]),
    (
        cron("0 9 13 * 5"),
        ["day of month and day of week are both given: runs when either matches"],
    ),
    (
        cron("0 9 13 * */7"),
        [
            "day of week */7: the step leaves only 0",
            "day of month and day of week are both given: "
            "runs when both match, since one begins with `*`",
        ],
    ),
    (
        cron("0 9 31 * *"),
        [f"day 31 is skipped in {MONTHS}; `L` is the last day of any month"],
    ),
    (
        cron("0 9 30 * *"),
        ["day 30 is skipped in February; `L` is the last day of any month"],
    ),
    (
        cron("0 9 29 2 *"),
        ["day 29 is skipped in February outside leap years; `L` is the last day of any month"],
    ),
    (cron("0 9 31 1,3,12 *"), []),
    (cron("0 9 30 4-6 *"), []),
    (cron("0 9 15-31 * *"), []),
    (cron("0 9 L * *"), []),
    (cron("0 1 * * *"), []),
    (cron("0 1 * * *", "Asia/Kolkata"), []),
    (cron("0 9 * * *", LONDON), []),
    (cron("* 1 * * *", LONDON), []),
    (cron("30 0 * * *", LONDON), []),
    (cron("0 2 * * *", LONDON), []),
    (cron("30 1 * * 1-5", LONDON), []),
    (
        cron("30 1 * * *", LONDON),
        [
            "01:00-02:00 is skipped on 2027-03-28 in Europe/London: "
            "what falls into it runs once, right after",
            "01:00-02:00 is repeated on 2027-10-31 in Europe/London: "
            "what falls into it runs the first time only",
        ],
    ),
    (
        cron("0 2 * 1-5 *", "America/New_York"),
        [
            "02:00-03:00 is skipped on 2027-03-14 in America/New_York: "
            "what falls into it runs once, right after"
        ],
    ),
    (
        cron("45 1 * 4 sun", "Australia/Lord_Howe"),
        [
            "01:30-02:00 is repeated on 2027-04-04 in Australia/Lord_Howe: "
            "what falls into it runs the first time only"
        ],
    ),
    (
        Calendar(calendar_frequency="monthly", calendar_day_of_month=29, calendar_time="09:00"),
        ["day 29 is skipped in February outside leap years; `last` is the last day of any month"],
    ),
    (Calendar(calendar_frequency="monthly", calendar_day_of_month="last"), []),
    (Calendar(calendar_frequency="weekly", calendar_days_of_week=[0, 3]), []),
    (
        Calendar(calendar_time="00:30", timezone="Africa/Cairo"),
        [
            "00:00-01:00 is skipped on 2027-04-30 in Africa/Cairo: "
            "what falls into it runs once, right after"
        ],
    ),
    (Interval(every="1d", start=NOW), []),
    (Interval(every="12h", start=NOW, timezone=LONDON), []),
    (
        Interval(every="7d", start=NOW, timezone=LONDON),
        ["the time of day moves when the clocks change; a daily schedule keeps it"],
    ),
    (Once(at=NOW), ["that is past: it will not run"]),
    (Once(at=NOW + timedelta(seconds=1)), []),
    (FileWatch(watch_directory="/srv"), []),
    (
        FileWatch(watch_directory="/srv", own_changes="fire"),
        ["a run that changes the directory starts the next one, without end"],
    ),
    (Manual(), []),
    (Startup(), []),
]


@pytest.mark.parametrize(
    ("schedule", "expected"), CAUTIONS, ids=lambda one: getattr(one, "schedule_type", "")
)
def test_cautions(schedule, expected):
    assert cautions(schedule, NOW) == expected


def test_a_jump_that_is_a_correction_is_no_daylight_saving():
    """Apia left out 30 December 2011, and put its clocks back on 1 April 2012."""
    before = datetime(2011, 12, 1, tzinfo=UTC)
    found = cautions(cron("30 3 * * *", "Pacific/Apia"), before)
    nights = [one.partition(" in ")[0] for one in found]
    assert nights == [
        "03:00-04:00 is repeated on 2012-04-01",
        "03:00-04:00 is skipped on 2012-09-30",
    ]
