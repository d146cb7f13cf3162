"""Jobs as people use them: made, filled, ordered, run, stopped, deleted with all that is theirs."""

from __future__ import annotations

import pytest
from processes import end_of


@pytest.fixture
def ccs(quick):
    return quick


def job(ccs, name, *options):
    return ccs.ok("jobs", "create", "--name", name, "-q", *options).out.strip()


def status(ccs, job_id):
    return next(one["status"] for one in ccs.saved("jobs") if one["id"] == job_id)


def order(ccs, job_id):
    return next(one["task_order"] for one in ccs.saved("jobs") if one["id"] == job_id)


def test_a_job_keeps_what_it_was_made_with_and_changes_only_what_is_named(ccs):
    profile = ccs.ok("profiles", "create", "--name", "work", "-q").out.strip()
    made = ccs.ok(
        *("jobs", "create", "--name", "naïve 🚀 job", "--description", "d", "--profile", "work"),
        *("--working-directory", "sub/../place", "--on-failure", "continue"),
        *("--max-parallel", "3", "--worktree-name", "feature-x", "--worktree-branch", "main"),
        *("--worktree-setup", "make deps"),
    )
    assert "place is not a directory" in made.err
    kept = made.json
    place = {"path": str(ccs.work / "place"), "use_git_worktree": False}
    assert kept["working_directory"] == place | {
        "worktree_name": "feature-x",
        "worktree_branch": "main",
        "worktree_setup": "make deps",
    }
    assert (kept["profile"], kept["on_failure"], kept["max_parallel"]) == (profile, "continue", 3)
    changed = ccs.ok("jobs", "update", "naïve 🚀 job", "--use-worktree").json
    assert changed["working_directory"] == kept["working_directory"] | {"use_git_worktree": True}
    changed = ccs.ok("jobs", "update", kept["id"].upper(), "--profile", "none").json
    assert (changed["profile"], changed["name"]) == (None, "naïve 🚀 job")
    assert changed["working_directory"]["use_git_worktree"] is True
    assert ccs.ok("jobs", "get", kept["id"][:6]).json == changed


def test_a_name_may_look_like_another_job_s_id(ccs):
    first = job(ccs, "first")
    job(ccs, first[:8])
    assert ccs.ok("jobs", "get", first[:8]).json["name"] == first[:8]
    assert ccs.ok("jobs", "get", first[:9]).json["name"] == "first"
    job(ccs, first)
    assert ccs.ok("jobs", "get", first).json["name"] == "first"


def test_the_order_is_that_of_creation_until_it_is_set(ccs):
    mine, other = job(ccs, "mine"), job(ccs, "other")
    a, b, c = (ccs.task("x", "--job", mine, "--name", name) for name in "abc")
    foreign = ccs.task("x", "--job", other, "--name", "a")
    assert order(ccs, mine) == [a, b, c]
    # `a` is ambiguous in the store, but not in the job.
    ccs.ok("jobs", "set-order", "mine", c[:8], "a")
    assert order(ccs, mine) == [c, a]
    assert [one["id"] for one in ccs.ok("jobs", "tasks", "mine").json] == [c, a, b]
    assert ccs("jobs", "set-order", "mine", a, foreign).code == 2
    ccs.ok("tasks", "delete", c, "--yes")
    assert order(ccs, mine) == [a]
    ccs.ok("tasks", "update", a, "--job", "other")
    assert (order(ccs, mine), order(ccs, other)) == ([], [foreign, a])


def test_a_job_runs_its_tasks_in_order_and_passes_over_the_disabled(ccs):
    nightly = job(ccs, "nightly")
    first = ccs.task("x", "--job", nightly, "--name", "first")
    ccs.task("x", "--job", nightly, "--name", "resting", "--disabled")
    last = ccs.task("x", "--job", nightly, "--name", "last")
    ccs.ok("jobs", "set-order", nightly, "last", "resting", "first")
    started = ccs.ok("jobs", "run", "nightly")
    assert started.json["status"] == "in_progress"
    assert "last: run " in started.err
    ccs.until(lambda: status(ccs, nightly) == "completed")
    assert [line.split()[0] for line in ccs.launches()] == [
        next(run["id"] for run in ccs.recorded() if run["task_id"] == task)
        for task in (last, first)
    ]
    skipped = [run for run in ccs.recorded() if run["task_name"] == "resting"]
    assert [(run["status"], run["reason"]) for run in skipped] == [("skipped", "disabled")]


def test_a_running_job_is_not_run_twice_and_not_deleted(ccs):
    nightly = job(ccs, "nightly")
    ccs.task("[[mock: slow seconds=60]]", "--job", nightly, "--name", "slow")
    ccs.task("x", "--job", nightly, "--name", "never")
    ccs.ok("jobs", "run", "nightly")
    slow = ccs.recorded()[0]["id"]
    ccs.running(slow)
    again = ccs("jobs", "run", "nightly")
    assert (again.code, again.error["hint"]) == (4, f"ccs jobs stop {nightly}")
    for refused in (
        ccs("jobs", "delete", "nightly"),
        ccs("jobs", "delete", "nightly", "--yes"),
        ccs("tasks", "delete", "slow", "--yes"),
    ):
        assert refused.code == 4
        assert refused.error["matches"] == [f"{slow} running"]
        assert "--force" in refused.error["hint"]
    assert ccs("jobs", "update", "nightly", "--status", "completed").code == 4
    assert ccs.ok("jobs", "stop", "nightly").json["status"] == "cancelled"
    assert ccs.run(slow)["reason"] == "stopped"
    assert len(ccs.launches()) == 1
    assert ccs("jobs", "stop", "nightly").code == 4
    assert ccs.ok("jobs", "update", "nightly", "--status", "pending").json["status"] == "pending"


def test_deleting_a_job_takes_its_tasks_and_runs_along_and_says_how_many(ccs):
    nightly, other = job(ccs, "nightly"), job(ccs, "other")
    kept = ccs.task("x", "--job", other)
    done = ccs.start(ccs.task("x", "--job", nightly))
    ccs.ended(done)
    running = ccs.start(ccs.task("[[mock: stubborn]]", "--job", nightly))
    pid = int(ccs.running(running) and ccs.launches()[-1].split()[1])
    gone = ccs.ok("jobs", "delete", "nightly", "--force")
    assert gone.err == "deleted job 'nightly' with 2 tasks and 2 runs\n"
    assert (gone.json["tasks_deleted"], gone.json["runs_deleted"]) == (2, 2)
    assert [one["id"] for one in ccs.saved("tasks")] == [kept]
    assert [one["id"] for one in ccs.saved("jobs")] == [other]
    assert ccs.recorded() == []
    assert not [*(ccs.store / "logs").iterdir()]
    assert end_of(pid)
    assert ccs("runs", "get", done).code == 3
