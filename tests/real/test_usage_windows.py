"""Runs of the real client at a usage limit: parked, and gone on with after the reset."""

import json
from datetime import datetime, timedelta

from messages_api import Account
from real_program import GOES_ON, LIMITED, SUCCESS, arguments, verdict, verdicts

DAY = 86400


def at(text):
    return datetime.fromisoformat(text)


# --- one account, more work than its window has room for


def test_what_a_window_has_no_room_for_goes_on_after_its_reset(ccs, api):
    api.account = Account(window=3, window_seconds=20)
    tasks = [ccs.task(f"the work called {name}", "--at", "+1s") for name in "ABCDE"]
    with api.holding(only_refusals=True):
        runs = ccs.due(*tasks)
        ccs.until(lambda: len(api.requests) == 5 and ccs.successes() == 3)
    first = [ccs.ended(run_id) for run_id in runs]
    assert verdicts(first) == [LIMITED] * 2 + [SUCCESS] * 3
    limited = {run["id"]: run for run in first if run["status"] == "limited"}
    parked = [ccs.following(run_id) for run_id in limited]
    for run in parked:
        before = limited[run["resumed_from"]]
        assert (run["trigger"], run["status"]) == ("resume", "upcoming")
        assert run["held_reason"] == "limit"
        assert run["not_before"] == run["resets_at"] == before["resets_at"]
        assert (run["session_id"], run["task_id"]) == (before["session_id"], before["task_id"])
        assert (run["attempt"], run["parks"], run["limit_type"]) == (1, 1, "five_hour")

    with api.holding():
        [canary] = ccs.until(ccs.tick_starts)
        ccs.until(lambda: len(api.requests) == 6)
        assert [ccs.tick_starts() for _ in range(3)] == [[], [], []]
        [waits] = [run for run in ccs.recorded() if run["status"] == "upcoming"]
        words = ccs.ok("why", waits["task_id"]).out
        assert "another run tries first whether the five_hour window has reset" in words
        session = ccs.run(canary)["session_id"]
        argv = arguments(ccs.client_of(canary))
        assert argv[argv.index("--resume") + 1] == session == api.requests[5].session
        assert "--session-id" not in argv
    ccs.ticking(ccs.all_ended)

    assert ccs.tick_starts() == []
    assert len(ccs.recorded()) == 7
    for run in parked:
        done, before = ccs.run(run["id"]), limited[run["resumed_from"]]
        assert (verdict(done), done["attempt"], done["trigger"]) == (SUCCESS, 1, "resume")
        assert at(done["start_time"]) >= at(before["resets_at"])
        again = [request for request in api.requests if request.session == done["session_id"]]
        assert ["the work called" in request.prompts for request in again] == [True, True]
        assert [GOES_ON in request.prompts for request in again] == [False, True]
        kept = ccs.transcript(done["session_id"]).read_text()
        assert kept.count(json.dumps(f"the work called {'ABCDE'[tasks.index(run['task_id'])]}"))
        assert GOES_ON in kept
    asked = [api.sessions.count(run["session_id"]) for run in first]
    assert asked == [2 if run["id"] in limited else 1 for run in first]


def test_what_is_refused_again_after_the_reset_is_parked_again(ccs, api):
    api.account = Account(window=1, window_seconds=15)
    tasks = [ccs.task(name, "--at", "+1s") for name in ("one", "two", "three")]
    with api.holding(only_refusals=True):
        ccs.due(*tasks)
        ccs.until(lambda: len(api.requests) == 3 and ccs.successes() == 1)
    ccs.ticking(lambda: len(ccs.recorded()) > 3 and ccs.all_ended())
    runs = ccs.recorded()
    assert verdicts(runs) == [LIMITED] * 3 + [SUCCESS] * 3
    assert sorted(run.get("parks", 0) for run in runs if verdict(run) == SUCCESS) == [0, 1, 2]
    assert {run.get("attempt", 1) for run in runs} == {1}
    assert sorted(map(api.sessions.count, set(api.sessions))) == [1, 2, 3]
    assert "alarms" not in ccs.account()


def test_a_job_goes_on_where_its_step_was_parked(ccs, api):
    job = ccs.ok("jobs", "create", "--name", "two steps", "-q").out.strip()
    for prompt in ("first [[stub: limit reset=8]]", "second"):
        ccs.task(prompt, "--job", job, "--sequential")
    ccs.ok("jobs", "run", job)
    ccs.until(lambda: verdicts(ccs.recorded()[:1]) == [LIMITED])
    assert len(ccs.recorded()) == 2
    ccs.ticking(lambda: ccs.successes() == 2)
    assert [run["trigger"] for run in ccs.recorded()] == ["job", "resume", "job"]
    assert ccs.ok("jobs", "get", job, "-o", "json").json["status"] == "completed"
    assert len(api.requests) == 3


# --- who knows better: an answer, or a refusal


def test_a_window_that_resets_before_its_time_is_seen_by_whoever_is_answered(ccs, api):
    told = f"[[stub: limit reset={3 * DAY} claim=seven_day times=1]]"
    limited = ccs.launch(told)
    assert verdict(ccs.ended(limited)) == LIMITED
    assert ccs.tick_starts() == []
    forced = ccs.start(ccs.task("somebody tries"), "--force")
    assert verdict(ccs.ended(forced)) == SUCCESS
    done = ccs.ticked_until_ended(ccs.following(limited)["id"])
    assert (verdict(done), done["session_id"]) == (SUCCESS, limited)


def test_an_answer_to_an_earlier_request_does_not_lift_a_refusal(ccs, api):
    """The client tells of the window when the first piece of the answer is whole."""
    early = ccs.launch("[[stub: slow seconds=8 util=1 reset=3600]]")
    ccs.until(lambda: len(api.requests) == 1)
    late = ccs.launch("[[stub: limit reset=3600]]")
    assert verdict(ccs.ended(late)) == LIMITED
    assert verdict(ccs.ended(early)) == SUCCESS
    assert ccs.tick_starts() == []


def test_a_refusal_counts_again_after_an_answer(ccs):
    limit = ("[[stub: limit reset=3600]]", "--on-limit", "fail")
    assert verdict(ccs.ended(ccs.launch(*limit))) == LIMITED
    forced = ccs.start(ccs.task("somebody tries"), "--force")
    assert verdict(ccs.ended(forced)) == SUCCESS
    assert verdict(ccs.ended(ccs.launch(*limit))) == LIMITED
    [due] = ccs.due(ccs.task("hello", "--at", "+1s"))
    assert ccs.run(due)["held_reason"] == "limit"


# --- windows of a week, and of one model


def test_a_weekly_limit_holds_its_account_for_days(ccs, api):
    ccs.settings(reset_margin="90s")
    task = ccs.task(f"[[stub: limit reset={3 * DAY} claim=seven_day]]")
    done = ccs.ended(ccs.start(task))
    assert (verdict(done), done["limit_type"]) == (LIMITED, "seven_day")
    assert at(done["resets_at"]).timestamp() == api.account.told_reset(done["id"])
    parked = ccs.following(done["id"])
    later = at(parked["not_before"]) - at(done["resets_at"])
    assert timedelta(seconds=90) <= later <= timedelta(seconds=150)
    assert at(parked["not_before"]) - at(done["end_time"]) < timedelta(days=7)

    other = ccs.task("hello", "--at", "+1s")
    ccs.due(other)
    [held] = [run for run in ccs.recorded() if run["task_id"] == other]
    assert (held["status"], held["held_reason"]) == ("upcoming", "limit")
    for name in (task, other):
        words = ccs.ok("why", name).out
        assert "It waits for a usage limit to reset." in words
        assert "the seven_day window is used up" in words
    rows = ccs.ok("plan", "--next", "7d", "-o", "json").json["plan"]
    expected = {(task, parked["not_before"]), (other, held["not_before"])}
    assert {(row["task_id"], row["at"]) for row in rows if row["what"] == "held"} == expected
    assert len(api.requests) == 1


def test_a_limit_of_one_model_parks_only_that_model(ccs, api):
    limit = f"[[stub: limit model=opus claim=seven_day_opus reset={3 * DAY}]]"
    opus, fallback = ("--model", "opus"), ("--model", "opus", "--fallback-model", "sonnet")
    limited = ccs.ended(ccs.launch(limit, *fallback))
    assert (verdict(limited), limited["limit_type"]) == (LIMITED, "seven_day_opus")
    done = ccs.ticked_until_ended(ccs.following(limited["id"])["id"])
    assert (verdict(done), done["model"], done["session_id"]) == (SUCCESS, "sonnet", limited["id"])
    assert asked_of(api) == ["opus", "sonnet"]

    held = ccs.task("only by the best", *opus, "--at", "+1s")
    others = [ccs.task("any", *more, "--at", "+1s") for more in (("--model", "sonnet"), fallback)]
    with api.holding():
        waits, plain, instead = ccs.due(held, *others)
        argv = arguments(ccs.client_of(instead))
        assert argv[argv.index("--model") + 1] == "sonnet"
        assert "--fallback-model" not in argv
    for run_id in (plain, instead):
        done = ccs.ended(run_id)
        assert (verdict(done), done["model"], done["trigger"]) == (SUCCESS, "sonnet", "schedule")
    waiting = ccs.run(waits)
    assert (waiting["status"], waiting["held_reason"]) == ("upcoming", "limit")
    assert "the seven_day_opus window is used up" in ccs.ok("why", held).out
    assert asked_of(api) == ["opus", "sonnet", "sonnet", "sonnet"]


def asked_of(api):
    """The family of each request's model."""
    return [request.body["model"].split("-")[1] for request in api.requests]
