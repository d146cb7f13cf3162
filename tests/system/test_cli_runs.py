"""Runs as people follow them: listed, watched, stopped, started again, deleted."""

from __future__ import annotations

import json
import signal
import subprocess
from contextlib import suppress

import pytest


@pytest.fixture
def ccs(quick):
    return quick


@pytest.fixture
def slow(ccs):
    """A task whose runs last."""
    return ccs.task("[[mock: slow seconds=60]]", "--name", "slow")


def interrupted(process):
    """Ctrl-C, again where Python loses one: within an import it ignores the exception."""
    for _ in range(10):
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            out, err = process.communicate(timeout=3)
            assert process.returncode == 130, err
            return out, err
    raise AssertionError("it does not end")


def test_a_log_is_what_the_run_did_in_words_or_as_it_came(ccs):
    run = ccs.ok("tasks", "run", ccs.task("[[mock: denied]]"), "--wait").json["id"]
    log = ccs.ok("runs", "log", run[:8])
    lines = log.out.splitlines()
    assert f"run {run} of task" in lines[0]
    assert lines[-1] == "-- success denied"
    assert log.err == f"run {run[:8]}: success denied\n"
    assert ccs.ok("runs", "log", run, "-n", "2").out.splitlines() == lines[-2:]
    raw = ccs.ok("runs", "log", run, "--raw").out.splitlines()
    assert json.loads(raw[0])["subtype"] == "init"
    assert json.loads(raw[-1])["type"] == "result"


def test_a_run_that_never_started_still_tells_why(ccs):
    gone = str(ccs.root / "gone")
    run = ccs("tasks", "run", ccs.task("x", "--working-directory", gone), "--wait").json["id"]
    log = ccs("runs", "log", run, "--exit-status")
    assert (log.code, log.out) == (5, "")
    assert f"failed workdir_missing: {gone} is not a directory" in log.err


def test_following_shows_what_comes_and_ends_with_the_run(ccs, slow):
    run = ccs.start(slow)
    ccs.running(run)
    process = ccs.popen("runs", "log", "-f", run, "--exit-status")
    assert f"run {run}" in process.stdout.readline()
    ccs.ok("runs", "stop", run)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 5
    assert "-- cancelled stopped" in out
    assert f"run {run[:8]}: cancelled stopped" in err


def test_ctrl_c_ends_the_following_and_not_the_run(ccs, slow):
    run = ccs.start(slow)
    process = ccs.popen("runs", "log", "-f", run)
    while "to go" not in process.stdout.readline():
        pass
    err = interrupted(process)[1]
    assert err.endswith("interrupted\n")
    assert ccs.run(run)["status"] == "running"
    ccs.ok("runs", "delete", run, "--force")


def test_ctrl_c_while_waiting_leaves_the_run_alone(ccs, slow):
    process = ccs.popen("tasks", "run", slow, "--wait")
    run = ccs.until(ccs.launches)[0].split()[0]
    out, err = interrupted(process)
    assert out == ""
    assert f"ccs runs log -f {run[:8]}" in err
    assert ccs.ok("runs", "stop", run).json["status"] == "cancelled"


def test_the_last_line_of_a_killed_client_is_shown_though_it_has_no_end(ccs):
    run = ccs.ok("tasks", "run", ccs.task("x"), "--wait").json["id"]
    with open(ccs.store / "logs" / f"run_{run}.log", "a", encoding="utf-8") as log:
        log.write("half a li")
    assert ccs.ok("runs", "log", run, "-n", "1").out == "half a li\n"


def test_lists_are_filtered_by_task_and_status(ccs):
    good, bad = ccs.task("x", "--name", "good"), ccs.task("[[mock: exit code=3]]", "--name", "bad")
    runs = [ccs.start(task) for task in (good, bad, good)]
    for run in runs:
        ccs.ended(run)
    assert ccs.ok("runs", "list", "-q").out.splitlines() == runs[::-1]
    assert ccs.ok("runs", "list", "--task", "good", "-n", "1", "-q").out == f"{runs[2]}\n"
    assert ccs.ok("runs", "list", "--status", "failed", "-q").out == f"{runs[1]}\n"
    table = ccs.ok("runs", "list", "-o", "table").out
    assert "success (mock)" in table
    assert runs[1][:8] in table


def test_a_restart_runs_the_task_as_it_ran(ccs):
    task = ccs.task("[[mock: exit code=3]]", "--name", "t")
    failed = ccs("tasks", "run", task, "--wait").json
    assert (failed["status"], failed["exit_code"]) == ("failed", 3)
    ccs.ok("tasks", "update", "t", "--prompt", "x")
    repeated = ccs.ok("runs", "restart", failed["id"])
    assert ccs.ended(repeated.json["id"])["exit_code"] == 3
    ended = ccs.ok("tasks", "run", task, "--wait").json
    again = ccs.ok("runs", "continue", ended["id"], "--prompt", "more")
    assert (again.json["task_id"], again.json["trigger"]) == (task, "manual")
    assert "started run" in again.err
    assert ccs.ended(again.json["id"])["status"] == "success"
    assert ccs.run(failed["id"])["status"] == "failed"


def test_what_runs_or_waits_is_deleted_only_by_force(ccs, slow):
    run = ccs.start(slow)
    ccs.running(run)
    waiting = ccs.start(slow)
    before = len(ccs.saved("runs"))
    refused = ccs("runs", "delete", run, waiting, run[:8])
    assert (refused.code, refused.error["code"]) == (4, "conflict")
    assert refused.error["matches"] == [f"{run} running", f"{waiting} upcoming"]
    assert len(ccs.saved("runs")) == before
    gone = ccs.ok("runs", "delete", run, waiting, run[:8], "--force")
    assert gone.err == "deleted 2 runs\n"
    assert gone.json == {"runs": [{"id": run}, {"id": waiting}]}
    assert (ccs.recorded(), [*(ccs.store / "logs").iterdir()]) == ([], [])


def test_stopping_what_waits_cancels_it(ccs, slow):
    ccs.running(ccs.start(slow))
    waiting = ccs.start(slow)
    stopped = ccs.ok("runs", "stop", waiting)
    assert (stopped.json["status"], stopped.json["reason"]) == ("cancelled", "stopped")
    assert f"run {waiting[:8]}: cancelled stopped" in stopped.err
    ccs.ok("tasks", "delete", slow, "--force")
    assert len(ccs.launches()) == 1
