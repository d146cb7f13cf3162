"""What the client says about limits: which wording it is, and which moment of reset it names."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ccs.errors import InvalidInput
from ccs.usage import messages
from ccs.usage.messages import KINDS, meaning, reset_in, texts

DOCUMENT = json.loads(Path(messages.__file__).with_name("limit-texts.json").read_text("utf-8"))
KNOWN = texts(DOCUMENT)
Z = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
steady = settings(derandomize=True, deadline=None)


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


NOW = utc("2026-11-20 10:00")  # a Friday; 11:00 in Berlin, 05:00 in New York


def read(message, now=NOW, zone=BERLIN):
    return reset_in(message, now, zone)


def means(message, known=KNOWN):
    found = meaning(message, known, NOW, BERLIN)
    return found and (found.kind, found.window)


RESETS = [
    # the time alone, in the caller's zone: Berlin is an hour ahead
    ("resets 3pm", "2026-11-20 14:00"),
    ("resets at 3:45pm", "2026-11-20 14:45"),
    ("resets 3:45 PM", "2026-11-20 14:45"),
    ("resets 3:45\u202fPM.", "2026-11-20 14:45"),
    ("resets 9 a.m.", "2026-11-21 08:00"),
    ("resets 15:30", "2026-11-20 14:30"),
    ("resets 08:15", "2026-11-21 07:15"),
    ("resets 0:15", "2026-11-20 23:15"),
    ("Your limit will reset at 12am.", "2026-11-20 23:00"),
    ("resets 12pm", "2026-11-20 11:00"),
    ("RESETS AT 3PM", "2026-11-20 14:00"),
    # of two halves of the day the next one
    ("resets 3:00", "2026-11-20 14:00"),
    ("resets 12:30", "2026-11-20 11:30"),
    ("resets 10:59", "2026-11-20 09:59"),
    ("resets 9:30", "2026-11-20 20:30"),
    # with a zone
    ("resets 12:50am (America/Los_Angeles)", "2026-11-21 08:50"),
    ("resets 3pm (Europe/Dublin)", "2026-11-20 15:00"),
    ("resets 5:30am (Asia/Calcutta)", "2026-11-21 00:00"),
    ("resets 5am (Asia/Saigon)", "2026-11-20 22:00"),
    ("resets 10:04pm (UTC)", "2026-11-20 22:04"),
    ("resets 10:04pm (GMT)", "2026-11-20 22:04"),
    ("resets 8pm (GMT+5:30)", "2026-11-20 14:30"),
    ("resets 8pm (GMT +5)", "2026-11-20 15:00"),
    ("resets 8pm (UTC-03:00)", "2026-11-20 23:00"),
    ("resets 8pm (UTC\u221203:00)", "2026-11-20 23:00"),
    ("resets (GMT+5:30) 8pm", "2026-11-20 14:30"),
    ("resets 8pm UTC", "2026-11-20 20:00"),
    ("resets 8pm UTC+2", "2026-11-20 18:00"),
    ("resets 8pm America/New_York", "2026-11-21 01:00"),
    ("resets 3pm (Mars/Olympus_Mons)", "2026-11-20 14:00"),
    ("resets 3pm (Europe)", "2026-11-20 14:00"),
    ("resets 3pm (your time)", "2026-11-20 14:00"),
    ("resets 3pm (UTC+99)", "2026-11-20 14:00"),
    ("resets 8pm UTC (tonight)", "2026-11-20 20:00"),
    # with a date
    ("resets Apr 23 at 4pm (America/Recife)", "2027-04-23 19:00"),
    ("resets Jan 30, 11:30am (Asia/Calcutta)", "2027-01-30 06:00"),
    ("resets Feb 4, 9pm (Africa/Johannesburg)", "2027-02-04 19:00"),
    ("resets Nov 23, 10:32pm (UTC)", "2026-11-23 22:32"),
    ("resets 23 Nov 10:32pm", "2026-11-23 21:32"),
    ("resets 23 Nov 3pm", "2026-11-23 14:00"),
    ("resets November 23rd at 3pm", "2026-11-23 14:00"),
    ("resets on the 23rd", None),
    ("resets Mon, Nov 23 at 3pm", "2026-11-23 14:00"),
    ("resets Oct 14, 2027, 3pm", "2027-10-14 13:00"),
    ("resets Nov 24, 3:00", "2026-11-24 02:00"),
    ("resets Nov 23", "2026-11-22 23:00"),
    ("resets Feb 29 at 3pm", None),
    # with a day
    ("resets Mon 12:00am", "2026-11-22 23:00"),
    ("resets Monday at 9am (Europe/Madrid)", "2026-11-23 08:00"),
    ("resets Friday at 12:00 PM", "2026-11-20 11:00"),
    ("resets Fri 9am", "2026-11-27 08:00"),
    ("resets Thursday 3pm", "2026-11-26 14:00"),
    ("resets Mon", "2026-11-22 23:00"),
    ("resets 9am on Monday", "2026-11-23 08:00"),
    ("resets tomorrow at 5am", "2026-11-21 04:00"),
    ("resets 5am tomorrow", "2026-11-21 04:00"),
    ("resets today at 3pm", "2026-11-20 14:00"),
    ("resets monthly", None),
    ("resets marching 3", None),
    # ISO 8601
    ("spend limit reached (daily; resets 2026-12-09 00:00 UTC)", "2026-12-09 00:00"),
    ("resets 2026-12-09 03:00", "2026-12-09 02:00"),
    ("resets 2026-12-09", "2026-12-08 23:00"),
    ("2026-08-09T00:00:00Z", "2026-08-09 00:00"),
    ("not before 2026-12-09T01:30:15.123+02:00", "2026-12-08 23:30:15"),
    # epochs
    ("Claude AI usage limit reached|1751234567", "2025-06-29 22:02:47"),
    ("Claude AI usage limit reached|1751234567000", "2025-06-29 22:02:47"),
    ("Claude AI usage limit reached| 1751234567", "2025-06-29 22:02:47"),
    *((f"Claude AI usage limit reached|{n}", None) for n in (0, -1751234567, 978307199)),
    *((f"Claude AI usage limit reached|{n}", None) for n in (4102444801, 17512345670, 10**13)),
    ("Claude AI usage limit reached|" + "9" * 500, None),
    # spans
    ("resets in 3 hours", "2026-11-20 13:00"),
    ("resets in 2h 15m", "2026-11-20 12:15"),
    ("resets in 2h15m", "2026-11-20 12:15"),
    ("try again in 45 minutes", "2026-11-20 10:45"),
    ("in 1 day, 2 hours and 3 mins", "2026-11-21 12:03"),
    ("retrying in 30 seconds", "2026-11-20 10:00:30"),
    ("in 3 months", None),
    ("in 999999 weeks", None),
    # the words around it
    ("continuing automatically at 7pm · esc or type to cancel", "2026-11-20 18:00"),
    ("try again at Sep 28th, 2027 4:46 AM", "2027-09-28 02:46"),
    ("resets 3pm · progress saved", "2026-11-20 14:00"),
    ("try again in 5 minutes · your limit resets 3pm", "2026-11-20 14:00"),
    ("the limit resets · resets 3pm", "2026-11-20 14:00"),
    # no such time
    *((f"resets {t}", None) for t in ("25:00", "12:60", "13pm", "0am", "3", "24:00", "3:5", "345")),
    *((f"resets {d} at 4pm", None) for d in ("Feb 30", "Nov 31", "Nov 0", "2026-13-01")),
    *((words, None) for words in ("", "resets", "resets soon", "3pm", "reset · continuing", "٣pm")),
]


@pytest.mark.parametrize(("message", "expected"), RESETS)
def test_the_moment_of_reset_is_read(message, expected):
    found = read(message)
    assert (found and found.replace(microsecond=0)) == (expected and utc(expected))
    assert found is None or found.tzinfo is UTC


@pytest.mark.parametrize(
    ("now", "message", "expected"),
    [
        # within the hour it has just reset
        ("2026-11-20 14:59", "resets 3pm (Europe/Berlin)", "2026-11-20 14:00"),
        ("2026-11-20 15:00", "resets 3pm (Europe/Berlin)", "2026-11-20 14:00"),
        ("2026-11-20 15:01", "resets 3pm (Europe/Berlin)", "2026-11-21 14:00"),
        ("2026-11-20 00:20", "resets 11:50pm (UTC)", "2026-11-19 23:50"),
        ("2026-11-20 15:20", "resets 3:00 (UTC)", "2026-11-20 15:00"),
        ("2026-11-23 00:59", "resets Mon 12:00am (UTC)", "2026-11-23 00:00"),
        ("2026-11-23 01:01", "resets Mon 12:00am (UTC)", "2026-11-30 00:00"),
        ("2026-11-24 00:30", "resets Mon 11:45pm (UTC)", "2026-11-23 23:45"),
        # with a date it may be two days
        ("2026-11-25 10:00", "resets Nov 23, 10am (UTC)", "2026-11-23 10:00"),
        ("2026-11-25 10:01", "resets Nov 23, 10am (UTC)", "2027-11-23 10:00"),
        ("2026-12-31 22:00", "resets Jan 2, 9am (UTC)", "2027-01-02 09:00"),
        ("2027-01-01 00:30", "resets Dec 31, 11:50pm (UTC)", "2026-12-31 23:50"),
        ("2027-01-03 00:30", "resets Dec 31, 11:50pm (UTC)", "2027-12-31 23:50"),
        ("2026-11-20 14:00", "resets Nov 20, 3:00 (UTC)", "2026-11-20 15:00"),
        ("2028-02-20 10:00", "resets Feb 29 at 3pm (UTC)", "2028-02-29 15:00"),
        # a year that is named stays
        ("2027-06-01 10:00", "resets Nov 23, 2026, 10am (UTC)", "2026-11-23 10:00"),
        # the date line
        ("2026-11-20 10:00", "resets 1am (Pacific/Kiritimati)", "2026-11-20 11:00"),
        ("2026-11-20 10:00", "resets tomorrow at 5am (Pacific/Kiritimati)", "2026-11-21 15:00"),
    ],
)
def test_what_is_just_past_has_just_reset(now, message, expected):
    assert read(message, utc(now)) == utc(expected)


@pytest.mark.parametrize(
    ("now", "message", "expected"),
    [
        # on 2027-03-14 New York has no 02:00 to 03:00
        ("2027-03-14 04:00", "resets 1:59am", "2027-03-14 06:59"),
        ("2027-03-14 04:00", "resets 2:30am", "2027-03-14 07:30"),
        ("2027-03-14 04:00", "resets 3am", "2027-03-14 07:00"),
        ("2027-03-10 04:00", "resets Sunday at 2:30am", "2027-03-14 07:30"),
        ("2027-03-14 04:00", "resets 5pm", "2027-03-14 21:00"),
        # on 2026-11-01 it has 01:00 to 02:00 twice
        ("2026-11-01 05:00", "resets 1:30am", "2026-11-01 05:30"),
        ("2026-11-01 06:29", "resets 1:30am", "2026-11-01 05:30"),
        ("2026-11-01 06:31", "resets 1:30am", "2026-11-01 06:30"),
        ("2026-11-01 07:31", "resets 1:30am", "2026-11-02 06:30"),
        ("2026-10-28 05:00", "resets Nov 1, 1:30am", "2026-11-01 05:30"),
        ("2026-11-01 04:00", "resets 2am", "2026-11-01 07:00"),
        ("2026-11-01 03:00", "resets 1:30am (UTC)", "2026-11-02 01:30"),
    ],
)
def test_the_nights_that_the_clocks_change(now, message, expected):
    assert read(message, utc(now), NEW_YORK) == utc(expected)


@steady
@given(
    now=st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),
    hour=st.integers(0, 23),
    minute=st.integers(0, 59),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]),
)
@example(utc("2026-11-01 06:31"), 1, 30, "America/New_York")
def test_a_clock_time_is_the_first_one_since_an_hour_ago(now, hour, minute, zone):
    half = "am" if hour < 12 else "pm"
    found = read(f"resets {hour % 12 or 12}:{minute:02}{half} ({zone})", now, Z)
    assert now - HOUR <= found <= now + 26 * HOUR
    local = found.astimezone(ZoneInfo(zone))
    if (local.hour, local.minute) != (hour, minute):  # skipped on that day
        assert (found - HOUR).astimezone(ZoneInfo(zone)).utcoffset() != local.utcoffset()
        return
    moment = (now - HOUR).replace(second=0, microsecond=0)
    while moment < now - HOUR:
        moment += MINUTE
    while (moment.astimezone(ZoneInfo(zone)).time()) != local.time():
        moment += MINUTE
    assert found == moment


MEANINGS = [
    ("Claude AI usage limit reached|1751234567", "limit", None),
    ("Claude usage limit reached. Your limit will reset at 12am.", "limit", None),
    ("Approaching usage limit · resets at 2am", "notice", None),
    ("Approaching your 5-hour usage limit — Claude will wrap up.", "notice", "five_hour"),
    ("Usage limit approaching. Checkpoint now: finish the current step", "notice", None),
    ("5-hour limit reached ∙ resets 3am", "limit", "five_hour"),
    ("Session limit reached ∙ resets 5am", "limit", "five_hour"),
    ("Weekly limit reached ∙ resets Nov 13", "limit", "seven_day"),
    ("Opus weekly limit reached ∙ resets Nov 13", "limit", "seven_day_opus"),
    ("You've hit your limit · resets 3pm (Europe/Dublin)", "limit", None),
    ("You've hit your usage limit · resets 3pm", "limit", None),
    ("You've hit your session limit · resets 3:30am (America/New_York)", "limit", "five_hour"),
    ("You've hit your 5-hour limit · resets 10:04pm (UTC)", "limit", "five_hour"),
    ("You've reached your weekly limit", "limit", "seven_day"),
    ("You've hit your Opus limit · resets 3:45pm", "limit", "seven_day_opus"),
    ("You've hit your Sonnet limit", "limit", "seven_day_sonnet"),
    ("You've reached your Fable 5.1 limit. Run /usage-credits", "limit", "seven_day_fable"),
    ("Fable 5 limit reached · continuing on Fable 5 uses", "limit", "seven_day_fable"),
    ("You've hit your daily limit · resets 9pm", "limit", None),
    ("You've hit your fast limit · resets in 5m", "notice", None),
    ("You're out of extra usage · resets 9pm", "limit", None),
    ("You're out of usage credits · resets 10:05pm (UTC)", "limit", None),
    ("You're out of usage credits. Run /usage-credits to keep using Fable 5", "billing", None),
    ("You've run out of usage credits", "billing", None),
    ("You've hit your usage credit limit", "billing", None),
    ("Your org is out of usage · contact your admin", "billing", None),
    ("Your seat type doesn't include usage", "billing", None),
    ("Your seat type doesn't include extra usage", "billing", None),
    ("You've hit your monthly spend limit · raise it at claude.ai", "billing", None),
    ("You've hit your team's shared budget · ask your admin", "billing", None),
    ("You've hit your individual usage limit · ask your admin", "billing", None),
    ("You've hit your org's monthly usage limit", "billing", None),
    ("You've hit your monthly spend limit · your session limit resets 3pm", "limit", "five_hour"),
    ("spend limit reached (daily; resets 2026-08-09 00:00 UTC)", "billing", None),
    ("API Error: 429 spend limit reached", "billing", None),
    ("usage credits required", "billing", None),
    ("API Error: Usage credits required for 1M context", "billing", None),
    ("Fable 5 requires usage credits", "billing", None),
    ("Credit balance is too low", "billing", None),
    ("API Error: Rate limit reached", "throttle", None),
    ("API Error: Request rejected (429) · this may be temporary", "throttle", None),
    ("Server is temporarily limiting requests (not your usage limit)", "throttle", None),
    ('API Error: 529 {"type":"error","error":{"type":"overloaded_error"}}', "throttle", None),
    ("API Error: 529 Overloaded. This is a server-side issue", "throttle", None),
    ("API Error: Repeated 529 Overloaded errors.", "throttle", None),
    ("API Error: 500 Internal server error", "throttle", None),
    ("Usage limit reached · continuing automatically at 7pm · esc to cancel", "notice", None),
    ("Usage limit reset · continuing automatically", "notice", None),
    ("You've used 98% of your session limit · resets 8:40pm", "gauge", "five_hour"),
    ("You've used 98% of your Opus limit · resets 8:40pm", "gauge", "seven_day_opus"),
    ("You've used 98% of your monthly limit", "gauge", None),
    ("Not logged in · Please run /login", "auth", None),
    ("Invalid API key · Fix external API key", "auth", None),
    ("Failed to authenticate. API Error: 403 Request not allowed", "auth", None),
]


@pytest.mark.parametrize(("message", "kind", "window"), MEANINGS)
def test_every_known_wording_has_its_meaning(message, kind, window):
    assert means(message) == (kind, window)
    assert means(f"\n\t {message.replace(' ', chr(0xA0))} \n") == (kind, window)
    assert means(message.upper()) == (kind, window)


@pytest.mark.parametrize(
    "message",
    [
        *("", " \n\t\n", "Done.", "I fixed how we say: You've hit your session limit", "{}"),
        *("Context limit reached · /compact to continue", "Prompt is too long", "resets 3pm"),
        *("Reached maximum number of turns (3)", "No conversation found", "Subagent limit reached"),
    ],
)
def test_other_words_mean_nothing(message):
    assert means(message) is None


@pytest.mark.parametrize("entry", DOCUMENT["texts"], ids=lambda entry: entry["id"])
def test_every_example_means_its_own_entry(entry):
    assert meaning(entry["example"], KNOWN, NOW, BERLIN).text_id == entry["id"]
    assert entry["since"]


def test_the_meaning_carries_the_reset():
    found = meaning("You’ve hit your weekly limit • resets Nov 23, 10:32pm (UTC)", KNOWN, NOW, Z)
    assert found == messages.Meaning("limit", "seven_day", utc("2026-11-23 22:32"), "week")


@pytest.mark.parametrize(
    ("message", "id"),
    [
        # the newest of two
        ("You've hit your session limit\nYou've hit your weekly limit", "week"),
        ("You've hit your weekly limit\n\nNot logged in", "not-logged-in"),
        ("noise\nYou've hit your session limit · resets 3am\n\nnoise", "session"),
        # one that is broken into lines
        ("You've hit\nyour weekly\r\nlimit", "week"),
        ("You're out of extra usage\n· resets 9pm", "credits-reset"),
        (
            "You've hit your spend limit · see\nhere · your weekly limit resets Mon",
            "spend-limit-week",
        ),
        # what stops nothing does not hide what does
        ("You've hit your Opus limit\nYou've used 98% of your weekly limit", "model"),
        ("You've hit your session limit\n/usage-credits to finish", "session"),
        ("You've used 1% of your weekly limit\nApproaching 5-hour limit", "approaching-session"),
    ],
)
def test_lines_are_looked_at_from_the_bottom_up(message, id):
    assert meaning(message, KNOWN, NOW, BERLIN).text_id == id


def test_a_text_may_end_with_its_line():
    mine = texts(of_user(pattern="Quota all gone$"))
    assert means("Quota all gone\nnoise", mine) == ("limit", None)


def test_only_the_head_of_a_long_message_is_looked_at():
    limit = "You've hit your session limit"
    assert means(" " * 5000 + limit + "\n" + "x" * 5000) == ("limit", "five_hour")
    assert means("x" * 5000 + "\n" + limit) is None


@steady
@given(st.text(max_size=60), st.floats(0, 100))
def test_a_gauge_is_never_a_limit(tail, percent):
    message = f"You've used {percent:g}% of your session limit · resets 8:40pm" + " " + tail
    found = meaning(message.splitlines()[0], KNOWN, NOW, BERLIN)
    assert found.kind == "gauge"


def of_user(**changes):
    entry = {"id": "mine", "kind": "limit", "window": None, "pattern": "Quota all gone"} | changes
    return {"format": 1, "texts": [entry]}


def test_the_users_texts_come_first_when_they_stand_first():
    mine = texts(of_user(pattern="You've hit your session limit", kind="notice"))
    assert means("You've hit your session limit", [*mine, *KNOWN]) == ("notice", None)
    assert means("You've hit your session limit", [*KNOWN, *mine]) == ("limit", "five_hour")
    assert means("quota all gone today", [*texts(of_user()), *KNOWN]) == ("limit", None)


def test_a_group_may_name_the_window():
    mine = texts(of_user(pattern=r"No more (?P<model>[\w .-]+)?!", window="seven_day_{model}"))
    assert means("No more Opus 5.1!", mine) == ("limit", "seven_day_opus_5_1")
    assert means("No more !", mine) == ("limit", None)


@pytest.mark.parametrize("document", [None, [], "x", {}, {"format": 2, "texts": []}, {"format": 1}])
def test_a_file_of_another_form_is_refused(document):
    with pytest.raises(InvalidInput, match="limit texts"):
        texts(document)


@pytest.mark.parametrize(
    "changes",
    [
        *({"pattern": p} for p in ("(", "a{99999999999}", "", "a*", "x" * 501, "(" * 400, None, 3)),
        *({"kind": kind} for kind in ("limits", "", None, ["limit"])),
        *({"id": id} for id in ("", None, 7)),
        *({"window": window} for window in ("", "Five Hour", 5, "{model}", "seven_day_{model}")),
    ],
)
def test_a_wrong_entry_is_named(changes):
    document = of_user(id="good")
    document["texts"] += of_user(**changes)["texts"]
    with pytest.raises(InvalidInput, match="limit text 2") as caught:
        texts(document)
    assert len(caught.value.message) < 500


def test_an_entry_that_is_no_object_and_an_id_that_is_taken_are_named():
    with pytest.raises(InvalidInput, match="limit text 1 is not an object"):
        texts({"format": 1, "texts": ["x"]})
    with pytest.raises(InvalidInput, match="limit text 2: the id mine"):
        texts({"format": 1, "texts": of_user()["texts"] * 2})


@steady
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["format", "texts", "id", "kind"]), inner, max_size=4)
        ),
    )
)
def test_any_document_is_read_or_refused(document):
    try:
        assert all(text.kind in KINDS for text in texts(document))
    except InvalidInput:
        pass


FRAGMENTS = [
    *("You've hit your ", "You're out of usage credits", "limit", "resets ", "reset", "in ", "at "),
    *("Opus ", "weekly ", "session ", "Nov ", "feb 30 ", "Mon ", "tomorrow ", "23", "3pm", "3:00"),
    *("25:99", "0", "am", " (UTC)", "(GMT+5:30", ")", "(America/New_York)", "(Europe)", "(../x)"),
    *("|", "1751234567", "9999999999999", "2026-08-09", "T", "00:00", "Z", "+99:99", "·", "∙", "’"),
    *("\n", "\u2028", "\x00", "\ud800", "\u202f", "٣", "ſ", "İ", " ", ",", "-", "999999w", "1h"),
]


@settings(steady, max_examples=1000)
@given(
    st.text() | st.lists(st.sampled_from(FRAGMENTS), max_size=14).map("".join),
    st.datetimes(timezones=st.sampled_from([UTC, BERLIN])) | st.just(NOW),
    st.sampled_from([Z, BERLIN, ZoneInfo("Pacific/Kiritimati")]),
)
@example("resets in 999999w", datetime.max.replace(tzinfo=UTC), BERLIN)
@example("resets tomorrow", datetime.min.replace(tzinfo=UTC), NEW_YORK)
@example("resets 3pm (a/../../b)", NOW, Z)
def test_no_words_make_it_raise(message, now, zone):
    found = reset_in(message, now, zone)
    assert found is None or (found.tzinfo is UTC and 2001 <= found.year <= 2100)
    told = meaning(message, KNOWN, now, zone)
    assert told is None or told.kind in KINDS


@pytest.mark.parametrize(
    "piece",
    [
        *("x", "\n", "a\n", "9", "(", "·", " ", "You've hit your ", "You've hit your\n"),
        *("resets ", "resets 99pm ", "resets 1:00 (A/B) ", "in 1h ", "in 1h1h", "|123456789"),
        *("You've hit your spend limit your \n", "You're out of usage credits · your "),
        *("API Error: 429 ", "a b requires ", "resets Nov ", "mon, "),
    ],
)
def test_a_megabyte_of_hostile_text_is_answered(piece):
    message = piece * (1_000_000 // len(piece))
    meaning(message, KNOWN, NOW, BERLIN)
    reset_in(message, NOW, BERLIN)
