"""What people type wrong: the exit code, one error that says what to do, the store left alone."""

from __future__ import annotations

import pytest

BIRTH = "2026-11-01T00:00:00.000Z"
JOB, EMPTY, HOLLOW = (f"10b0000{n}-0000-4000-8000-000000000000" for n in (1, 2, 3))
FIRST, SECOND, SOLO = (f"7a5c000{n}-0000-4000-8000-000000000000" for n in (1, 2, 3))
TWIN, OTHER_TWIN = (f"7e50000{n}-0000-4000-8000-000000000000" for n in (1, 2))
PROFILE, SPARE = (f"9f11e00{n}-0000-4000-8000-000000000000" for n in (1, 2))
RUN = "4c100001-0000-4000-8000-000000000000"
ZAI = "5270805b-3731-41da-8710-fe765f2e58be"
CREATE = ("tasks", "create", "--prompt", "x")


def job(record_id, name, *order):
    place = {"path": "/tmp"}
    times = {"created_at": BIRTH, "updated_at": BIRTH}
    return {"id": record_id, "name": name, "working_directory": place, "task_order": order, **times}


def task(record_id, name, job_id=None):
    times = {"created_at": BIRTH, "updated_at": BIRTH, "active_since": BIRTH}
    return {"id": record_id, "name": name, "prompt": "x", "job_id": job_id, **times}


def profile(record_id, name):
    variable = {"name": "KEY", "source": "static", "value": "canary-secret-value"}
    times = {"created_at": BIRTH, "updated_at": BIRTH}
    return {"id": record_id, "name": name, "env_vars": [variable], **times}


@pytest.fixture(scope="module")
def furnished(shared):
    shared.save(
        "jobs",
        job(JOB, "nightly", FIRST, SECOND),
        job(EMPTY, "empty"),
        job(HOLLOW, "hollow", "00000000-0000-4000-8000-00000000dead"),
    )
    shared.save(
        "tasks",
        task(FIRST, "first", JOB),
        task(SECOND, "second", JOB),
        {**task(SOLO, "solo"), "profile": PROFILE},
        task(TWIN, "twin"),
        task(OTHER_TWIN, "twin"),
    )
    shared.save("profiles", profile(PROFILE, "work"), profile(SPARE, "spare"))
    ended = {"status": "success", "trigger": "manual", "scheduled_time": BIRTH, "end_time": BIRTH}
    shared.save("runs", {"id": RUN, "task_id": SOLO, "task_name": "solo", **ended})
    return shared


# What was typed, the exit code, words of the error.
TABLE = [
    # Nothing of that name
    (("jobs", "get", "nope"), 3, ["no job 'nope'", "ccs jobs list"]),
    (("jobs", "run", "nope"), 3, ["no job"]),
    (("jobs", "delete", "nope", "--force"), 3, ["no job"]),
    (("tasks", "get", "nope"), 3, ["no task 'nope'", "ccs tasks list"]),
    (("tasks", "get", ""), 3, ["no task"]),
    (("tasks", "run", "nope"), 3, ["no task"]),
    (("tasks", "update", "nope", "--name", "x"), 3, ["no task"]),
    (("tasks", "enable", "nope"), 3, ["no task"]),
    (("runs", "get", "nope"), 3, ["no run", "ccs runs list"]),
    (("runs", "stop", "nope"), 3, ["no run"]),
    (("runs", "restart", "nope"), 3, ["no run"]),
    (("runs", "log", "nope"), 3, ["no run"]),
    (("runs", "delete", RUN, "nope", "--force"), 3, ["no run"]),
    (("profiles", "get", "nope"), 3, ["no profile", "ccs profiles list"]),
    (("profiles", "update", "nope", "--name", "x"), 3, ["no profile"]),
    ((*CREATE, "--profile", "nope"), 3, ["no profile 'nope'"]),
    ((*CREATE, "--job", "nope"), 3, ["no job"]),
    ((*CREATE, "--zai"), 3, ["ccs profiles create --template zai"]),
    ((*CREATE, "--bedrock"), 3, ["ccs profiles create --template bedrock"]),
    ((*CREATE, "--profile", ZAI), 3, ["ccs profiles create --template zai"]),
    (("jobs", "create", "--name", "x", "--profile", ZAI), 3, ["--template zai"]),
    (("jobs", "run", "hollow"), 3, ["do not exist", "dead"]),
    (("jobs", "set-order", "nightly", "first", "nope"), 3, ["no task"]),
    # More than one
    (("tasks", "get", "7e50"), 4, ["fits 2 tasks", TWIN, OTHER_TWIN]),
    (("tasks", "delete", "twin", "--force"), 4, ["fits 2 tasks", "give the id"]),
    (("tasks", "run", "twin"), 4, ["fits 2 tasks"]),
    # The present state forbids it
    (("jobs", "stop", "nightly"), 4, ["not running", "pending"]),
    (("runs", "stop", RUN), 4, ["ended already"]),
    (("profiles", "delete", "work", "--yes"), 4, ["used by 1", "task 'solo'", "--force"]),
    # Nobody is there to ask
    (("jobs", "delete", "nightly"), 2, ["2 tasks", "0 runs", "add --yes"]),
    (("tasks", "delete", "solo"), 2, ["1 run?", "add --yes"]),
    (("runs", "delete", RUN), 2, ["1 run", "add --yes"]),
    (("profiles", "delete", "spare"), 2, ["add --yes"]),
    # Schedules
    ((*CREATE, "--cron", "61 * * * *"), 2, ["minute '61'", "0-59"]),
    ((*CREATE, "--cron", "* * * *"), 2, ["five fields"]),
    ((*CREATE, "--cron", ""), 2, ["empty"]),
    ((*CREATE, "--cron", "0 0 30 2 *"), 2, ["schedule"]),
    ((*CREATE, "--cron", "0 0 9 * * 1"), 2, ["seconds"]),
    ((*CREATE, "--cron", "* * * * *", "--at", "+1h"), 2, ["--cron, --at"]),
    ((*CREATE, "--cron", "* * * * *", "--tz", "Mars/Olympus"), 2, ["Mars", "Europe/Berlin"]),
    ((*CREATE, "--cron", "* * * * *", "--tz", "../../etc/passwd"), 2, ["not a time zone"]),
    ((*CREATE, "--at", "09:00", "--tz", ""), 2, ["not a time zone"]),
    ((*CREATE, "--tz", "UTC"), 2, ["goes with a schedule"]),
    ((*CREATE, "--at", "2020-01-01T00:00"), 2, ["past"]),
    ((*CREATE, "--at", "soon"), 2, ["'soon' is not a time", "tomorrow 09:00"]),
    ((*CREATE, "--at", ""), 2, ["not a time"]),
    ((*CREATE, "--at", "25:00"), 2, ["not a time of day"]),
    ((*CREATE, "--at", "+-5m"), 2, ["not a duration"]),
    ((*CREATE, "--at", "2027-03-28T02:30", "--tz", "Europe/Berlin"), 2, ["does not exist"]),
    ((*CREATE, "--at", "0001-01-01T00:00", "--tz", "Asia/Tokyo"), 2, ["out of reach"]),
    ((*CREATE, "--every", "90s"), 2, ["whole minutes"]),
    ((*CREATE, "--every", "0m"), 2, ["whole minutes"]),
    ((*CREATE, "--every", "15m", "--cron", "* * * * *"), 2, ["--cron, --every"]),
    ((*CREATE, "--daily", "25:00"), 2, ["time of day"]),
    ((*CREATE, "--weekly", "09:00"), 2, ["lacks a day"]),
    ((*CREATE, "--weekly", "someday 09:00"), 2, ["someday"]),
    ((*CREATE, "--monthly", "32 09:00"), 2, ["calendar_day_of_month"]),
    ((*CREATE, "--watch", "missing"), 2, ["not a directory"]),
    ((*CREATE, "--watch", "/"), 2, ["holds the store"]),
    ((*CREATE, "--pattern", "*.py"), 2, ["--pattern goes with --watch"]),
    ((*CREATE, "--sequential"), 2, ["step of a job"]),
    ((*CREATE, "--when-available", "200%"), 2, ["headroom"]),
    ((*CREATE, "--anchor", "noon"), 2, ["time of day"]),
    ((*CREATE, "--window", "five_hour"), 2, ["--window goes with"]),
    ((*CREATE, "--every", "15m", "--between", "22:00"), 2, ["span of hours"]),
    ((*CREATE, "--every", "15m", "--between", "09:00-09:00"), 2, ["empty"]),
    ((*CREATE, "--every", "15m", "--days", "someday"), 2, ["no day"]),
    ((*CREATE, "--every", "15m", "--until", "2020-01-01T00:00"), 2, ["past"]),
    ((*CREATE, "--every", "15m", "--not-before", "+2h", "--until", "+1h"), 2, ["not_before"]),
    ((*CREATE, "--every", "15m", "--max-runs", "0"), 2, ["max_runs"]),
    ((*CREATE, "--after", "solo"), 2, ["only a task of a job"]),
    (("tasks", "update", "solo", "--at", "2020-01-01T00:00"), 2, ["past"]),
    # Other fields of a task
    (("tasks", "create"), 2, ["needs a --prompt", "as in: ccs tasks create"]),
    (("tasks", "create", "--prompt", " \n"), 2, ["prompt", "empty"]),
    (("tasks", "create", "--prompt-file", "absent.md"), 2, ["absent.md", "No such file"]),
    (("tasks", "create", "--prompt-file", "."), 2, ["directory"]),
    (("tasks", "create", "--prompt", "caf\udce9"), 2, ["--prompt is not UTF-8", "--prompt-file"]),
    ((*CREATE, "--prompt-file", "-"), 2, ["one of --prompt and --prompt-file"]),
    ((*CREATE, "--name", ""), 2, ["name", "empty"]),
    ((*CREATE, "--name", "n" * 201), 2, ["name", "200"]),
    ((*CREATE, "--timeout", "-1"), 2, ["timeout", "negative"]),
    ((*CREATE, "--timeout", "-5m"), 2, ["timeout", "1h30m"]),
    ((*CREATE, "--timeout", "0"), 2, ["timeout", "one second"]),
    ((*CREATE, "--timeout", "9" * 400), 2, ["timeout"]),
    ((*CREATE, "--grace", "later"), 2, ["grace"]),
    ((*CREATE, "--max-turns", "0", "--until-green", "999"), 2, ["max_turns", "until_green"]),
    ((*CREATE, "--max-budget-usd", "nan"), 2, ["max_budget_usd"]),
    ((*CREATE, "--model", ""), 2, ["--model", "default"]),
    ((*CREATE, "--permissions", "root"), 2, ["permissions", "bypass"]),
    ((*CREATE, "--session-mode", "maybe", "--overlap", "never"), 2, ["session_mode", "overlap"]),
    ((*CREATE, "--isolation", "chroot", "--on-limit", "pray"), 2, ["isolation", "on_limit"]),
    ((*CREATE, "--retry-attempts", "0"), 2, ["max_attempts"]),
    ((*CREATE, "--extra-arg=--resume"), 2, ["--resume", "by ccs itself"]),
    ((*CREATE, "--zai", "--bedrock"), 2, ["one of"]),
    ((*CREATE, "--working-directory", ""), 2, ["working directory", "empty"]),
    (("tasks", "update", "solo"), 2, ["nothing to change", "--help"]),
    (("tasks", "update", "solo", "--name", "\t"), 2, ["name", "empty"]),
    (("tasks", "run", "solo", "--timeout", "soon"), 2, ["not a duration"]),
    # Jobs
    (("jobs", "create"), 2, ["--name"]),
    (("jobs", "create", "--name", " "), 2, ["name", "empty"]),
    (("jobs", "create", "--name", "x", "--max-parallel", "0"), 2, ["max-parallel"]),
    (("jobs", "create", "--name", "x", "--on-failure", "cry"), 2, ["stop", "continue"]),
    (("jobs", "create", "--name", "x", "--worktree-name", "../../x"), 2, ["worktree_name"]),
    (("jobs", "create", "--name", "x", "--worktree-branch=-D"), 2, ["worktree_branch"]),
    (("jobs", "create", "--name", "x", "--working-directory", ""), 2, ["empty"]),
    (("jobs", "update", "nightly"), 2, ["nothing to change"]),
    (("jobs", "update", "nightly", "--status", "in_progress"), 2, ["status"]),
    (("jobs", "set-order", "nightly"), 2, ["TASKS"]),
    (("jobs", "set-order", "nightly", "first", FIRST), 2, ["twice"]),
    (("jobs", "set-order", "nightly", "first", "solo"), 2, ["'solo'", "not a task of this job"]),
    (("jobs", "run", "empty"), 2, ["no tasks", "ccs tasks create --job"]),
    # Profiles: what was typed in the wrong place may be the secret
    (("profiles", "create"), 2, ["--name"]),
    (("profiles", "create", "--name", "x", "--env", "canary-typed"), 2, ["NAME=VALUE"]),
    (("profiles", "create", "--name", "x", "--env-from", "canary-typed"), 2, ["SOURCE"]),
    (("profiles", "create", "--name", "x", "--env-from", "K=canary-typed"), 2, ["SOURCE"]),
    (("profiles", "create", "--name", "x", "--env", "1K=canary-typed"), 2, ["variable name"]),
    (("profiles", "create", "--name", "x", "--env-from", "K=vault:canary-typed"), 2, ["none of"]),
    (("profiles", "create", "--name", "x", "--env-from", "K=aws_sm:x,canary"), 2, ["region="]),
    (("profiles", "create", "--name", "x", "--env-from", "K=aws_ssm:x,y=z"), 2, ["decrypt="]),
    (("profiles", "create", "--template", "nope"), 2, ["zai", "bedrock"]),
    (("profiles", "update", "work"), 2, ["nothing to change"]),
    (("profiles", "update", "work", "--remove-env", "NOPE"), 2, ["no variable NOPE"]),
    # The command line itself
    (("taks", "list"), 2, ["taks", "did you mean tasks?"]),
    (("tasks", "lst"), 2, ["lst", "did you mean list?"]),
    (("tasks", "get"), 2, ["TASK"]),
    (("tasks", "get", "solo", "extra"), 2, ["extra"]),
    (("tasks", "get", "solo", "-o", "yaml"), 2, ["yaml", "jsonl"]),
    (("runs", "list", "--status", "done"), 2, ["'done'", "success"]),
    (("runs", "list", "-n", "-1"), 2, ["-n"]),
    (("runs", "log", RUN, "-n", "9" * 30), 2, ["-n"]),
]


@pytest.mark.parametrize(("words", "code", "told"), TABLE, ids=lambda value: _name(value))
def test_bad_input_is_refused(furnished, inside, words, code, told):
    """With its exit code and one error; nothing on stdout, nothing changed on disk."""
    before = furnished.snapshot()
    done = inside(furnished, *words)
    assert done.code == code, done.err
    assert done.out == ""
    errors = [one for one in done.err.splitlines() if one.startswith(("error: ", '{"error": '))]
    assert len(errors) == 1, done.err
    assert all(word in done.err for word in told), done.err
    assert "canary" not in done.err
    assert furnished.snapshot() == before


def _name(value):
    return " ".join(value)[:60].strip() if isinstance(value, tuple) else ""


def test_a_missing_store_is_empty_and_stays_missing(ccs):
    absent = str(ccs.root / "absent")
    assert ccs("tasks", "list", CCS_HOME=absent).json == {"tasks": []}
    assert ccs("tasks", "create", "--prompt", "", CCS_HOME=absent).code == 2
    assert not (ccs.root / "absent").exists()
