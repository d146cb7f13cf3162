"""What runs of the real client teach about their account: paid usage, throttles, outages, and
windows that nobody should believe.
"""

import json
from datetime import datetime, timedelta

import pytest
from real_program import LIMITED, SUCCESS, verdict

PAYING = "status=rejected util=1 overage=allowed"
LENGTHS = {"five_hour": timedelta(hours=5), "seven_day": timedelta(days=7)}


def at(text):
    return datetime.fromisoformat(text)


def alarms(ccs):
    return [alarm["kind"] for alarm in ccs.account().get("alarms", [])]


def waiting(ccs, run_id):
    run = ccs.run(run_id)
    return run["status"], run["held_reason"]


def with_a_tool(command, then, more=""):
    return f'[[stub: tool command="{command}" {more}]] [[stub: {then}]]'


# --- usage that is paid for


def test_paid_usage_holds_all_but_those_that_may_pay(ccs, api):
    paid = ccs.launch(f"[[stub: reply {PAYING}]]")
    assert verdict(ccs.ended(paid)) == SUCCESS
    assert "since" in ccs.account()["overage"]
    assert alarms(ccs) == ["overage"]
    [held] = ccs.due(task := ccs.task("not for money", "--at", "+1s"))
    assert waiting(ccs, held) == ("upcoming", "limit")
    assert "the five_hour window is used up" in ccs.ok("why", task).out

    ccs.profile("paying", "--on-overage", "allow")
    again = ccs.launch(f"[[stub: reply {PAYING}]]", "--profile", "paying")
    assert verdict(ccs.ended(again)) == SUCCESS
    assert alarms(ccs) == ["overage"]
    assert ccs.tick_starts() == []
    assert verdict(ccs.ended(ccs.launch("hello", "--profile", "paying"))) == SUCCESS
    assert "overage" not in ccs.account()
    assert verdict(ccs.ticked_until_ended(held)) == SUCCESS
    assert len(api.requests) == 4


def test_a_run_that_would_live_on_paid_usage_is_ended_and_parked(ccs, api):
    paying = f"{PAYING} reset=20"
    run_id = ccs.launch(with_a_tool("true", "slow seconds=300 times=1", paying))
    done = ccs.ended(run_id)
    assert (verdict(done), done["limit_type"]) == (LIMITED, "five_hour")
    assert "paid extra usage" in done["message"]
    assert ccs.carriers(run_id) == []
    assert alarms(ccs) == ["overage"]
    parked = ccs.following(run_id)
    assert parked["not_before"] == parked["resets_at"] == done["resets_at"]
    again = ccs.ticked_until_ended(parked["id"])
    assert (verdict(again), again["session_id"]) == (SUCCESS, run_id)
    assert len(api.requests) == 3


# --- what is no window


def test_a_throttle_holds_nobody(ccs, api):
    run_id = ccs.launch("[[stub: throttle]]")
    assert verdict(ccs.ended(run_id)) == ("failed", "rate_limited")
    assert ccs.account()["windows"] == {}
    [due] = ccs.due(ccs.task("hello", "--at", "+1s"))
    assert verdict(ccs.ended(due)) == SUCCESS
    assert len(ccs.recorded()) == len(api.requests) == 2


def test_a_truncated_answer_is_no_limit(ccs):
    run_id = ccs.launch("[[stub: cut util=0.5]]")
    assert verdict(ccs.ended(run_id)) == ("failed", "network")
    assert ccs.account()["windows"] == {}
    assert ccs.following(run_id) is None


@pytest.mark.parametrize(
    ("told", "reason"), [("401", "auth"), ("credit", "billing"), ("spend", "billing")]
)
def test_a_broken_account_alarms_once_and_holds_until_somebody_gets_through(ccs, api, told, reason):
    tasks = [ccs.task(f"{name} [[stub: {told}]]", "--at", "+1s") for name in ("a", "b", "c")]
    with api.holding():
        runs = ccs.due(*tasks)
        ccs.until(lambda: len(set(api.sessions)) == 3)
    assert [verdict(ccs.ended(run_id)) for run_id in runs] == [("failed", reason)] * 3
    assert ccs.account()["outage"]["reason"] == reason
    assert alarms(ccs) == ["outage"]
    assert [ccs.following(run_id) for run_id in runs] == [None] * 3

    [held] = ccs.due(task := ccs.task("hello", "--at", "+1s"))
    assert waiting(ccs, held) == ("upcoming", "outage")
    assert f"{reason}: " in ccs.ok("why", task).out
    assert ccs.tick_starts() == []
    assert verdict(ccs.ended(ccs.launch("by hand"))) == SUCCESS
    assert "outage" not in ccs.account()
    assert verdict(ccs.ticked_until_ended(held)) == SUCCESS
    assert alarms(ccs) == ["outage"]


def test_one_run_an_hour_tries_a_broken_account(ccs, api):
    ccs.ended(ccs.launch("[[stub: credit]]"))
    held = ccs.due(*(ccs.task(name, "--at", "+1s") for name in ("one", "two", "three")))
    assert ccs.tick_starts() == []
    tried_an_hour_ago(ccs)
    with api.holding():
        [probe] = ccs.tick_starts()
        ccs.until(lambda: len(api.requests) == 2)
        tried_an_hour_ago(ccs)
        assert ccs.tick_starts() == []
    assert probe in held
    assert [verdict(ccs.ticked_until_ended(run_id)) for run_id in held] == [SUCCESS] * 3


def tried_an_hour_ago(ccs):
    path = ccs.store / "usage.json"
    document = json.loads(path.read_text())
    [account] = document["accounts"]
    account["outage"]["tried_at"] = "2020-01-01T00:00:00.000000Z"
    path.write_text(json.dumps(document))


# --- near the limit, and what a task may say about it


def test_a_run_that_ended_early_near_its_limit_says_so(ccs):
    run_id = ccs.launch("[[stub: reply status=allowed_warning util=0.96 threshold=0.95]]")
    assert verdict(ccs.ended(run_id)) == ("success", "wrapped_up")
    assert ccs.account()["windows"]["five_hour"]["readings"][0]["utilization"] == 0.96
    assert verdict(ccs.ended(ccs.launch("hello"))) == SUCCESS


def test_a_client_that_holds_waits_for_the_reset_itself(ccs, api):
    run_id = ccs.launch("[[stub: limit reset=8]]", "--on-limit", "hold")
    ccs.until(lambda: "five_hour" in ccs.account()["windows"])
    client = ccs.client_of(run_id)
    [other] = ccs.due(ccs.task("hello", "--at", "+1s"))
    assert waiting(ccs, other) == ("upcoming", "limit")
    assert ccs.client_of(run_id) == client
    assert verdict(ccs.ended(run_id)) == SUCCESS
    assert verdict(ccs.ticked_until_ended(other)) == SUCCESS
    assert len(ccs.recorded()) == 2
    assert len(ccs.inits(run_id)) == 1
    assert api.sessions == [run_id, run_id, other]


def test_what_cannot_wait_so_long_is_parked_and_what_must_not_wait_ends(ccs, api):
    limit = "[[stub: limit reset=3600]]"
    with api.holding():
        holds = ccs.launch(limit, "--on-limit", "hold", "--timeout", "10m")
        fails = ccs.launch(limit, "--on-limit", "fail")
        ccs.until(lambda: len(api.requests) == 2)
    assert [verdict(ccs.ended(run_id)) for run_id in (holds, fails)] == [LIMITED] * 2
    assert ccs.following(holds)["held_reason"] == "limit"
    assert ccs.following(fails) is None
    assert ccs.tick_starts() == []
    assert len(ccs.recorded()) == 3


# --- windows that cannot be

ABSURD = {
    "no reset": "named=0",
    "before the epoch": "named=-5",
    "the year 3000": "named=32503680000",
    "beyond all years": "named=99999999999999",
    "no number": "named=soon",
    "a percentage": "util=100",
    "less than nothing": "util=-3",
    "not a number": "util=nan named=nan",
    "a week in the year 3000": "named=32503680000 claim=seven_day",
}


def test_a_park_is_never_longer_than_its_window(ccs, api):
    """Each run has an account of its own, so that none holds another."""
    runs = {}
    for name, told in ABSURD.items():
        ccs.profile(name, "--account", name)
        runs[name] = ccs.launch(f"[[stub: limit reset=600 {told}]]", "--profile", name)
    for name, run_id in runs.items():
        done = ccs.ended(run_id)
        assert verdict(done) == LIMITED
        window, parked = done["limit_type"], ccs.following(run_id)
        longest = at(done["end_time"]) + LENGTHS[window] + timedelta(seconds=1)
        assert at(done["end_time"]) < at(parked["not_before"]) <= longest
        for reading in ccs.account(name)["windows"][window]["readings"]:
            assert reading["utilization"] in (None, 1)
            assert reading["resets_at"] is None or at(reading["resets_at"]) <= longest
        assert ccs.ok("why", parked["task_id"]).out
    assert ccs.tick_starts() == []
    assert ccs.ok("plan").out
    assert len(api.requests) == len(ABSURD)


def test_what_cannot_be_in_a_good_answer_holds_nobody(ccs, api):
    for told in ("util=100 reset=99999999999", "util=-1 reset=-9000", "util=nan reset=60"):
        assert ccs.ended(ccs.launch(f"[[stub: reply {told}]]"))["status"] == "success"
        assert verdict(ccs.ended(ccs.launch("hello"))) == SUCCESS
    assert len(api.requests) == 6


def test_time_runs_out_while_the_client_waits_and_the_work_is_parked(ccs):
    """Half of the timeout is spent on work, so the rest is too short for the wait."""
    working = "[[stub: tool command=\"perl -e 'sleep 5'\"]]"
    told = f"{working} [[stub: limit reset=9]]"
    run_id = ccs.launch(told, "--on-limit", "hold", "--timeout", "10s")
    ended = ccs.ended(run_id)
    assert verdict(ended) == LIMITED
    assert ended["message"] == "not done when its time ran out"
    ccs.ticking(ccs.all_ended)
    assert verdict(ccs.following(run_id)) == SUCCESS
