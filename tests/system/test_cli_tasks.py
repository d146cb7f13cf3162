"""Tasks as people use them: described in full, changed in part, run by hand, deleted."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest


@pytest.fixture
def ccs(quick):
    return quick


def edit(ccs, task_id, **fields):
    """A hand edit of tasks.json."""
    tasks = ccs.saved("tasks")
    for task in tasks:
        if task["id"] == task_id:
            task.update(fields)
    ccs.save("tasks", *tasks)


def test_a_task_keeps_everything_it_was_made_with(ccs):
    ccs.files({"work/mcp.json": "{}", "work/more/x": ""})
    nightly = ccs.ok("jobs", "create", "--name", "nightly", "-q").out.strip()
    profile = ccs.ok("profiles", "create", "--template", "zai", "-q").out.strip()
    made = ccs.ok(
        *("tasks", "create", "--name", "full", "--command", "-x", "--job", "nightly", "--zai"),
        *("--cron", "0 3 * * 1-5", "--tz", "Europe/Berlin", "--model", "opus"),
        *("--fallback-model", "haiku", "--permissions", "['plan']", "--session-mode", "new"),
        *("--allowed-tools", "Read,Bash(git log:*,x)", "--allowed-tools", "Edit"),
        *("--disallowed-tools", "WebFetch", "--append-system-prompt", "Be brief."),
        *("--mcp-config", "mcp.json", "--mcp-config", '{"a": 1}', "--add-dir", "more"),
        *("--extra-arg=--effort", "--extra-arg", "low", "--max-turns", "7"),
        *("--max-budget-usd", "1.5", "--timeout", "90m", "--overlap", "queue"),
        *("--catch-up", "none", "--grace", "2h", "--priority", "-3", "--on-limit", "fail"),
        *("--retry-attempts", "4", "--tag", "a", "--tag", "b", "--disabled"),
        *("--no-commit-on-success", "--isolation", "none", "--prompt-type", "prompt"),
    )
    expected = {
        **{"name": "full", "prompt": "-x", "job_id": nightly, "profile": profile},
        "schedule": {
            "schedule_type": "cron", "cron": "0 3 * * 1-5", "timezone": "Europe/Berlin"
        },
        **{"model": "opus", "fallback_model": "haiku", "permissions": "plan"},
        "allowed_tools": ["Read", "Bash(git log:*,x)", "Edit"],
        **{"disallowed_tools": ["WebFetch"], "append_system_prompt": "Be brief."},
        "mcp_config": [str(ccs.work / "mcp.json"), '{"a": 1}'],
        **{"add_dirs": [str(ccs.work / "more")], "extra_args": ["--effort", "low"]},
        **{"max_turns": 7, "max_budget_usd": 1.5, "timeout": "1h30m", "overlap": "queue"},
        **{"catch_up": "none", "grace": "2h", "priority": -3, "on_limit": "fail"},
        **{"tags": ["a", "b"], "enabled": False, "commit_on_success": False},
    }  # fmt: skip
    kept = made.json
    assert {name: kept[name] for name in expected} == expected
    assert kept["retry"]["max_attempts"] == 4
    assert ccs.saved("tasks") == [kept]


def test_the_defaults_are_those_the_users_know(ccs):
    made = ccs.ok("tasks", "create", "--prompt", "Fix\n the  build").json
    assert made["name"] == "Fix the build"
    assert made["working_directory"] == str(ccs.work)
    assert (made["permissions"], made["model"], made["enabled"]) == ("bypass", "sonnet", True)
    assert (made["session_mode"], made["commit_on_success"]) == ("new", True)
    assert (made["timeout"], made["on_limit"], made["overlap"]) == ("4h", "park", "skip")
    assert made["retry"]["max_attempts"] == 1
    assert made["schedule"]["schedule_type"] == "manual"


def test_an_update_changes_what_is_named_and_nothing_else(ccs):
    task = ccs.task("x", "--name", "t", "--cron", "0 3 * * *", "--tz", "Asia/Tokyo", "--tag", "a")
    retry = {"max_attempts": 2, "delay": "5m", "backoff_multiplier": 3.0, "on": ["network"]}
    edit(ccs, task, retry=retry, from_the_future={"kept": True})
    before = ccs.saved("tasks")[0]
    changed = ccs.ok(
        *("tasks", "update", "t", "--cron", "0 4 * * *", "--retry-attempts", "5"),
        *("--model", "default", "--tag", ""),
    ).json
    schedule = {"schedule_type": "cron", "cron": "0 4 * * *", "timezone": "Asia/Tokyo"}
    assert changed["schedule"] == schedule
    assert changed["retry"] == retry | {"max_attempts": 5, "client": None}
    assert (changed["model"], changed["tags"]) == (None, [])
    assert changed["active_since"] > before["active_since"]
    moving = {"schedule", "retry", "model", "tags", "active_since", "updated_at"}
    assert {n: v for n, v in changed.items() if n not in moving} == {
        n: v for n, v in before.items() if n not in moving
    }
    moved = ccs.ok("tasks", "update", "t", "--tz", "UTC").json
    assert moved["schedule"] == schedule | {"timezone": "UTC"}
    manual = ccs.ok("tasks", "update", "t", "--manual").json["schedule"]
    assert manual == {"schedule_type": "manual", "timezone": "UTC"}


def test_a_task_that_leaves_its_job_goes_on_where_it_ran(ccs):
    ccs.ok("jobs", "create", "--name", "j", "--working-directory", str(ccs.home), "-q")
    task = ccs.task("x", "--job", "j")
    ccs.ok("tasks", "update", task, "--job", "none")
    left = ccs.saved("tasks")[0]
    assert (left["job_id"], left["working_directory"]) == (None, str(ccs.home))
    assert ccs.saved("jobs")[0]["task_order"] == []
    back = ccs.ok("tasks", "update", task, "--job", "j", "--working-directory", ".")
    assert f"runs in the directory of its job, {ccs.home}" in back.err
    assert ccs.saved("jobs")[0]["task_order"] == [task]


def test_a_time_makes_a_schedule_of_one_slot(ccs):
    made = ccs.ok(
        "tasks", "create", "--prompt", "x", "--at", "2099-07-01T09:00", "--tz", "Asia/Tokyo"
    )
    schedule = {"at": "2099-07-01T00:00:00.000Z", "timezone": "Asia/Tokyo"}
    assert made.json["schedule"] == {"schedule_type": "once", **schedule}
    assert "it runs next at 2099-07-01 00:00:00 UTC" in made.err
    assert "nothing calls ccs tick" in made.err
    soon = ccs.ok("tasks", "create", "--prompt", "x", "--at", "+2h").json["schedule"]["at"]
    ahead = datetime.fromisoformat(soon) - datetime.now(UTC)
    assert timedelta(hours=1, minutes=58) < ahead <= timedelta(hours=2)


def test_a_task_is_switched_off_and_on(ccs):
    ccs.task("x", "--name", "t", "--cron", "* * * * *")
    before = ccs.saved("tasks")[0]["active_since"]
    assert ccs.ok("tasks", "disable", "t").json["enabled"] is False
    enabled = ccs.ok("tasks", "enable", "t")
    assert enabled.json["enabled"] is True
    assert enabled.json["active_since"] > before
    assert "it runs next at" in enabled.err


def test_a_prompt_comes_from_a_file_or_a_pipe_whole(ccs):
    prompt = "é" * 4_999_999 + "\r\n"
    ccs.ok("tasks", "create", "--name", "big", "--prompt-file", "-", "-q", stdin=prompt)
    assert ccs.saved("tasks")[0]["prompt"] in (prompt, prompt.replace("\r\n", "\n"))
    before = ccs.snapshot()
    refused = ccs("tasks", "create", "--prompt-file", "-", stdin="x" * 10_000_001)
    assert (refused.code, "10 MB" in refused.error["message"]) == (2, True)
    assert ccs("tasks", "create", "--prompt-file", "/dev/zero").code == 2
    (ccs.work / "latin.md").write_bytes(b"caf\xe9")
    refused = ccs("tasks", "create", "--prompt-file", "latin.md")
    assert (refused.code, "byte 3 is not UTF-8" in refused.error["message"]) == (2, True)
    assert ccs.snapshot() == before
    (ccs.work / "bom.md").write_bytes("\ufeffReview".encode())
    assert ccs.ok("tasks", "create", "--prompt-file", "bom.md").json["prompt"] == "Review"


def test_a_missing_directory_warns_at_creation_and_fails_the_run(ccs):
    made = ccs.ok("tasks", "create", "--prompt", "x", "--name", "t", "--working-directory", "gone")
    assert "warning: " in made.err
    assert str(ccs.work / "gone") in made.err
    failed = ccs("tasks", "run", "t", "--wait")
    assert (failed.code, failed.json["reason"]) == (5, "workdir_missing")
    assert ccs.launches() == []
    (ccs.work / "gone").mkdir()
    assert ccs.ok("tasks", "run", "t", "--wait").json["cwd"] == str(ccs.work / "gone")


def test_waiting_for_a_run_ends_with_how_it_ended(ccs):
    good = ccs.ok("tasks", "run", ccs.task("x"), "--wait")
    assert good.json["status"] == "success"
    failed = ccs("tasks", "run", ccs.task("[[mock: failure]]"), "--timeout", "30s")
    assert (failed.code, failed.json["status"]) == (5, "failed")
    assert f"run {failed.json['id'][:8]}: failed overloaded: " in failed.err
    slow = ccs.task("[[mock: slow seconds=60]]")
    late = ccs("tasks", "run", slow, "--wait", "--timeout", "1s")
    assert (late.code, late.error["code"], late.out) == (124, "timeout", "")
    run_id = next(run["id"] for run in ccs.recorded() if run["task_id"] == slow)
    assert ccs.run(run_id)["status"] == "running"
    waiting = ccs.ok("tasks", "run", slow)
    assert waiting.json["held_reason"] == "overlap"
    assert "waits (overlap)" in waiting.err
    assert ccs("tasks", "run", slow).code == 4
    gone = ccs.ok("tasks", "delete", slow, "--force")
    assert gone.json["runs_deleted"] == 2
    assert "with 2 runs" in gone.err


def test_deleting_a_task_takes_it_out_of_the_order_with_runs_and_logs(ccs):
    ccs.ok("jobs", "create", "--name", "j", "-q")
    gone, kept = (ccs.task("x", "--job", "j") for _ in "ab")
    ccs.ended(ccs.start(gone))
    deleted = ccs.ok("tasks", "delete", gone[:8], "--yes").json
    assert deleted == {"id": gone, "name": "x", "runs_deleted": 1}
    assert ccs.saved("jobs")[0]["task_order"] == [kept]
    assert (ccs.recorded(), [*(ccs.store / "logs").iterdir()]) == ([], [])
    assert json.loads(ccs.ok("jobs", "tasks", "j").out)[0]["id"] == kept


@pytest.mark.parametrize(
    ("option", "kept"),
    [
        (("--usage-reset", "5m"), {"schedule_type": "usage_reset", "offset": "5m"}),
        (("--when-available", "30%"), {"schedule_type": "when_available", "headroom": 30.0}),
        (
            ("--before-reset", "45m", "--window", "seven_day"),
            {"lead": "45m", "window": "seven_day"},
        ),
        (("--anchor", "6:00"), {"schedule_type": "anchor", "anchor_time": "06:00"}),
    ],
)
def test_a_schedule_by_usage_is_kept(quick, option, kept):
    made = quick.ok("tasks", "create", "--prompt", "x", *option)
    assert made.json["schedule"].items() >= kept.items()
    assert "it runs next at" in made.err if "--anchor" in option else "ccs why" in made.err


def test_an_anchor_is_as_cheap_as_it_can_be_unless_told_otherwise(quick):
    made = quick.ok("tasks", "create", "--anchor", "06:00").json
    assert (made["prompt"], made["model"], made["max_turns"]) == ("Reply with OK.", "haiku", 1)
    told = quick.ok("tasks", "create", "--anchor", "06:00", "--model", "sonnet", "--prompt", "hi")
    assert (told.json["prompt"], told.json["model"]) == ("hi", "sonnet")


@pytest.mark.parametrize(
    ("option", "kept"),
    [
        (("--daily", "9:05"), {"calendar_frequency": "daily", "calendar_time": "09:05"}),
        (
            ("--weekly", "mon,thu 09:00"),
            {"calendar_frequency": "weekly", "calendar_days_of_week": [0, 3]},
        ),
        (("--monthly", "last 18:30"), {"calendar_day_of_month": "last", "calendar_time": "18:30"}),
        (("--every", "90m"), {"schedule_type": "interval", "every": "1h30m"}),
        (("--startup",), {"schedule_type": "startup"}),
    ],
)
def test_each_kind_of_schedule_has_its_option(quick, option, kept):
    made = quick.ok("tasks", "create", "--prompt", "x", *option, "--tz", "Europe/Berlin").json
    assert made["schedule"].items() >= (kept | {"timezone": "Europe/Berlin"}).items()


def test_hours_days_and_bounds_are_kept_and_can_be_taken_back(quick):
    bounds = ("--between", "22:00-07:00", "--days", "mon-wed", "--until", "+3d", "--max-runs", "9")
    made = quick.ok("tasks", "create", "--prompt", "x", "--name", "b", "--every", "1h", *bounds)
    assert made.json["days"] == ["mon", "tue", "wed"]
    assert (made.json["between"], made.json["max_runs"]) == ("22:00-07:00", 9)
    opened = quick.ok("tasks", "update", "b", "--between", "", "--days", "", "--until", "").json
    assert (opened["between"], opened["days"], opened["until"]) == (None, [], None)


def test_a_dry_run_shows_the_plan_and_changes_nothing(quick):
    quick.ok("tasks", "create", "--prompt", "x", "--name", "soon", "--at", "+1s")
    quick.until(lambda: not quick.ok("scheduler").json["scheduled_tasks"])
    before = quick.snapshot()
    shown = quick.ok("tick", "--dry-run").out
    assert shown.startswith("launch")
    assert "soon" in shown
    assert quick.snapshot() == before
