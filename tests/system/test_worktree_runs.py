"""Runs in git worktrees, and the commits of successful ones: the whole program, real git."""

from __future__ import annotations

import pytest


def test_a_success_commits_what_the_run_changed_and_nothing_else(real, git):
    (real.work / "kept.txt").write_text("mine, not done yet\n")
    run = real.ended(real.start(real.task("[[mock: write path=made.txt]]", "--name", "maker")))
    assert (run["status"], run["commit"]) == ("success", git("rev-parse", "HEAD"))
    assert git("show", "--name-only", "--format=", "HEAD") == "made.txt"
    assert f"Ccs-Run: {run['id']}" in git("log", "-1", "--format=%B")
    assert git("status", "--porcelain") == "M kept.txt"
    shown = real.ok("runs", "diff", run["id"]).out
    assert "made.txt" in shown
    assert "kept.txt" not in shown


@pytest.mark.parametrize(
    ("prompt", "options"),
    [
        ("[[mock: write]] [[mock: overloaded]]", ()),
        ("[[mock: write]]", ("--no-commit-on-success",)),
        ("[[mock: write]]", ("--verify", "false")),
        ("x", ()),
    ],
)
def test_nothing_is_committed_without_a_success_a_change_or_leave(real, git, prompt, options):
    run = real.ended(real.start(real.task(prompt, *options)))
    assert run["commit"] is None
    assert git("rev-list", "--count", "HEAD") == "1"


def test_the_stand_in_never_commits(ccs, git):
    run = ccs.ended(ccs.start(ccs.task("[[mock: write]]")))
    assert (run["status"], run["commit"]) == ("success", None)
    assert git("rev-list", "--count", "HEAD") == "1"


def test_a_hook_that_refuses_leaves_the_work_and_says_so(real, git):
    hook = real.work / ".git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\necho no tests; exit 1\n")
    hook.chmod(0o755)
    run = real.ended(real.start(real.task("[[mock: write]]")))
    assert (run["status"], run["commit"]) == ("success", None)
    assert run["message"]
    assert "no tests" in real.ok("runs", "log", run["id"]).out
    assert git("status", "--porcelain") == "?? mock.txt"


def test_the_tasks_of_a_job_share_its_worktree_and_its_branch(real, git):
    job = real.ok("jobs", "create", "--name", "nightly", "--use-worktree", "-q").out.strip()
    options = ("--job", job)
    tasks = [real.task(f"[[mock: write path={name}.txt]]", *options) for name in ("one", "two")]
    real.ok("jobs", "run", "nightly")
    ended = [real.until(lambda t=t: _done(real, t)) for t in tasks]
    assert {run["status"] for run in ended} == {"success"}
    [tree] = {run["cwd"] for run in ended}
    assert tree.startswith(str(real.work / "trees"))
    assert git("status", "--porcelain") == ""
    assert not (real.work / "one.txt").exists()
    assert git("log", "--format=%s", cwd=tree).count("\n") == 2
    assert "nightly" in real.ok("jobs", "worktree", "list").out
    real.ok("jobs", "worktree", "merge", "nightly")
    assert (real.work / "two.txt").exists()
    real.ok("jobs", "worktree", "remove", "nightly")
    assert not (real.work / "trees").exists() or not list((real.work / "trees").iterdir())


def test_a_worktree_of_its_own_goes_when_nothing_was_changed_in_it(real, git):
    task = real.task("x", "--isolation", "worktree")
    run = real.ended(real.start(task))
    assert run["status"] == "success"
    assert "trees" in run["cwd"]
    assert len(git("worktree", "list").splitlines()) == 1


def test_what_was_changed_in_it_is_committed_on_its_branch_and_stays(real, git):
    run = real.ended(real.start(real.task("[[mock: write]]", "--isolation", "worktree")))
    assert run["commit"]
    assert git("branch", "--contains", run["commit"]).lstrip("+ ") == run["worktree"]
    assert git("rev-list", "--count", "main") == "1"


def test_a_limit_in_a_worktree_goes_on_in_the_same_one(real, git):
    real.settings(claude_path=str(real.root / "claude"), reset_margin="0s")
    told = "[[mock: write]] [[mock: limit reset=1]]"
    run = real.ended(real.start(real.task(told, "--isolation", "worktree")))
    assert run["status"] == "limited"
    [parked] = [one for one in real.recorded() if one["resumed_from"] == run["id"]]
    assert (parked["cwd"], parked["worktree"]) == (run["cwd"], run["worktree"])


def _done(ccs, task):
    ended = [one for one in ccs.recorded() if one["task_id"] == task and one["end_time"]]
    return ended[0] if ended else None


def test_a_hook_that_adds_what_the_user_has_not_finished_commits_nothing(real, git):
    hook = real.work / ".git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\ngit add -u\n")
    hook.chmod(0o755)
    (real.work / "kept.txt").write_text("not finished\n")
    run = real.ended(real.start(real.task("[[mock: write]]")))
    assert (run["status"], run["commit"]) == ("success", None)
    assert "a hook added" in run["message"]
    assert git("rev-list", "--count", "HEAD") == "1"
    assert git("status", "--porcelain").split("\n") == ["M kept.txt", "?? mock.txt"]


def test_hooks_that_only_the_worktree_has_are_not_run_unseen(real, git):
    job = real.ok("jobs", "create", "--name", "nightly", "--use-worktree", "-q").out.strip()
    real.task("[[mock: write path=.mcp.json text={}]]", "--job", job)
    real.ok("jobs", "run", job)
    [first] = real.until(real.recorded)
    assert real.ended(first["id"])["status"] == "success"
    real.ok("jobs", "run", job)
    second = real.until(lambda: next((r for r in real.recorded() if r["id"] != first["id"]), None))
    ended = real.ended(second["id"])
    assert (ended["status"], ended["reason"]) == ("failed", "start_failed")
    assert "MCP servers" in ended["message"]


def test_a_prompt_that_is_not_there_leaves_no_tree(real, git):
    run = real.ended(
        real.start(real.task("no.md", "--prompt-type", "file", "--isolation", "worktree"))
    )
    assert (run["status"], run["reason"]) == ("failed", "start_failed")
    assert len(git("worktree", "list").splitlines()) == 1


def test_a_secret_that_a_setup_or_a_hook_tells_is_masked_before_it_is_cut(real, git):
    secret = "canary-7f3a91bc-secret"  # pragma: allowlist secret
    real.ok("profiles", "create", "--name", "p", "--env", f"WORDS={secret}")
    tells = "printf '%0195d %s\\n' 0 $WORDS >&2; exit 1"
    setup = ("--use-worktree", "--worktree-setup", tells)
    job = real.ok("jobs", "create", "--name", "j", *setup, "-q").out.strip()
    in_tree = real.ended(real.start(real.task("x", "--job", job, "--profile", "p")))
    assert (in_tree["status"], in_tree["reason"]) == ("failed", "start_failed")
    hook = real.work / ".git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\nprintf '%0360d %s\\n' 0 $WORDS >&2; exit 1\n")
    hook.chmod(0o755)
    committing = real.ended(
        real.start(real.task("[[mock: write path=made.txt]]", "--profile", "p"))
    )
    assert "nothing was committed" in committing["message"]
    for run in (in_tree, committing):
        assert secret[:6] not in run["message"]
        assert "********" in run["message"]
    for log in (real.store / "logs").iterdir():
        if log.suffix != ".json":
            assert secret[:6] not in log.read_text(), log
