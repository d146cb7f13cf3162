"""The launch protocol with real processes: raced, killed, refused room; yet once and never lost.

Each started client appends its run id to a ledger, so a double launch shows as two lines.
"""

from __future__ import annotations

import collections
import fcntl
import json
import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from processes import end_of

TICKS = int(os.environ.get("CCS_RACING_TICKS", "40"))


def supervisor(ccs, run_id: str) -> int:
    """Its PID, once it has said so."""
    owner = ccs.store / "runs" / run_id / "owner"
    return json.loads(ccs.until(lambda: owner.exists() and owner.read_text()))["pid"]


def launches(ccs) -> collections.Counter[str]:
    return collections.Counter(line.split()[0] for line in ccs.launches())


def test_many_ticks_at_once_launch_a_slot_once(ccs):
    ccs.task("[[mock: success]]", "--at", "+1s")
    ccs.until(lambda: ccs("tick", "--verbose").err)  # the slot has come: that tick launched it
    ccs.task("[[mock: success]]", "--at", "+1s")
    ccs.until(lambda: ccs.ok("scheduler").json["scheduled_tasks"] == [])
    crowd = [
        subprocess.Popen(
            [ccs.program, "tick"], env=ccs.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(TICKS)
    ]
    said = [one.communicate(timeout=120) for one in crowd]
    assert [one.returncode for one in crowd] == [0] * TICKS
    assert said == [(b"", b"")] * TICKS
    ccs.until(lambda: all(run["status"] == "success" for run in ccs.recorded()))
    assert set(launches(ccs).values()) == {1}
    assert len(launches(ccs)) == 2


def test_what_is_due_at_once_gets_supervisors_that_live_and_die_each_by_itself(ccs):
    ccs.settings(mock_mode=True, max_concurrent_tasks=20)
    names = [f"task {number}" for number in range(3)]
    for name in names:
        ccs.task("[[mock: tool seconds=300]]", "--name", name, "--at", "+1s")
    ccs.until(lambda: ccs("tick") and len(ccs.recorded()) == len(names))
    runs = [run["id"] for run in ccs.recorded()]
    for run_id in runs:
        ccs.running(run_id)
    pids = [supervisor(ccs, run_id) for run_id in runs]
    assert len(set(pids)) == len(names)
    assert [os.getsid(pid) for pid in pids] == pids
    for mine, pid in zip(runs, pids, strict=True):
        words = Path(f"/proc/{pid}/cmdline").read_text()
        assert not [one for one in runs if one != mine and one in words], "pkill -f would end both"
    os.kill(pids[1], signal.SIGKILL)
    ccs.until(lambda: ccs("tick") and ccs.run(runs[1])["status"] == "lost")
    others = [run_id for run_id in runs if run_id != runs[1]]
    assert {ccs.run(run_id)["status"] for run_id in others} == {"running"}
    for run_id in others:
        assert ccs.ok("runs", "stop", run_id, "-o", "json").json["status"] == "cancelled"
    assert launches(ccs) == dict.fromkeys(runs, 1)


def test_a_killed_supervisor_leaves_no_client_no_tool_and_a_lost_run(ccs):
    run_id = ccs.start(ccs.task("[[mock: tool seconds=300]]"))
    ccs.running(run_id)
    ccs.until(lambda: len(ccs.carriers(run_id)) >= 2)  # the client and its tool shell
    ccs("tick")
    looked = (ccs.store / "tick.json").read_bytes()
    ccs("tick")
    assert (ccs.store / "tick.json").read_bytes() == looked, "while both live, ticks are idle"
    os.kill(supervisor(ccs, run_id), signal.SIGKILL)
    assert ccs.carriers(run_id), "the client outlives its supervisor"
    ccs.until(lambda: ccs("tick") and ccs.run(run_id)["status"] == "lost")
    assert ccs.run(run_id)["reason"] == "crash"
    assert ccs.carriers(run_id) == []
    assert launches(ccs) == {run_id: 1}
    assert not (ccs.store / "runs" / run_id).exists()


def test_the_lock_is_held_while_the_client_lives_and_free_when_both_are_gone(ccs):
    run_id = ccs.start(ccs.task("[[mock: tool seconds=300]]"))
    ccs.running(run_id)
    (lock := (ccs.store / "runs" / run_id / "lock").open()).fileno()
    ccs.until(lambda: len(ccs.carriers(run_id)) >= 2)
    os.kill(supervisor(ccs, run_id), signal.SIGKILL)
    with pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    for pid in ccs.carriers(run_id):
        os.kill(pid, signal.SIGKILL)

    def free() -> bool:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    ccs.until(free)
    lock.close()


def test_a_client_that_finished_without_its_supervisor_is_judged_by_its_result(ccs):
    run_id = ccs.start(ccs.task("[[mock: slow seconds=300]]"))
    ccs.running(run_id)
    stream = ccs.store / "logs" / f"run_{run_id}.jsonl"
    ccs.until(lambda: stream.exists() and '"init"' in stream.read_text())
    os.kill(supervisor(ccs, run_id), signal.SIGKILL)
    with stream.open("a") as file:  # what the client would have got out a moment earlier
        result = {"type": "result", "subtype": "success", "is_error": False, "num_turns": 1}
        file.write("\n" + json.dumps(result) + "\n")
    ccs.until(lambda: ccs("tick") and ccs.run(run_id)["status"] == "success")


def test_a_supervisor_told_to_end_leaves_a_shutdown_and_no_process(ccs):
    run_id = ccs.start(ccs.task("[[mock: tool seconds=300]]"))
    ccs.running(run_id)
    ccs.until(lambda: len(ccs.carriers(run_id)) >= 2)
    os.kill(supervisor(ccs, run_id), signal.SIGTERM)
    ended = ccs.ended(run_id)
    assert (ended["status"], ended["reason"]) == ("lost", "shutdown")
    assert ccs.carriers(run_id) == []


@pytest.mark.parametrize("kind", ["tool seconds=300", "hang", "stubborn"])
def test_stop_ends_the_whole_tree(ccs, kind):
    run_id = ccs.start(ccs.task(f"[[mock: {kind}]]"))
    ccs.running(run_id)
    stopped = ccs.ok("runs", "stop", run_id, "-o", "json").json
    assert (stopped["status"], stopped["reason"]) == ("cancelled", "stopped")
    assert ccs.carriers(run_id) == []


def test_a_run_that_takes_too_long_is_ended(ccs):
    run_id = ccs.start(ccs.task("[[mock: stubborn]]", "--timeout", "1s"))
    ended = ccs.ended(run_id)
    assert (ended["status"], ended["reason"]) == ("failed", "timeout")
    assert ccs.carriers(run_id) == []


def test_what_a_tool_detached_survives_a_normal_end(ccs):
    run_id = ccs.start(ccs.task("[[mock: detach seconds=300]]"))
    assert ccs.ended(run_id)["status"] == "success"
    (left,) = ccs.carriers(run_id)
    os.kill(left, signal.SIGKILL)


def test_an_outcome_written_while_the_store_is_busy_is_merged_later(ccs):
    run_id = ccs.start(ccs.task("[[mock: tool seconds=300]]"))
    ccs.running(run_id)
    pid = supervisor(ccs, run_id)
    (tool,) = ccs.until(lambda: [pid for pid in ccs.carriers(run_id) if name_of(pid) == "sleep"])
    with (ccs.store / "locks" / "store.lock").open() as held:
        ccs.until(lambda: _locked(held))
        os.kill(tool, signal.SIGTERM)  # the client goes on to its end
        ccs.until((ccs.store / "runs" / run_id / "outcome.json").exists)
        assert ccs.recorded()[0]["status"] == "running"
        os.kill(pid, signal.SIGKILL)  # it would have waited ten seconds and given up as well
    ccs.until(lambda: ccs("tick") and ccs.run(run_id)["status"] == "success")


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _locked(file) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def test_a_start_for_which_there_was_no_process_does_not_count(ccs):
    """Where a user may have so many, and no more (RLIMIT_NPROC)."""
    ids = [ccs.start(ccs.task("[[mock: hang]]")) for _ in range(2)]
    for run_id in ids:
        ccs.running(run_id)
    rundirs = [ccs.store / "runs" / run_id for run_id in ids]
    left_out = """
import os, sys
def refuse(): raise BlockingIOError(11, "Resource temporarily unavailable")
os.fork = refuse
sys.argv = ["ccs", "supervise"]
from ccs.entry import main
main()
"""
    counted = [rundir / "starts" for rundir in rundirs]
    assert all(one.exists() for one in counted)
    subprocess.run(
        [sys.executable, "-P", "-c", left_out],
        env={**ccs.env, "CCS_RUN_IDS": " ".join(ids)},
        check=True,
    )
    assert not any(one.exists() for one in counted)
    for run_id in ids:
        ccs.ok("runs", "stop", run_id)


def test_a_recorded_run_that_never_started_is_started_by_the_next_tick(ccs):
    task = ccs.task("[[mock: success]]")
    run_id = ccs.start(task)
    ccs.ended(run_id)
    (ccs.store / "runs.json").write_text(
        json.dumps({"format": 1, "runs": [{**ccs.run(run_id), "status": "upcoming"}]})
    )
    ccs.ok("tick")
    assert ccs.ended(run_id)["status"] == "success"


def test_two_supervisors_of_one_run_start_one_client(ccs):
    run_id = ccs.start(ccs.task("[[mock: slow seconds=2]]"))
    crowd = [subprocess.Popen([ccs.program, "supervise", run_id], env=ccs.env) for _ in range(8)]
    assert [one.wait(timeout=60) for one in crowd] == [0] * 8
    assert ccs.ended(run_id)["status"] == "success"
    assert launches(ccs) == {run_id: 1}


def test_a_run_outlives_the_session_and_group_of_the_tick_that_started_it(ccs):
    task = ccs.task("[[mock: slow seconds=1]]", "--at", "+1s")
    ccs.until(lambda: ccs.ok("scheduler").json["scheduled_tasks"] == [])
    tick = subprocess.Popen([ccs.program, "tick"], env=ccs.env, start_new_session=True)
    assert tick.wait(timeout=60) == 0
    try:
        os.killpg(tick.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # nothing of the run was left in the tick's group, as it should be
    (run,) = ccs.recorded()
    assert run["task_id"] == task
    assert ccs.ended(run["id"])["status"] == "success"


def test_a_tick_returns_without_waiting_and_holds_no_descriptor_of_its_caller(ccs):
    ccs.task("[[mock: hang]]", "--at", "+1s")
    ccs.until(lambda: ccs.ok("scheduler").json["scheduled_tasks"] == [])
    done = ccs.ok("tick")  # returns only when nobody holds its pipes any more
    assert (done.out, done.err) == ("", "")
    (run,) = ccs.recorded()
    ccs.running(run["id"])
    ccs.ok("runs", "stop", run["id"])


def test_an_idle_tick_only_touches_its_sign_of_life(ccs):
    ccs.task("[[mock: success]]", "--cron", "0 0 1 1 *")
    ccs.ok("tick")
    before = {path: path.stat().st_mtime_ns for path in ccs.store.rglob("*") if path.is_file()}
    ccs.ok("tick")
    after = {path: path.stat().st_mtime_ns for path in ccs.store.rglob("*") if path.is_file()}
    changed = {path.name for path in after if before.get(path) != after[path]}
    assert changed == {"tick.json"}


def test_a_change_by_hand_is_seen_by_the_next_tick(ccs):
    task = ccs.task("[[mock: success]]", "--cron", "0 0 1 1 *")
    ccs.ok("tick")
    path = ccs.store / "tasks.json"
    path.write_text(path.read_text().replace("0 0 1 1 *", "not cron"))
    done = ccs("tick")
    assert done.code == 6
    assert task in done.err


def test_a_job_runs_its_tasks_one_after_another_without_a_tick(ccs):
    job = ccs.ok("jobs", "create", "--name", "j", "-q").out.strip()
    for number in (1, 2, 3):
        ccs.task(f"[[mock: success]] {number}", "--job", job)
    ccs.ok("jobs", "run", job)

    def done() -> bool:
        return ccs.ok("jobs", "get", job, "-o", "json").json["status"] == "completed"

    ccs.until(done)
    times = [(run["start_time"], run["end_time"]) for run in ccs.recorded()]
    assert len(times) == 3
    assert all(end <= start for (_, end), (start, _) in pairwise(times))


def test_jobs_stop_ends_the_running_client(ccs):
    job = ccs.ok("jobs", "create", "--name", "j", "-q").out.strip()
    for _ in range(2):
        ccs.task("[[mock: tool seconds=300]]", "--job", job)
    ccs.ok("jobs", "run", job)
    (run,) = ccs.recorded()
    ccs.running(run["id"])
    assert ccs.ok("jobs", "stop", job, "-o", "json").json["status"] == "cancelled"
    assert ccs.carriers(run["id"]) == []
    assert [one["status"] for one in ccs.recorded()] == ["cancelled"]


def test_stop_ends_a_client_whose_wrapper_cleaned_its_environment(ccs):
    """It carries no marker then; its process group still tells whose it is."""
    wrapper = ccs.root / "claude"
    ready = ccs.root / "ready"
    wrapper.write_text(f"#!/bin/sh\nexec env -i /bin/sh -c 'echo $$ >{ready}; exec sleep 300'\n")
    wrapper.chmod(0o755)
    ccs.settings(claude_path=str(wrapper))
    run_id = ccs.start(ccs.task("x"))
    pid = int(ccs.until(lambda: ready.exists() and ready.read_text().strip()))
    assert ccs.ok("runs", "stop", run_id, "-o", "json").json["status"] == "cancelled"
    assert end_of(pid)


def test_a_prompt_file_that_is_a_pipe_does_not_hold_the_run_up(ccs):
    os.mkfifo(ccs.work / "pipe")
    task = ccs.task("pipe", "--prompt-type", "file")
    ended = ccs.ended(ccs.start(task))
    assert (ended["status"], ended["reason"]) == ("failed", "start_failed")
    assert "not a regular file" in ended["message"]


@pytest.mark.parametrize(
    "damage", [{"source": "static"}, {"name": "A=B", "source": "static", "value": "x"}, None]
)
def test_a_profile_damaged_by_hand_holds_its_runs_until_it_is_mended(ccs, damage):
    """Started all the same, a run would be without what the profile bounds."""
    profile = ccs.ok("profiles", "create", "--name", "p", "--env", "A=bcdefg", "-q").out.strip()
    task = ccs.task("x", "--profile", "p")
    path = ccs.store / "profiles.json"
    good = path.read_text()
    document = json.loads(good)
    document["profiles"][0]["env_vars"] = [damage]
    path.write_text(json.dumps(document))
    run_id = ccs.start(task)
    assert ccs.run(run_id)["held_reason"] == "outage"
    assert "cannot be read" in ccs.ok("why", task, "-o", "table").out
    assert profile in ccs("health").out
    assert ccs.launches() == []
    path.write_text(good)
    ccs.ok("tick")
    assert ccs.ended(run_id)["status"] == "success"


def test_a_backup_of_hard_links_ends_no_run_and_costs_no_outcome(ccs):
    """`cp -al` gives every file of the store a second name, in the middle of a run too."""
    run_id = ccs.start(ccs.task("[[mock: tool seconds=300]]"))
    ccs.running(run_id)
    ccs.until(lambda: len(ccs.carriers(run_id)) >= 2)
    backup = ccs.root / "backup"
    subprocess.run(["cp", "-al", str(ccs.store), str(backup)], check=True)
    before = (backup / "runs" / run_id / "reserve").read_bytes()
    assert ccs("tick").code == 6
    assert len(ccs.carriers(run_id)) >= 2, "nobody ended it"
    for one in ccs("doctor").json["findings"]:
        if "second name" in one["what"]:
            subprocess.run(["/bin/sh", "-c", one["mend"]], check=True)
    assert (ccs("doctor").code, ccs("tick").code) == (0, 0)
    assert ccs("runs", "stop", run_id).code == 0
    assert ccs.run(run_id)["status"] == "cancelled"
    assert (backup / "runs" / run_id / "reserve").read_bytes() == before
    assert launches(ccs) == {run_id: 1}
