"""ccs schedule: when is next, and what does it mean."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

DAILY = "0 9 * * *"
BIRTH = "2026-11-01T00:00:00.000Z"


def task(name, schedule, **fields):
    number = sum(map(ord, name))
    record_id = f"7a5c{number:04}-0000-4000-8000-000000000000"
    times = {"created_at": BIRTH, "updated_at": BIRTH, "active_since": BIRTH}
    return {"id": record_id, "name": name, "prompt": "x", "schedule": schedule, **times, **fields}


def cron(expression, zone="UTC"):
    return {"schedule_type": "cron", "cron": expression, "timezone": zone}


FAR = "2999-01-01T00:00:00.000Z"
TASKS = [
    task("nightly", cron("30 2 * * *", "Europe/Berlin")),
    task("office", cron("0 * * * *"), between="22:30-01:30", days=["sat"]),
    task("never", cron("0 12 * * *"), between="22:00-07:00"),
    task("bounded", cron(DAILY), not_before=FAR, until="2999-01-03T00:00:00.000Z"),
    task("asleep", cron(DAILY), enabled=False),
    task("monthly", {"schedule_type": "calendar", "calendar_frequency": "monthly"}),
    task("by hand", {"schedule_type": "manual"}),
    task("once", {"schedule_type": "once", "at": FAR, "timezone": "Asia/Tokyo"}),
    task("watcher", {"schedule_type": "file_watch", "watch_directory": "/srv/\x1b[31mred\nfake"}),
]


@pytest.fixture
def ask(shared, inside):
    """`ccs schedule …` in one store that must not change."""
    if not shared.saved("tasks"):
        shared.save("tasks", *TASKS)
    before = shared.snapshot()
    yield lambda *words: inside(shared, "schedule", *words)
    assert shared.snapshot() == before


def lines(done):
    assert done.code == 0, done.err
    return done.out.splitlines()


class TestNext:
    def test_one_time_with_its_offset_per_line_over_a_spring_night(self, ask):
        words = ("--cron", "30 2 * * *", "--tz", "Europe/Berlin", "--from", "2027-03-27")
        assert lines(ask("next", *words, "-n", "3", "-o", "table")) == [
            "2027-03-27T02:30:00+01:00",
            "2027-03-28T03:00:00+02:00",
            "2027-03-29T02:30:00+02:00",
        ]

    def test_json_when_piped(self, ask):
        words = ("--cron", DAILY, "--tz", "Asia/Tokyo", "--from", "2026-11-20T00:00Z", "-n", "2")
        found = ask("next", *words)
        slots = ["2026-11-21T09:00:00+09:00", "2026-11-22T09:00:00+09:00"]
        assert found.json == {"timezone": "Asia/Tokyo", "slots": slots}
        assert found.err == ""
        assert json.loads(ask("next", *words, "-o", "jsonl").out) == found.json

    def test_five_by_default_later_than_now(self, ask):
        now = datetime.now(UTC)
        slots = [
            datetime.fromisoformat(one) for one in ask("next", "--cron", "* * * * *").json["slots"]
        ]
        assert len(slots) == 5
        assert now < slots[0] <= now + timedelta(minutes=2)
        assert {b - a for a, b in pairwise(slots)} == {timedelta(minutes=1)}

    def test_an_interval_counts_from_the_start_given(self, ask):
        words = ("--every", "90m", "--tz", "Europe/Berlin", "--from", "2026-10-25T01:00")
        assert lines(ask("next", *words, "-n", "2", "-o", "table")) == [
            "2026-10-25T02:30:00+02:00",
            "2026-10-25T03:00:00+01:00",
        ]

    def test_an_interval_counts_from_this_minute_without_one(self, ask):
        (slot,) = ask("next", "--every", "1d", "-n", "1").json["slots"]
        assert slot.endswith(":00+00:00")
        late = datetime.fromisoformat(slot) - datetime.now(UTC)
        assert timedelta(hours=23, minutes=58) < late <= timedelta(days=1)

    @pytest.mark.parametrize("words", ["+2h", "09:00", "tomorrow 09:00", "2026-12-24T18:00-05:00"])
    def test_from_takes_the_forms_of_at(self, ask, words):
        assert len(ask("next", "--cron", DAILY, "--from", words).json["slots"]) == 5

    def test_the_machines_zone_by_default(self, ask, shared, monkeypatch):
        monkeypatch.setitem(shared.env, "TZ", "Asia/Kathmandu")
        (slot,) = ask("next", "--cron", DAILY, "-n", "1").json["slots"]
        assert slot.endswith("T09:00:00+05:45")

    def test_of_a_task_by_name_and_by_prefix(self, ask):
        words = ("--from", "2027-06-01", "-n", "1")
        found = ask("next", "--task", "nightly", *words).json
        assert found == {"timezone": "Europe/Berlin", "slots": ["2027-06-01T02:30:00+02:00"]}
        assert ask("next", "--task", TASKS[0]["id"][:8], *words).json == found

    def test_of_a_task_only_those_within_its_hours(self, ask):
        found = lines(
            ask("next", "--task", "office", "--from", "2026-11-20", "-n", "4", "-o", "table")
        )
        assert [one[8:16] for one in found] == ["21T23:00", "22T00:00", "22T01:00", "28T23:00"]

    def test_of_a_task_only_those_within_its_dates(self, ask):
        slots = ask("next", "--task", "bounded").json["slots"]
        assert [one[:10] for one in slots] == ["2999-01-01", "2999-01-02"]

    def test_a_task_that_its_hours_never_let_run(self, ask):
        found = ask("next", "--task", "never")
        assert found.json["slots"] == []
        assert "no time to come: At 12:00 every day, within the hours" in found.err

    def test_no_more_times_than_there_are(self, ask):
        assert ask("next", "--task", "once").json["slots"] == ["2999-01-01T09:00:00+09:00"]
        found = ask("next", "--task", "by hand")
        assert (found.code, found.json["slots"]) == (0, [])
        assert found.err == "no time to come: Only when asked\n"

    def test_a_disabled_task_is_told_as_such(self, ask):
        found = ask("next", "--task", "asleep")
        assert len(found.json["slots"]) == 5
        assert found.err.startswith("warning: the task is disabled")


class TestExplain:
    def test_the_sentence_the_warnings_and_three_times(self, ask):
        found = lines(ask("explain", "30 1 13 * fri", "--tz", "Europe/London", "-o", "table"))
        assert found[0] == "On day 13 of the month or on Friday, at 01:30"
        warnings, times = found[1:-3], found[-3:]
        assert "warning: day of month and day of week" in warnings[0]
        assert all(one.startswith("warning: ") for one in warnings)
        assert all(one[10:16] == "T01:30" for one in times)

    def test_json_when_piped_and_the_warnings_twice(self, ask):
        found = ask("explain", "*/90 * * * *")
        assert found.json["explanation"] == "Every full hour"
        assert found.json["warnings"] == ["minute */90: the step leaves only 0"]
        assert found.json["timezone"] == "UTC"
        assert len(found.json["slots"]) == 3
        assert found.err == "warning: minute */90: the step leaves only 0\n"

    def test_a_task(self, ask):
        found = ask("explain", "--task", "monthly").json
        assert found["explanation"] == "On day 1 of the month, at 00:00"
        assert found["warnings"] == []
        assert [one[8:10] for one in found["slots"]] == ["01"] * 3

    def test_a_task_without_times(self, ask):
        found = ask("explain", "--task", "by hand", "-o", "table")
        assert found.out == "Only when asked\n"

    def test_a_directory_cannot_forge_a_line_or_colour_the_terminal(self, ask):
        (line,) = lines(ask("explain", "--task", "watcher", "-o", "table"))
        assert line.startswith("When files below /srv/red fake have changed")


REFUSED = [
    (("next",), 2, "give one of --cron, --every and --task"),
    (("next", "--cron", DAILY, "--every", "5m"), 2, "give one of"),
    (("next", "--cron", DAILY, "--task", "nightly"), 2, "give one of"),
    (("next", "--cron", ""), 2, "the cron expression is empty"),
    (("next", "--cron", "0 0 9 * * 1"), 2, "6 given, 5 needed"),
    (("next", "--cron", "0 0 30 2 *"), 2, "there is no such date"),
    (("next", "--cron", "@every 5m"), 2, "use an interval schedule"),
    (("next", "--cron", DAILY, "--tz", "Mars/Olympus"), 2, "'Mars/Olympus' is not a time zone"),
    (("next", "--cron", DAILY, "--tz", ""), 2, "'' is not a time zone"),
    (("next", "--cron", DAILY, "--tz", "../../etc/passwd"), 2, "is not a time zone"),
    (("next", "--cron", DAILY, "--from", "soon"), 2, "'soon' is not a time"),
    (("next", "--cron", DAILY, "--from", ""), 2, "'' is not a time"),
    (("next", "--cron", DAILY, "--from", "9999-12-31T23:00-05:00"), 2, "out of reach"),
    (("next", "--cron", DAILY, "--from", "2027-03-28T02:30", "--tz", "Europe/Berlin"), 2, "exist"),
    (("next", "--every", "1h", "--from", "9999-12-31T20:00"), 2, "between the years"),
    (("next", "--every", "30s"), 2, "whole minutes"),
    (("next", "--every", "often"), 2, "'often' is not a duration"),
    (("next", "--cron", DAILY, "-n", "0"), 2, "range"),
    (("next", "--cron", DAILY, "-n", "100000"), 2, "range"),
    (("next", "--task", "nope"), 3, "no task 'nope'"),
    (("next", "--task", "7a5c"), 4, "7a5c"),
    (("next", "--task", "nightly", "--tz", "UTC"), 2, "--tz does not go with --task"),
    (("explain",), 2, "give one of a cron expression"),
    (("explain", DAILY, "--task", "nightly"), 2, "give one of a cron expression"),
    (("explain", "0", "9", "*", "*", "*"), 2, "unexpected extra arguments"),
    (("explain", "60 * * * *"), 2, "must be within 0-59"),
    (("explain", DAILY, "--tz", "Nowhere"), 2, "'Nowhere' is not a time zone"),
    (("explain", "--task", "nope"), 3, "no task 'nope'"),
    (("nothing",), 2, "No such command"),
]


@pytest.mark.parametrize(("words", "code", "message"), REFUSED)
def test_one_error_that_says_what_is_wrong(ask, words, code, message):
    found = ask(*words)
    assert (found.code, found.out) == (code, "")
    assert message in found.err
    assert "Traceback" not in found.err


def test_json_errors_are_one_object(ask):
    found = ask("next", "--cron", "0 0 30 2 *", "-o", "json")
    assert found.error["code"] == "usage"
    assert len(found.err.splitlines()) == 1


def test_an_expression_needs_no_store(tmp_path, quick):
    quick.env["CCS_HOME"] = str(tmp_path / "absent")
    assert quick.ok("schedule", "explain", DAILY).json["explanation"] == "At 09:00 every day"
    assert not (tmp_path / "absent").exists()
    quick.env["CCS_HOME"] = str(quick.store)
    quick.files({"store/tasks.json": "{torn"})
    assert len(quick.ok("schedule", "next", "--cron", DAILY).json["slots"]) == 5
    assert quick("schedule", "next", "--task", "x").code == 6


def test_as_installed(ccs):
    found = ccs.ok("schedule", "next", "--cron", DAILY, "--from", "2026-11-20", "-o", "table")
    assert found.out.splitlines()[0] == "2026-11-20T09:00:00+00:00"
