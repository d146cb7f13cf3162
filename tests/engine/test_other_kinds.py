"""Boots, watched trees, hours, bounds, counts: histories of what is due by more than a clock."""

from __future__ import annotations

from datetime import timedelta

import pytest
from histories import at, job, task, uid

from ccs.engine import look, tasks, watch
from ccs.errors import InvalidInput


def by(schedule_type, **fields):
    return task(cron=None).changed(schedule={"schedule_type": schedule_type, **fields})


class TestStartup:
    @pytest.fixture
    def boot(self, monkeypatch):
        def set_boot(name):
            monkeypatch.setattr(look, "boot_id", lambda: name)
            monkeypatch.setattr("ccs.store.store.boot_id", lambda: name)
            monkeypatch.setattr("ccs.store.agenda.boot_id", lambda: name)

        set_boot("first")
        return set_boot

    def test_runs_once_after_each_boot_but_not_in_the_one_it_was_made_in(self, store, ticks, boot):
        fields = {"name": "s", "prompt": "x", "schedule": {"schedule_type": "startup"}}
        tasks.create(store, {**fields, "working_directory": "/"}, at("20 10:00"))
        assert ticks.every_minute("20 10:01", "20 10:05") == []
        boot("second")
        assert [why for _, why in ticks.every_minute("20 10:06", "20 10:10")] == ["startup"]
        boot("third")
        assert len(ticks.every_minute("20 10:11", "20 10:15")) == 1

    def test_enabling_it_again_does_not_count_as_a_boot(self, store, ticks, boot):
        store.tasks.put(by("startup").changed(enabled=False))
        boot("second")
        tasks.update(store, uid(1), {"enabled": True}, at("20 10:01"))
        assert ticks.every_minute("20 10:02", "20 10:05") == []


class TestInterval:
    def test_its_phase_is_that_of_its_creation_whatever_was_missed(self, store, ticks):
        store.tasks.put(by("interval", every="2h", start="2026-11-20T10:07:00Z"))
        seen = ticks.every_minute("20 12:00", "20 12:10") + ticks.every_minute(
            "20 17:00", "20 18:10"
        )
        assert [slot for slot, _ in seen] == [at("20 12:07"), at("20 16:07"), at("20 18:07")]


class TestFileWatch:
    @pytest.fixture
    def tree(self, tmp_path):
        place = tmp_path / "tree"
        place.mkdir()
        (place / "old.txt").write_text("old")
        return place

    @pytest.fixture
    def watched(self, store, ticks, monkeypatch, tree):
        """The scan's child is called at once, in this process."""
        monkeypatch.setattr(watch, "start_scan", lambda home, task, env: watch.scan(store, task.id))
        monkeypatch.setattr(watch.signal, "alarm", lambda seconds: None)
        fields = {"watch_directory": str(tree), "watch_debounce": "0s", "watch_ignore": ["*.tmp"]}
        store.tasks.put(by("file_watch", **fields))
        ticks.tick("20 10:01")
        ticks.tick("20 10:02")
        return tree

    def ticked(self, ticks, first, last):
        return [why for _, why in ticks.every_minute(f"20 10:{first:02}", f"20 10:{last:02}")]

    def test_what_was_there_at_first_fires_nothing(self, watched, ticks):
        assert self.ticked(ticks, 3, 6) == []

    def test_a_change_that_came_to_rest_fires_once(self, watched, ticks):
        (watched / "new.txt").write_text("new")
        assert self.ticked(ticks, 3, 10) == ["file_watch"]

    def test_a_tree_that_never_rests_does_not_fire(self, watched, ticks):
        for minute in range(3, 9):
            (watched / "new.txt").write_text("x" * minute)
            assert self.ticked(ticks, minute, minute) == []

    def test_ignored_files_and_the_repository_s_own_do_not_count(self, watched, ticks):
        (watched / "x.tmp").write_text("x")
        (watched / ".git").mkdir()
        (watched / ".git" / "index").write_text("x")
        assert self.ticked(ticks, 3, 8) == []

    def test_what_the_run_itself_changed_is_counted_and_fires_nothing(self, watched, ticks, store):
        (watched / "new.txt").write_text("new")
        ticks.tick("20 10:03")
        ticks.tick("20 10:04")
        (run_id,) = ticks.tick("20 10:05").launched
        ticks.begin(run_id)
        (watched / "made-by-the-run.txt").write_text("x")
        (watched / "old.txt").unlink()
        ticks.tick("20 10:06")
        ticks.end(run_id)
        assert self.ticked(ticks, 7, 12) == []
        assert store.runs.get(run_id).own_changes == 2

    def test_own_changes_may_be_asked_to_fire(self, watched, ticks, store):
        (one,) = store.tasks.all()
        store.tasks.put(one.changed(schedule={**one.schedule.record(), "own_changes": "fire"}))
        (watched / "new.txt").write_text("new")
        ticks.tick("20 10:03")
        ticks.tick("20 10:04")
        (run_id,) = ticks.tick("20 10:05").launched
        ticks.begin(run_id)
        (watched / "made-by-the-run.txt").write_text("x")
        ticks.end(run_id)
        assert self.ticked(ticks, 6, 12) == ["file_watch"]


class TestHoursAndBounds:
    def test_a_slot_outside_the_hours_is_skipped_and_counted(self, store, ticks):
        store.tasks.put(task(cron="0 * * * *", between="22:00-07:00", born=at("20 05:30")))
        seen = ticks.every_minute("20 05:59", "20 09:01")
        assert [slot for slot, _ in seen] == [at("20 06:00")]
        skipped = [one for one in store.runs.all() if one.status == "skipped"]
        assert [(one.reason, one.missed_slots, one.last_slot) for one in skipped] == [
            ("hours", 2, at("20 09:00"))
        ]

    def test_a_waiting_run_waits_for_the_hours(self, store, ticks):
        store.tasks.put(task(overlap="queue", between="10:00-10:40", cron="*/15 * * * *"))
        (first,) = ticks.tick("20 10:15").launched
        ticks.begin(first)
        (held,) = ticks.tick("20 10:30").held
        assert ticks.tick("20 10:41").held == [held]
        ticks.end(first)
        assert ticks.tick("20 10:42").launched == []
        assert store.runs.get(held).held_reason == "hours"
        assert held in ticks.tick("21 10:00").launched

    def test_days_are_those_a_window_begins_on(self, store, ticks):
        # The 20th of November 2026 is a Friday.
        store.tasks.put(
            task(cron="0 3 * * *", between="22:00-07:00", days=["fri"], born=at("20 00:00"))
        )
        seen = ticks.every_minute("20 02:59", "20 03:01") + ticks.every_minute(
            "21 02:59", "21 03:01"
        )
        assert [slot for slot, _ in seen] == [at("21 03:00")]

    def test_no_slot_before_and_none_after_the_bounds(self, store, ticks):
        store.tasks.put(task(not_before=at("20 10:30"), until=at("20 11:00")))
        seen = ticks.every_minute("20 10:01", "20 11:40")
        assert [slot for slot, _ in seen] == [at("20 10:30"), at("20 10:45"), at("20 11:00")]
        assert len(store.runs.all()) == 3

    def test_max_runs_leaves_one_counted_record(self, store, ticks):
        store.tasks.put(task(max_runs=2))
        assert len(ticks.every_minute("20 10:01", "20 11:31")) == 2
        last = store.runs.all()[-1]
        assert (last.status, last.reason, last.missed_slots) == ("skipped", "max_runs", 3)

    def test_a_sequential_task_without_a_job_is_refused(self):
        with pytest.raises(InvalidInput, match="step of a job"):
            by("sequential")


class TestFairness:
    def test_the_tasks_of_a_job_share_its_places(self, store, ticks):
        store.jobs.put(job(100, 1, 2))
        store.tasks.put(task(1, job_id=uid(100)), task(2, job_id=uid(100)), task(3))
        done = ticks.tick("20 10:15")
        assert {store.runs.get(one).task_id for one in done.launched} == {uid(1), uid(3)}
        assert store.runs.get(done.held[0]).held_reason == "concurrency"

    def test_one_job_does_not_take_all_places_while_another_waits(self, store, ticks):
        store.write_settings(store.settings().changed(max_concurrent_tasks=2))
        store.jobs.put(job(100, max_parallel=5), job(101, max_parallel=5))
        first, second = {"job_id": uid(100)}, {"job_id": uid(101)}
        store.tasks.put(task(1, **first), task(2, **first), task(3, **first), task(4, **second))
        done = ticks.tick("20 10:15")
        assert {store.runs.get(one).job_id for one in done.launched} == {uid(100), uid(101)}


def test_a_clock_far_ahead_at_creation_does_not_silence_a_task_for_good(store, ticks):
    store.tasks.put(task(born=at("20 10:00") + timedelta(days=300)))
    assert [slot for slot, _ in ticks.every_minute("20 10:01", "20 10:31")] == [
        at("20 10:15"),
        at("20 10:30"),
    ]
