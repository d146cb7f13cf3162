"""Sessions, checks and tries again with the real client: what its transcripts and requests show."""

from __future__ import annotations

import os
import signal

TURN = "turn {}: [[stub: reply]]"


def prompts(api, session):
    """What was asked in a session, request by request: the whole conversation each time."""
    return [one.prompts for one in api.requests if one.session == session]


def test_reuse_goes_on_with_its_session_and_a_gone_one_begins_afresh(ccs, api):
    task = ccs.task(TURN.format("first"), "--session-mode", "reuse")
    first = ccs.ended(ccs.start(task))
    ccs.ok("tasks", "update", task, "--prompt", TURN.format("second"))
    second = ccs.ended(ccs.start(task))
    assert second["session_id"] == first["session_id"]
    last = prompts(api, first["session_id"])[-1]
    assert "turn first" in last
    assert "turn second" in last
    ccs.transcript(first["session_id"]).unlink()
    third = ccs.ended(ccs.start(task))
    assert third["status"] == "success"
    assert third["session_id"] == third["id"]
    assert "afresh" in ccs.ok("runs", "log", third["id"]).out


def test_fork_knows_the_last_session_and_leaves_it_as_it_is(ccs, api):
    task = ccs.task(TURN.format("first"), "--session-mode", "fork")
    first = ccs.ended(ccs.start(task))
    ccs.ok("tasks", "update", task, "--prompt", TURN.format("second"))
    second = ccs.ended(ccs.start(task))
    assert second["session_id"] == second["id"] != first["session_id"]
    assert "turn first" in prompts(api, second["session_id"])[-1]
    assert len(prompts(api, first["session_id"])) == 1


def test_continue_says_the_words_to_the_same_session(ccs, api):
    first = ccs.ended(ccs.launch(TURN.format("first")))
    words = TURN.format("by hand")
    run_id = ccs.ok("runs", "continue", first["id"], "--prompt", words, "-q").out.strip()
    assert ccs.ended(run_id)["session_id"] == first["session_id"]
    assert "turn by hand" in prompts(api, first["session_id"])[-1]


def test_killed_in_the_middle_it_is_tried_again(ccs):
    told = ("[[stub: slow seconds=300]]", "--retry-attempts", "2", "--retry-on", "killed")
    run_id = ccs.launch(*told, "--retry-delay", "0s")
    os.kill(ccs.client_of(run_id), signal.SIGKILL)
    ended = ccs.ended(run_id)
    assert (ended["status"], ended["reason"]) == ("failed", "killed")
    [again] = [one for one in ccs.recorded() if one["retry_of"] == run_id]
    assert (again["attempt"], again["trigger"]) == (2, "retry")
    ccs.ticking(lambda: ccs.run(again["id"])["status"] == "running")
    ccs.ok("runs", "stop", again["id"])


def test_red_then_green_in_one_session(ccs, api):
    """What the check prints reaches the session, and there the stand-in does what it says."""
    mending = '[[stub: tool command="touch done"]]'
    check = f"test -f done || {{ echo '{mending}'; exit 1; }}"
    run = ccs.ended(ccs.launch("[[stub: reply]]", "--verify", check, "--until-green", "2"))
    assert (run["status"], run["reason"]) == ("success", None)
    assert (ccs.work / "done").exists()
    assert {one.session for one in api.requests} == {run["session_id"]}
    assert "verify failed" in ccs.ok("runs", "log", run["id"]).out
