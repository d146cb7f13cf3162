"""`plan`, `why` and `simulate` through the door: forms, exit codes, and a store left as it was."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def ccs(quick):
    quick.task("go", "--name", "nightly", "--cron", "0 3 * * *")
    quick.task("go", "--name", "often", "--every", "1h", "--between", "22:00-07:00")
    quick.task("go", "--name", "by hand")
    return quick


def test_plan_lists_what_comes(ccs):
    rows = ccs.ok("plan", "--next", "7d").json["plan"]
    assert {tuple(row) for row in rows} == {
        ("at", "task_id", "task_name", "what", "why", "quota", "pushed_to", "permissions")
    }
    nightly = [row for row in rows if row["task_name"] == "nightly"]
    assert [row["what"] for row in nightly] == ["run"] * 7
    assert rows[-1]["what"] == "waits"


def test_plan_for_people_has_the_times_of_this_place_and_says_that_nothing_ticks(ccs):
    done = ccs.ok("plan", "-o", "table", "--task", "nightly", "--next", "1d")
    head, _, row = done.out.splitlines()
    assert head.split() == ["WHEN", "TASK", "PERMISSIONS", "WHAT", "WHY"]
    assert "03:00:00 UTC  nightly" in row
    assert "nothing calls ccs tick" in done.err


def test_plan_of_an_empty_store_says_so(shared, inside):
    assert inside(shared, "plan").json == {"plan": []}
    assert "no plan" in inside(shared, "plan", "-o", "table").err


def test_why_answers_in_its_first_line(ccs):
    ccs.ok("tasks", "disable", "nightly")
    first, *rest = ccs.ok("why", "nightly", "-o", "table").out.splitlines()
    assert first.startswith("It is disabled")
    found = ccs.ok("why", "nightly").json
    assert list(found) == ["task_id", "slot", "answer", "details"]
    assert (found["answer"], len(found["details"])) == (first, len(rest))


def test_why_takes_a_slot_in_the_usual_forms_and_a_bare_time_is_the_last_one(ccs):
    found = ccs.ok("why", "nightly", "--slot", "03:00").json
    assert found["slot"].endswith("T03:00:00.000Z")
    assert found["answer"].startswith("Its schedule counts from")
    assert (
        ccs.ok("why", "nightly", "--slot", "tomorrow 03:00")
        .json["answer"]
        .startswith("It has not come yet")
    )


def test_simulate_tells_each_event_and_a_summary(ccs):
    before = ccs.snapshot()
    told = ccs.ok(
        *("simulate", "--from", "tomorrow 02:59", "--to", "+2h", "--duration", "30m"),
        *("--limit", "five_hour@+5h"),
    ).json
    nightly = [one for one in told["events"] if one["task_name"] == "nightly"]
    assert [(one["at"][11:19], one["verb"], one["why"]) for one in nightly] == [
        ("03:00:00", "launch", "schedule"),
        ("03:00:10", "end", "limited usage_limit"),
    ]
    # The others are held: their account's window is used up until long after.
    assert told["summary"]["launch"] == 1
    assert ccs.snapshot() == before


def test_simulate_for_people_is_a_line_an_event(ccs):
    done = ccs.ok("simulate", "-o", "table", "--from", "tomorrow 02:59", "--to", "+10m")
    assert "03:00:00 UTC launch nightly (schedule)" in " ".join(done.out.split())
    assert "launch" in done.err.splitlines()[-1]
    lines = ccs.ok("simulate", "-o", "jsonl", "--from", "tomorrow 02:59", "--to", "+10m").out
    assert {json.loads(line)["verb"] for line in lines.splitlines()} == {"launch", "end"}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("plan", "--next", "soon"), 2),
        (("plan", "--task", "nobody"), 3),
        (("why", "nobody"), 3),
        (("why", "nightly", "--slot", "noon"), 2),
        (("simulate", "--to", "+0s"), 2),
        (("simulate", "--to", "+401d"), 2),
        (("simulate", "--limit", "five_hour"), 2),
        (("simulate", "--duration", "-1m"), 2),
    ],
)
def test_what_makes_no_sense_is_refused(ccs, words, code):
    done = ccs(*words)
    assert (done.code, done.out) == (code, "")
    assert done.error["message"]
