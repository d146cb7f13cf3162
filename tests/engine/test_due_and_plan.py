"""Which slots run, wait, are skipped or only counted: histories of one or two tasks."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from histories import at, run, task, uid

from ccs.engine.tick import tick
from ccs.model import key


def slots(seen):
    return [slot for slot, _ in seen]


def test_each_slot_runs_once_and_on_time(store, ticks):
    store.tasks.put(task())
    seen = ticks.every_minute("20 10:01", "20 10:59")
    assert slots(seen) == [at("20 10:15"), at("20 10:30"), at("20 10:45")]
    assert {trigger for _, trigger in seen} == {"schedule"}


def test_a_second_tick_in_the_same_minute_launches_nothing(store, ticks):
    store.tasks.put(task())
    assert len(ticks.tick("20 10:15").launched) == 1
    ticks.begin(ticks.launched[0])
    assert ticks.tick("20 10:15").launched == []


def test_the_slot_of_the_creation_minute_is_not_due(store, ticks):
    store.tasks.put(task(born=at("20 10:15") + timedelta(seconds=20)))
    assert ticks.tick("20 10:16").launched == []


def test_a_recorded_run_that_never_started_is_started_again(store, ticks):
    store.tasks.put(task())
    first = ticks.tick("20 10:15").launched
    assert ticks.tick("20 10:16").launched == first


def test_five_starts_without_a_mark_are_a_failure_that_says_so(store, ticks):
    store.tasks.put(task())
    for minute in range(15, 20):
        ticks.tick(f"20 10:{minute}")
    assert len(ticks.launched) == 5
    ticks.tick("20 10:20")
    assert ticks.statuses() == [("failed", "start_failed")]
    assert len(ticks.launched) == 5


def test_a_deleted_run_does_not_come_back_even_without_its_cursor(store, ticks):
    store.tasks.put(task())
    (run_id,) = ticks.tick("20 10:15").launched
    ticks.begin(run_id)
    ticks.end(run_id)
    store.forget_runs([store.runs.get(run_id)])
    for path in (store.home.cursors, store.home.cursors + ".prev"):
        if os.path.exists(path):
            os.unlink(path)
    assert ticks.tick("20 10:16").launched == []


class TestAfterDowntime:
    def test_one_catch_up_for_the_newest_slot_and_the_others_counted(self, store, ticks):
        store.tasks.put(task())
        (run_id,) = ticks.tick("20 18:20").launched
        found = store.runs.get(run_id)
        assert (found.trigger, found.scheduled_time) == ("catch_up", at("20 18:15"))
        assert found.missed_slots == 32

    def test_a_slot_older_than_its_grace_is_recorded_as_missed(self, store, ticks):
        store.tasks.put(task(cron="0 11 * * *", grace="1h"))
        assert ticks.tick("20 12:30").launched == []
        (found,) = store.runs.all()
        assert (found.status, found.reason) == ("skipped", "missed")
        assert ticks.tick("20 12:31").skipped == []

    def test_catch_up_none_runs_nothing_late(self, store, ticks):
        store.tasks.put(task(catch_up="none"))
        assert ticks.tick("20 18:20").launched == []
        assert ticks.statuses() == [("skipped", "missed")]
        assert len(ticks.tick("20 18:30").launched) == 1

    def test_catch_up_all_runs_at_most_ten_one_after_another(self, store, ticks):
        store.tasks.put(task(catch_up="all", overlap="queue", grace="24h"))
        done = ticks.tick("20 18:20")
        assert (len(done.launched), len(done.held)) == (1, 9)
        newest = max(one.scheduled_time for one in store.runs.all())
        assert newest == at("20 18:15")

    def test_a_year_of_missed_slots_costs_one_launch_and_counts_to_a_hundred(self, store, ticks):
        store.tasks.put(task(cron="0 * * * *"))
        (run_id,) = ticks.tick(at("20 10:00") + timedelta(days=365)).launched
        assert store.runs.get(run_id).missed_slots == 99

    def test_a_disabled_task_is_not_caught_up_when_it_is_enabled_again(self, store, ticks):
        store.tasks.put(task(enabled=False))
        ticks.tick("20 18:20")
        enabled = store.tasks.all()[0].changed(enabled=True, active_since=at("20 18:21"))
        store.tasks.put(enabled)
        assert ticks.tick("20 18:22").launched == []
        assert store.runs.all() == []


class TestClockMovedBack:
    def test_by_up_to_three_hours_nothing_runs_again(self, store, ticks):
        store.tasks.put(task())
        ticks.every_minute("20 12:10", "20 12:20")
        assert ticks.every_minute("20 10:20", "20 12:16") == []
        assert slots(ticks.every_minute("20 12:29", "20 12:31")) == [at("20 12:30")]

    def test_by_more_it_begins_anew_and_says_so(self, store, ticks):
        store.tasks.put(task(born=at("10 00:00")))
        ticks.every_minute("20 12:10", "20 12:20")
        done = ticks.tick("20 05:01")
        assert done.launched == []
        assert "moved back" in done.notes[0]
        assert slots(ticks.every_minute("20 05:02", "20 05:16")) == [at("20 05:15")]

    def test_a_slot_that_ran_never_runs_again(self, store, ticks):
        store.tasks.put(task(born=at("10 00:00")))
        first = slots(ticks.every_minute("20 12:10", "20 12:20"))
        ticks.tick("20 05:01")
        assert at("20 12:15") in first
        assert at("20 12:15") not in slots(ticks.every_minute("20 12:10", "20 12:20"))


class TestOverlap:
    def busy(self, store, ticks, policy):
        store.tasks.put(task(overlap=policy))
        (first,) = ticks.tick("20 10:15").launched
        ticks.begin(first)
        return first

    def test_skip_leaves_one_counted_record_for_a_streak(self, store, ticks):
        first = self.busy(store, ticks, "skip")
        for minute in (30, 45):
            assert ticks.tick(f"20 10:{minute}").launched == []
        skipped = [one for one in store.runs.all() if one.status == "skipped"]
        assert [(one.reason, one.missed_slots, one.last_slot) for one in skipped] == [
            ("overlap", 1, at("20 10:45"))
        ]
        ticks.end(first)
        assert len(ticks.tick("20 11:00").launched) == 1

    def test_queue_lets_one_wait_and_counts_the_rest_into_it(self, store, ticks):
        first = self.busy(store, ticks, "queue")
        (held,) = ticks.tick("20 10:30").held
        ticks.tick("20 10:45")
        waiting = store.runs.get(held)
        assert (waiting.held_reason, waiting.missed_slots) == ("overlap", 1)
        ticks.end(first)
        assert ticks.tick("20 10:46").launched == [held]

    def test_replace_stops_the_running_one_and_then_starts(self, store, ticks):
        first = self.busy(store, ticks, "replace")
        (held,) = ticks.tick("20 10:30").held
        assert store.rundir(first).stop_reason() == "replaced"
        ticks.end(first, "cancelled", "replaced")
        assert ticks.tick("20 10:31").launched == [held]

    def test_allow_runs_beside(self, store, ticks):
        self.busy(store, ticks, "allow")
        assert len(ticks.tick("20 10:30").launched) == 1

    def test_grace_does_not_run_out_while_a_run_is_held(self, store, ticks):
        first = self.busy(store, ticks, "queue")
        (held,) = ticks.tick("20 10:30").held
        ticks.tick("20 22:30")
        ticks.end(first)
        assert ticks.tick("20 22:31").launched == [held]


class TestPlaces:
    def test_no_more_than_max_concurrent_tasks_and_by_priority(self, store, ticks):
        store.write_settings(store.settings().changed(max_concurrent_tasks=2))
        store.tasks.put(task(1), task(2, priority=5), task(3), task(4, priority=9))
        done = ticks.tick("20 10:15")
        tasks = [store.runs.get(one).task_id for one in done.launched]
        assert tasks == [uid(4), uid(2)]
        assert {store.runs.get(one).held_reason for one in done.held} == {"concurrency"}
        ticks.begin(done.launched[0])
        ticks.end(done.launched[0])
        ticks.begin(done.launched[1])
        assert len(ticks.tick("20 10:16").launched) == 1

    def test_a_waiting_run_of_a_disabled_task_is_skipped(self, store, ticks):
        store.write_settings(store.settings().changed(max_concurrent_tasks=1))
        store.tasks.put(task(1), task(2))
        first = ticks.tick("20 10:15")
        ticks.begin(first.launched[0])
        waiting = store.runs.get(first.held[0])
        store.tasks.put(store.tasks.get(waiting.task_id).changed(enabled=False))
        ticks.tick("20 10:16")
        assert store.runs.get(waiting.id).reason == "disabled"

    def test_a_waiting_run_of_a_changed_schedule_is_expired(self, store, ticks):
        store.write_settings(store.settings().changed(max_concurrent_tasks=1))
        store.tasks.put(task(1), task(2))
        first = ticks.tick("20 10:15")
        ticks.begin(first.launched[0])
        waiting = store.runs.get(first.held[0])
        store.tasks.put(store.tasks.get(waiting.task_id).changed(active_since=at("20 10:16")))
        ticks.tick("20 10:16")
        assert store.runs.get(waiting.id).reason == "expired"


def test_a_bad_task_does_not_stop_the_others_and_keeps_its_waiting_run(store, ticks):
    good, bad = task(1), task(2)
    store.tasks.put(good, bad)
    waiting = run(77, bad, scheduled_time=at("20 10:15"))
    store.runs.put(waiting)
    path = store.home.collection("tasks")
    with open(path) as file:
        text = file.read()
    with open(path, "w") as file:
        file.write(text.replace('"task 2"', '""'))
    done = tick(store, at("20 10:15"), {})
    assert [store.runs.get(one).task_id for one in done.launched] == [good.id]
    assert "name: must not be empty" in done.problems[0]
    assert store.runs.get(waiting.id).status == "upcoming"


def test_a_once_schedule_runs_once(store, ticks):
    once = {"schedule_type": "once", "at": at("20 10:20") + timedelta(seconds=30)}
    store.tasks.put(task(cron=None).changed(schedule=once))
    seen = ticks.every_minute("20 10:15", "20 10:40")
    assert [trigger for _, trigger in seen] == ["schedule"]


@pytest.mark.parametrize("seconds", [0, 29, 59])
def test_a_slot_is_the_same_launch_however_late_in_its_minute(seconds):
    slot = at("20 10:15")
    late = slot + timedelta(seconds=seconds)
    assert key.for_slot(uid(1), slot) == key.for_slot(uid(1), late)
