"""The real client in a tmux session."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from real_program import env, verdict

TMUX = shutil.which("tmux")
pytestmark = pytest.mark.skipif(TMUX is None, reason="tmux is not installed")
# It does not care for SIGTERM and leaves its session.
STUBBORN = "setsid perl -e '$SIG{TERM} = q(IGNORE); sleep 300'"


def tmux(ccs, run_id, *words):
    done = subprocess.run(
        [TMUX, "-S", "tmux", *words],
        cwd=ccs.store / "runs" / run_id, env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    return done.stdout


def with_tool(ccs, command):
    """A run in tmux whose tool works."""
    run_id = ccs.launch(f'[[stub: tool command="{command}"]]', "--isolation", "tmux")
    ccs.client_of(run_id)
    ccs.until(lambda: len(ccs.carriers(run_id)) > 2)
    return run_id


def test_it_works_there_as_anywhere(ccs, api):
    os.mkfifo(ccs.work / "pipe")
    run_id = with_tool(ccs, "cat pipe > made.txt")
    client = ccs.client_of(run_id)
    assert not ccs.lock_is_free(run_id)
    given = {entry.partition("=")[0] for entry in env(client) if entry}
    assert given - ccs.env.keys() <= {"CCS_RUN_ID", "LANG", "LC_CTYPE"}
    ccs.until(lambda: "Bash: cat pipe" in tmux(ccs, run_id, "capture-pane", "-p"))
    (ccs.work / "pipe").write_text("told\n")
    done = ccs.ended(run_id)
    assert (verdict(done), done["exit_code"], done["turns"]) == (("success", None), 0, 2)
    assert (ccs.work / "made.txt").read_text() == "told\n"
    assert "✓ done" in ccs.log(run_id)
    assert len(ccs.inits(run_id)) == 1


@pytest.mark.parametrize("how", ["stop", "kill-session"])
def test_ended_from_outside_it_leaves_nothing_and_can_be_gone_on_with(ccs, api, how):
    run_id = with_tool(ccs, STUBBORN)
    if how == "stop":
        ccs.ok("runs", "stop", run_id)
    else:
        tmux(ccs, run_id, how)
    wanted = ("cancelled", "stopped") if how == "stop" else ("lost", "shutdown")
    assert verdict(ccs.ended(run_id)) == wanted
    assert ccs.carriers(run_id) == []
    again = ccs.ok("runs", "continue", run_id, "--prompt", "and now? [[stub: reply]]", "-q").out
    done = ccs.ended(again.strip())
    assert (done["status"], done["session_id"]) == ("success", run_id)
