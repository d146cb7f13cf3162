"""What is to come, as far as schedules, hours and counts tell."""

from __future__ import annotations

import pytest
from histories import at, run, task, uid

from ccs.errors import NotFound
from ccs.report import forecast


def say(moment):
    return f"{moment:%d %H:%M}"


def rows(store, now="20 10:01", until="20 11:00", wanted=None):
    found = forecast.forecast(store, at(now), at(until), say, wanted)
    return [(say(row.at) if row.at else "", row.task_name, row.what, row.why) for row in found]


@pytest.fixture(autouse=True)
def _decided(store):
    """No test begins with what passed before it."""
    entries = [{"id": uid(n), "slot": "2026-11-20T10:00:00.000Z"} for n in range(1, 20)]
    store.cursors.write(store.cursors.read(), entries)


def test_the_slots_of_enabled_tasks_in_order_of_time(store):
    store.tasks.put(task(1, "*/20 * * * *"), task(2, "30 * * * *"), task(3, enabled=False))
    assert rows(store) == [
        ("20 10:20", "task 1", "run", "*/20 * * * * (UTC)"),
        ("20 10:30", "task 2", "run", "30 * * * * (UTC)"),
        ("20 10:40", "task 1", "run", "*/20 * * * * (UTC)"),
        ("20 11:00", "task 1", "run", "*/20 * * * * (UTC)"),
    ]


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ({"schedule_type": "interval", "every": "30m", "start": at("20 10:00")}, "every 30m"),
        ({"schedule_type": "once", "at": at("20 10:30")}, "once"),
        ({"schedule_type": "calendar", "calendar_time": "10:30"}, "30 10 * * * (UTC)"),
    ],
)
def test_every_kind_of_the_clock(store, schedule, words):
    store.tasks.put(task(cron=None).changed(schedule=schedule))
    assert rows(store)[0] == ("20 10:30", "task 1", "run", words)


def test_slots_outside_the_hours_are_skipped(store):
    store.tasks.put(task(between="10:20-10:40", days=["fri"]))
    assert [row[2:] for row in rows(store)] == [
        ("skip hours", "outside 10:20-10:40 fri"),
        ("run", "*/15 * * * * (UTC)"),
        ("skip hours", "outside 10:20-10:40 fri"),
        ("skip hours", "outside 10:20-10:40 fri"),
    ]


def test_runs_that_are_used_up(store):
    one = task(max_runs=3)
    store.tasks.put(one)
    store.history.append([run(50, one, status="success").record()])
    store.runs.put(run(51, one, status="failed"), run(52, one, status="skipped"))
    assert [row[2] for row in rows(store)] == ["run", *["skip max_runs"] * 3]


def test_nothing_before_and_after_its_bounds(store):
    store.tasks.put(task(not_before=at("20 10:30"), until=at("20 10:45")))
    assert [row[0] for row in rows(store)] == ["20 10:30", "20 10:45"]


@pytest.mark.parametrize(
    ("wanted", "shown", "more"), [(None, 10, "100 or more"), ("task 1", 100, "20")]
)
def test_many_slots_are_cut_and_the_rest_is_counted(store, wanted, shown, more):
    store.tasks.put(task(cron="* * * * *"))
    found = rows(store, now="20 10:00", until="20 12:00", wanted=wanted)
    assert len(found) == shown + 1
    assert found[-1][2:] == ("more", f"{more} more until 20 12:00")


def test_what_runs_and_what_waits_comes_first(store):
    one, two = task(1, between="10:30-11:00"), task(2, None)
    store.tasks.put(one, two, task(3))
    store.runs.put(
        run(50, one, held_reason="hours"),
        run(51, two, trigger="manual", held_reason="limit", not_before=at("20 10:50")),
        run(52, task(3), status="running", start_time=at("20 10:16")),
        run(53, task(3), held_reason="overlap"),
    )
    assert rows(store, now="20 10:20")[:4] == [
        ("20 10:16", "task 3", "running", "schedule"),
        ("20 10:30", "task 1", "held", "hours until 20 10:30; schedule of 20 10:15"),
        ("20 10:50", "task 2", "held", "limit until 20 10:50; manual of 20 10:15"),
        ("", "task 3", "held", "overlap; schedule of 20 10:15"),
    ]


@pytest.mark.parametrize("overlap", ["skip", "allow"])
def test_slots_that_come_while_a_run_waits_are_counted_into_it(store, overlap):
    one = task(overlap=overlap)
    store.tasks.put(one)
    store.runs.put(run(50, one, held_reason="limit", not_before=at("20 10:50")))
    slots = rows(store, now="20 10:20")[1:]
    held = ("held", "counted into the run that waits (limit until 20 10:50)")
    run_ = ("run", "*/15 * * * * (UTC)")
    first = held if overlap == "skip" else run_
    assert [row[2:] for row in slots] == [first, first, run_]


def test_what_the_next_tick_will_decide(store):
    store.cursors.write(store.cursors.read(), [])
    born = at("20 09:00")
    store.tasks.put(
        task(1, "*/30 * * * *", born=born),
        task(2, "0 10 * * *", born=born, between="20:00-21:00"),
    )
    assert rows(store, now="20 10:02", until="20 10:20") == [
        ("20 10:00", "task 1", "run", "catch_up: the next tick decides it, 1 more passed"),
        ("20 10:00", "task 2", "skip hours", "schedule: the next tick decides it"),
    ]


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ({"schedule_type": "manual"}, "for somebody to start it: ccs tasks run"),
        ({"schedule_type": "sequential"}, "for its job: ccs jobs run"),
        (
            {"schedule_type": "file_watch", "watch_directory": "/srv"},
            "for a change below /srv",
        ),
        (
            {"schedule_type": "before_reset"},
            "for 45m before a reset of the five_hour window; "
            "no five_hour window is known to be open",
        ),
    ],
)
def test_kinds_without_slots_are_said_once(store, schedule, words):
    store.tasks.put(task(1, None, job_id=uid(9)).changed(schedule=schedule))
    assert rows(store) == [("", "task 1", "waits", words)]


def test_a_startup_task_waits_once_it_has_fired(store):
    made = task(cron=None).changed(schedule={"schedule_type": "startup"})
    store.tasks.put(made)
    store.begin_anew(made)
    assert rows(store) == [("", "task 1", "waits", "for the first tick after a boot")]


class TestOfOneTask:
    def test_only_that_one(self, store):
        store.tasks.put(task(1), task(2))
        assert {row[1] for row in rows(store, wanted="task 2")} == {"task 2"}

    def test_that_is_disabled(self, store):
        store.tasks.put(task(enabled=False))
        found = rows(store, wanted="task 1")
        assert found == [("", "task 1", "nothing", "disabled: ccs tasks enable")]

    def test_without_a_slot_in_the_span(self, store):
        store.tasks.put(task(cron="0 3 * * *"))
        found = rows(store, wanted="task 1")
        assert found == [("", "task 1", "nothing", "it has no slot in this span")]

    def test_that_does_not_exist(self, store):
        with pytest.raises(NotFound):
            rows(store, wanted="nobody")


def test_a_row_as_it_is_shown_to_programs(store):
    store.tasks.put(task(1), task(2, None))
    first, *_, last = forecast.forecast(store, at("20 10:01"), at("20 10:15"), say)
    assert first.record() == {
        "at": "2026-11-20T10:15:00.000Z",
        "task_id": uid(1),
        "task_name": "task 1",
        "what": "run",
        "why": "*/15 * * * * (UTC)",
        "quota": None,
        "pushed_to": None,
    }
    assert last.record()["at"] is None


def test_it_changes_nothing(store):
    store.tasks.put(task())
    before = store.runs.read().stamp, store.cursors.read().stamp
    rows(store, now="20 18:00", until="20 19:00")
    assert (store.runs.read().stamp, store.cursors.read().stamp) == before
