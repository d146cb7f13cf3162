"""What people trust overnight, with the real client: stops, kills, one session, trees, commits."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest


@pytest.fixture
def git(ccs):
    def call(*words, cwd=None):
        done = subprocess.run(
            ["git", *words], cwd=cwd or ccs.work, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    call("init", "-q", "-b", "main")
    call("config", "user.name", "t")
    call("config", "user.email", "t@t")
    (ccs.work / "mine.txt").write_text("first\n")
    call("add", "-A")
    call("commit", "-qm", "first")
    return call


def writing(name):
    return f'[[stub: tool command="echo made >{name}"]]'


def continued(ccs, run_id, prompt="and now? [[stub: reply]]"):
    again = ccs.ok("runs", "continue", run_id, "--prompt", prompt, "-q").out.strip()
    return ccs.ended(again)


@pytest.mark.parametrize("how", ["stop", "kill the client", "kill both"])
def test_whatever_ended_it_its_session_can_be_gone_on_with(ccs, how):
    os.mkfifo(ccs.work / "pipe")  # nobody will ever write into it
    run_id = ccs.launch('[[stub: tool command="cat pipe"]] [[stub: reply]]')
    client = ccs.client_of(run_id)
    ccs.until(lambda: len(ccs.carriers(run_id)) > 1)
    if how == "stop":
        ccs.ok("runs", "stop", run_id)
    else:
        if how == "kill both":
            os.kill(ccs.supervisor(run_id), signal.SIGKILL)
        os.kill(client, signal.SIGKILL)
    ended = ccs.ticked_until_ended(run_id)
    assert ended["status"] in ("cancelled", "failed", "lost")
    assert ccs.carriers(run_id) == []
    done = continued(ccs, run_id)
    assert (done["status"], done["session_id"]) == ("success", run_id)


def test_two_runs_that_want_one_session_have_it_in_turn(ccs):
    first = ccs.ended(ccs.launch("hello [[stub: reply]]"))
    words = ("--prompt", "[[stub: slow seconds=3]]", "-q")
    runs = [
        ccs.ok("runs", "continue", first["id"], *words, *options).out.strip()
        for options in ((), ("--force",))
    ]
    ended = [ccs.ticked_until_ended(run_id) for run_id in runs]
    assert [run["status"] for run in ended] == ["success", "success"]
    assert {run["session_id"] for run in ended} == {first["id"]}
    early, late = sorted(ended, key=lambda run: run["start_time"])
    assert early["end_time"] <= late["start_time"]


def test_a_dirty_tree_keeps_its_own_changes_uncommitted(ccs, git):
    (ccs.work / "mine.txt").write_text("not done yet\n")
    run = ccs.ended(ccs.launch(writing("made.txt")))
    assert (run["status"], run["commit"]) == ("success", git("rev-parse", "HEAD"))
    assert git("show", "--name-only", "--format=", "HEAD") == "made.txt"
    assert git("status", "--porcelain") == "M mine.txt"


def test_a_job_s_worktree_is_merged_and_removed(ccs, git):
    job = ccs.ok("jobs", "create", "--name", "nightly", "--use-worktree", "-q").out.strip()
    ccs.task(writing("made.txt"), "--job", job)
    ccs.ok("jobs", "run", job)
    [run] = ccs.until(ccs.recorded)
    run = ccs.ended(run["id"])
    assert (run["status"], bool(run["commit"])) == ("success", True)
    assert not (ccs.work / "made.txt").exists()
    ccs.ok("jobs", "worktree", "merge", job)
    assert (ccs.work / "made.txt").read_text() == "made\n"
    ccs.ok("jobs", "worktree", "remove", job)
    assert len(git("worktree", "list").splitlines()) == 1


def test_a_limit_in_a_worktree_goes_on_there(ccs, git):
    told = f"{writing('made.txt')} [[stub: limit reset=3]]"
    run = ccs.ended(ccs.launch(told, "--isolation", "worktree"))
    assert run["status"] == "limited"
    ccs.ticking(ccs.all_ended)
    done = ccs.following(run["id"])
    assert (done["status"], done["cwd"]) == ("success", run["cwd"])
    assert git("show", "--name-only", "--format=", done["commit"]) == "made.txt"
