"""Runs of the real client from the command line to the record: how each one ends."""

from datetime import UTC, datetime

import pytest
from real_program import verdict

# --- success


def test_a_run_that_uses_a_tool_is_recorded_whole(ccs, api, client):
    """The client is called through a script that keeps the stream as it came."""
    copy = ccs.root / "stream"
    ccs.files({"tee": f'#!/bin/bash\nset -o pipefail\n"{client}" "$@" | tee {copy}\n'})
    (ccs.root / "tee").chmod(0o700)
    ccs.profile("tee", "--claude-path", str(ccs.root / "tee"))
    told = '[[stub: tool command="echo hi > made.txt" text="it is made"]]'
    long = "é\x01–" * 70_000  # more than a pipe or an argument holds
    task = ccs.ok(
        *("tasks", "create", "-q", "--prompt-file", "-", "--profile", "tee", "--model", "default"),
        stdin=f"{told} {long} end",
    ).out.strip()

    done = ccs.ok("tasks", "run", task, "--wait", "-o", "json").json
    assert verdict(done) == ("success", None)
    assert (ccs.work / "made.txt").read_text() == "hi\n"
    assert [request.session for request in api.requests] == [done["session_id"]] * 2
    assert f"{long} end" in next(
        block["text"]
        for block in api.requests[0].body["messages"][0]["content"]
        if told in block["text"]
    )
    assert done["session_id"] == done["id"]
    assert (done["exit_code"], done["turns"]) == (0, 2)
    assert done["usage"] == {"input": 200, "output": 40, "cache_read": 0, "cache_creation": 0}
    assert done["models"] == [api.requests[0].body["model"]]
    assert 0 < done["cost_usd"] < 0.1
    assert 0 < done["duration"] < 60
    assert (done["message"], done["resets_at"], done["permission_denials"]) == (None, None, [])
    assert (done["mock"], done["cwd"], done["trigger"]) == (False, str(ccs.work), "manual")

    stream = ccs.stream(done["id"])
    assert done["claude_version"] == stream[0]["claude_code_version"]
    assert (ccs.store / f"logs/run_{done['id']}.jsonl").read_bytes() == copy.read_bytes()
    assert [stream[0]["subtype"], stream[-1]["type"]] == ["init", "result"]
    shown = ccs.ok("runs", "log", done["id"]).out
    assert shown == ccs.log(done["id"])
    for words in (
        f"claude {done['claude_version']}",
        "Bash: echo hi > made.txt",
        "it is made",
        "✓ done",
    ):
        assert words in shown
    assert not (ccs.store / "runs" / done["id"]).exists()


def test_several_results_of_one_run_are_added_up(ccs, api):
    told = "[[stub: tool command=\"perl -e 'sleep 1'\" background=1 text=both]]"
    run_id = ccs.launch(told)
    done = ccs.ended(run_id)
    results = [event for event in ccs.stream(run_id) if event["type"] == "result"]
    assert verdict(done) == ("success", None)
    assert len(results) == 2
    assert done["usage"]["input"] == 100 * len(api.requests)
    assert done["turns"] == sum(result["num_turns"] for result in results)
    assert done["cost_usd"] == pytest.approx(results[-1]["total_cost_usd"])


def test_windows_of_good_answers_are_recorded(ccs):
    warned = ccs.launch("[[stub: reply status=allowed_warning util=0.93 threshold=0.9]]")
    overage = ccs.launch("[[stub: reply status=rejected util=1 overage=allowed]]")
    for run_id, share in ((warned, 0.93), (overage, 1)):
        done = ccs.ended(run_id)
        assert verdict(done) == ("success", None)
        assert done["quota"]["after"] == {"five_hour": share, "seven_day": 0.1}
        assert (done["limit_type"], done["resets_at"]) == (None, None)


# --- failures: each run on its own, all at the same time


def test_usage_limits_tell_their_window_and_its_reset(ccs, api):
    claims = ("five_hour", "seven_day", "seven_day_opus")
    for claim in claims:  # what befalls one account does not hold the others
        ccs.profile(claim, "--account", claim)
    told = "[[stub: limit reset=600 claim={}]]"
    runs = [ccs.launch(told.format(claim), "--profile", claim) for claim in claims]
    for run_id, claim in zip(runs, claims, strict=True):
        done = ccs.ended(run_id)
        assert verdict(done) == ("limited", "usage_limit")
        assert done["limit_type"] == claim
        reset = datetime.fromtimestamp(api.account.told_reset(run_id), UTC)
        assert datetime.fromisoformat(done["resets_at"]) == reset
        assert "resets" in done["message"]
    assert len(api.requests) == len(claims)


@pytest.fixture
def profiles(ccs):
    """An account for each, so that what befalls one does not hold the others."""
    own = {
        "no-token": ("--unset-env", "CLAUDE_CODE_OAUTH_TOKEN"),
        "network": ("--env", "ANTHROPIC_BASE_URL=http://127.0.0.1:1"),
        "variable": ("--env-from", "ANTHROPIC_API_KEY=env:NOT_SET_HERE"),
    }
    for name in ENDINGS:
        ccs.profile(name, "--account", name, *own.get(name, ()))


# what the stand-in is told · options of the task · how the run ends · in its message · requests
ENDINGS = {
    "throttle": ("throttle", (), "failed/rate_limited", "not your usage limit", 1),
    "529": ("529", (), "failed/overloaded", "Overloaded", 1),
    "500": ("500", (), "failed/overloaded", "500", 1),
    "401": ("401", (), "failed/auth", "Failed to authenticate. API Error: 401", 2),
    "403": ("403", (), "failed/auth", "403", 1),
    "no-token": ("reply", (), "failed/auth", "Not logged in", 0),
    "404": ("404", (), "failed/model_not_found", "issue with the selected model", 2),
    "credit": ("credit", (), "failed/billing", "Credit balance is too low", 1),
    "too-long": ("too_long", (), "failed/prompt_too_long", "rompt is too long", None),
    "network": ("reply", (), "failed/network", "ECONNREFUSED", 0),
    "max-turns": (
        'tool command="true"]] [[stub: tool command="true"',
        ("--max-turns", "1"),
        "failed/max_turns",
        "maximum number of turns (1)",
        1,
    ),
    "option": (
        "reply",
        ("--extra-arg=--frobnicate",),
        "failed/start_failed",
        "error: unknown option '--frobnicate'",
        0,
    ),
    "variable": ("reply", (), "failed/env_failed", "NOT_SET_HERE", 0),
}


@pytest.mark.usefixtures("profiles")
def test_each_failure_is_recorded_under_its_reason(ccs, api):
    """One tick starts them all."""
    tasks = {
        name: ccs.task(f"{name}: [[stub: {told}]]", "--at", "+1s", "--profile", name, *options)
        for name, (told, options, *_) in ENDINGS.items()
    }
    runs = dict(zip(tasks, ccs.due(*tasks.values()), strict=True))
    seen = {}
    for name, run_id in runs.items():
        done = ccs.ended(run_id)
        asked = sum(request.session == run_id for request in api.requests)
        wanted = ENDINGS[name]
        words = wanted[3] if wanted[3] in done["message"] else done["message"]
        told = asked if wanted[4] is not None else None
        seen[name] = (*wanted[:2], f"{done['status']}/{done['reason']}", words, told)
        assert done["exit_code"] == (None if name == "variable" else 1)
        assert done["limit_type"] is None and done["resets_at"] is None
        assert ccs.carriers(run_id) == []
    assert seen == ENDINGS
    assert len(api.strays) == 0


def test_permissions(ccs, api):
    """Which tools run is the task's word; what was refused is in the record."""
    told = '[[stub: tool command="echo {0} > {0}"]]'
    denied = ccs.launch(told.format("denied"), "--permissions", "default")
    allowed = ccs.launch(
        told.format("allowed"), "--permissions", "default", "--allowed-tools", "Bash"
    )
    bypass = ccs.launch(told.format("bypass"))
    refused = ccs.launch(told.format("refused"), "--disallowed-tools", "Bash")
    ended = {name: ccs.ended(name) for name in (denied, allowed, bypass, refused)}
    assert verdict(ended[denied]) == ("success", "denied")
    [denial] = ended[denied]["permission_denials"]
    assert (denial["tool_name"], denial["tool_input"]["command"]) == (
        "Bash",
        "echo denied > denied",
    )
    assert "⊘ Bash not permitted" in ccs.log(denied)
    assert [verdict(ended[one]) for one in (allowed, bypass)] == [("success", None)] * 2
    assert ended[refused]["status"] == "success"
    assert sorted(path.name for path in ccs.work.iterdir()) == ["allowed", "bypass"]
