"""Two ticks of two processes at the same moment, round after round."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from histories import at, task

from ccs.engine import launch
from ccs.engine.tick import tick
from ccs.host import process


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks the two ticks")
def test_two_ticks_together_never_launch_a_slot_twice(store, monkeypatch, tmp_path):
    ledger = tmp_path / "ledger"

    def write_down(home, run_ids, environment):
        [run_id] = run_ids
        # As a supervisor does at once; a tick that comes after that must not start another.
        rundir = store.rundir(run_id)
        assert rundir.claim(process.identity(os.getppid())) and rundir.mark_started()
        with open(ledger, "a") as file:
            file.write(f"{run_id}\n")

    monkeypatch.setattr(launch, "spawn_supervisors", write_down)
    store.tasks.put(task(cron="* * * * *", overlap="allow"))
    store.write_settings(store.settings().changed(max_concurrent_tasks=1000))
    for minute in range(1, 51):
        moment = at("20 10:00") + timedelta(minutes=minute, seconds=1)
        children = [_forked(lambda moment=moment: tick(store, moment, {})) for _ in range(2)]
        assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
        for run in store.runs.all():  # as if each had ended: none is to be started again
            if run.status == "upcoming":
                store.runs.put(run.changed(status="success"))
    launched = ledger.read_text().split()
    assert len(launched) == len(set(launched)) == 50


def _forked(work):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return child
