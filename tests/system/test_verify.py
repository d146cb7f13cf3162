"""A task's own check: red, green, mended by the agent, stuck, or stopped in the middle."""

from __future__ import annotations

import pytest


@pytest.fixture
def checked(ccs):
    """A run of a task with this check, ended."""

    def ended(check, *options, prompt="x"):
        return ccs.ended(ccs.start(ccs.task(prompt, "--verify", check, *options)))

    return ended


def log(ccs, run):
    return ccs.ok("runs", "log", run["id"]).out


def test_green_is_a_success_and_its_output_is_kept(ccs, checked):
    run = checked("echo 12 passed")
    assert (run["status"], run["reason"]) == ("success", None)
    assert "[verify] 12 passed" in log(ccs, run)


def test_red_is_a_failure_whatever_the_agent_says(ccs, checked):
    run = checked("echo 1 failed; exit 3")
    assert (run["status"], run["reason"]) == ("failed", "verify_failed")
    assert "exit 3" in run["message"]
    assert "[verify] 1 failed" in log(ccs, run)


def test_it_is_run_where_the_agent_worked_and_with_its_environment(ccs, checked):
    ccs.ok("profiles", "create", "--name", "p", "--env", "ANSWER=forty-two")
    check = 'test -f mock.txt && test "$ANSWER" = forty-two'
    run = checked(check, "--profile", "p", prompt="[[mock: write]]")
    assert (run["status"], run["reason"]) == ("success", None)
    assert ccs.ended(ccs.start(ccs.task("x", "--verify", check)))["reason"] == "verify_failed"


def test_what_failed_goes_back_to_the_same_session_until_it_is_green(ccs, checked):
    """The stand-in changes nothing, so the check itself counts its rounds."""
    check = "echo round >>rounds; echo not yet; test $(wc -l <rounds) -ge 3"
    run = checked(check, "--until-green", "5")
    assert (run["status"], run["reason"]) == ("success", None)
    sessions = [line.split()[2] for line in ccs.launches()]
    assert sessions == [run["session_id"]] * 3
    assert (ccs.work / "rounds").read_text().count("round") == 3
    assert run["turns"] == 3
    assert log(ccs, run).count("verify failed") == 2


def test_after_the_last_round_it_has_failed(ccs, checked):
    run = checked("exit 1", "--until-green", "2")
    assert (run["status"], run["reason"]) == ("failed", "verify_failed")
    assert len(ccs.launches()) == 3


def test_a_failed_run_is_not_checked(ccs, checked):
    run = checked("touch ran", prompt="[[mock: failure]]")
    assert (run["status"], run["reason"]) == ("failed", "overloaded")
    assert not (ccs.work / "ran").exists()


def test_one_that_never_ends_is_ended_with_all_it_started(ccs, checked):
    run = checked("sleep 300 & sleep 300", "--verify-timeout", "1s")
    assert (run["status"], run["reason"]) == ("failed", "verify_failed")
    assert "time ran out" in run["message"]
    assert ccs.carriers(run["id"]) == []


def test_stopped_while_it_is_checked_the_run_is_cancelled(ccs):
    run_id = ccs.start(ccs.task("x", "--verify", "touch begun; sleep 300"))
    ccs.until((ccs.work / "begun").exists)
    ended = ccs.ok("runs", "stop", run_id).json
    assert (ended["status"], ended["reason"]) == ("cancelled", "stopped")
    assert ccs.carriers(run_id) == []


def test_a_check_that_cannot_be_started_says_so(ccs, checked):
    run = checked("no-such-command-anywhere")
    assert run["reason"] == "verify_failed"
    assert "exit 127" in run["message"]


def test_megabytes_of_output_are_no_trouble_and_no_secret_shows(ccs, checked):
    ccs.ok("profiles", "create", "--name", "p", "--env", "TOKEN=sesame-open-now")
    run = checked("yes sesame-open-now | head -c 8000000; exit 1", "--profile", "p")
    assert run["reason"] == "verify_failed"
    assert "sesame" not in log(ccs, run)


def test_one_that_prints_faster_than_anybody_reads_is_ended_in_time(ccs, checked):
    run = checked("exec yes a line of some length", "--verify-timeout", "1s")
    assert (run["status"], run["reason"]) == ("failed", "verify_failed")
    log = ccs.store / f"logs/run_{run['id']}.log"
    assert log.stat().st_size < 20 << 20


class TestSignsOfLife:
    def test_nothing_came_at_all(self, ccs):
        run = ccs.ended(ccs.start(ccs.task("[[mock: hang]]", "--first-output-timeout", "1s")))
        assert (run["status"], run["reason"]) == ("failed", "hung")
        assert ccs.carriers(run["id"]) == []

    def test_silent_after_it_had_begun(self, ccs):
        run = ccs.ended(ccs.start(ccs.task("[[mock: stubborn]]", "--idle-timeout", "1s")))
        assert (run["status"], run["reason"]) == ("failed", "hung")

    def test_while_a_tool_runs_silence_is_work(self, ccs):
        told = ("[[mock: tool seconds=2]]", "--idle-timeout", "1s")
        run = ccs.ended(ccs.start(ccs.task(*told)))
        assert (run["status"], run["reason"]) == ("success", None)

    def test_hung_it_is_tried_again_if_the_task_says_so(self, ccs):
        told = ("[[mock: hang]]", "--first-output-timeout", "1s", "--retry-attempts", "2")
        run = ccs.ended(ccs.start(ccs.task(*told, "--retry-delay", "1h")))
        assert run["reason"] == "hung"
        [waiting] = [one for one in ccs.recorded() if one["status"] == "upcoming"]
        assert (waiting["trigger"], waiting["attempt"]) == ("retry", 2)
