"""Why a task ran or did not: the first sentence is the answer."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest
from histories import at, run, task, uid
from nights import Night

from ccs.claude import outcome
from ccs.errors import NotFound
from ccs.model.run import Status
from ccs.report import why
from ccs.report.reasons import SENTENCES, sentence

# As DESIGN.md lists them, by the status they go with.
WORDS = {
    "upcoming": "overlap limit reserve budget outage concurrency hours retry approval",
    "success": "denied wrapped_up",
    "failed": "error auth billing overloaded rate_limited network timeout hung max_turns max_budget"
    " prompt_too_long model_not_found bad_request verify_failed start_failed env_failed"
    " workdir_missing killed",
    "limited": "usage_limit",
    "cancelled": "stopped replaced",
    "lost": "crash shutdown",
    "skipped": "overlap missed expired disabled hours over_budget max_runs after open",
}


def say(moment):
    return f"{moment:%d %H:%M}"


def asked(store, slot=None, now="20 12:00", reference="task 1"):
    found = why.answer(store, reference, at(slot) if slot else None, at(now), say)
    return found.lines


class TestWords:
    def test_every_reason_has_a_sentence(self):
        listed = {(status, word) for status, words in WORDS.items() for word in words.split()}
        plain = {("upcoming", None), ("running", None), ("success", None)}
        assert set(SENTENCES) == listed | plain

    def test_every_status_and_every_verdict_of_the_client_room_has_one(self):
        assert {status for status, _ in SENTENCES} == set(get_args(Status))
        assert {(row[0], row[1]) for row in outcome._RULES} <= set(SENTENCES)

    @pytest.mark.parametrize("words", SENTENCES.values())
    def test_each_is_one_sentence(self, words):
        assert words.startswith("It ")
        assert words.endswith(".")
        assert len(words) < 90

    def test_no_two_reasons_say_the_same(self):
        assert len(set(SENTENCES.values())) == len(SENTENCES)

    def test_a_word_of_a_later_version_is_still_told(self):
        odd = run(9, task(), status="failed", reason="moonlight")
        assert sentence(odd) == "It is failed: moonlight."


class TestInGeneral:
    def test_a_new_task_without_any_tick(self, store):
        store.tasks.put(task())
        lines = asked(store)
        assert lines[0].startswith("Nothing calls ccs tick")
        assert lines[1:] == [
            "There has never been a tick.",
            "It has not run yet.",
            "Its schedule is */15 * * * * (UTC); its next slot is 20 12:15.",
        ]

    def test_a_tick_of_three_minutes_ago_is_alive_and_of_four_is_not(self, store, last_tick):
        store.tasks.put(task())
        last_tick("20 11:57")
        assert asked(store)[-1] == "The last tick was 2m59s ago."
        last_tick("20 11:56")
        assert asked(store)[:2] == [
            "Nothing calls ccs tick: ccs install changes that.",
            "The last tick was 3m59s ago.",
        ]

    def test_a_disabled_task(self, store, last_tick):
        store.tasks.put(task(enabled=False))
        last_tick("20 12:00")
        first, *_, schedule, _ = asked(store)
        assert first == "It is disabled, so nothing starts it by itself: ccs tasks enable."
        assert schedule == "Its schedule is */15 * * * * (UTC); no slot is to come."

    def test_a_running_one(self, store, last_tick):
        store.tasks.put(task())
        store.runs.put(run(5, task(), status="running", start_time=at("20 11:45")))
        last_tick("20 12:00")
        assert asked(store)[0] == "It is running, since 20 11:45."

    def test_a_waiting_one_says_what_holds_it_and_until_when(self, store, last_tick):
        store.tasks.put(task(between="13:30-14:00"))
        store.runs.put(run(5, task(), held_reason="hours"))
        last_tick("20 12:00")
        assert asked(store)[0] == (
            "Its run of 20 10:15 waits. It waits for the hours in which it may start. "
            "Until 20 13:30."
        )

    def test_a_waiting_one_with_a_time_of_its_own(self, store, last_tick):
        store.tasks.put(task())
        later = {"not_before": at("20 15:00"), "missed_slots": 2, "last_slot": at("20 11:45")}
        store.runs.put(run(5, task(), held_reason="limit", **later))
        last_tick("20 12:00")
        assert asked(store)[0].endswith("Until 20 15:00. 2 more slots were counted into it.")

    def test_the_last_run_and_what_it_said(self, store, last_tick):
        store.tasks.put(task())
        ended = {"status": "failed", "reason": "auth", "message": "Please run /login"}
        store.runs.put(
            run(4, task(), status="success", scheduled_time=at("20 10:00")),
            run(5, task(), **ended, start_time=at("20 10:15")),
        )
        last_tick("20 12:00")
        assert asked(store)[:3] == [
            "Its last run was of 20 10:15. It failed: the API did not accept its login.",
            "It said: Please run /login",
            "The run: schedule, started 20 10:15; ccs runs log 00000000",
        ]

    def test_the_last_run_is_found_in_history(self, store, last_tick):
        store.tasks.put(task())
        store.history.append([run(5, task(), status="lost", reason="crash").record()])
        last_tick("20 12:00")
        assert asked(store)[0].endswith("died without a result.")

    def test_a_limited_run_says_when_the_limit_resets(self, store, last_tick):
        store.tasks.put(task())
        limit = {"limit_type": "five_hour", "resets_at": at("20 15:00")}
        store.runs.put(run(5, task(), status="limited", reason="usage_limit", **limit))
        last_tick("20 12:00")
        assert "The five_hour limit resets at 20 15:00." in asked(store)

    @pytest.mark.parametrize("kind", ["manual", "sequential"])
    def test_what_no_tick_starts_does_not_complain_of_ticks_first(self, store, kind):
        made = task(1, None, job_id=uid(9)).changed(schedule={"schedule_type": kind})
        store.tasks.put(made)
        lines = asked(store)
        assert "Its job does not exist" in lines[0]
        assert any(line.startswith("It goes by no clock; it waits for") for line in lines)

    def test_a_slot_that_will_be_skipped_says_so(self, store, last_tick):
        store.tasks.put(task(between="18:00-19:00"))
        last_tick("20 12:00")
        line = "its next slot is 20 12:15 (skip hours: outside 18:00-19:00)."
        assert any(one.endswith(line) for one in asked(store))

    def test_a_program_it_needs_that_is_missing(self, store, last_tick, monkeypatch, tmp_path):
        store.tasks.put(task(isolation="tmux"))
        last_tick("20 12:00")
        monkeypatch.setenv("PATH", str(tmp_path))
        assert (
            asked(store)[0] == "Its runs fail: it is to run in tmux, which was not found on PATH."
        )

    @pytest.mark.parametrize("reference", [uid(1), uid(1)[:8], "task 1"])
    def test_a_record_that_cannot_be_used(self, store, reference):
        store.tasks.put(task())
        path = Path(store.home.collection("tasks"))
        path.write_text(path.read_text().replace('"priority": 0', '"priority": "x"'))
        assert asked(store, reference=reference)[0].startswith(f"It cannot run: {path}:")
        with pytest.raises(NotFound):
            asked(store, reference="nobody")


class TestOfASlot:
    def test_that_ran(self, store, ticks):
        store.tasks.put(task())
        ticks.every_minute("20 10:15", "20 10:16")
        assert asked(store, "20 10:15")[0] == "It succeeded."

    def test_whatever_second_is_asked_for(self, store, ticks):
        store.tasks.put(task())
        ticks.every_minute("20 10:15", "20 10:16")
        slot = at("20 10:15") + timedelta(seconds=40)
        found = why.answer(store, uid(1), slot, at("20 12:00"), say)
        assert found.record() == {
            "task_id": uid(1),
            "slot": "2026-11-20T10:15:00.000Z",
            "answer": "It succeeded.",
            "details": found.lines[1:],
        }

    def test_that_ran_long_ago(self, store, ticks):
        store.tasks.put(task())
        ticks.every_minute("20 10:15", "20 10:16")
        (old,) = store.runs.all()
        store.history.append([old.record()])
        store.runs.remove([old.id])
        assert asked(store, "20 10:15")[0] == "It succeeded."

    def streak(self, store, ticks):
        store.tasks.put(task())
        (first,) = ticks.tick("20 10:15").launched
        ticks.begin(first)
        for minute in (30, 45):
            ticks.tick(f"20 10:{minute}")

    @pytest.mark.parametrize("slot", ["20 10:30", "20 10:45"])
    def test_of_a_skipped_streak(self, store, ticks, slot):
        self.streak(store, ticks)
        lines = asked(store, slot)
        assert lines[0] == "It was skipped: the run before it was still going on."
        counted = "It is one of 2 slots in one record, the first of 20 10:30."
        assert (counted in lines) == (slot == "20 10:45")

    def test_of_a_streak_that_has_gone_to_history(self, store, ticks):
        self.streak(store, ticks)
        skipped = [one for one in store.runs.all() if one.status == "skipped"]
        store.history.append([one.record() for one in skipped])
        store.runs.remove(one.id for one in skipped)
        assert asked(store, "20 10:45")[0].startswith("It was skipped: the run before it")

    def test_counted_into_a_waiting_run(self, store, ticks):
        store.tasks.put(task(overlap="queue"))
        (first,) = ticks.tick("20 10:15").launched
        ticks.begin(first)
        ticks.tick("20 10:30")
        ticks.tick("20 10:45")
        assert asked(store, "20 10:45")[:2] == [
            "It did not run by itself: it was counted into the run of 20 10:30, which waited.",
            "Of that run: It waits until the task's other run has ended.",
        ]
        assert asked(store, "20 10:30")[0].startswith("It waits until the task's other run")

    def test_missed_and_counted_into_the_catch_up(self, store, ticks):
        store.tasks.put(task())
        ticks.every_minute("20 11:50", "20 11:51")
        (made,) = store.runs.all()
        assert (made.scheduled_time, made.missed_slots) == (at("20 11:45"), 6)
        lines = asked(store, "20 10:30")
        assert lines[0].startswith("It was missed: no tick came in time")
        assert lines[0].endswith("It was counted into the run of 20 11:45.")
        assert lines[1] == "Of that run: It succeeded."

    def test_a_year_of_missed_slots_is_told_of_its_first_too(self, store, ticks):
        store.tasks.put(task(cron="0 * * * *", born=at("20 10:00") - timedelta(days=365)))
        ticks.tick("20 10:01")
        slot = at("20 10:00") - timedelta(days=300)
        lines = why.answer(store, "task 1", slot, at("20 12:00"), say).lines
        assert "no tick came in time" in lines[0]
        assert any("100 or more other slots" in line for line in lines)

    def test_missed_altogether(self, store, ticks):
        store.tasks.put(task(catch_up="none"))
        ticks.tick("20 11:50")
        assert asked(store, "20 11:45")[0].startswith("It was missed: no tick came in time")
        assert asked(store, "20 11:15")[0].startswith("It was missed: no tick came in time")

    def test_outside_the_hours(self, store, ticks):
        store.tasks.put(task(between="18:00-19:00"))
        ticks.every_minute("20 10:01", "20 10:31")
        for slot in ("20 10:15", "20 10:30"):
            expected = "It was skipped: outside the hours in which the task may start."
            assert asked(store, slot)[0] == expected

    def test_before_the_task_was_there(self, store):
        store.tasks.put(task(born=at("20 11:00")))
        assert asked(store, "20 10:45")[0].startswith("Its schedule counts from 20 11:00 on")
        assert asked(store, "20 11:00")[0].startswith("Its schedule counts from 20 11:00 on")

    def test_no_slot_of_the_schedule(self, store):
        store.tasks.put(task())
        assert asked(store, "20 10:20") == [
            "That is no slot of its schedule.",
            "Its schedule is */15 * * * * (UTC); near it are 20 10:15 and 20 10:30.",
        ]

    def test_no_slot_but_somebody_ran_it(self, store):
        store.tasks.put(task())
        by_hand = run(5, task(), trigger="manual", status="success", scheduled_time=at("20 10:20"))
        store.runs.put(by_hand)
        assert asked(store, "20 10:20")[0] == "It succeeded."

    def test_outside_its_bounds(self, store):
        store.tasks.put(task(until=at("20 10:30")))
        assert asked(store, "20 10:45")[0] == "It lies outside the task's not_before and until."
        assert not asked(store, "20 10:30")[0].startswith("It lies outside")

    def test_of_a_disabled_task(self, store):
        store.tasks.put(task(enabled=False))
        assert asked(store, "20 10:45")[0] == "The task is disabled, since 20 10:00."

    def test_of_a_kind_without_slots(self, store):
        store.tasks.put(task(cron=None))
        assert asked(store, "20 10:45")[0].startswith(
            "The task has no slots: it waits for somebody"
        )

    def test_to_come(self, store, last_tick):
        store.tasks.put(task(between="10:00-12:20"))
        last_tick("20 12:00")
        assert asked(store, "20 12:15")[0] == (
            "It has not come yet; as things stand: run (*/15 * * * * (UTC))."
        )
        assert "skip hours" in asked(store, "20 12:30")[0]

    def test_not_looked_at_by_any_tick(self, store, ticks, last_tick):
        store.tasks.put(task())
        ticks.every_minute("20 10:15", "20 10:16")
        last_tick("20 10:16")
        assert asked(store, "20 11:30")[:2] == [
            "No tick has decided it yet; the next one does.",
            "The last tick was 1h43m59s ago.",
        ]

    def test_deleted(self, store, ticks):
        store.tasks.put(task())
        ticks.every_minute("20 10:15", "20 10:16")
        store.forget_runs(store.runs.all())
        assert asked(store, "20 10:15")[0] == "Its run was deleted."

    def test_without_any_record(self, store, ticks):
        store.tasks.put(task())
        ticks.every_minute("20 10:15", "20 10:31")
        store.runs.remove([one.id for one in store.runs.all()])
        assert asked(store, "20 10:15")[0] == "It was decided, but no record of it is left."

    def test_other_tasks_runs_do_not_answer(self, store, ticks):
        store.tasks.put(task(), task(2, "20 * * * *"))
        ticks.every_minute("20 10:15", "20 10:21")
        assert asked(store, "20 10:20")[0] == "That is no slot of its schedule."


def test_history_is_read_only_as_far_back_as_it_can_answer(store, monkeypatch):
    store.tasks.put(task(born=at("01 00:00")))
    old = [
        run(number, task(), status="success", scheduled_time=at(f"{number:02} 10:15"))
        for number in range(2, 20)
    ]
    store.history.append([one.record() for one in old])
    store.cursors.write(store.cursors.read(), [{"id": uid(1), "slot": "2026-11-20T11:00:00.000Z"}])
    read = []
    whole = store.every_run

    def counting():
        for one in whole():
            read.append(one.id)
            yield one

    monkeypatch.setattr(store, "every_run", counting)
    assert asked(store, "18 10:30")[0].startswith("It was decided")
    assert len(read) == 2


def test_a_slot_that_was_counted_into_a_parked_run_is_told(store, monkeypatch):
    night = Night(store, monkeypatch)
    store.tasks.put(task(1, "*/15 * * * *"))
    [run_id] = night.tick("20 10:15").launched
    assert night.started(run_id)
    night.meet_limit(run_id, at("20 12:00"))
    night.tick("20 10:30")
    night.tick("20 10:45")
    for slot in ("20 10:30", "20 10:45"):
        assert "it was counted into the run of" in asked(store, slot)[0]
    assert asked(store, "20 10:37")[0] == "That is no slot of its schedule."
