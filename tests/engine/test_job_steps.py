"""A job's position follows from its runs; histories of steps that end, and of ticks in between."""

from __future__ import annotations

import pytest
from histories import at, job, task, uid

from ccs.engine import jobs, settle, steps, tasks
from ccs.engine.clock import Clock
from ccs.errors import Conflict, InvalidInput, NotFound
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

    assert settle.merge(Home(store.home.path), rundir, run.id, NOW) == []
    assert started(store) == [uid(2)]


class TestAfter:
    def graph(self, store, **after):
        """Tasks 1 to 3 in a job; `two=[1]` lets the second come after the first."""
        names = {"one": 1, "two": 2, "three": 3}
        before = {names[name]: [uid(one) for one in ones] for name, ones in after.items()}
        for number in names.values():
            one = task(number, cron=None, job_id=uid(100))
            store.tasks.put(one.changed(after=before.get(number, [])))
        store.jobs.put(job(100, 3, 2, 1, max_parallel=3))
        jobs.run(store, uid(100), NOW, {})

    def end(self, store, ticks, number, status="success"):
        (run,) = [one for one in store.runs.all() if one.task_id == uid(number)]
        ticks.begin(run.id)
        ticks.end(run.id, status)

    def test_a_task_waits_for_all_it_comes_after_whatever_the_order(self, store, ticks):
        self.graph(store, three=[1, 2])
        assert set(started(store)) == {uid(1), uid(2)}
        self.end(store, ticks, 1)
        assert started(store) == [uid(2)]
        self.end(store, ticks, 2)
        assert started(store) == [uid(3)]
        self.end(store, ticks, 3)
        assert status(store) == "completed"

    def test_what_comes_after_a_failure_is_passed_over_and_says_why(self, store, ticks):
        self.graph(store, two=[1], three=[2])
        store.jobs.put(store.jobs.get(uid(100)).changed(on_failure="continue"))
        self.end(store, ticks, 1, "failed")
        skipped = {one.task_id: one for one in store.runs.all() if one.status == "skipped"}
        assert set(skipped) == {uid(2), uid(3)}
        assert (skipped[uid(2)].reason, skipped[uid(2)].message) == ("after", "comes after task 1")
        assert status(store) == "failed"

    def test_a_disabled_predecessor_does_not_hold_up_what_follows(self, store, ticks):
        store.tasks.put(task(1, cron=None, job_id=uid(100), enabled=False))
        store.tasks.put(task(2, cron=None, job_id=uid(100)).changed(after=[uid(1)]))
        store.jobs.put(job(100, 2, 1))
        jobs.run(store, uid(100), NOW, {})
        assert started(store) == [uid(2)]

    def test_a_circle_is_refused_with_its_path(self, store, ticks):
        store.jobs.put(job(100))
        first = tasks.create(store, {"name": "a", "prompt": "x", "job_id": uid(100)}, NOW)
        fields = {"name": "b", "prompt": "x", "job_id": uid(100), "after": ["a"]}
        second = tasks.create(store, fields, NOW)
        assert second.after == [first.id]
        with pytest.raises(InvalidInput, match="'a' after 'b' after 'a'"):
            tasks.update(store, first.id, {"after": ["b"]}, NOW)
        with pytest.raises(InvalidInput, match="'a' after 'a'"):
            tasks.update(store, first.id, {"after": ["a"]}, NOW)

    def test_a_task_of_another_job_cannot_be_waited_for(self, store, ticks):
        store.jobs.put(job(100), job(101))
        tasks.create(store, {"name": "a", "prompt": "x", "job_id": uid(100)}, NOW)
        fields = {"name": "b", "prompt": "x", "job_id": uid(101), "after": ["a"]}
        with pytest.raises(NotFound):
            tasks.create(store, fields, NOW)


def test_a_stop_that_was_cut_off_is_ended_by_another(store, ticks, three):
    jobs.run(store, three, NOW, {})
    store.jobs.put(store.jobs.get(three).changed(status="cancelled"))
    clock = Clock(lambda: NOW, lambda: 0.0, lambda seconds: None)
    assert jobs.stop(store, three, clock).status == "cancelled"
    assert started(store) == []
    with pytest.raises(Conflict):
        jobs.stop(store, three, clock)
