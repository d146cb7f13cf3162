from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import filelock
import pytest
from store_records import Holder, python

from ccs.errors import BrokenStore, LockTimeout
from ccs.store.lock import Lock, is_free
from ccs.store.records import Records


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "store.lock")


# One holder at a time ------------------------------------------------------------


def test_a_held_lock_is_taken_by_no_other_process_until_its_holder_is_killed(path, holding):
    holder = holding(path)
    assert not Lock(path).acquire()
    assert not is_free(path)
    holder.kill()
    with Lock(path) as lock:
        assert lock.acquire()


def test_within_a_process_it_excludes_too(path):
    with Lock(path) as first:
        assert first.acquire()
        assert not Lock(path).acquire()
    with Lock(path) as second:
        assert second.acquire()


def test_asking_whether_it_is_free_neither_keeps_nor_creates_it(path):
    assert is_free(path)
    assert not os.path.exists(path)
    with Lock(path) as lock:
        lock.acquire()
    assert is_free(path)
    assert is_free(path)


def test_releasing_leaves_the_file(path):
    with Lock(path) as lock:
        assert lock.acquire()
    assert os.path.exists(path)


def test_waiting_ends_when_the_holder_goes(path, holding):
    holder = holding(path)
    waiting = python(
        "import sys; from ccs.store.lock import Lock\n"
        "lock = Lock(sys.argv[1]); print(lock.acquire(), flush=True)\n"
        "lock.acquire_within(60); print('mine')",
        path,
    )
    assert waiting.stdout.readline() == "False\n"
    holder.kill()
    assert waiting.communicate()[0] == "mine\n"


def test_a_timeout_names_the_holder(path, holding):
    holder = holding(path, command="ccs tasks create")
    with pytest.raises(LockTimeout) as caught:
        Lock(path).acquire_within(0)
    assert f"pid {holder.pid} (ccs tasks create)" in caught.value.message
    assert caught.value.exit_code == 7


@pytest.fixture
def hears_alarms():
    """Whatever a test does to the alarm is undone."""
    known = signal.getsignal(signal.SIGALRM)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, known)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])


def gives_up(path):
    with pytest.raises(LockTimeout), Lock(path) as lock:
        lock.acquire_within(0.05)
    return True


def test_whoever_waits_in_the_queue_gives_up_in_time_and_leaves_no_alarm(
    path, holding, hears_alarms
):
    holding(path)
    known = signal.getsignal(signal.SIGALRM)
    assert gives_up(path)
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) is known


def test_an_alarm_that_rings_before_the_wait_begins_is_not_the_last(
    path, holding, hears_alarms, monkeypatch
):
    """Python hears it a moment later than the system, which by then may wait for the lock."""

    def late(fd, how, flock=fcntl.flock):
        if how == fcntl.LOCK_EX:
            with suppress(TimeoutError):
                time.sleep(60)
            assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
        flock(fd, how)

    holding(path)
    monkeypatch.setattr(fcntl, "flock", late)
    assert gives_up(path)


def test_an_alarm_that_rings_as_it_is_set_leaves_nothing_behind(
    path, holding, hears_alarms, monkeypatch
):
    def late(*when, setitimer=signal.setitimer):
        setitimer(*when)
        if when[1]:
            time.sleep(60)

    holding(path)
    known = signal.getsignal(signal.SIGALRM)
    with monkeypatch.context() as patch:
        patch.setattr(signal, "setitimer", late)
        assert gives_up(path)
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) is known


def test_an_alarm_that_somebody_else_has_set_stays_theirs(path, holding, hears_alarms):
    """As of `perl -e 'alarm 60; exec @ARGV' ccs tick`."""
    holding(path)
    rung = []
    signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    signal.setitimer(signal.ITIMER_REAL, 600)
    assert gives_up(path)
    assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    os.kill(os.getpid(), signal.SIGALRM)
    assert rung == [1]


def test_who_hears_no_alarm_gives_up_in_time_too(path, holding, hears_alarms):
    holding(path)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    assert gives_up(path)


def test_who_waits_in_a_thread_gives_up_in_time_too(path, holding):
    holding(path)
    with ThreadPoolExecutor() as pool:
        assert pool.submit(gives_up, path).result()


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="nothing tells who waits")
def test_those_who_wait_are_served_in_the_order_in_which_they_came(path, tmp_path, holding):
    holder, served = holding(path), tmp_path / "served"
    waiting = []
    for number in range(4):
        waiting.append(python(IN_TURN, path, str(served), str(number)))
        queued = [f"-> FLOCK ADVISORY WRITE {one.pid} " for one in waiting]
        deadline = time.monotonic() + 30
        while not all(one in " ".join(Path("/proc/locks").read_text().split()) for one in queued):
            assert waiting[-1].poll() is None and time.monotonic() < deadline
    holder.kill()
    for one in waiting:
        one.communicate()
    assert served.read_text() == "0123"


IN_TURN = """
import sys
from ccs.store.lock import Lock
path, served, name = sys.argv[1:]
with Lock(path) as lock:
    lock.acquire_within(60)
    with open(served, "a") as file:
        file.write(name)
"""


def test_a_shorter_signature_leaves_nothing_of_a_longer_one(path):
    with Lock(path) as lock:
        lock.acquire_within(0, "ccs " + "x" * 500)
    with Lock(path) as lock:
        lock.acquire_within(0, "ccs tick")
        assert lock.holder() == f"pid {os.getpid()} (ccs tick)"


def test_a_holder_that_could_not_sign_still_holds(path):
    os.mkdir(path + ".holder")
    with Lock(path) as lock:
        lock.acquire_within(0, "ccs tick")
        assert not is_free(path)
        assert lock.holder() == "another process"


def test_filelock_and_ours_exclude_each_other(path, holding):
    with Lock(path) as ours:
        assert ours.acquire()
        with pytest.raises(filelock.Timeout):
            filelock.FileLock(path).acquire(timeout=0)
    holder = holding(path, script=Holder.BY_FILELOCK)
    assert not Lock(path).acquire()
    holder.kill()
    assert is_free(path)


# What does not count ---------------------------------------------------------------


def test_a_lock_in_a_missing_directory_is_not_made(tmp_path):
    path = str(tmp_path / "gone" / "lock")
    with pytest.raises(FileNotFoundError):
        Lock(path).acquire()
    assert is_free(path)


@pytest.mark.parametrize("replaced", [False, True])
def test_a_lock_whose_file_was_taken_away_does_not_count(path, replaced, monkeypatch):
    import fcntl

    def then_it_goes(fd, how, lock=fcntl.flock):
        lock(fd, how)
        os.unlink(path)
        if replaced:
            open(path, "w").close()

    lock = Lock(path)
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(fcntl, "flock", then_it_goes)
        assert not lock.acquire()
    assert lock.fd is None
    assert is_free(path)


def test_a_lock_that_others_can_write_or_that_is_a_link_is_refused(path, tmp_path):
    open(path, "w").close()
    os.chmod(path, 0o666)
    with pytest.raises(BrokenStore, match="written by others"):
        Lock(path).acquire()
    os.unlink(path)
    os.symlink(tmp_path / "elsewhere", path)
    with pytest.raises(BrokenStore, match="not a regular file"):
        Lock(path).acquire()
    assert not (tmp_path / "elsewhere").exists()


# Inheritance ------------------------------------------------------------------------


def test_a_child_that_inherits_it_holds_it_after_its_parent_was_killed(path, holding):
    holder = holding(path, heir=True)
    holder.kill()
    assert not is_free(path)
    holder.process.stdin.close()  # the child reads to the end of it and leaves
    with Lock(path) as lock:
        lock.acquire_within(60)


def test_other_children_do_not_inherit_it(path):
    with Lock(path) as lock:
        assert lock.acquire()
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False)
    try:
        assert is_free(path)
    finally:
        child.communicate()


# Many writers ------------------------------------------------------------------------

WRITER = """
import sys
from ccs.store.lock import Lock
from ccs.store.records import Records
lock_path, path, name = sys.argv[1:]
for step in range(100):
    with Lock(lock_path) as lock:
        lock.acquire_within(60, name)
        records = Records(path, "counters")
        content = records.read()
        entries = {entry["id"]: entry for entry in content.records}
        for one in ("all", name):
            entries.setdefault(one, {"id": one, "count": 0})["count"] += 1
        records.write(content, list(entries.values()))
"""


def test_eight_writers_lose_nothing(tmp_path):
    file = str(tmp_path / "counters.json")
    writers = [python(WRITER, str(tmp_path / "store.lock"), file, f"writer {n}") for n in range(8)]
    for writer in writers:
        writer.communicate()
    assert [writer.returncode for writer in writers] == [0] * 8
    counts = {one["id"]: one["count"] for one in Records(file, "counters").read().records}
    assert counts == {"all": 800} | {f"writer {n}": 100 for n in range(8)}
    with open(file) as text:
        assert json.load(text)["format"] == 1


def test_a_lock_gets_a_copy_of_its_own_only_while_nobody_holds_it(path, holding, tmp_path):
    holder = holding(path)
    os.link(path, tmp_path / "backup")
    with pytest.raises(BrokenStore, match="second name") as caught:
        Lock(path).acquire()
    mend = ["/bin/sh", "-c", caught.value.hint.replace("-w 10", "-n").replace("-kt 10", "-kt 0")]
    assert subprocess.run(mend, check=False).returncode != 0
    assert os.path.samefile(path, tmp_path / "backup")
    holder.end()
    subprocess.run(mend, check=True)
    with Lock(path) as lock:
        assert lock.acquire()
