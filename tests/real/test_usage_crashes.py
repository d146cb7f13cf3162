"""Kills, a reboot and a lost session between a usage limit of the real client and its end."""

import contextlib
import fcntl
import os
import signal
import uuid
from pathlib import Path

from messages_api import Account
from real_program import GOES_ON, LIMITED, SUCCESS, arguments, verdict, verdicts


@contextlib.contextmanager
def locked(path):
    """Held as another process of ccs would; supervisors wait for it."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def waiting_tool(ccs, name):
    """A prompt whose tool ends once `name` is written into; then comes a usage limit."""
    os.mkfifo(ccs.work / name)
    return f'[[stub: tool command="cat {name}"]] [[stub: limit reset=20]]'


def killed(ccs, run_id):
    pid = ccs.supervisor(run_id)
    os.kill(pid, signal.SIGKILL)
    ccs.until(lambda: not arguments(pid))


def test_neither_kills_nor_a_reboot_lose_what_met_its_limit(ccs, api):
    """Supervisors are killed before the outcome is judged, and before it is merged; then the
    machine goes down while another run works."""
    names = ("unjudged", "unmerged", "working")
    tasks = [ccs.task(waiting_tool(ccs, name), "--at", "+1s") for name in names]
    unjudged, unmerged, working = ccs.due(*tasks)
    ccs.until(lambda: len(api.requests) == 3)
    with locked(ccs.store / "locks/usage.lock"):
        (ccs.work / "unjudged").write_text("")
        ccs.until(lambda: ccs.stream(unjudged)[-1]["type"] == "result")
        killed(ccs, unjudged)
    with locked(ccs.store / "locks/store.lock"):
        (ccs.work / "unmerged").write_text("")
        ccs.until((ccs.store / f"runs/{unmerged}/outcome.json").exists)
        killed(ccs, unmerged)
    reboot(ccs)

    ended = [ccs.ticked_until_ended(run_id) for run_id in (unjudged, unmerged, working)]
    assert [verdict(run) for run in ended] == [LIMITED, LIMITED, ("lost", "crash")]
    ccs.ticking(ccs.all_ended)
    for run_id in (unjudged, unmerged):
        done = ccs.following(run_id)
        assert (verdict(done), done["session_id"], done["parks"]) == (SUCCESS, run_id, 1)
        assert api.sessions.count(run_id) == 3
    assert api.sessions.count(working) == 1
    assert len(ccs.recorded()) == 5


def reboot(ccs):
    """No process is left, and what the store says of the boot is of another one."""
    ccs.end_everything()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    for name in ccs.files_with(boot.encode()):
        path = ccs.store / name
        path.write_text(path.read_text().replace(boot, str(uuid.uuid4())))


def test_a_canary_that_dies_leaves_its_place_to_the_next(ccs, api):
    """And once one was answered, so many start with each tick as the settings let go at once."""
    api.account = Account(window=0, window_seconds=12)
    tasks = [ccs.task(name, "--at", "+1s") for name in "ABCDE"]
    with api.holding():
        ccs.due(*tasks)
        ccs.until(lambda: len(api.requests) == 5)
    ccs.until(lambda: len(ccs.recorded()) == 10)
    api.account = Account()
    with api.holding():
        [canary] = ccs.until(ccs.tick_starts)
        ccs.until(lambda: len(api.requests) == 6)
        killed(ccs, canary)
        assert verdict(ccs.ticked_until_ended(canary)) == ("lost", "crash")
        ccs.until(lambda: len(api.requests) == 7)
        assert len(set(api.sessions[5:])) == 2
    ccs.until(lambda: ccs.successes() == 1)
    assert [len(ccs.tick_starts()) for _ in range(3)] == [2, 1, 0]
    ccs.ticking(ccs.all_ended)
    runs = [run for run in ccs.recorded() if run["id"] != canary]
    assert verdicts(runs) == [LIMITED] * 5 + [SUCCESS] * 4


def test_a_session_without_its_transcript_is_started_afresh(ccs, api):
    told = "the whole task [[stub: limit reset=8]]"
    limited = ccs.ended(ccs.launch(told))
    parked = ccs.following(limited["id"])
    ccs.transcript(limited["session_id"]).unlink()
    done = ccs.ticked_until_ended(parked["id"])
    assert verdict(done) == SUCCESS
    assert "started afresh" in done["message"]
    assert "started afresh" in ccs.log(done["id"])
    assert told in api.requests[-1].prompts
    assert GOES_ON not in api.requests[-1].prompts
    assert len(api.requests) == 2
