"""Runs that meet a limit: parked with all they need, resumed after the reset, once, in order."""

from __future__ import annotations

import os
import random
from datetime import timedelta

import pytest
from histories import at, job, task, uid
from nights import MINUTE, facts

from ccs import __version__, instant
from ccs.engine import jobs, tasks, usage
from ccs.engine import runs as run_verbs
from ccs.errors import Conflict
from ccs.store import agenda
from ccs.store.asked import as_it_ran

ONCE = "15 10 * * *"


def limited(night, number=1, resets="20 12:00", window="five_hour", when="20 10:15", **fields):
    """A run of a task, refused until then; what is parked of it."""
    night.store.tasks.put(task(number, ONCE, **fields))
    night.tick(when)
    [run_id] = [one.id for one in night.runs if one.task_id == uid(number)]
    assert night.started(run_id)
    night.hears(run_id, facts("rejected", window, 1, at(resets)))
    night.meet_limit(run_id, at(resets), window)
    return next((one for one in night.parked() if one.resumed_from == run_id), None)


def calls(night, run_id):
    asked = as_it_ran(night.store.home, run_id)
    return asked["calls"]


class TestParking:
    def test_the_run_that_goes_on_is_recorded_with_the_end_of_the_one_before(self, night):
        parked = limited(night)
        [before, _] = night.runs
        assert (before.status, before.reason) == ("limited", "usage_limit")
        assert (parked.status, parked.held_reason, parked.trigger) == (
            *("upcoming", "limit", "resume"),
        )
        assert parked.session_id == before.session_id == before.id
        assert (parked.cwd, parked.account, parked.attempt) == ("/", "default", before.attempt)
        assert (parked.parks, parked.resumed_from) == (1, before.id)
        assert parked.not_before == at("20 12:00") + timedelta(seconds=90)

    def test_let_go_early_it_is_looked_at_until_it_has_begun(self, night, monkeypatch):
        def idle(moment):
            monkeypatch.setattr(agenda.time, "time", lambda: at(moment).timestamp())
            return agenda.idle(night.store.home.path, __version__)

        parked = limited(night)
        night.tick("20 10:16")
        usage.clear(night.store, "default", at("20 10:29"))
        for minute in (30, 31):  # the first supervisor ends before it can begin
            assert night.tick(f"20 10:{minute}").launched == [parked.id]
            assert not idle(f"20 10:{minute + 1}")
        assert night.started(parked.id)
        night.tick("20 10:32")
        assert idle("20 10:33")

    @pytest.mark.parametrize("times", [1, 2, 3])
    def test_killed_before_it_could_be_told_it_is_parked_once(self, night, times):
        """The outcome is on disk, the supervisor is gone; ticks come twice and more."""
        night.store.tasks.put(task(1, ONCE))
        [run_id] = night.tick("20 10:15").launched
        assert night.started(run_id)
        night.meet_limit(run_id, at("20 12:00"), merged=False)
        for minute in range(times):
            night.tick(at("20 10:16") + minute * MINUTE)
        [parked] = night.parked()
        assert (parked.resumed_from, parked.session_id) == (run_id, run_id)
        assert len(night.runs) == 2

    def test_it_goes_on_after_the_reset_and_not_before(self, night):
        parked = limited(night)
        for early in ("20 10:16", "20 11:59", "20 12:00", "20 12:01"):
            assert night.tick(early).launched == []
        assert night.tick("20 12:02").launched == [parked.id]
        assert night.started(parked.id)
        assert night.tick("20 12:03").launched == []

    def test_it_goes_on_in_its_session_with_its_flags_and_asks_to_look_first(self, night):
        parked = limited(night, permission_mode="plan", mcp_config=["{}"])
        night.tick("20 12:02")
        resumed, fresh = calls(night, parked.id)
        options = resumed["options"]
        assert options[options.index("--resume") + 1] == parked.session_id
        assert "--session-id" not in options
        for flag in ("--permission-mode", "--mcp-config"):
            assert flag in options
            assert flag in fresh["options"]
        assert "git status" in resumed["prompt"] or "state" in resumed["prompt"]
        assert fresh["prompt"] == "go"
        assert fresh["options"][fresh["options"].index("--session-id") + 1] == parked.session_id

    def test_what_was_changed_meanwhile_counts(self, night):
        """The task as it is now, in the place and on the account where the work was begun."""
        parked = limited(night)
        tasks.update(night.store, uid(1), {"model": "haiku"}, at("20 11:00"))
        assert night.tick("20 12:02").launched == [parked.id]
        options = calls(night, parked.id)[0]["options"]
        assert options[options.index("--model") + 1] == "haiku"

    def test_a_limit_is_the_end_where_the_task_says_so(self, night):
        assert limited(night, on_limit="fail") is None
        assert night.statuses() == [("limited", "usage_limit")]

    def test_nothing_goes_on_without_a_session(self, night):
        night.store.tasks.put(task(1, ONCE))
        [run_id] = night.tick("20 10:15").launched
        assert night.started(run_id)
        told = {"limit_type": "five_hour", "resets_at": instant.text(at("20 12:00"))}
        night.end(run_id, "limited", "usage_limit", session_id=None, **told)
        assert night.parked() == []


class TestAgainAndAgain:
    def test_a_second_refusal_parks_until_the_new_reset(self, night):
        first = limited(night)
        night.tick("20 12:02")
        assert night.started(first.id)
        night.meet_limit(first.id, at("20 17:00"))
        [second] = night.parked()
        assert (second.parks, second.session_id) == (2, first.session_id)
        assert second.not_before == at("20 17:00") + timedelta(seconds=90)
        assert [one.attempt for one in night.runs] == [1, 1, 1]
        assert night.alarms() == []

    def test_the_fifth_in_a_row_is_an_alarm_and_it_goes_on_all_the_same(self, night):
        parked = limited(night, resets="20 10:20")
        for hour in range(11, 16):
            assert night.alarms().count("parked") == (parked.parks >= 5)
            assert night.tick(f"20 {hour}:00").launched == [parked.id]
            assert night.started(parked.id)
            night.meet_limit(parked.id, at(f"20 {hour}:10"))
            [parked] = night.parked()
        assert parked.parks == 6
        assert night.alarms() == ["parked"]

    def test_refused_after_the_reset_without_a_new_one_it_waits_a_little_longer_each_time(
        self, night
    ):
        parked = limited(night, resets="20 10:20")
        waits = []
        for _ in range(6):
            moment = parked.not_before + MINUTE
            assert night.tick(moment).launched == [parked.id]
            assert night.started(parked.id)
            night.meet_limit(parked.id, at("20 10:20"))
            [parked] = night.parked()
            waits.append((parked.not_before - moment).total_seconds() // 60)
        assert waits == [6, 11, 21, 41, 61, 61]

    def test_the_server_told_no_reset(self, night):
        night.store.tasks.put(task(1, ONCE))
        [run_id] = night.tick("20 10:15").launched
        assert night.started(run_id)
        night.end(run_id, "limited", "usage_limit", limit_type="five_hour", resets_at=None)
        [parked] = night.parked()
        assert parked.not_before == at("20 11:15") + timedelta(seconds=90)
        assert night.tick("20 11:16").launched == []
        assert night.tick("20 11:17").launched == [parked.id]

    @pytest.mark.parametrize("resets", ["3026-01-01", "2090-01-01", "1970-01-01"])
    def test_no_reset_holds_longer_than_its_window_lasts(self, night, resets):
        night.store.tasks.put(task(1, ONCE))
        [run_id] = night.tick("20 10:15").launched
        assert night.started(run_id)
        told = {"limit_type": "five_hour", "resets_at": f"{resets}T00:00:00.000Z"}
        night.end(run_id, "limited", "usage_limit", **told)
        [parked] = night.parked()
        assert parked.not_before <= at("20 15:15") + 2 * MINUTE
        assert night.tick("20 15:18").launched == [parked.id]

    def test_refused_after_it_had_been_served_the_row_begins_anew(self, night):
        """A task that fills five windows with good work is no alarm."""
        parked = limited(night)
        for day in range(21, 27):
            assert night.tick(f"{day} 12:00").launched == [parked.id]
            assert night.started(parked.id)
            used = {"input": 5, "output": 7, "cache_read": 0, "cache_creation": 0}
            told = {"limit_type": "five_hour", "resets_at": f"2026-11-{day}T16:00:00.000Z"}
            night.end(parked.id, "limited", "usage_limit", usage=used, **told)
            [parked] = night.parked()
        assert parked.parks == 1
        assert night.alarms() == []


class TestSeveralWindows:
    def test_the_latest_reset_counts(self, night):
        parked = limited(night, resets="23 09:00", window="seven_day")
        assert night.tick("20 15:30").launched == []
        assert night.tick("22 23:00").launched == []
        assert night.tick("23 09:02").launched == [parked.id]

    def test_a_window_of_one_model_holds_that_model_only(self, night):
        limited(night, window="seven_day_opus", resets="23 09:00", model="opus")
        night.store.tasks.put(task(2, "30 10 * * *", model="sonnet"))
        night.store.tasks.put(task(3, "30 10 * * *", model="claude-opus-4-5"))
        [started] = night.tick("20 10:30").launched
        assert night.store.runs.get(started).task_id == uid(2)
        assert [one.held_reason for one in night.runs if one.unfinished] == [
            *("limit", None, "limit"),
        ]

    def test_with_another_model_to_fall_back_on_it_goes_on_at_once(self, night):
        fields = {"model": "opus", "fallback_model": "sonnet"}
        parked = limited(night, window="seven_day_opus", resets="23 09:00", **fields)
        assert parked.not_before is None
        assert night.tick("20 10:16").launched == [parked.id]
        options = calls(night, parked.id)[0]["options"]
        assert options[options.index("--model") + 1] == "sonnet"
        assert night.started(parked.id)
        assert night.store.runs.get(parked.id).model == "sonnet"

    @pytest.mark.parametrize("model", ["opus", "default"])
    def test_it_falls_back_once_and_not_every_minute(self, night, model):
        """Its own model may be the client's default, and the reset may just have come."""
        fields = {"fallback_model": "sonnet", "model": model}
        parked = limited(night, window="seven_day_opus", resets="20 10:15", **fields)
        assert (parked.model, parked.not_before) == ("sonnet", None)
        launched = night.tick("20 10:16").launched
        assert launched == [parked.id]
        options = calls(night, parked.id)[0]["options"]
        assert options[options.index("--model") + 1] == "sonnet"
        assert night.started(parked.id)
        night.meet_limit(parked.id, at("20 10:15"), "seven_day_sonnet")
        [again] = night.parked()
        assert again.not_before > at("20 10:20")

    def test_no_other_model_helps_where_all_are_counted(self, night):
        parked = limited(night, resets="20 12:00", model="opus", fallback_model="sonnet")
        assert parked.not_before is not None
        assert night.tick("20 10:16").launched == []


class TestBesideOtherSlots:
    def test_its_slots_are_counted_while_it_waits(self, night):
        parked = limited(night)
        night.store.tasks.put(task(1, "*/15 * * * *"))
        for minute in range(30, 60, 15):
            assert night.tick(f"20 10:{minute}").launched == []
        [waiting] = night.parked()
        assert (waiting.id, waiting.missed_slots) == (parked.id, 2)

    def test_a_newer_run_takes_its_place_where_the_task_says_so(self, night):
        parked = limited(night, overlap="replace")
        night.store.tasks.put(task(1, "30 10 * * *", overlap="replace"))
        night.tick("20 10:30")
        assert night.store.runs.get(parked.id).status == "cancelled"
        [waiting] = [one for one in night.runs if one.unfinished]
        assert (waiting.trigger, waiting.held_reason) == ("schedule", "limit")
        assert night.tick("20 12:02").launched == [waiting.id]

    def test_both_wait_where_runs_may_overlap(self, night):
        parked = limited(night, overlap="allow")
        night.store.tasks.put(task(1, "30 10 * * *", overlap="allow"))
        night.tick("20 10:30")
        waiting = [one.id for one in night.runs if one.unfinished]
        assert len(waiting) == 2
        assert parked.id in waiting

    def test_runs_that_may_overlap_do_not_pile_up_while_the_window_is_used_up(self, night):
        parked = limited(night, overlap="allow")
        night.store.tasks.put(task(1, "* * * * *", overlap="allow"))
        for minute in range(16, 60):
            night.tick(f"20 10:{minute}")
        waiting = [one for one in night.runs if one.unfinished and one.id != parked.id]
        assert [one.missed_slots for one in waiting] == [43]

    def test_of_a_task_run_by_hand_it_goes_on_though_the_task_is_disabled(self, night):
        night.store.tasks.put(task(1, None, enabled=False))
        night.now = at("20 10:15")
        made = tasks.run_now(night.store, uid(1), False, night.now, {})
        assert night.started(made.id)
        night.meet_limit(made.id, at("20 12:00"))
        night.tick("20 10:16")
        [parked] = night.parked()
        assert night.tick("20 12:02").launched == [parked.id]

    @pytest.mark.parametrize("gone", [False, True])
    def test_a_task_that_nobody_wants_any_more_resumes_nothing(self, night, gone):
        parked = limited(night)
        if gone:
            night.store.tasks.remove([uid(1)])
        else:
            tasks.update(night.store, uid(1), {"enabled": False}, at("20 11:00"))
        assert night.tick("20 12:02").launched == []
        found = night.store.runs.get(parked.id)
        assert (found.status, found.reason) == ("skipped", "disabled")

    def test_stopped_while_it_met_the_limit_it_does_not_go_on_by_itself(self, night):
        night.store.tasks.put(task(1, ONCE))
        [run_id] = night.tick("20 10:15").launched
        assert night.started(run_id)
        run_verbs.ask_to_stop(night.store, night.store.runs.get(run_id))
        night.meet_limit(run_id, at("20 12:00"))
        assert night.parked() == []

    def test_hours_of_its_task_do_not_let_it_go_on_before_the_reset(self, night):
        """Nobody wrote the refusal down: the run itself has to know."""
        fields = {"between": "10:00-11:00"}
        parked = limited(night, resets="22 10:30", window="seven_day", **fields)
        os.unlink(night.store.home.usage)
        night.tick("20 11:30")
        assert night.tick("21 10:00").launched == []
        assert night.tick("22 10:31").launched == []
        assert night.tick("22 10:32").launched == [parked.id]

    def test_it_can_be_stopped_while_it_waits(self, night):
        parked = limited(night)
        assert run_verbs.cancel_waiting(night.store, parked.id, at("20 11:00"))
        assert night.tick("20 12:02").launched == []
        assert night.store.runs.get(parked.id).status == "cancelled"


class TestWrongClocks:
    @pytest.mark.parametrize("clear", [False, True])
    def test_parked_by_a_clock_that_was_far_ahead_it_goes_on_all_the_same(self, night, clear):
        night.store.tasks.put(task(1, ONCE))
        [run_id] = night.tick("20 10:15").launched
        assert night.started(run_id)
        night.now = at("30 11:10")
        night.meet_limit(run_id, at("30 13:00"))
        [parked] = night.parked()
        if clear:
            usage.clear(night.store, "default", at("20 10:20"))
        assert night.tick("20 10:21").launched == [parked.id]

    def test_parked_and_then_the_clock_is_put_back_a_little(self, night):
        parked = limited(night)
        assert night.tick("20 09:30").launched == []
        assert night.tick("20 12:02").launched == [parked.id]


class TestSteps:
    @pytest.mark.parametrize("on_failure", ["stop", "continue"])
    def test_no_later_step_and_no_second_run_while_one_is_parked(self, night, on_failure):
        night.store.tasks.put(
            *(task(n, None, job_id=uid(9), after=[uid(n - 1)] if n > 1 else []) for n in (1, 2))
        )
        night.store.jobs.put(job(9, 1, 2, on_failure=on_failure))
        night.now = at("20 10:15")
        _, [step] = jobs.run(night.store, uid(9), night.now, {})
        assert night.started(step.id)
        night.meet_limit(step.id, at("20 12:00"))
        night.tick("20 10:16")
        assert [one.task_id for one in night.runs] == [uid(1), uid(1)]
        with pytest.raises(Conflict):
            jobs.run(night.store, uid(9), at("20 10:20"), {})

    def test_disabled_while_parked_it_lets_no_later_step_work_on_what_is_half_done(self, night):
        night.store.tasks.put(
            *(task(n, None, job_id=uid(9), after=[uid(n - 1)] if n > 1 else []) for n in (1, 2))
        )
        night.store.jobs.put(job(9, 1, 2))
        night.now = at("20 10:15")
        _, [step] = jobs.run(night.store, uid(9), night.now, {})
        assert night.started(step.id)
        night.meet_limit(step.id, at("20 12:00"))
        tasks.update(night.store, uid(1), {"enabled": False}, at("20 11:00"))
        night.tick("20 11:01")
        night.tick("20 11:02")
        assert {one.task_id for one in night.runs} == {uid(1)}
        assert night.store.jobs.get(uid(9)).status == "failed"

    def test_a_job_waits_for_its_step_and_goes_on_after_it(self, night):
        night.store.tasks.put(
            *(task(n, None, job_id=uid(9), after=[uid(n - 1)] if n > 1 else []) for n in (1, 2))
        )
        night.store.jobs.put(job(9, 1, 2))
        night.now = at("20 10:15")
        jobs.run(night.store, uid(9), night.now, {})
        [first] = night.launched
        assert night.started(first)
        night.meet_limit(first, at("20 12:00"))
        assert night.store.jobs.get(uid(9)).status == "in_progress"
        assert night.tick("20 11:00").launched == []
        [parked] = night.parked()
        assert parked.job_run == night.store.jobs.get(uid(9)).run.id
        assert night.tick("20 12:02").launched == [parked.id]
        assert night.started(parked.id)
        night.end(parked.id)
        second = next(one for one in night.runs if one.task_id == uid(2))
        assert second.status == "upcoming"
        night.tick("20 12:05")
        assert night.started(second.id)
        night.end(second.id)
        assert night.store.jobs.get(uid(9)).status == "completed"


class TestAWholeNight:
    def due_at_once(self, night, count=5, **settings):
        night.settings(max_concurrent_tasks=10, **settings)
        night.store.tasks.put(*(task(n, ONCE) for n in range(1, count + 1)))

    def test_five_tasks_a_window_of_three(self, night):
        self.due_at_once(night)
        night.minutes("20 10:15", "20 12:20")
        ended = [(one.status, one.trigger) for one in night.runs]
        # The fourth was refused, and the fifth held before it could be.
        assert sorted(ended) == [
            *[("limited", "schedule"), ("success", "resume")],
            *[("success", "schedule")] * 4,
        ]
        assert [one.attempt for one in night.runs] == [1] * 6
        assert self.doubled(night) == []
        resumed = {one.session_id for one in night.runs if one.trigger == "resume"}
        cut_off = {one.session_id for one in night.runs if one.status == "limited"}
        assert resumed == cut_off

    def test_one_tries_the_fresh_window_before_the_others(self, night):
        """They are let go once it was answered, a few at a time."""
        self.due_at_once(night, 8)
        night.grants = 2
        night.minutes("20 10:15", "20 11:59")
        # One was refused; those that were about to begin saw that, and wait.
        assert len(night.parked()) == 1
        waiting = [one for one in night.runs if one.unfinished]
        assert [one.held_reason for one in waiting] == ["limit"] * 6
        night.grants = 10
        night.minutes("20 12:00", "20 12:30", lasts=60)
        times = [moment for moment, _, _, _ in night.asked if moment > at("20 12:00")]
        minutes = [moment.minute for moment in times]
        assert minutes == [2, 3, 3, 4, 4, 5]

    def test_while_the_one_that_tries_is_silent_the_others_wait(self, night):
        limited(night)
        night.store.tasks.put(task(2, "20 10 * * *"), task(3, "20 10 * * *"))
        night.tick("20 10:20")
        [canary] = night.tick("20 12:02").launched
        assert night.started(canary)
        for minute in range(3, 9):
            assert night.tick(f"20 12:0{minute}").launched == []
        night.hears(canary, facts("allowed", used=0.1, resets=at("20 17:00")))
        assert len(night.tick("20 12:09").launched) == 2

    def test_refused_the_one_that_tried_holds_the_others_until_the_new_reset(self, night):
        limited(night)
        night.store.tasks.put(task(2, "20 10 * * *"))
        night.tick("20 10:20")
        [canary] = night.tick("20 12:02").launched
        assert night.started(canary)
        night.hears(canary, facts("rejected", used=1, resets=at("20 17:00")))
        night.meet_limit(canary, at("20 17:00"))
        assert night.tick("20 12:03").launched == []
        assert night.tick("20 16:59").launched == []
        assert len(night.tick("20 17:02").launched) == 1

    def test_a_run_from_before_the_reset_tries_nothing(self, night):
        """It may go on for hours without a request; the parked ones must not wait for its end."""
        night.store.tasks.put(task(5, "10 10 * * *"))
        [old] = night.tick("20 10:10").launched
        assert night.started(old)
        parked = limited(night)
        assert night.tick("20 12:02").launched == [parked.id]
        assert night.started(parked.id)

    def test_of_a_window_too_small_the_jobs_get_their_share(self, night):
        """One job with many tasks, and one task alone that was due last."""
        night.settings(max_concurrent_tasks=10, released_at_once=1)
        night.store.jobs.put(job(9, *range(1, 5), max_parallel=5))
        night.store.tasks.put(*(task(n, ONCE, job_id=uid(9)) for n in range(1, 5)))
        night.store.tasks.put(task(7, "20 10 * * *"))
        night.grants = 1
        night.minutes("20 10:15", "20 12:20")
        night.grants = 2
        late = [one for one in night.runs if one.start_time and one.start_time > at("20 12:00")]
        assert sorted(one.job_id or "" for one in late) == ["", uid(9)]

    def test_the_machine_was_off_for_days(self, night):
        self.due_at_once(night)
        night.minutes("20 10:15", "20 10:25")
        assert [one.held_reason for one in night.runs if one.unfinished] == ["limit"] * 2
        night.grants = 10
        night.minutes("24 07:00", "24 07:10")
        assert all(not one.unfinished for one in night.runs)
        assert self.doubled(night) == []
        # The days' slots of the two that waited were counted into them; the others catch up.
        counted = [one.missed_slots for one in night.runs if one.scheduled_time < at("20 11:00")]
        assert sorted(counted)[-2:] == [3, 3]

    @pytest.mark.parametrize("seed", range(6))
    def test_whatever_is_killed_nothing_is_lost_and_nothing_runs_twice(self, night, seed):
        chance = random.Random(seed)
        self.due_at_once(night, 6)
        night.grants = chance.randint(1, 4)
        moment = at("20 10:15")
        while moment < at("21 08:00"):
            for run_id in night.tick(moment).launched:
                if chance.random() < 0.2:
                    continue  # the supervisor dies before it begins
                if night.started(run_id):
                    night.request(run_id, merged=chance.random() < 0.6)
                    assert len({night.session(one) for one in night.going_on}) == len(
                        night.going_on
                    )
            for run_id in list(night.going_on):
                if chance.random() < 0.5:
                    del night.going_on[run_id]
                    night.end(run_id, merged=chance.random() < 0.6, message=None)
            moment += chance.choice((1, 1, 1, 2, 30)) * MINUTE
        night.grants = 20
        for later in range(100):
            night.minute(at("21 12:00") + later * 5 * MINUTE, 1)
        assert self.doubled(night) == []
        chains = [one for one in night.runs if one.trigger != "resume"]
        last = {one.resumed_from for one in night.runs}
        assert all(one.status == "success" for one in night.runs if one.id not in last)
        assert len({one.task_id for one in chains}) == 6
        assert {one.attempt for one in night.runs} == {1}

    @staticmethod
    def doubled(night):
        """Requests that were served twice within one session: work done again."""
        served = [session for _, _, session, answered in night.asked if answered]
        return sorted(one for one in set(served) if served.count(one) > 1)
