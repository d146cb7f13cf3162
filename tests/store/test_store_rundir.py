from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from store_records import an_id, python

from ccs.errors import BrokenStore
from ccs.store import atomic
from ccs.store.lock import is_free
from ccs.store.rundir import RESERVED, RunDir

OUTCOME = {"status": "success", "reason": None, "message": "ünï \ud800"}


@pytest.fixture
def rundir(tmp_path):
    rundir = RunDir(str(tmp_path), an_id(1))
    rundir.make()
    return rundir


def file(rundir, name):
    return os.path.join(rundir.path, name)


def begun(rundir, owner):
    return rundir.claim(owner) and rundir.mark_started()


def test_making_it_is_private_and_twice_the_same_as_once(rundir):
    with open(file(rundir, "stop"), "w"):
        pass
    rundir.make()
    assert rundir.exists()
    assert os.stat(rundir.path).st_mode & 0o777 == 0o700
    assert os.listdir(rundir.path) == ["stop"]


def test_a_supervisor_makes_no_directory(tmp_path):
    rundir = RunDir(str(tmp_path), an_id(1))
    for use in (
        rundir.lock().acquire,
        rundir.count_start,
        lambda: begun(rundir, {}),
        lambda: rundir.write_outcome({}),
        lambda: rundir.ask_to_stop("stopped"),
    ):
        with pytest.raises(FileNotFoundError):
            use()
    assert not rundir.exists()
    assert not rundir.started()
    assert (rundir.starts(), rundir.owner(), rundir.outcome()) == (0, {}, None)
    assert rundir.stop_reason() is None


def test_starts_are_counted_until_forgotten(rundir):
    for _ in range(3):
        rundir.count_start()
    assert rundir.starts() == 3
    rundir.forget_starts()
    rundir.forget_starts()
    assert rundir.starts() == 0


# The start mark ----------------------------------------------------------------------

RACER = """
import sys
from ccs.store.rundir import RunDir
rundir = RunDir(sys.argv[1], sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
print(rundir.claim({"racer": sys.argv[3]}) and rundir.mark_started())
"""


def test_of_many_processes_one_makes_the_mark(rundir):
    runs, run_id = os.path.split(rundir.path)
    racers = [python(RACER, runs, run_id, str(number)) for number in range(12)]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    answers = [racer.communicate()[0] for racer in racers]
    assert sorted(answers) == ["False\n"] * 11 + ["True\n"]
    assert rundir.started()


def test_the_mark_is_made_once_and_its_owner_stays(rundir):
    assert begun(rundir, {"pid": 1})
    assert not begun(rundir, {"pid": 2})
    assert rundir.owner() == {"pid": 1}


def test_a_mark_taken_back_can_be_made_again(rundir):
    assert begun(rundir, {"pid": 1})
    rundir.unmark()
    assert not rundir.started()
    assert begun(rundir, {"pid": 2})


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_mark_that_could_not_be_made_is_not_there(rundir, step, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EIO, "the disk is gone")

    with monkeypatch.context() as broken:
        broken.setattr(os, step, refuse)
        with pytest.raises(OSError):
            begun(rundir, {"pid": 1})
    assert not rundir.started()
    assert begun(rundir, {"pid": 1})


def test_a_mark_whose_directory_could_not_be_flushed_is_not_there(rundir, monkeypatch):
    """Else a run that never began would be found marked and ownerless, and recorded as lost."""

    def refuse(path):
        raise OSError(errno.EIO, "the disk is gone")

    with monkeypatch.context() as broken:
        broken.setattr(atomic, "flush_directory", refuse)
        with pytest.raises(OSError):
            begun(rundir, {"pid": 1})
    assert not rundir.started()


def test_without_room_for_its_outcome_a_run_is_not_marked(small_disk, fill):
    rundir = RunDir(str(small_disk), an_id(1))
    rundir.make()
    ballast = fill(small_disk)
    os.truncate(ballast, os.path.getsize(ballast) - RESERVED // 2)
    with pytest.raises(OSError) as caught:
        begun(rundir, {"pid": 1})
    assert caught.value.errno == errno.ENOSPC
    assert not rundir.started()


@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.EINVAL])
def test_where_the_file_system_cannot_reserve_room_it_is_written(rundir, code, monkeypatch):
    def unsupported(*_):
        raise OSError(code, "not here")

    monkeypatch.setattr(os, "posix_fallocate", unsupported)
    assert begun(rundir, {"pid": 1})
    assert os.path.getsize(file(rundir, "reserve")) == RESERVED


# The outcome --------------------------------------------------------------------------


@pytest.mark.parametrize("marked", [True, False])
def test_an_outcome_is_read_as_written_and_can_be_rewritten(rundir, marked):
    assert rundir.outcome() is None
    if marked:
        begun(rundir, {"pid": 1})
    rundir.write_outcome(OUTCOME)
    assert rundir.outcome() == OUTCOME
    rundir.write_outcome({"status": "failed"})
    assert rundir.outcome() == {"status": "failed"}
    assert os.stat(file(rundir, "outcome.json")).st_mode & 0o777 == 0o600
    assert not os.path.exists(file(rundir, "reserve"))


@pytest.mark.parametrize(
    "odd", ['"\\ud800": 1', '"turns": NaN', '"turns": 1e999', '"turns": 1, "turns": 2']
)
def test_an_outcome_that_no_file_of_records_could_take_up_is_none(rundir, odd):
    Path(file(rundir, "outcome.json")).write_text(f'{{"status": "success", {odd}}}')
    os.chmod(file(rundir, "outcome.json"), 0o600)
    assert rundir.outcome() is None


def test_an_outcome_larger_than_the_reserve_is_written_whole(rundir):
    begun(rundir, {"pid": 1})
    long = {"message": "x" * (2 * RESERVED)}
    rundir.write_outcome(long)
    assert rundir.outcome() == long


def test_an_outcome_finds_its_room_on_a_full_disk(small_disk, fill):
    rundir = RunDir(str(small_disk), an_id(1))
    rundir.make()
    assert begun(rundir, {"pid": 1})
    fill(small_disk)
    with pytest.raises(OSError):
        atomic.write(file(rundir, "proof"), b"that it is full")
    outcome = {"status": "success", "message": "x" * (RESERVED // 2)}
    rundir.write_outcome(outcome)
    assert rundir.outcome() == outcome


@pytest.mark.parametrize("step", ["write", "ftruncate", "fsync", "replace"])
def test_an_outcome_is_there_whole_or_not_at_all(rundir, step, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EIO, "the disk is gone")

    begun(rundir, {"pid": 1})
    with monkeypatch.context() as broken:
        broken.setattr(os, step, refuse)
        with pytest.raises(OSError):
            rundir.write_outcome({"status": "failed", "message": "longer than the next"})
    assert rundir.outcome() is None
    rundir.write_outcome(OUTCOME)
    assert rundir.outcome() == OUTCOME


@pytest.mark.parametrize("torn", [b"", b'{"status": "succ', b"\0" * 99, b"[1]", b"[" * 100_000])
def test_what_was_not_written_whole_was_not_written(rundir, torn):
    for name in ("outcome.json", "owner"):
        atomic.write(file(rundir, name), torn)
    assert rundir.outcome() is None
    assert rundir.owner() == {}


# Stopping --------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["stopped", "replaced"])
def test_the_first_reason_to_stop_stands(rundir, reason):
    assert rundir.stop_reason() is None
    rundir.ask_to_stop(reason)
    rundir.ask_to_stop("another")
    assert rundir.stop_reason() == reason


@pytest.mark.parametrize(
    ("text", "reason"), [("", "stopped"), ("\n", "stopped"), ("replaced\n", "replaced")]
)
def test_a_stop_file_may_be_made_by_hand(rundir, text, reason):
    with open(file(rundir, "stop"), "w") as stop:
        stop.write(text)
    assert rundir.stop_reason() == reason


def test_a_run_can_be_stopped_on_a_full_disk(small_disk, fill):
    rundir = RunDir(str(small_disk), an_id(1))
    rundir.make()
    fill(small_disk)
    rundir.ask_to_stop("stopped")
    assert rundir.stop_reason() == "stopped"
    assert os.listdir(rundir.path) == ["stop"]


def test_nobody_reads_half_a_reason(rundir, monkeypatch):
    seen = []
    write = os.write

    def looks_before_each_byte(fd, view):
        seen.append(rundir.stop_reason())
        return write(fd, view[:1])

    with monkeypatch.context() as slow:
        slow.setattr(os, "write", looks_before_each_byte)
        rundir.ask_to_stop("replaced")
    assert set(seen) == {None}
    assert rundir.stop_reason() == "replaced"


# Removing ---------------------------------------------------------------------------------


def test_removing_takes_the_lock_last(rundir, monkeypatch):
    with rundir.lock() as lock:
        assert lock.acquire()
        rundir.count_start()
        begun(rundir, {"pid": 1})
        rundir.write_outcome(OUTCOME)
        rundir.ask_to_stop("stopped")
        removed = []
        unlink = os.unlink

        def noted(path):
            removed.append((os.path.basename(path), is_free(file(rundir, "lock"))))
            unlink(path)

        with monkeypatch.context() as watched:
            watched.setattr(os, "unlink", noted)
            rundir.remove()
    names = [name for name, _ in removed]
    assert names[-1] == "lock" and names.count("lock") == 1
    assert sorted(names[:-1]) == ["outcome.json", "owner", "started", "starts", "stop"]
    assert not any(free for _, free in removed)
    assert not rundir.exists()


def test_removing_twice_is_the_same_as_once(rundir):
    rundir.remove()
    rundir.remove()
    assert not rundir.exists()


def test_a_removal_that_was_cut_off_is_finished_by_the_next(rundir, monkeypatch):
    begun(rundir, {"pid": 1})
    rundir.write_outcome(OUTCOME)

    def dies(path):
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(os, "rmdir", dies)
        with pytest.raises(KeyboardInterrupt):
            rundir.remove()
    rundir.remove()
    assert not rundir.exists()


def test_a_stop_that_arrives_during_the_removal_does_not_save_the_directory(rundir, monkeypatch):
    rmdir = os.rmdir

    def after_a_stop(path):
        monkeypatch.setattr(os, "rmdir", rmdir)
        rundir.ask_to_stop("stopped")
        rmdir(path)

    monkeypatch.setattr(os, "rmdir", after_a_stop)
    rundir.remove()
    assert not rundir.exists()


def test_drafts_of_killed_writers_go_with_it(rundir):
    with open(file(rundir, ".outcome.json.1.ab.tmp"), "w") as draft:
        json.dump(OUTCOME, draft, ensure_ascii=True)
    rundir.remove()
    assert not rundir.exists()


# What cannot be told -------------------------------------------------------------------


def test_what_is_not_ours_alone_is_refused_and_never_taken_for_absent(rundir):
    """A run whose owner is unknown is ended, and one without an outcome may be lost."""
    begun(rundir, {"pid": 1})
    rundir.write_outcome(OUTCOME)
    for name, look in (("owner", rundir.owner), ("outcome.json", rundir.outcome)):
        os.link(file(rundir, name), file(rundir, "backup"))
        with pytest.raises(BrokenStore):
            look()
        os.unlink(file(rundir, "backup"))
        os.chmod(file(rundir, name), 0o620)
        with pytest.raises(BrokenStore):
            look()
        os.chmod(file(rundir, name), 0o600)
    assert rundir.owner() == {"pid": 1}


def test_a_reserve_with_a_second_name_is_left_alone(rundir):
    begun(rundir, {})
    os.link(file(rundir, "reserve"), file(rundir, "backup"))
    rundir.write_outcome(OUTCOME)
    assert rundir.outcome()["status"] == "success"
    with open(file(rundir, "backup"), "rb") as backup:
        assert not any(backup.read())


def test_a_disk_that_does_not_answer_says_neither_yes_nor_no(rundir, monkeypatch):
    def broken(path, **_):
        raise OSError(errno.EIO, "input/output error", path)

    begun(rundir, {})
    monkeypatch.setattr(os, "lstat", broken)
    looks = (rundir.exists, rundir.started, rundir.starts, lambda: is_free(file(rundir, "lock")))
    for look in looks:
        with pytest.raises(OSError, match="input/output"):
            look()


def test_a_mark_that_leads_nowhere_is_a_mark(rundir):
    os.symlink("/nowhere/at/all", file(rundir, "started"))
    assert rundir.started()


def test_an_empty_directory_in_the_place_of_a_file_does_not_keep_the_run(rundir):
    os.mkdir(file(rundir, "stop"))
    assert rundir.stop_reason() == "stopped"
    rundir.remove()
    assert not rundir.exists()
