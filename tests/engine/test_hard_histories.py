"""Histories that once went wrong, or would: counts that meet launches, records broken by hand,
clocks that were wrong for a minute, stops that meet a start."""

from __future__ import annotations

import errno
import json
import os
from datetime import timedelta
from pathlib import Path

import pytest
from histories import at, job, run, task, uid

from ccs import instant
from ccs.engine import begin, jobs, launch, runs, settle
from ccs.engine.launch import MOST_STARTS, Launcher
from ccs.engine.look import Look
from ccs.engine.tick import tick
from ccs.errors import Conflict, InvalidInput
from ccs.host import process
from ccs.model import key
from ccs.store import atomic
from ccs.store.asked import as_it_ran
from ccs.store.records import Records
from ccs.store.rundir import RunDir
from ccs.store.tasklist import ChangedMeanwhile


def edit(store, name, change):
    """What somebody does with an editor."""
    path = store.home.collection(name)
    with open(path) as file:
        document = json.load(file)
    for record in document[name]:
        change(record)
    with open(path, "w") as file:
        json.dump(document, file)


def waiting_behind_another(store, ticks, count=2):
    """A held run of a minutely task, with `count` slots counted into it; the run it waits for."""
    store.tasks.put(task(cron="* * * * *", overlap="queue"))
    (first,) = ticks.tick("20 10:01").launched
    ticks.begin(first)
    (held,) = ticks.tick("20 10:02").held
    for minute in range(3, 3 + count):
        ticks.tick(f"20 10:{minute:02}")
    return first, held


def test_a_slot_that_comes_as_the_waiting_run_starts_is_counted_too(store, ticks):
    first, held = waiting_behind_another(store, ticks)
    ticks.end(first)
    assert ticks.tick("20 10:05").launched == [held]
    found = store.runs.get(held)
    assert (found.missed_slots, found.last_slot) == (3, at("20 10:05"))


def test_a_run_held_for_long_is_not_dropped_when_its_start_fails_once(store, ticks):
    first, held = waiting_behind_another(store, ticks, count=0)
    ticks.tick("20 18:00")
    ticks.end(first)
    assert ticks.tick("20 18:01").launched == [held]
    assert ticks.tick("20 18:02").launched == [held]  # no supervisor came of the first


def test_a_deleted_step_is_not_run_again(store, ticks):
    store.tasks.put(*(task(n, cron=None, job_id=uid(100)) for n in (1, 2)))
    store.jobs.put(job(100, 1, 2))
    jobs.run(store, uid(100), at("20 10:00"), {})
    first, second = (key.for_step(store.jobs.get(uid(100)).run.id, uid(n)) for n in (1, 2))
    ticks.begin(first)
    ticks.end(first)
    with pytest.raises(Conflict, match="step of a job in progress"):
        runs.delete(store, [first], False, None)
    store.forget_runs([store.runs.get(first)])
    ticks.begin(second)
    ticks.end(second)
    assert [one.id for one in store.runs.all()] == [second]
    assert store.jobs.get(uid(100)).status == "completed"


def test_a_step_whose_record_was_broken_holds_its_job_and_nothing_else(store, ticks):
    store.tasks.put(*(task(n, cron=None, job_id=uid(100)) for n in (1, 2, 3)), task(4))
    store.jobs.put(job(100, 1, 2, 3))
    jobs.run(store, uid(100), at("20 10:00"), {})
    first, second = (key.for_step(store.jobs.get(uid(100)).run.id, uid(n)) for n in (1, 2))
    ticks.begin(first)
    ticks.end(first)
    edit(store, "runs", lambda one: one["id"] == first and one.update(turns="many"))
    ticks.begin(second)
    ticks.end(second)
    done = tick(store, at("20 10:15"), {})
    assert [store.runs.get(one).task_id for one in done.launched] == [uid(4)]
    assert store.jobs.get(uid(100)).status == "in_progress"
    edit(store, "runs", lambda one: one["id"] == first and one.update(turns=1))
    tick(store, at("20 10:16"), {})
    assert uid(3) in {one.task_id for one in store.runs.all()}


def test_a_step_whose_task_was_broken_by_hand_is_not_passed_over(store, ticks):
    store.tasks.put(*(task(n, cron=None, job_id=uid(100)) for n in (1, 2)))
    store.jobs.put(job(100, 1, 2))
    jobs.run(store, uid(100), at("20 10:00"), {})
    (first,) = store.runs.all()
    ticks.begin(first.id)
    edit(store, "tasks", lambda one: one["id"] == uid(2) and one.update(timeout="soon"))
    ticks.end(first.id)
    assert store.jobs.get(uid(100)).status == "in_progress"
    edit(store, "tasks", lambda one: one["id"] == uid(2) and one.update(timeout="1h"))
    tick(store, at("20 10:05"), {})
    assert [one.task_id for one in store.runs.all()] == [uid(1), uid(2)]


def test_what_came_after_a_deleted_task_runs_all_the_same(store, ticks):
    store.tasks.put(task(1, cron=None, job_id=uid(100)))
    store.tasks.put(task(3, cron=None, job_id=uid(100)).changed(after=[uid(2)]))
    store.jobs.put(job(100, 1, 2, 3, run={"id": uid(9), "order": [uid(1), uid(2), uid(3)]}))
    store.jobs.put(store.jobs.get(uid(100)).changed(status="in_progress", max_parallel=2))
    tick(store, at("20 10:05"), {})
    assert {one.task_id for one in store.runs.all()} == {uid(1), uid(3)}


def test_a_circle_made_by_hand_fails_the_job(store, ticks):
    store.tasks.put(task(1, cron=None, job_id=uid(100)).changed(after=[uid(2)]))
    store.tasks.put(task(2, cron=None, job_id=uid(100)).changed(after=[uid(1)]))
    store.jobs.put(job(100, 1, 2))
    jobs.run(store, uid(100), at("20 10:00"), {})
    assert store.jobs.get(uid(100)).status == "failed"


def test_when_a_job_ends_early_its_waiting_steps_are_cancelled(store, ticks):
    store.tasks.put(*(task(n, cron=None, job_id=uid(100)) for n in (1, 2)))
    store.jobs.put(job(100, 1, 2, max_parallel=2))
    jobs.run(store, uid(100), at("20 10:00"), {})
    first, second = store.runs.all()
    ticks.begin(first.id)
    ticks.end(first.id, "failed", "error")
    assert store.runs.get(second.id).status == "cancelled"
    assert store.jobs.get(uid(100)).status == "failed"


def test_a_job_is_not_put_in_progress_by_hand(store):
    store.jobs.put(job(100))
    with pytest.raises(InvalidInput, match="by running"):
        jobs.update(store, uid(100), {"status": "in_progress"}, {}, at("20 10:00"))


@pytest.mark.parametrize(
    "spoil",
    [
        {"not_before": "0001-01-01T00:00:00Z"},
        {"active_since": "0001-01-01T00:00:00Z"},
        {"active_since": "9999-12-31T23:59:59-14:00"},
    ],
)
def test_a_moment_at_the_end_of_the_calendar_stops_no_other_task(store, ticks, spoil):
    store.tasks.put(task(1), task(2))
    edit(store, "tasks", lambda one: one["id"] == uid(1) and one.update(spoil))
    done = tick(store, at("20 10:15"), {})
    assert [store.runs.get(one).task_id for one in done.launched] == [uid(2)]
    assert done.problems


def test_a_damaged_cursor_stops_no_other_task(store, ticks):
    store.tasks.put(task(1), task(2))
    content = store.cursors.read()
    store.cursors.write(content, [{"id": uid(1), "slot": "9999-12-31T23:59:59-14:00"}])
    done = tick(store, at("20 10:15"), {})
    assert len(done.launched) == 2
    assert "no instant" in done.problems[0]


def test_replacing_a_run_that_is_just_being_started_cancels_it_at_once(store, ticks):
    store.tasks.put(task(overlap="replace"))
    being_started = run(77, task(), trigger="manual", scheduled_time=at("20 10:14"))
    store.runs.put(being_started)
    rundir = store.rundir(being_started.id)
    rundir.make()
    with rundir.lock() as lock:
        assert lock.acquire()  # its supervisor has the lock, and no mark yet
        ticks.tick("20 10:15")
        found = store.runs.get(being_started.id)
        assert (found.status, found.reason) == ("cancelled", "replaced")
    assert len(ticks.tick("20 10:16").launched) == 1


def test_a_stop_that_nobody_could_act_on_is_carried_out_by_the_tick(store, ticks):
    store.tasks.put(task(cron=None))
    stopped = run(77, task(), trigger="manual", scheduled_time=at("20 10:14"))
    store.runs.put(stopped)
    rundir = store.rundir(stopped.id)
    rundir.make()
    rundir.ask_to_stop("stopped")
    ticks.tick("20 10:15")
    found = store.runs.get(stopped.id)
    assert (found.status, found.reason) == ("cancelled", "stopped")
    ticks.tick("20 10:16")
    assert not rundir.exists()


def test_catch_up_all_does_not_exceed_max_runs(store, ticks):
    store.tasks.put(task(catch_up="all", overlap="queue", grace="24h", max_runs=2))
    ticks.tick("20 18:20")
    made = [one for one in store.runs.all() if one.status != "skipped"]
    assert [one.scheduled_time for one in made] == [at("20 18:00"), at("20 18:15")]
    assert made[-1].missed_slots == 31


def test_an_outcome_waits_until_its_broken_record_is_mended(store, ticks):
    store.tasks.put(task())
    (run_id,) = ticks.tick("20 10:15").launched
    ticks.begin(run_id)
    rundir = store.rundir(run_id)
    rundir.write_outcome({"status": "success", "reason": None, "end_time": "2026-11-20T10:16:00Z"})
    ticks._locks.pop(run_id).release()  # its supervisor was killed before the merge
    edit(store, "runs", lambda one: one.update(turns="many"))
    tick(store, at("20 10:17"), {})
    edit(store, "runs", lambda one: one.update(turns=None))
    tick(store, at("20 10:18"), {})
    assert store.runs.get(run_id).status == "success"


def test_a_clock_wrong_for_one_tick_does_not_rewrite_what_ran(store, ticks):
    store.tasks.put(task(cron="0 3 * * 5", born=at("10 00:00"), grace="1h"))
    (run_id,) = ticks.tick("20 03:00").launched
    ticks.begin(run_id)
    ticks.end(run_id)
    with store.locked():
        store.history.append([store.runs.get(run_id).record()])
        store.runs.remove([run_id])
    ticks.tick(at("20 10:00") - timedelta(days=800))
    ticks.tick("20 10:00")
    assert store.get_run(run_id).status == "success"
    assert store.runs.all() == []


def test_a_step_of_a_task_that_was_disabled_meanwhile_is_skipped(store, ticks):
    store.write_settings(store.settings().changed(max_concurrent_tasks=1))
    store.tasks.put(task(1), task(2, cron=None, job_id=uid(100)), task(3, cron=None))
    store.jobs.put(job(100, 2))
    (first,) = ticks.tick("20 10:15").launched
    ticks.begin(first)
    jobs.run(store, uid(100), at("20 10:16"), {})
    ticks.tick("20 10:16")
    store.tasks.put(store.tasks.get(uid(2)).changed(enabled=False))
    ticks.tick("20 10:17")
    ticks.tick("20 10:18")
    assert [one.reason for one in store.runs.all() if one.task_id == uid(2)] == ["disabled"]
    assert store.jobs.get(uid(100)).status == "completed"


def test_a_history_that_cannot_be_written_stops_no_launch(store, ticks, monkeypatch):
    store.tasks.put(task())

    def full(kept):
        raise OSError("no space")

    monkeypatch.setattr(store, "archive", full)
    done = tick(store, at("20 10:15"), {})
    assert len(done.launched) == 1
    assert done.problems == ["history: no space"]


def test_what_lies_about_in_runs_is_left_alone(store, ticks, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").touch()
    os.symlink(elsewhere, os.path.join(store.home.runs, uid(5)))
    open(os.path.join(store.home.runs, ".DS_Store"), "w").close()
    assert ticks.tick("20 10:15").problems == []
    assert (elsewhere / "precious").exists()


def test_a_left_over_directory_of_a_finished_run_is_removed(store, ticks):
    store.tasks.put(task(cron=None))
    store.runs.put(run(77, task(), status="success"))
    rundir = store.rundir(uid(77))
    rundir.make()
    rundir.write_outcome({"status": "success", "reason": None})
    ticks.tick("20 10:15")
    assert not rundir.exists()


def test_a_task_removed_by_hand_takes_its_waiting_run_along(store, ticks):
    store.runs.put(run(77, task(), trigger="manual"))
    ticks.tick("20 10:15")
    found = store.runs.get(uid(77))
    assert (found.status, found.message) == ("skipped", "its task is gone")


def test_merging_twice_is_merging_once(store, ticks):
    store.tasks.put(task())
    (run_id,) = ticks.tick("20 10:15").launched
    ticks.begin(run_id)
    rundir = store.rundir(run_id)
    ticks.end(run_id)
    rundir.make()
    rundir.write_outcome({"status": "failed", "reason": "error"})
    settle.merge(store.home, rundir, run_id, at("20 10:20"))
    assert store.runs.get(run_id).status == "success"


@pytest.mark.parametrize(("minutes", "ended"), [(5, []), (30, [process.KILL])])
def test_a_hook_that_hangs_without_its_supervisor_is_ended_at_last(
    store, ticks, monkeypatch, minutes, ended
):
    """git holds the run's lock while it commits, and its outcome is there already."""
    store.tasks.put(task(1))
    (run_id,) = ticks.tick("20 10:15").launched
    ticks.begin(run_id)
    gone = {"status": "success", "reason": None, "end_time": instant.text(ticks.now)}
    store.rundir(run_id).write_outcome(gone)
    sent = []
    monkeypatch.setattr(process, "is_alive", lambda owner: False)
    monkeypatch.setattr(process, "signal_carriers", lambda _, number: sent.append(number) or [])
    ticks.tick(ticks.now + timedelta(minutes=minutes))
    assert sent == ended
    assert store.runs.get(run_id).status == "running"


@pytest.mark.parametrize("damage", [{"status": 0}, {"status": "running"}, {"reason": []}, None])
def test_an_outcome_that_a_hand_has_damaged_leaves_a_lost_run(store, ticks, monkeypatch, damage):
    store.tasks.put(task(1))
    (run_id,) = ticks.tick("20 10:15").launched
    ticks.begin(run_id)
    rundir = store.rundir(run_id)
    rundir.write_outcome({"status": "success", "reason": None, **(damage or {})})
    if damage is None:
        (store.home.path / Path("runs") / run_id / "outcome.json").write_text('["success"]')
    ticks.release(run_id)
    monkeypatch.setattr(process, "is_alive", lambda owner: False)
    ticks.tick("20 10:16")
    found = store.runs.get(run_id)
    assert (found.status, found.reason) == ("lost", "crash")


def test_a_run_lost_in_a_worktree_is_gone_on_with_there(store, ticks, monkeypatch):
    """Its record was made before the tree was."""
    store.tasks.put(task(1))
    (run_id,) = ticks.tick("20 10:15").launched
    ticks.begin(run_id)
    store.runs.put(store.runs.get(run_id).changed(worktree="x-1", cwd="/repo"))
    atomic.write(store.home.tree_before(run_id), b'{"cwd": "/repo/trees/x-1"}')
    ticks.release(run_id)
    monkeypatch.setattr(process, "is_alive", lambda owner: False)
    ticks.tick("20 10:16")
    assert store.runs.get(run_id).cwd == "/repo/trees/x-1"


@pytest.mark.parametrize(("kind", "verb"), [(Launcher, "prepare"), (Look, "snapshot")])
def test_a_task_changed_under_a_ticks_hands_is_for_the_next_one_and_no_fault(
    store, ticks, monkeypatch, kind, verb
):
    store.tasks.put(task(cron="* * * * *"))

    def too_late(*_):
        raise ChangedMeanwhile("tasks.json is not as it was read", "")

    with monkeypatch.context() as patch:
        patch.setattr(kind, verb, too_late)
        done = tick(store, at("20 10:01") + timedelta(seconds=1), {})
        assert done is None or (done.launched, done.problems) == ([], [])
    (run_id,) = ticks.tick("20 10:02").launched
    assert store.runs.get(run_id).task_id == uid(1)


def test_while_others_are_at_the_store_no_start_counts_against_a_run(night, monkeypatch):
    """A hundred that begin at once may have to wait for longer than a supervisor waits."""
    night.store.tasks.put(task(cron="0 10 * * *", born=at("20 09:00")))
    with monkeypatch.context() as patch:
        patch.setattr(begin, "STORE_TIMEOUT", 0.0)
        for minute in range(MOST_STARTS + 1):
            (run_id,) = night.tick(at("20 10:00") + timedelta(minutes=minute)).launched
            with night.store.locked():
                assert not night.started(run_id)
    assert night.tick("20 10:30").launched == [run_id]
    assert night.started(run_id)


@pytest.mark.parametrize("broken", [(atomic, "flush_directory"), (launch, "spawn_supervisors")])
def test_where_no_supervisor_could_be_started_no_start_counts_against_a_run(
    store, ticks, monkeypatch, broken
):
    def refuse(place, *_, flush=atomic.flush_directory):
        if place != store.home.path or broken[0] is launch:
            raise OSError(errno.EIO, "input/output error")
        flush(place)

    store.tasks.put(task(cron="0 10 * * *", born=at("20 09:00")))
    with monkeypatch.context() as patch:
        patch.setattr(*broken, refuse)
        for minute in range(MOST_STARTS + 1):
            done = tick(store, at("20 10:00") + timedelta(minutes=minute), {})
            assert done.launched == []
            assert "input/output error" in done.problems[-1]
    (run_id,) = ticks.tick("20 10:30").launched
    assert store.runs.get(run_id).status == "upcoming"


@pytest.mark.parametrize("first", ["id", "status"])
def test_a_run_begins_beside_no_other_whatever_comes_first_in_its_record(store, night, first):
    store.tasks.put(task(1), task(2))
    mine, other = sorted(
        night.tick("20 10:15").launched, key=lambda one: store.runs.get(one).task_id
    )
    store.runs.put(run(99, task(1), status="running"))
    path = Path(store.home.collection("runs"))
    edited = json.loads(path.read_bytes())
    edited["runs"] = [{first: one[first], **one} for one in edited["runs"]]
    path.write_text(json.dumps(edited))
    store.runs.put(store.runs.get(other).changed(message="others stay as they were edited"))
    begins = night.started(mine)
    assert not begins


def test_a_run_of_the_stand_in_stays_one_when_its_supervisor_is_killed(store, night, monkeypatch):
    """Or its session would wait for ever for the real client to come back, and its cost count."""
    store.write_settings(store.settings().changed(mock_mode=True))
    store.tasks.put(task(1))
    (run_id,) = night.tick("20 10:15").launched
    assert night.started(run_id)
    night.release(run_id)
    monkeypatch.setattr(process, "is_alive", lambda owner: False)
    night.tick("20 10:16")
    found = store.runs.get(run_id)
    assert (found.status, found.mock) == ("lost", True)


def test_a_run_whose_beginning_is_not_certain_on_disk_waits_for_the_next_tick(
    store, night, monkeypatch
):
    def refuse(records):
        raise OSError(5, "input/output error")

    store.tasks.put(task(1))
    (run_id,) = night.tick("20 10:15").launched
    with monkeypatch.context() as patch:
        patch.setattr(Records, "flush_name", refuse)
        assert not night.started(run_id)
    assert night.tick("20 10:16").launched == [run_id]
    assert night.started(run_id)


@pytest.mark.parametrize("by_a_tick", [False, True])
def test_an_end_that_another_recorded_is_certain_before_the_run_directory_goes(
    store, ticks, monkeypatch, by_a_tick
):
    """Whoever recorded it may have been killed before the name of runs.json was on disk."""
    store.tasks.put(task(1))
    (run_id,) = ticks.tick("20 10:15").launched
    ticks.begin(run_id)
    rundir, steps = store.rundir(run_id), []
    rundir.write_outcome({"status": "success", "reason": None})
    with monkeypatch.context() as killed:
        killed.setattr(RunDir, "remove", lambda _: None)
        settle.merge(store.home, rundir, run_id, ticks.now)
    ticks.release(run_id)
    remove, flush = RunDir.remove, Records.flush_name
    monkeypatch.setattr(RunDir, "remove", lambda one: (steps.append("gone"), remove(one)))
    monkeypatch.setattr(Records, "flush_name", lambda one: (steps.append("flush"), flush(one)))
    if by_a_tick:
        ticks.tick("20 10:16")
    else:
        settle.merge(store.home, rundir, run_id, ticks.now)
    assert steps == ["flush", "gone"]
    assert not rundir.exists()


def test_a_run_that_waits_for_approval_is_certain_to_wait(store, night, monkeypatch):
    store.tasks.put(task(1))
    (run_id,) = night.tick("20 10:15").launched
    rundir, flushed = store.rundir(run_id), []
    monkeypatch.setattr(Records, "flush_name", lambda one: flushed.append(one.path))
    with rundir.lock() as lock:
        assert lock.acquire()
        asked = as_it_ran(store.home, run_id)
        assert not begin.begin(store.home, rundir, asked, "a hook", night.now)
    assert flushed == [store.home.collection("runs")]
    assert store.runs.get(run_id).held_reason == "approval"


@pytest.mark.parametrize("levels", [53, 55, 57, 60])
def test_a_run_that_was_denied_what_is_deeply_nested_ends_and_hides_no_other(store, ticks, levels):
    store.tasks.put(task(1))
    (run_id,) = ticks.tick("20 10:15").launched
    ticks.begin(run_id)
    denial = {"tool_name": "Write", "tool_input": json.loads("[" * levels + "]" * levels)}
    end = {"type": "result", "subtype": "success", "is_error": False, "num_turns": 1}
    Path(store.home.stream(run_id)).write_text(json.dumps({**end, "permission_denials": [denial]}))
    ticks.release(run_id)
    ticks.tick("20 10:16")
    assert store.runs.get(run_id).reason == "denied"
