"""A job's position follows from its runs; histories of steps that end, and of ticks in between."""

from __future__ import annotations

import pytest
from histories import at, job, task, uid

from ccs.engine import jobs, steps
from ccs.errors import Conflict, InvalidInput
from ccs.store.home import Home

NOW = at("20 10:00")


@pytest.fixture
def three(store):
    """A job of three tasks."""
    store.tasks.put(*(task(n, cron=None, job_id=uid(100)) for n in (1, 2, 3)))
    store.jobs.put(job(100, 1, 2, 3))
    return uid(100)


def started(store):
    """Tasks that have a run to start or running, in the order of their runs."""
    return [run.task_id for run in store.runs.all() if run.unfinished]


def finish(store, ticks, status="success", reason=None):
    (run,) = [run for run in store.runs.all() if run.unfinished]
    ticks.begin(run.id)
    ticks.end(run.id, status, reason)


def status(store):
    return store.jobs.all()[0].status


def test_steps_follow_one_another_in_order_without_a_tick(store, ticks, three):
    jobs.run(store, three, NOW, {})
    for number in (1, 2, 3):
        assert started(store) == [uid(number)]
        assert status(store) == "in_progress"
        finish(store, ticks)
    assert status(store) == "completed"


def test_the_first_failure_stops_the_job(store, ticks, three):
    jobs.run(store, three, NOW, {})
    finish(store, ticks, "failed", "error")
    assert (started(store), status(store)) == ([], "failed")


def test_with_on_failure_continue_the_rest_runs_and_the_job_has_failed(store, ticks, three):
    store.jobs.put(store.jobs.get(three).changed(on_failure="continue"))
    jobs.run(store, three, NOW, {})
    finish(store, ticks, "failed", "error")
    finish(store, ticks)
    finish(store, ticks)
    assert status(store) == "failed"


def test_max_parallel_steps_run_at_once(store, ticks, three):
    store.jobs.put(store.jobs.get(three).changed(max_parallel=2))
    jobs.run(store, three, NOW, {})
    assert started(store) == [uid(1), uid(2)]
    first = store.runs.all()[0]
    ticks.begin(first.id)
    ticks.end(first.id)
    assert started(store) == [uid(2), uid(3)]


def test_a_disabled_task_is_passed_over_and_its_run_says_so(store, ticks, three):
    store.tasks.put(store.tasks.get(uid(1)).changed(enabled=False))
    jobs.run(store, three, NOW, {})
    assert started(store) == [uid(2)]
    assert ticks.statuses()[0] == ("skipped", "disabled")


def test_a_job_cut_off_between_two_steps_is_taken_up_by_the_next_tick(
    store, ticks, three, monkeypatch
):
    jobs.run(store, three, NOW, {})
    monkeypatch.setattr(steps, "following", lambda *_: [])  # killed before it could follow
    finish(store, ticks)
    assert started(store) == []
    monkeypatch.undo()
    ticks.__init__(store, monkeypatch)
    ticks.tick("20 10:05")
    assert started(store) == [uid(2)]


def test_a_job_in_progress_cannot_be_run_again(store, three, ticks):
    jobs.run(store, three, NOW, {})
    with pytest.raises(Conflict):
        jobs.run(store, three, NOW, {})


def test_a_job_can_be_run_again_when_it_has_ended(store, ticks, three):
    jobs.run(store, three, NOW, {})
    finish(store, ticks, "failed", "error")
    jobs.run(store, three, NOW, {})
    assert (started(store), status(store)) == ([uid(1)], "in_progress")


def test_an_empty_job_is_refused_with_the_next_step(store, ticks):
    store.jobs.put(job(100))
    with pytest.raises(InvalidInput, match="no tasks") as refused:
        jobs.run(store, uid(100), NOW, {})
    assert "tasks create" in refused.value.hint


def test_a_merge_of_a_merged_step_makes_no_second_successor(store, ticks, three):
    jobs.run(store, three, NOW, {})
    (run,) = store.runs.all()
    ticks.begin(run.id)
    rundir = store.rundir(run.id)
    ticks.end(run.id)
    rundir.make()
    rundir.write_outcome({"status": "success", "reason": None})
    from ccs.engine import settle

    assert settle.merge(Home(store.home.path), rundir, run.id, NOW) == []
    assert started(store) == [uid(2)]
