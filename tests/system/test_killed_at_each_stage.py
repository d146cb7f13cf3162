"""A supervisor killed at each stage of its run's life: what the run is said to have come to.

The kill comes from inside, at a function's edge, by a module that Python loads as it starts; what
the client or the check is doing when it comes, they do themselves, to their parent.
"""

from __future__ import annotations

import sys

import killer
import pytest

# The first that is started never comes to its end.
CLIENT = """#!/bin/sh
if [ "$KILLED_AT" = client ] && mkdir "$KILLED" 2>/dev/null; then
  echo "$CCS_RUN_ID" >> "$CCS_MOCK_LEDGER"
  kill -9 $PPID
  exec sleep 1000
fi
exec {python} -P -m ccs.claude.mock "$@"
"""
CHECK = 'if [ "$KILLED_AT" = check ] && mkdir "$KILLED" 2>/dev/null; then kill -9 $PPID; fi'

BEGIN = "ccs.engine.supervise:begin"
MARK = "ccs.store.rundir:RunDir.mark_started"
SPAWN = "ccs.engine.clientcalls:ClientCalls._spawn"
DONE = "ccs.engine.work:learn.conclude"
FOR_NOW = "ccs.engine.work:Work._write_for_now"
COMMIT = "ccs.engine.work:commit"
KEEP = "ccs.engine.supervise:_keep"
REMOVE = "ccs.store.rundir:RunDir.remove"
FOLLOWS = "ccs.engine.supervise:_start"

LOST = ("lost", "crash")
GOOD = ("success", None)


class Killed:
    """`ended`: the run, once the ticks that follow have settled it."""

    def __init__(self, ccs, where, *options):
        client = ccs.root / "claude"
        client.write_text(CLIENT.format(python=sys.executable))
        client.chmod(0o755)
        ccs.settings(claude_path=str(client))
        self.ccs = ccs
        self.mark = killer.arm(ccs, where)
        task = ccs.task("[[mock: write path=made.txt]]", *options)
        self.run_id = ccs.start(task)
        ccs.until(self.mark.exists)
        self.ended = self.settled(self.run_id)

    def settled(self, run_id):
        def look():
            self.ccs.ok("tick")
            found = self.ccs.run(run_id)
            return found if found["status"] not in ("upcoming", "running") else None

        found = self.ccs.until(look)
        self.ccs.until(lambda: self.ccs("tick").code == 0 and not self.directory(run_id).exists())
        return found

    def directory(self, run_id):
        return self.ccs.store / "runs" / run_id

    def calls(self):
        return len(self.ccs.launches())


@pytest.mark.parametrize(
    ("where", "outcome", "calls", "words", "committed"),
    [
        (f"{BEGIN} before", GOOD, 1, None, True),
        (f"{MARK} after", LOST, 0, None, False),
        (f"{BEGIN} after", LOST, 0, None, False),
        ("client", LOST, 1, None, False),
        (f"{DONE} before", GOOD, 1, "was committed", False),
        (f"{FOR_NOW} after", GOOD, 1, "was committed", False),
        (f"{COMMIT} after", GOOD, 1, "was committed", True),
        (f"{KEEP} after", GOOD, 1, None, True),
        (f"{REMOVE} before", GOOD, 1, None, True),
        (f"{FOLLOWS} before", GOOD, 1, None, True),
    ],
)
def test_it_is_told_as_it_was_and_called_once(ccs, git, where, outcome, calls, words, committed):
    killed = Killed(ccs, where)
    ended = killed.ended
    assert (ended["status"], ended["reason"]) == outcome
    assert killed.calls() == calls
    assert (words or "") in (ended["message"] or "")
    assert (git("log", "-1", "--format=%s") != "first") == committed
    assert ccs.carriers(killed.run_id) == []
    assert len(ccs.recorded()) == 1
    ccs.ok("health")


@pytest.mark.parametrize(
    ("where", "outcome"),
    [
        ("check", LOST),
        (f"{DONE} before", LOST),
        (f"{FOR_NOW} after", GOOD),
    ],
)
def test_work_that_nobody_verified_is_no_success_and_what_was_verified_stays_so(
    ccs, git, where, outcome
):
    killed = Killed(ccs, where, "--verify", CHECK)
    assert (killed.ended["status"], killed.ended["reason"]) == outcome
    assert ("verified" in (killed.ended["message"] or "")) == (outcome == LOST)
    assert killed.calls() == 1


def test_what_the_check_refused_is_told_by_whoever_comes_after(ccs, git):
    killed = Killed(ccs, f"{FOR_NOW} after", "--verify", "false")
    assert (killed.ended["status"], killed.ended["reason"]) == ("failed", "verify_failed")


@pytest.mark.parametrize("where", [f"{BEGIN} after", f"{DONE} before"])
def test_a_task_that_retries_crashes_is_called_again_once(ccs, git, where):
    options = ("--retry-attempts", "2", "--retry-delay", "0s", "--retry-on", "crash")
    killed = Killed(ccs, where, "--verify", "true", *options)
    assert (killed.ended["status"], killed.ended["reason"]) == LOST
    (again,) = [one for one in ccs.recorded() if one["trigger"] == "retry"]
    assert killed.settled(again["id"])["status"] == "success"
    assert len(ccs.recorded()) == 2
    assert again["retry_of"] == killed.run_id
