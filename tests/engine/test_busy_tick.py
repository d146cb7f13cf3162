"""While runs go on and nothing else has to be looked at, a tick looks at their locks only."""

from __future__ import annotations

import os

import pytest
from histories import at, job, task, uid

from ccs import __version__
from ccs.engine import jobs
from ccs.store import agenda


@pytest.fixture
def idle(ticks, monkeypatch):
    def asked(moment: str) -> bool:
        monkeypatch.setattr(agenda.time, "time", lambda: at(moment).timestamp())
        return agenda.idle(ticks.store.home.path, __version__)

    return asked


@pytest.fixture
def running(ticks):
    """The run of a task, begun; the tick after that has seen it."""
    again = {"on": ["crash"], "max_attempts": 2}
    ticks.store.tasks.put(task(cron="0 10 * * *", born=at("20 09:00"), retry=again))
    ticks.tick("20 09:59")
    (run_id,) = ticks.tick("20 10:00").launched
    ticks.begin(run_id)
    ticks.tick("20 10:01")
    return run_id


def test_a_run_that_goes_on_leaves_the_ticks_idle(ticks, running, idle):
    assert idle("20 10:02")
    assert idle("20 10:30")


def test_a_run_that_had_to_wait_for_its_time_leaves_them_idle_too(ticks, running, idle):
    found = ticks.store.runs.get(running)
    ticks.store.runs.put(found.changed(not_before=at("20 10:00")))
    ticks.tick("20 10:02")
    assert idle("20 10:03")


def test_a_launched_run_is_looked_at_until_it_has_begun(ticks, idle):
    ticks.store.tasks.put(task(cron="0 10 * * *", born=at("20 09:00")))
    ticks.tick("20 09:59")
    assert ticks.tick("20 10:00").launched
    assert not idle("20 10:01")


def test_a_run_that_ended_is_merged_by_the_next_tick(ticks, running, idle):
    ticks.end(running, merged=False)
    assert not idle("20 10:02")
    ticks.tick("20 10:02")
    assert ticks.store.runs.get(running).status == "success"
    assert idle("20 10:03")


def test_a_dead_supervisor_is_seen_by_the_next_tick(ticks, running, idle):
    ticks.release(running)
    assert not idle("20 10:02")
    ticks.tick("20 10:02")
    lost, again = ticks.store.runs.all()
    assert (lost.status, lost.reason) == ("lost", "crash")
    assert again.retry_of == running


def test_a_dead_supervisor_is_seen_while_its_client_holds_the_lock(ticks, running, idle):
    path = ticks.store.rundir(running).path
    with open(os.path.join(path, "owner"), "w") as file:
        file.write('{"pid": 1, "started": -1, "boot": "-"}')
    ticks.tick("20 10:02")
    assert not idle("20 10:03")


def test_a_run_that_waits_beside_it_is_looked_at_each_minute(ticks, running, idle):
    ticks.store.tasks.put(task(2, cron="5 10 * * *", overlap="queue"))
    ticks.tick("20 10:04")
    (other,) = ticks.tick("20 10:05").launched
    assert not idle("20 10:06"), "it has not begun"
    ticks.begin(other)
    ticks.tick("20 10:06")
    assert idle("20 10:07")


def test_a_slot_that_comes_due_beside_it_ends_the_rest(ticks, running, idle):
    ticks.store.tasks.put(task(2, cron="5 10 * * *"))
    ticks.tick("20 10:02")
    assert idle("20 10:04")
    assert not idle("20 10:05")


def test_a_job_is_left_to_its_running_step_and_to_nobody_when_that_is_gone(ticks, idle):
    ticks.store.jobs.put(job(9, 1, 2))
    for number in (1, 2):
        ticks.store.tasks.put(task(number, cron=None, job_id=uid(9)))
    jobs.run(ticks.store, uid(9), at("20 10:00"), {})
    (first,) = ticks.launched
    assert not idle("20 10:00")
    ticks.begin(first)
    ticks.tick("20 10:01")
    assert idle("20 10:02")
    ticks.end(first)
    assert not idle("20 10:02")
    ticks.tick("20 10:02")
    assert len(ticks.launched) == 2
    assert not idle("20 10:03")


def test_a_job_in_progress_with_no_step_is_looked_at_each_minute(ticks, running, idle):
    order = {"id": uid(77), "order": [uid(5)]}
    ticks.store.jobs.put(job(9, status="in_progress", run=order))
    ticks.store.tasks.put(task(5, cron=None, job_id=uid(9)))
    ticks.tick("20 10:02")
    assert not idle("20 10:03")
