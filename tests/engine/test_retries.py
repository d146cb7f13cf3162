"""Tries again, sessions that are gone on with, and the breaker: as histories."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from histories import at, job, task, uid
from nights import MINUTE

from ccs import instant
from ccs.engine import again, jobs, retry, settle, tasks
from ccs.errors import Conflict
from ccs.store.asked import as_it_ran
from ccs.store.records import Records

ONCE = "15 10 * * *"
TWICE = {"max_attempts": 3, "delay": "2m", "backoff_multiplier": 2}


def failed(night, reason="network", merged=True, when="20 10:15", **fields):
    """The first run of a task, failed; what waits after it."""
    night.store.tasks.put(task(1, ONCE, **fields))
    [run_id] = night.tick(when).launched
    assert night.started(run_id)
    night.end(run_id, "failed", reason, merged, message="no answer")
    return run_id, waiting(night)


def waiting(night):
    return next((one for one in night.runs if one.status == "upcoming"), None)


def asked(night, run_id):
    return as_it_ran(night.store.home, run_id)


class TestRetries:
    def test_it_waits_its_time_and_is_tried_in_a_session_of_its_own(self, night):
        first, again_ = failed(night, retry=TWICE)
        assert (again_.trigger, again_.held_reason, again_.attempt) == ("retry", "retry", 2)
        assert (again_.retry_of, again_.session_id) == (first, None)
        assert at("20 10:17") <= again_.not_before <= at("20 10:17") + timedelta(seconds=24)
        assert night.tick("20 10:16").launched == []
        assert night.tick("20 10:18").launched == [again_.id]
        assert night.started(again_.id)
        assert night.store.runs.get(again_.id).session_id == again_.id

    def test_each_pause_is_longer_and_the_last_try_is_the_last(self, night):
        _, found = failed(night, retry=TWICE)
        pauses = []
        while found is not None:
            pauses.append((found.not_before - found.scheduled_time) / MINUTE)
            moment = found.not_before + MINUTE
            assert night.tick(moment).launched == [found.id]
            assert night.started(found.id)
            night.end(found.id, "failed", "network", message="no answer")
            found = waiting(night)
        assert len(pauses) == 2
        assert 2 <= pauses[0] <= 2.4
        assert 4 <= pauses[1] <= 4.8
        assert [one.attempt for one in night.runs] == [1, 2, 3]

    @pytest.mark.parametrize(
        ("reason", "fields"),
        [
            ("network", {}),
            ("auth", {"retry": TWICE}),
            ("error", {"retry": TWICE}),
            ("network", {"retry": {**TWICE, "on": ["timeout"]}}),
        ],
    )
    def test_what_the_task_does_not_retry_ends_there(self, night, reason, fields):
        assert failed(night, reason, **fields)[1] is None

    @pytest.mark.parametrize("times", [1, 3])
    def test_killed_before_it_was_merged_it_is_tried_again_once(self, night, times):
        failed(night, merged=False, retry=TWICE)
        for minute in range(times):
            night.tick(at("20 10:16") + timedelta(seconds=20 * minute))
        assert [one.trigger for one in night.runs] == ["schedule", "retry"]

    @pytest.mark.parametrize("ours", [False, True])
    def test_whoever_wrote_the_file_it_is_recorded_once(self, night, ours):
        night.store.tasks.put(task(1, ONCE, retry=TWICE))
        [run_id] = night.tick("20 10:15").launched
        assert night.started(run_id)
        path = Path(night.store.home.collection("runs"))
        if not ours:
            path.write_text(json.dumps(json.loads(path.read_text())))
        night.end(run_id, "failed", "network", message="no answer")
        assert [one["attempt"] for one in json.loads(path.read_text())["runs"]] == [1, 2]

    @pytest.mark.parametrize("ours", [False, True])
    def test_made_to_run_again_by_hand_it_is_not_tried_twice(self, night, ours):
        first, again_ = failed(night, retry={**TWICE, "on": ["network", "crash"]})
        night.store.runs.put(again_.changed(status="success"))
        night.store.runs.put(night.store.runs.get(first).changed(status="running"))
        path = Path(night.store.home.collection("runs"))
        if not ours:
            path.write_text(json.dumps(json.loads(path.read_text())))
        settle.lose(night.store.home, first, "its directory is gone", night.now)
        assert night.store.runs.read().problems == []
        assert night.store.runs.get(again_.id).status == "success"

    def test_stopped_it_is_not_tried_again(self, night):
        from ccs.engine.runs import ask_to_stop

        night.store.tasks.put(task(1, ONCE, retry={**TWICE, "on": ["timeout"]}))
        [run_id] = night.tick("20 10:15").launched
        assert night.started(run_id)
        ask_to_stop(night.store, night.store.runs.get(run_id))
        night.end(run_id, "failed", "timeout", message="late")
        assert waiting(night) is None

    def test_a_lost_run_only_if_the_task_says_so(self, night):
        found = {}
        for number, on in ((1, ["crash"]), (2, ["network"])):
            night.store.tasks.put(task(number, ONCE, retry={**TWICE, "on": on}))
        for run_id in night.tick("20 10:15").launched:
            assert night.started(run_id)
            found[night.store.runs.get(run_id).task_id] = run_id
            night.end(run_id, "lost", "crash", message="gone")
        [again_] = [one for one in night.runs if one.status == "upcoming"]
        assert again_.retry_of == found[uid(1)]

    def test_a_run_whose_directory_was_taken_away_is_tried_again_too(self, night):
        night.store.tasks.put(task(1, ONCE, retry={**TWICE, "on": ["crash"]}))
        [run_id] = night.tick("20 10:15").launched
        assert night.started(run_id)
        shutil.rmtree(night.store.rundir(run_id).path)
        night.tick("20 10:16")
        again = waiting(night)
        assert (again.retry_of, again.attempt) == (run_id, 2)

    def test_a_try_of_a_run_that_went_on_goes_on_too(self, night):
        night.store.tasks.put(task(1, ONCE, retry=TWICE))
        [run_id] = night.tick("20 10:15").launched
        assert night.started(run_id)
        night.meet_limit(run_id, at("20 12:00"))
        [parked] = night.parked()
        assert night.tick("20 12:03").launched == [parked.id]
        assert night.started(parked.id)
        night.end(parked.id, "failed", "network", message="no answer")
        found = waiting(night)
        assert (found.trigger, found.session_id, found.account) == ("retry", run_id, "default")
        assert night.tick(found.not_before + MINUTE).launched == [found.id]
        options = asked(night, found.id)["calls"][0]["options"]
        assert options[options.index("--resume") + 1] == run_id

    def test_slots_meanwhile_are_counted_into_it(self, night):
        _, found = failed(night, retry={**TWICE, "delay": "1h"})
        night.store.tasks.put(task(1, "*/15 * * * *", retry=TWICE))
        night.tick("20 10:30")
        night.tick("20 10:45")
        assert night.store.runs.get(found.id).missed_slots == 2

    def test_a_job_waits_for_the_last_try_of_its_step(self, night):
        night.store.tasks.put(
            task(1, None, job_id=uid(9), retry=TWICE), task(2, None, job_id=uid(9), after=[uid(1)])
        )
        night.store.jobs.put(job(9, 1, 2))
        night.now = at("20 10:15")
        _, [step] = jobs.run(night.store, uid(9), night.now, {})
        assert night.started(step.id)
        night.end(step.id, "failed", "network", message="no answer")
        assert night.store.jobs.get(uid(9)).status == "in_progress"
        found = waiting(night)
        assert found.job_run == step.job_run
        night.tick("20 10:19")
        assert night.started(found.id)
        night.end(found.id, message=None)
        assert [one.task_id for one in night.runs if one.unfinished] == [uid(2)]

    def test_the_client_s_own_tries_are_bounded(self, night):
        night.store.tasks.put(task(1, ONCE, retry={"client": 2}))
        [run_id] = night.tick("20 10:15").launched
        assert asked(night, run_id)["variables"] == {"CLAUDE_CODE_MAX_RETRIES": "2"}

    def test_no_pause_is_longer_than_a_day_and_its_spread(self):
        assert retry.pause("ffff", 86400, 10, 100) == timedelta(days=1.2)
        assert retry.pause("0000", 60, 2, 1) == timedelta(seconds=60)


class TestBreaker:
    def fails(self, night, times, first="20 10:16", number=1):
        moment = at(first)
        for _ in range(times):
            for run_id in night.tick(moment).launched:
                assert night.started(run_id)
                night.end(run_id, "failed", "error", message="no")
            moment += MINUTE

    def test_so_many_in_a_row_disable_the_task_and_it_says_why(self, night):
        night.store.tasks.put(task(1, "* * * * *", disable_after=3))
        self.fails(night, 10)
        assert len(night.runs) == 3
        found = night.store.tasks.get(uid(1))
        assert (found.enabled, found.disabled_why) == (False, "it failed 3 times in a row")
        assert night.alarms() == ["disabled"]

    def test_killed_while_it_disables_the_task_it_has_told_so(self, night, monkeypatch):
        night.store.tasks.put(task(1, ONCE, disable_after=1))
        [run_id] = night.tick("20 10:15").launched
        assert night.started(run_id)
        night.end(run_id, "failed", "error", merged=False, message="no")
        write = Records.replace

        def killed(records, *words):
            write(records, *words)
            if records.path == night.store.home.collection("tasks"):
                raise KeyboardInterrupt

        monkeypatch.setattr(Records, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            night.tick("20 10:20")
        monkeypatch.undo()
        assert not night.store.tasks.get(uid(1)).enabled
        assert night.alarms() == ["disabled"]

    def test_directories_taken_away_count_as_failures(self, night):
        night.store.tasks.put(task(1, ONCE, disable_after=1))
        [run_id] = night.tick("20 10:15").launched
        assert night.started(run_id)
        shutil.rmtree(night.store.rundir(run_id).path)
        night.tick("20 10:16")
        assert not night.store.tasks.get(uid(1)).enabled

    def test_ten_unless_the_task_or_the_settings_say_otherwise(self, night):
        night.store.tasks.put(task(1, "* * * * *"), task(2, "* * * * *", disable_after=0))
        night.settings(max_concurrent_tasks=10)
        self.fails(night, 14)
        ran = [one.task_id for one in night.runs]
        assert (ran.count(uid(1)), ran.count(uid(2))) == (10, 14)

    def test_a_success_in_between_begins_anew(self, night):
        night.store.tasks.put(task(1, "* * * * *", disable_after=3))
        self.fails(night, 2)
        [run_id] = night.tick("20 10:18").launched
        assert night.started(run_id)
        night.end(run_id, message=None)
        self.fails(night, 2, "20 10:19")
        assert night.store.tasks.get(uid(1)).enabled

    def test_enabled_again_it_has_all_its_tries_again(self, night):
        night.store.tasks.put(task(1, "* * * * *", disable_after=3))
        self.fails(night, 3)
        tasks.update(night.store, uid(1), {"enabled": True}, at("20 10:30"))
        assert night.store.tasks.get(uid(1)).disabled_why is None
        self.fails(night, 2, "20 10:31")
        assert night.store.tasks.get(uid(1)).enabled
        self.fails(night, 1, "20 10:33")
        assert not night.store.tasks.get(uid(1)).enabled

    def test_tries_of_one_run_are_one_failure(self, night):
        night.store.tasks.put(
            task(1, ONCE, disable_after=2, retry={**TWICE, "on": ["error"], "delay": "0s"})
        )
        self.fails(night, 5, "20 10:15")
        assert [one.attempt for one in night.runs] == [1, 2, 3]
        assert night.store.tasks.get(uid(1)).enabled

    def test_reboots_are_no_failures(self, night):
        night.store.tasks.put(task(1, "* * * * *", disable_after=1))
        [run_id] = night.tick("20 10:16").launched
        assert night.started(run_id)
        night.end(run_id, "lost", "shutdown", message="no")
        assert night.store.tasks.get(uid(1)).enabled

    def test_limits_and_stops_are_no_failures(self, night):
        night.store.tasks.put(task(1, "* * * * *", disable_after=1, on_limit="fail"))
        [run_id] = night.tick("20 10:16").launched
        assert night.started(run_id)
        night.meet_limit(run_id, at("20 12:00"))
        assert night.store.tasks.get(uid(1)).enabled


class TestSessions:
    def run_once(self, night, when, **told):
        [run_id] = night.tick(when).launched
        assert night.started(run_id)
        found = asked(night, run_id)
        night.end(run_id, message=None, session_id=told.get("session_id", found["session"]))
        return run_id, found

    def test_reuse_goes_on_with_the_task_s_last_session_by_its_id(self, night):
        night.store.tasks.put(task(1, "*/15 * * * *", session_mode="reuse"))
        first, found = self.run_once(night, "20 10:15")
        assert found["calls"][0]["options"][4:6] == ["--session-id", first]
        _, found = self.run_once(night, "20 10:30")
        resumed, fresh = found["calls"]
        assert resumed["options"][4:6] == ["--resume", first]
        assert (resumed["prompt"], fresh["prompt"]) == ("go", "go")
        assert "--continue" not in resumed["options"]

    def test_a_missing_transcript_begins_a_new_session_that_is_gone_on_with(self, night):
        night.store.tasks.put(task(1, "*/15 * * * *", session_mode="reuse"))
        self.run_once(night, "20 10:15")
        second, found = self.run_once(night, "20 10:30", session_id=uid(77))
        assert found["calls"][1]["options"][4:6] == ["--session-id", second]
        _, found = self.run_once(night, "20 10:45")
        assert found["session"] == uid(77)

    def test_fork_begins_from_the_last_session_in_one_of_its_own(self, night):
        night.store.tasks.put(task(1, "*/15 * * * *", session_mode="fork"))
        first, _ = self.run_once(night, "20 10:15")
        second, found = self.run_once(night, "20 10:30")
        assert found["session"] == second
        words = ["--resume", first, "--fork-session", "--session-id", second]
        assert found["calls"][0]["options"][4:9] == words

    def test_a_run_whose_client_never_began_had_no_session(self, night):
        night.store.tasks.put(task(1, "*/15 * * * *", session_mode="fork"))
        first, _ = self.run_once(night, "20 10:15")
        [run_id] = night.tick("20 10:30").launched
        assert night.started(run_id)
        night.end(run_id, "failed", "start_failed", message="no client")
        _, found = self.run_once(night, "20 10:45")
        assert found["calls"][0]["options"][4:6] == ["--resume", first]

    def test_two_runs_are_never_in_one_session(self, night):
        """Though the task lets its runs overlap."""
        night.store.tasks.put(task(1, "* * * * *", session_mode="reuse", overlap="allow"))
        self.run_once(night, "20 10:15")
        [going_on] = night.tick("20 10:16").launched
        assert night.started(going_on)
        assert night.tick("20 10:17").launched == []
        assert waiting(night).held_reason == "overlap"
        night.end(going_on, message=None)
        assert len(night.tick("20 10:18").launched) == 1

    def test_while_one_is_parked_in_it_the_others_wait(self, night):
        night.store.tasks.put(task(1, ONCE, session_mode="reuse", overlap="allow"))
        [run_id] = night.tick("20 10:15").launched
        assert night.started(run_id)
        night.meet_limit(run_id, at("20 10:20"))
        [parked] = night.parked()
        night.now = at("20 10:16")
        made = tasks.run_now(night.store, uid(1), True, night.now, {})
        assert not night.started(made.id)
        assert night.tick("20 10:30").launched == [parked.id]

    def test_the_stand_in_s_sessions_are_not_the_real_client_s(self, night):
        night.settings(mock_mode=True)
        night.store.tasks.put(task(1, "*/15 * * * *", session_mode="reuse"))
        [run_id] = night.tick("20 10:15").launched
        assert night.started(run_id)
        night.end(run_id, message=None, mock=True)
        night.settings(mock_mode=False)
        _, found = self.run_once(night, "20 10:30")
        assert len(found["calls"]) == 1


class TestAgain:
    def ended(self, night, **fields):
        night.store.tasks.put(task(1, ONCE, **fields))
        [run_id] = night.tick("20 10:15").launched
        assert night.started(run_id)
        night.end(run_id, message=None)
        night.launched.clear()
        night.now = at("20 10:20")
        return run_id

    def test_restarted_it_is_the_task_as_it_ran(self, night):
        run_id = self.ended(night, model="opus")
        tasks.update(night.store, uid(1), {"model": "haiku", "prompt": "else"}, night.now)
        made = again.restart(night.store, run_id, False, night.now, {})
        found = asked(night, made.id)
        assert (found["model"], found["calls"][0]["prompt"]) == ("opus", "go")
        assert made.restart_of == run_id
        assert night.started(made.id)
        assert night.store.runs.get(made.id).session_id == made.id

    def test_continued_it_is_the_same_session_with_these_words(self, night):
        run_id = self.ended(night)
        made = again.proceed(night.store, run_id, "write the tests too", False, night.now, {})
        [call] = asked(night, made.id)["calls"]
        assert call["options"][4:6] == ["--resume", run_id]
        assert call["prompt"] == "write the tests too"
        assert night.started(made.id)

    def test_two_that_continue_one_session_wait_for_each_other(self, night):
        run_id = self.ended(night, overlap="allow")
        first = again.proceed(night.store, run_id, "a", False, night.now, {})
        second = again.proceed(night.store, run_id, "b", False, night.now, {})
        assert night.started(first.id)
        assert not night.started(second.id)
        night.end(first.id, message=None)
        assert night.tick("20 10:21").launched == [second.id]
        assert night.started(second.id)

    def test_what_has_not_ended_or_had_no_session_is_not_gone_on_with(self, night):
        night.store.tasks.put(task(1, ONCE))
        [run_id] = night.tick("20 10:15").launched
        with pytest.raises(Conflict):
            again.proceed(night.store, run_id, None, False, at("20 10:16"), {})
        with pytest.raises(Conflict):
            again.restart(night.store, run_id, False, at("20 10:16"), {})

    def test_continued_and_refused_it_is_parked_and_goes_on(self, night):
        run_id = self.ended(night)
        made = again.proceed(night.store, run_id, "more", False, night.now, {})
        assert night.started(made.id)
        night.meet_limit(made.id, at("20 12:00"))
        [parked] = night.parked()
        assert parked.session_id == run_id
        assert night.tick("20 12:03").launched == [parked.id]
        assert instant.text(parked.not_before) < instant.text(night.now)


class TestWhatIsSaid:
    def test_a_try_again_of_a_reused_session_repeats_what_was_asked(self, night):
        """The first may have failed before its session heard of it."""
        night.store.tasks.put(
            task(1, "*/15 * * * *", session_mode="reuse", prompt="today's work", retry=TWICE)
        )
        [first] = night.tick("20 10:15").launched
        assert night.started(first)
        night.end(first, message=None)
        [second] = night.tick("20 10:30").launched
        assert night.started(second)
        night.end(second, "failed", "network", message="no answer")
        found = waiting(night)
        assert found.session_id == first
        assert night.tick(found.not_before + MINUTE).launched == [found.id]
        assert "today's work" in asked(night, found.id)["calls"][0]["prompt"]

    def test_parked_in_a_session_that_somebody_talks_to_the_task_is_never_begun_instead(
        self, night
    ):
        run_id = TestAgain().ended(night)
        made = again.proceed(night.store, run_id, "more", False, night.now, {})
        assert night.started(made.id)
        night.meet_limit(made.id, at("20 12:00"))
        [parked] = night.parked()
        assert night.tick("20 12:03").launched == [parked.id]
        [call] = asked(night, parked.id)["calls"]
        assert call["options"][4:6] == ["--resume", run_id]

    def test_after_a_step_whose_next_try_was_skipped_no_step_follows(self, night):
        night.store.tasks.put(
            task(1, None, job_id=uid(9), retry=TWICE), task(2, None, job_id=uid(9), after=[uid(1)])
        )
        night.store.jobs.put(job(9, 1, 2))
        night.now = at("20 10:15")
        _, [step] = jobs.run(night.store, uid(9), night.now, {})
        assert night.started(step.id)
        night.end(step.id, "failed", "network", message="no answer")
        tasks.update(night.store, uid(1), {"enabled": False}, at("20 10:16"))
        night.tick("20 10:16")
        night.tick("20 10:17")
        assert [one.task_id for one in night.runs] == [uid(1), uid(1)]
        assert night.store.jobs.get(uid(9)).status == "failed"
