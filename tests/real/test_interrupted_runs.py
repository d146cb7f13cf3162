"""Runs of the real client that somebody ends: a person, the clock, a crash, a shutdown.

A slow answer and a running tool are told apart by how hard they are to end. The tools wait in
perl, because the client refuses to run a bare sleep.
"""

import os
import signal
import time
from pathlib import Path

from real_program import arguments, env, verdict

TOOL = "echo $$ > {0}; perl -e 'sleep 300'"
# Leaves the tool's session, and does not care for SIGTERM.
STUBBORN = "echo $$ > {0}; setsid perl -e '$SIG{{TERM}} = q(IGNORE); sleep 300'"
SLOW = "[[stub: slow seconds=300]]"


def tool(command, name):
    return f'[[stub: tool command="{command.format(name)}"]]'


def tool_of(ccs, name):
    """The PID of a tool's shell, once it runs."""
    path = ccs.work / name
    return ccs.until(lambda: path.exists() and int(path.read_text() or 0))


def asleep(ccs, run_id):
    """The PID of the tool's perl, once it waits."""

    def look():
        return next((p for p in ccs.carriers(run_id) if arguments(p)[:1] == ["perl"]), None)

    return ccs.until(look)


def alive(pid):
    return bool(env(pid))


# --- while it runs, and a stop


def test_what_the_client_is_given_and_a_stop_takes_it_all_away(ccs, api):
    outside = {"CLAUDECODE": "1", "CLAUDE_CODE_SESSION_ID": "of-another", "CCS_RUN_ID": "another"}
    slow = ccs.start(ccs.task(f"the words of the prompt {SLOW}"), **outside)
    stubborn = ccs.launch(tool(STUBBORN, "stubborn"))
    client = ccs.client_of(slow)
    supervisor = ccs.supervisor(slow)

    assert "the words of the prompt" not in " ".join(arguments(client))
    assert arguments(client)[1:4] == ["-p", "--output-format", "stream-json"]
    given = dict(entry.partition("=")[::2] for entry in env(client) if entry)
    assert given["CCS_RUN_ID"] == slow
    assert not outside.keys() - {"CCS_RUN_ID"} & given.keys()
    assert given.keys() - ccs.env.keys() <= {"CCS_RUN_ID", "LANG", "LC_CTYPE"}
    assert os.getsid(client) == client != os.getsid(supervisor) == supervisor
    assert not ccs.lock_is_free(slow)
    assert "pydantic" not in Path(f"/proc/{supervisor}/maps").read_text()
    asleep(ccs, stubborn)
    ccs.until(lambda: len(api.requests) == 2)

    for run_id in (slow, stubborn):
        before = time.monotonic()
        assert verdict(ccs.ok("runs", "stop", run_id, "-o", "json").json) == (
            "cancelled",
            "stopped",
        )
        assert time.monotonic() - before < 10
        assert ccs.carriers(run_id) == []
        assert not (ccs.store / "runs" / run_id).exists()
    ccs.ok("tick")
    assert len(api.requests) == 2


# --- the clock


def test_time_runs_out(ccs, api):
    """An answer that hangs, one that trickles, and a tool that does not want to end."""
    runs = {ccs.launch(tool(STUBBORN, "stubborn"), "--timeout", "8s"): 8}
    runs |= {ccs.launch(told, "--timeout", "5s"): 5 for told in ("[[stub: hang]]", SLOW)}
    shell, perl = tool_of(ccs, "stubborn"), asleep(ccs, next(iter(runs)))
    for run_id, timeout in runs.items():
        done = ccs.ended(run_id)
        assert verdict(done) == ("failed", "timeout")
        assert timeout <= done["duration"] < timeout + 12
        assert ccs.carriers(run_id) == []
    assert not alive(shell) and not alive(perl)
    sessions = [request.session for request in api.requests]
    assert len(set(sessions)) == len(sessions)


# --- crashes


def test_a_killed_supervisor_loses_its_run_and_nothing_else(ccs, api):
    """Its client lives on and holds the lock; the next ticks end it and start nothing again."""
    tasks = [ccs.task(tool(TOOL, name), "--at", "+1s") for name in ("alone", "both")]
    alone, both = ccs.due(*tasks)
    shells = [tool_of(ccs, name) for name in ("alone", "both")]
    perls = [asleep(ccs, run_id) for run_id in (alone, both)]
    clients = [ccs.client_of(run_id) for run_id in (alone, both)]

    os.kill(ccs.supervisor(alone), signal.SIGKILL)
    ccs.until(lambda: not alive(ccs.supervisor(alone)))
    assert not ccs.lock_is_free(alone)
    assert alive(clients[0])
    for pid in (ccs.supervisor(both), clients[1]):
        os.kill(pid, signal.SIGKILL)
    ccs.until(lambda: ccs.lock_is_free(both))
    assert alive(perls[1])  # the lock tells of supervisor and client only

    for run_id in (alone, both):
        done = ccs.ticked_until_ended(run_id)
        assert verdict(done) == ("lost", "crash")
        assert done["session_id"] == run_id
        assert done["exit_code"] is None
    assert not any(alive(pid) for pid in [*shells, *perls, *clients])
    assert ccs.carriers(alone) == ccs.carriers(both) == []

    ccs.ok("tick")
    assert [len(ccs.inits(run_id)) for run_id in (alone, both)] == [1, 1]
    assert len(api.requests) == 2
    assert len(ccs.recorded()) == 2
    assert list((ccs.store / "runs").iterdir()) == []


def test_a_supervisor_told_to_end_leaves_a_lost_run(ccs, api):
    """As at a shutdown of the machine: client and tool end with it."""
    runs = {number: ccs.launch(tool(TOOL, number)) for number in ("TERM", "HUP")}
    for number, run_id in runs.items():
        perl, client = asleep(ccs, run_id), ccs.client_of(run_id)
        os.kill(ccs.supervisor(run_id), signal.Signals[f"SIG{number}"])
        done = ccs.ended(run_id)
        assert verdict(done) == ("lost", "shutdown")
        assert done["session_id"] == run_id
        assert not alive(perl) and not alive(client)
        assert ccs.carriers(run_id) == []
    ccs.ok("tick")
    assert len(ccs.recorded()) == len(api.requests) == 2


def test_a_killed_client_is_a_failure(ccs):
    run_id = ccs.launch(tool(TOOL, "tool"))
    asleep(ccs, run_id)
    os.kill(ccs.client_of(run_id), signal.SIGKILL)
    done = ccs.ended(run_id)
    assert (verdict(done), done["exit_code"]) == (("failed", "killed"), -9)
    assert done["session_id"] == run_id


def test_a_killed_client_leaves_no_tool_behind(ccs):
    """As the kernel does when memory runs out: the tools survive their client."""
    run_id = ccs.launch(tool(TOOL, "tool"))
    asleep(ccs, run_id)
    os.kill(ccs.client_of(run_id), signal.SIGKILL)
    ccs.ended(run_id)
    assert ccs.carriers(run_id) == []
