"""What an export must not carry, and what comes in without it."""

from __future__ import annotations

import json

import pytest

from ccs.text import MASK

TOKEN = "gh" + "p_" + "a1B2" * 9  # put together here, so that no scanner takes it for a leak
STATIC, AMBIENT, FILED = "hunter2-static", "hunter2-ambient", "hunter2-from-a-file"
HOOK = "https://ntfy.sh/hunter2-topic"


@pytest.fixture
def ccs(quick):
    return quick


def exported(ccs, *words, **env):
    path = ccs.root / "out.json"
    done = ccs.ok("jobs", "export", *words, "-o", str(path), **env)
    return path, done.err


def test_a_token_in_a_prompt_does_not_leave_and_it_is_told_where_it_stood(ccs):
    job = ccs.ok("jobs", "create", "--name", "j", "-q").out.strip()
    ccs.task(f"push with {TOKEN} please", "--job", job, "--name", "push", "--verify", "make")
    for words in ((job,), ("--all",)):
        done = ccs.ok("jobs", "export", *words)
        assert TOKEN not in done.out + done.err
        assert "warning: task 'push': prompt: a secret was masked" in done.err
        assert done.err.count("was masked") == 1
        (document,) = done.json.get("jobs", [done.json])
        assert document["tasks"][0]["prompt"] == f"push with {MASK} please"
    assert ccs.saved("tasks")[0]["prompt"] == f"push with {TOKEN} please"


def test_what_a_profile_or_a_channel_holds_does_not_leave_in_a_prompt(ccs):
    (ccs.root / "key").write_text(f"{FILED}\n")
    channel = {"name": "phone", "kind": "ntfy", "url": HOOK}
    ccs.settings(mock_mode=True, notifications={"channels": [channel]})
    variables = ["--env", f"A={STATIC}", "--env-from", "B=env:MY_SOURCE"]
    variables += ["--env-from", f"C=file:{ccs.root / 'key'}", "--env-from", "D=file:/no/such/file"]
    ccs.ok("profiles", "create", "--name", "work", *variables)
    secrets = (STATIC, AMBIENT, FILED, HOOK)
    for secret in secrets:
        ccs.task(f"say {secret}", "--name", "says")
    path, err = exported(ccs, "--all", MY_SOURCE=AMBIENT)
    found = path.read_text()
    assert not [secret for secret in secrets if secret in found + err]
    assert err.count("task 'says': prompt: a secret was masked") == len(secrets)


def test_what_lacks_a_secret_rests_until_somebody_enables_it(ccs):
    job = ccs.ok("jobs", "create", "--name", "j", "-q").out.strip()
    ccs.task(f"push with {TOKEN}", "--job", job, "--name", "push", "--cron", "* * * * *")
    ccs.task("fine", "--job", job, "--name", "fine", "--cron", "0 3 1 1 *")
    path, _ = exported(ccs, job)
    done = ccs.ok("jobs", "import", str(path), "--enable", "--yes")
    assert "note: task 'push': prompt: a secret was masked" in done.err
    came = {one["name"]: one for one in done.json["tasks"]}
    assert (came["push"]["enabled"], came["fine"]["enabled"]) == (False, True)
    assert came["push"]["disabled_why"] == "a secret was masked when it was exported: prompt"
    ccs.ok("tasks", "enable", came["push"]["id"])
    saved = next(one for one in ccs.saved("tasks") if one["id"] == came["push"]["id"])
    assert (saved["enabled"], saved["disabled_why"]) == (True, None)


def test_a_setup_line_that_was_masked_keeps_all_tasks_of_its_job_disabled(ccs):
    words = ("--use-worktree", "--worktree-setup", f"npm login --token {TOKEN}")
    job = ccs.ok("jobs", "create", "--name", "j", *words, "-q").out.strip()
    ccs.task("x", "--job", job)
    path, err = exported(ccs, job)
    assert "job 'j': working_directory: a secret was masked" in err
    done = ccs.ok("jobs", "import", str(path), "--enable", "--yes")
    assert [one["enabled"] for one in done.json["tasks"]] == [False]
    setup = done.json["jobs"][0]["working_directory"]["worktree_setup"]
    assert setup == f"npm login --token {MASK}"


def test_what_came_in_disabled_is_run_by_no_tick_and_by_no_run_of_its_job(ccs):
    job = ccs.ok("jobs", "create", "--name", "j", "-q").out.strip()
    ccs.task("[[mock: success]]", "--job", job, "--cron", "* * * * *", "--name", "minutely")
    path, _ = exported(ccs, job)
    ccs.ok("jobs", "delete", job, "--yes")
    copy = json.loads(ccs.ok("jobs", "import", str(path)).out)["jobs"][0]["id"]
    ccs.ok("tick")
    assert "passed over, it is disabled" in ccs.ok("jobs", "run", copy).err
    ccs.ok("tick")
    assert (ccs.launches(), [one["status"] for one in ccs.recorded()]) == ([], ["skipped"])
