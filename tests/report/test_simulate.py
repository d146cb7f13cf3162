"""What a simulation tells, that it tells what ticks would do, and that it touches nothing."""

from __future__ import annotations

import os
import random
import tempfile
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from histories import Ticks, at, job, run, task, uid

from ccs import instant
from ccs.engine import launch, watch
from ccs.errors import InvalidInput
from ccs.host import process
from ccs.report import simulate
from ccs.report.simulate import Simulation
from ccs.store.home import Home
from ccs.store.store import Store

UTC = ZoneInfo("UTC")
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _nothing_starts_and_nothing_is_signalled(monkeypatch):
    """A simulated run has the id of a real one: looking for its processes would find those."""

    def refuse(*args, **kwargs):
        raise AssertionError("a simulation reached for a process")

    for where, name in (
        (launch, "detached"),
        (watch, "start_ccs"),
        (os, "kill"),
        (process, "signal_carriers"),
        (process, "carriers"),
    ):
        monkeypatch.setattr(where, name, refuse)


def simulated(store, first, last, now="20 10:00", kind=Simulation, **options):
    made = kind(store, at(first), at(last), at(now), **options)
    return made, list(made.events())


def told(events):
    """`10:15 launch task 1 schedule`"""
    return [f"{e.at:%H:%M} {e.verb} {e.run.task_name} {e.why}" for e in events]


def files(store):
    root = Path(store.home.path)
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_launches_and_ends_are_told_in_order(store):
    store.tasks.put(task())
    made, events = simulated(store, "20 10:01", "20 10:32", lasts=timedelta(minutes=3))
    assert told(events) == [
        "10:15 launch task 1 schedule",
        "10:18 end task 1 success",
        "10:30 launch task 1 schedule",
    ]
    assert (made.counts["launch"], made.counts["success"], made.counts["end"]) == (2, 1, 1)


def test_the_store_is_not_touched_and_the_copy_goes_away(store, tmp_path, monkeypatch):
    monkeypatch.setattr(simulate, "_MEMORY", str(tmp_path))
    store.tasks.put(task(), task(2, "* * * * *", overlap="replace"))
    store.runs.put(run(50, task(), status="running"))
    before = files(store)
    simulated(store, "20 10:01", "20 12:00")
    assert files(store) == before
    assert list(tmp_path.glob("ccs-simulate-*")) == []


def test_no_prompt_and_no_profile_is_copied(store, monkeypatch):
    store.tasks.put(task(prompt="the secret plan"))
    seen = []

    class Kept(tempfile.TemporaryDirectory):
        def cleanup(self):
            seen.extend(path for path in Path(self.name).rglob("*") if path.is_file())
            self.texts = b"".join(path.read_bytes() for path in seen)
            assert b"secret" not in self.texts
            super().cleanup()

        def __exit__(self, *args):
            self.cleanup()

    monkeypatch.setattr(simulate, "TemporaryDirectory", Kept)
    simulated(store, "20 10:01", "20 11:00")
    assert "tasks.json" in {path.name for path in seen}
    assert "profiles.json" not in {path.name for path in seen}


def test_it_launches_what_ticks_launch(store, tmp_path, monkeypatch):
    home = Home(str(tmp_path / "other"))
    home.create()
    other = Store(home)
    tasks = [
        task(1, "*/7 * * * *", between="10:30-11:10"),
        task(2, None).changed(
            schedule={"schedule_type": "interval", "every": "9m", "start": at("20 10:02")}
        ),
        task(3, "5 11 * * *", max_runs=1),
    ]
    for one in (store, other):
        one.tasks.put(*tasks)
    _, events = simulated(store, "20 10:25", "20 11:15", now="20 10:25", lasts=timedelta(0))
    launched = [(e.run.scheduled_time, e.run.trigger) for e in events if e.verb == "launch"]
    seen = Ticks(other, monkeypatch).every_minute("20 10:25", "20 11:15")
    assert sorted(launched) == sorted(seen)


class EveryMinute(Simulation):
    def _next(self, moment):
        return moment + MINUTE


def chance_tasks(seed):
    dice = random.Random(seed)
    crons = ["* * * * *", "*/7 * * * *", "3 * * * *", "20-40/5 * * * *", "59 10 * * *"]
    for number in range(1, 7):
        yield task(
            number,
            dice.choice(crons),
            overlap=dice.choice(["skip", "queue", "replace", "allow"]),
            between=dice.choice([None, "10:20-11:05", "11:50-10:10"]),
            max_runs=dice.choice([None, None, 2]),
            catch_up=dice.choice(["one", "none", "all"]),
            priority=dice.choice([0, 0, 5]),
            timeout=dice.choice(["4h", "4m"]),
        )


@pytest.mark.parametrize("seed", range(4))
def test_the_minutes_left_out_change_nothing(store, seed):
    store.write_settings(store.settings().changed(max_concurrent_tasks=2))
    store.tasks.put(*chance_tasks(seed))
    lasts = timedelta(seconds=[90, 260, 1500, 420][seed])
    quick, events = simulated(store, "20 10:01", "20 11:31", lasts=lasts)
    slow, expected = simulated(store, "20 10:01", "20 11:31", lasts=lasts, kind=EveryMinute)
    assert [one.record() for one in events] == [one.record() for one in expected]
    assert quick.counts["ticks"] <= slow.counts["ticks"] == 91


def test_an_idle_year_costs_few_ticks(store):
    store.tasks.put(task(cron="0 3 1 * *"), task(2, "0 4 * * *", enabled=False))
    made = Simulation(store, at("20 10:01"), at("20 10:01") + timedelta(days=365), at("20 10:00"))
    events = list(made.events())
    assert (made.counts["launch"], made.counts["success"], len(events)) == (12, 12, 24)
    assert made.counts["ticks"] < 40


class TestOverlapAndPlaces:
    def test_skip_tells_one_skip_and_counts_the_rest(self, store):
        store.tasks.put(task())
        _, events = simulated(store, "20 10:10", "20 10:50", lasts=timedelta(minutes=40))
        assert told(events) == [
            "10:15 launch task 1 schedule",
            "10:30 skip task 1 overlap",
            "10:45 count task 1 overlap",
        ]
        assert events[-1].slot == at("20 10:45")

    def test_a_queued_run_starts_when_the_other_has_ended(self, store):
        store.tasks.put(task(overlap="queue"))
        _, events = simulated(store, "20 10:10", "20 10:40", lasts=timedelta(minutes=20))
        assert told(events)[1:] == [
            "10:30 hold task 1 overlap",
            "10:35 end task 1 success",
            "10:35 launch task 1 schedule",
        ]

    def test_replace_ends_the_run_that_goes_on(self, store):
        store.tasks.put(task(overlap="replace"))
        _, events = simulated(store, "20 10:10", "20 10:32", lasts=timedelta(hours=1))
        assert told(events) == [
            "10:15 launch task 1 schedule",
            "10:30 hold task 1 overlap",
            "10:30 end task 1 cancelled replaced",
            "10:31 launch task 1 schedule",
        ]

    def test_places_go_by_priority(self, store):
        store.write_settings(store.settings().changed(max_concurrent_tasks=1))
        store.tasks.put(task(1), task(2, priority=1))
        _, events = simulated(store, "20 10:15", "20 10:21")
        assert told(events) == [
            "10:15 launch task 2 schedule",
            "10:15 hold task 1 concurrency",
            "10:20 end task 2 success",
            "10:20 launch task 1 schedule",
        ]

    def test_hours_hold_a_run_and_the_minutes_between_are_not_ticked(self, store):
        store.tasks.put(task(1, "10 9 20 11 *", between=["09:00-09:20", "13:00-14:00"][0]))
        store.tasks.put(task(2, "0 9 20 11 *"))
        store.write_settings(store.settings().changed(max_concurrent_tasks=1))
        made, events = simulated(
            store, "20 08:50", "21 09:05", now="20 08:50", lasts=timedelta(minutes=30)
        )
        assert "09:00 launch task 1 schedule" in told(events)
        assert made.counts["ticks"] < 20


class TestEnds:
    def test_a_run_takes_the_median_of_its_task(self, store):
        one = task()
        store.tasks.put(one)
        took = [("success", 60), ("success", 120), ("success", 9000), ("failed", 1)]
        store.runs.put(
            *(run(50 + n, one, status=s, duration=d, scheduled_time=at("20 09:00"))
              for n, (s, d) in enumerate(took))
        )  # fmt: skip
        _, events = simulated(store, "20 10:01", "20 10:20")
        assert told(events)[-1] == "10:17 end task 1 success"

    def test_older_runs_count_too(self, store):
        one = task()
        store.tasks.put(one)
        old = run(50, one, status="success", duration=180, scheduled_time=at("19 09:00"))
        store.history.append([old.record()])
        _, events = simulated(store, "20 10:01", "20 10:20")
        assert told(events)[-1] == "10:18 end task 1 success"

    def test_five_minutes_when_nothing_is_known_and_timeouts_end_earlier(self, store):
        store.tasks.put(task(1), task(2, timeout="2m"))
        _, events = simulated(store, "20 10:01", "20 10:20")
        assert told(events)[2:] == [
            "10:17 end task 2 failed timeout",
            "10:20 end task 1 success",
        ]

    def test_a_limited_run_goes_on_after_the_reset(self, store):
        store.tasks.put(task())
        limit = simulate.limit("five_hour@10:20+20m", at("20 10:01"), UTC)
        made, events = simulated(store, "20 10:01", "20 10:59", limit=limit)
        assert [words for words in told(events) if "end" in words] == [
            "10:20 end task 1 success",
            "10:30 end task 1 limited usage_limit",
            "10:47 end task 1 success",
        ]
        (limited,) = [e.run for e in events if e.run.status == "limited"]
        assert (limited.limit_type, limited.resets_at) == ("five_hour", at("20 10:40"))
        assert made.counts["limited"] == 1


class TestWhereItStarts:
    def test_what_runs_or_waits_is_left_out_and_said(self, store):
        one = task()
        store.tasks.put(one)
        store.runs.put(run(50, one, status="running"), run(51, one, held_reason="overlap"))
        made, events = simulated(store, "20 10:20", "20 10:31", now="20 10:20")
        assert made.notes == ["left out: 2 runs that go on or wait"]
        assert "10:30 launch task 1 schedule" in told(events)

    def test_now_begins_with_what_was_missed(self, store):
        store.tasks.put(task(cron="0 * * * *"))
        _, events = simulated(store, "20 13:30", "20 13:59", now="20 13:30")
        assert told(events)[0] == "13:30 launch task 1 catch_up"
        assert events[0].run.missed_slots == 2

    def test_a_start_to_come_takes_ticks_to_have_gone_on_until_then(self, store):
        store.tasks.put(task(), task(2, None).changed(schedule={"schedule_type": "startup"}))
        _, events = simulated(store, "21 10:05", "21 10:16")
        assert told(events) == ["10:15 launch task 1 schedule"]

    def test_the_past_is_simulated_with_the_tasks_of_today(self, store, ticks):
        store.tasks.put(task(1), task(2, born=at("20 12:00")))
        ticks.every_minute("20 10:29", "20 10:31")
        _, events = simulated(store, "20 10:25", "20 10:32", now="20 12:20")
        assert told(events) == ["10:30 launch task 1 schedule", "10:30 launch task 2 schedule"]

    def test_runs_of_old_count_against_max_runs(self, store):
        one = task(max_runs=2)
        store.tasks.put(one)
        old = run(50, one, status="success", scheduled_time=at("19 09:00"))
        store.history.append([old.record()])
        _, events = simulated(store, "20 10:01", "20 10:31")
        assert told(events)[-1] == "10:30 skip task 1 max_runs"

    def test_a_job_in_progress_rests(self, store):
        store.tasks.put(task(1, None, job_id=uid(9)))
        going = {"id": uid(8), "order": [uid(1)]}
        store.jobs.put(job(9, 1, status="in_progress", run=going))
        assert simulated(store, "20 10:01", "20 10:31")[1] == []

    def test_what_cannot_be_foreseen_or_read_is_said(self, store):
        watch = {"schedule_type": "file_watch", "watch_directory": "/srv"}
        store.tasks.put(task(1), task(2, None).changed(schedule=watch), task(3))
        path = Path(store.home.collection("tasks"))
        path.write_text(path.read_text().replace('"task 3"', '""'))
        made, events = simulated(store, "20 10:01", "20 10:16")
        broken, watching = sorted(made.notes)
        assert "name: must not be empty" in broken
        assert watching == "not simulated: task 2 waits for a change below /srv"
        assert told(events) == ["10:15 launch task 1 schedule"]

    def test_a_start_within_a_minute_begins_with_the_next(self, store):
        store.tasks.put(task(cron="* * * * *", overlap="allow"))
        made = Simulation(store, at("20 10:01") + 5 * MINUTE / 60, at("20 10:03"), at("20 10:00"))
        assert [e.at for e in made.events()] == [at("20 10:02"), at("20 10:03")]


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (at("20 10:00"), at("20 10:00")),
        (at("20 10:00"), at("20 09:00")),
        (at("20 10:00"), at("20 10:00") + timedelta(days=401)),
    ],
)
def test_spans_without_sense_are_refused(store, first, last):
    with pytest.raises(InvalidInput):
        Simulation(store, first, last, at("20 10:00"))


@pytest.mark.parametrize(
    ("words", "begins", "resets"),
    [
        ("five_hour@+5h", "20 10:00", "20 15:00"),
        ("five_hour@+2h+5h", "20 12:00", "20 17:00"),
        ("seven_day@2026-11-20T11:00+01:00+1d", "20 10:00", "21 10:00"),
        ("seven_day@18:00+90m", "20 18:00", "20 19:30"),
    ],
)
def test_a_limit_is_a_window_a_time_and_a_span(words, begins, resets):
    found = simulate.limit(words, at("20 10:00"), UTC)
    assert (found.start, found.resets_at) == (at(begins), at(resets))


@pytest.mark.parametrize(
    "words", ["", "five_hour", "five_hour@10:00", "@+5h", "Five@+5h", "a@x+5h", "a@+x", "a@+"]
)
def test_anything_else_is_no_limit(words):
    with pytest.raises(InvalidInput) as refused:
        simulate.limit(words, at("20 10:00"), UTC)
    assert "five_hour@" in refused.value.hint


def test_an_event_as_it_is_shown_to_programs(store):
    store.tasks.put(task())
    _, (event,) = simulated(store, "20 10:01", "20 10:15")
    assert event.record() == {
        "at": instant.text(at("20 10:15")),
        "verb": "launch",
        "task_id": uid(1),
        "task_name": "task 1",
        "run_id": event.run.id,
        "slot": instant.text(at("20 10:15")),
        "why": "schedule",
    }
