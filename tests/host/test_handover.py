"""A lock that goes from one process to another without being free in between."""

from __future__ import annotations

import fcntl
import os
import socket

import pytest

from ccs.host import handover


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A directory too deep for the path of a socket; the test's own is restored afterwards."""
    monkeypatch.chdir(tmp_path)
    deep = tmp_path / ("deep" * 30)
    deep.mkdir(mode=0o700)
    return deep


def is_free(path):
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_the_lock_stays_held_when_the_giver_is_gone(place):
    told = {"PLAIN": "a", "ODD": "\udcff\n\u00e9", "LONG": "x" * 1_000_000}
    ready, say_ready = os.pipe()
    giver = os.fork()
    if giver == 0:
        lock = os.open(place / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        handover.give(str(place), lock, told, lambda: os.write(say_ready, b".") and None)
        os._exit(0)
    os.read(ready, 1)
    os.close(ready)
    os.close(say_ready)
    taken = handover.take(str(place))
    assert os.waitstatus_to_exitcode(os.waitpid(giver, 0)[1]) == 0
    assert taken is not None
    lock, environment = taken
    assert environment == told
    assert not is_free(place / "lock")
    os.close(lock)
    assert is_free(place / "lock")


def test_nobody_comes_and_who_comes_late_gets_nothing(place, monkeypatch):
    monkeypatch.setattr(handover, "_PATIENCE", 0.05)
    (place / "lock").touch()
    with (place / "lock").open() as lock, pytest.raises(TimeoutError):
        handover.give(str(place), lock.fileno(), {}, lambda: None)
    assert handover.take(str(place)) is None


def test_what_is_cut_short_is_nothing(place):
    os.chdir(place)
    with socket.socket(socket.AF_UNIX) as door, (place / "lock").open("w") as lock:
        door.bind("handover")
        door.listen(1)
        child = os.fork()
        if child == 0:
            os._exit(0 if handover.take(str(place)) is None else 1)
        taker, _ = door.accept()
        with taker:
            socket.send_fds(taker, [b"."], [lock.fileno()])
            taker.sendall(b'{"PLAIN": "a')
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
