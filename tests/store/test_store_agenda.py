from __future__ import annotations

import os
import signal
import stat
import time

import pytest
from store_records import python

from ccs.host import process
from ccs.store import agenda, atomic
from ccs.store.rundir import RunDir

VERSION = "1.2.3"


def stamps(home):
    found = {name: atomic.read(home.file(name)) for name in agenda.SOURCES}
    return {name: one and one[1] for name, one in found.items()}


def write(home, version=VERSION, begun=-60.0, wake=600.0, busy=False, **other):
    """As a tick would, that ran a minute ago; `begun` and `wake` count from now."""
    now = time.time()
    seen = other.get("stamps", stamps(home))
    text = agenda.line(version, now + begun, now + wake, busy, seen, other.get("running"))
    atomic.write(home.agenda, text.encode("ascii"))
    return text


@pytest.fixture
def quiet(home):
    """A store in which nothing is due."""
    for name in agenda.SOURCES[:-1]:  # there is no cursor yet
        atomic.write(home.file(name), b"{}")
    atomic.write(home.last_tick, b"{}")
    os.utime(home.last_tick, (1, 1))
    write(home)
    return home


def idle(home):
    return agenda.idle(home.path, VERSION)


def test_when_nothing_changed_the_tick_is_idle_and_leaves_a_sign_of_life(quiet):
    assert idle(quiet)
    assert os.stat(quiet.last_tick).st_mtime > 1_000_000_000
    assert atomic.read(quiet.last_tick)[0] == b"{}"


def test_a_store_without_an_agenda_is_not_idle(home, tmp_path):
    assert not idle(home)
    assert not agenda.idle(str(tmp_path / "missing"), VERSION)
    assert os.listdir(home.path) and not os.path.exists(home.last_tick)


@pytest.mark.parametrize("name", agenda.SOURCES[:-1])
@pytest.mark.parametrize("change", ["touched", "grown", "replaced", "gone"])
def test_a_changed_source_ends_the_rest(quiet, name, change):
    path = quiet.file(name)
    status = os.stat(path)
    if change == "touched":
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    if change == "grown":
        with open(path, "ab") as file:
            file.write(b" ")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    if change == "replaced":
        atomic.write(path, b"{}")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    if change == "gone":
        os.unlink(path)
    assert not idle(quiet)
    assert os.stat(quiet.last_tick).st_mtime == 1


def test_a_source_that_appears_ends_the_rest(quiet):
    atomic.write(quiet.cursors, b"{}")
    assert not idle(quiet)


@pytest.mark.parametrize("stamped", [{}, {"jobs.json": (1, 2, 3)}])
def test_stamps_that_never_were_are_not_idle(quiet, stamped):
    write(quiet, stamps=stamped)
    assert not idle(quiet)


def test_another_version_ends_the_rest(quiet):
    write(quiet, version="1.2.4")
    assert not idle(quiet)


def test_another_boot_ends_the_rest(quiet):
    text = write(quiet)
    atomic.write(quiet.agenda, text.replace(agenda.boot_id(), "0-0-0").encode())
    assert not idle(quiet)


def test_a_busy_store_is_never_idle(quiet):
    write(quiet, busy=True)
    assert not idle(quiet)


RUN = "0f5e1a52-9c3e-4f5c-8a57-1d1f0a0c9b11"


@pytest.fixture
def held(quiet):
    """A run goes on, with this very process as its supervisor; its lock."""
    rundir = RunDir(quiet.runs, RUN)
    rundir.make()
    with rundir.lock() as lock:
        assert lock.acquire()
        write(quiet, running={RUN: process.identity(os.getpid())})
        yield lock


def test_while_all_that_goes_on_is_a_run_whose_supervisor_lives_the_tick_is_idle(quiet, held):
    assert idle(quiet)
    assert os.stat(quiet.last_tick).st_mtime > 1_000_000_000
    write(quiet, running={RUN: process.identity(os.getpid())}, busy=True)
    assert not idle(quiet), "something else has to be looked at"


def test_a_run_whose_lock_is_free_ends_the_rest_and_its_lock_stays_free(quiet, held):
    held.release()
    assert not idle(quiet)
    assert held.acquire()


def test_one_run_of_two_that_has_lost_its_supervisor_ends_the_rest(quiet, held):
    other = "7c9d2f64-2b0e-4d3a-9f61-3a5d7b9e1c22"
    RunDir(quiet.runs, other).make()
    mine = process.identity(os.getpid())
    write(quiet, running={RUN: mine, other: mine})
    assert not idle(quiet)


def test_a_client_that_holds_the_lock_of_its_dead_supervisor_ends_the_rest(quiet, held):
    """Its PID is gone, has gone to another process, or nobody has waited for it yet."""
    with python("input()") as child:
        write(quiet, running={RUN: process.identity(child.pid)})
        assert idle(quiet)
        os.kill(child.pid, signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not idle(quiet)
    assert not idle(quiet)
    mine = process.identity(os.getpid())
    write(quiet, running={RUN: {**mine, "started": mine["started"] + 1}})
    assert not idle(quiet)


@pytest.mark.parametrize(
    "owner", [{}, {"pid": 1}, {"pid": "1 2", "started": 3}, {"pid": True, "started": "ü"}]
)
def test_a_supervisor_that_nobody_knows_ends_the_rest(quiet, held, owner):
    assert " 1 jobs.json=" in write(quiet, running={RUN: owner})
    assert not idle(quiet)


def test_what_stands_in_the_place_of_a_lock_ends_the_rest(quiet, held):
    os.unlink(held.path)
    assert not idle(quiet)
    os.mkfifo(held.path)
    assert not idle(quiet)
    os.unlink(held.path)
    os.symlink(quiet.agenda, held.path)
    assert not idle(quiet)


@pytest.mark.parametrize(
    ("begun", "wake", "answer"),
    [
        (-60, 600, True),
        (-60, -1, False),  # something has come due
        (600, 1200, False),  # the clock was moved back
        (-4000, 600, False),  # an hour is the longest sleep
        (-3000, 1e12, True),
    ],
)
def test_it_is_idle_only_between_writing_and_waking(quiet, begun, wake, answer):
    write(quiet, begun=begun, wake=wake)
    assert idle(quiet) is answer


def test_without_a_sign_of_life_to_touch_it_is_not_idle(quiet):
    os.unlink(quiet.last_tick)
    assert not idle(quiet)


def test_every_damaged_agenda_is_not_idle(quiet):
    text = write(quiet).encode()
    atomic.write(quiet.agenda, text.rstrip(b"\n"))
    assert idle(quiet), "the line may be cut only where nothing is lost"
    damaged = [text[:length] for length in range(0, len(text) - 1, 7)]
    damaged += [text.replace(b" ", b"  x ", 1), text[:-1] + b" x", text.replace(b" 0 ", b" 2 ")]
    for place in range(0, len(text) - 1, 11):
        damaged.append(text[:place] + b"\xff" + text[place + 1 :])
        damaged.append(text[:place] + b"\0" + text[place + 1 :])
    words = text.split()
    for place, bad in ((2, b"soon"), (3, b"1e99"), (2, b"9" * 5000), (3, b"nan"), (5, b"")):
        damaged.append(b" ".join([*words[:place], bad, *words[place + 1 :]]))
    damaged += [b"", b"\n", b"\0" * 400, b"x" * 100_000, b"\n" + text]
    for one in damaged:
        atomic.write(quiet.agenda, one)
        assert not idle(quiet), one


def test_an_agenda_that_cannot_be_read_is_not_idle(quiet):
    os.unlink(quiet.agenda)
    os.mkdir(quiet.agenda)
    assert not idle(quiet)


LEAN = """
import sys
before = set(sys.modules)
import {modules}
print(" ".join(sorted(set(sys.modules) - before)))
"""


def loaded(*modules):
    child = python(LEAN.format(modules=", ".join(modules)))
    return set(child.communicate()[0].split())


def test_asking_the_agenda_loads_nothing_else():
    modules = {one for one in loaded("ccs.store.agenda") if not one.startswith("ccs")}
    assert modules <= {"__future__", "time"}
    assert loaded("ccs.store.agenda") - modules == {"ccs", "ccs.store", "ccs.store.agenda"}


def test_what_supervisors_load_of_the_store_is_lean():
    lean = ("home", "links", "mending", "atomic", "lock", "sealed", "strict", "records", "history")
    lean += ("rundir", "agenda")
    modules = loaded(*(f"ccs.store.{name}" for name in lean))
    heavy = {"pydantic", "typing", "dataclasses", "logging", "filelock", "click", "datetime"}
    assert not modules & heavy
    assert {one for one in modules if one.startswith("ccs.")} == {
        "ccs.errors",
        "ccs.store",
        *(f"ccs.store.{name}" for name in lean),
    }


@pytest.mark.parametrize("kind", ["pipe", "device", "directory", "link"])
def test_whatever_stands_in_its_place_holds_no_tick_up(quiet, kind, tmp_path):
    os.replace(quiet.agenda, tmp_path / "away")
    if kind == "pipe":
        os.mkfifo(quiet.agenda, 0o600)
    elif kind == "device":
        os.symlink("/dev/zero", quiet.agenda)
        if os.geteuid() == 0:
            os.unlink(quiet.agenda)
            os.mknod(quiet.agenda, 0o600 | stat.S_IFCHR, os.makedev(1, 5))
    elif kind == "directory":
        os.mkdir(quiet.agenda)
    else:
        os.symlink(tmp_path / "away", quiet.agenda)
    script = (
        "import resource, signal, sys\n"
        "from ccs.store import agenda, tasklist\n"
        "signal.alarm(20)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
        "print(agenda.idle(*sys.argv[1:]), tasklist._known(*sys.argv[1:], 0))\n"
    )
    child = python(script, quiet.path, VERSION)
    assert child.communicate()[0] == "False None\n"


def test_the_sign_of_life_is_left_on_nothing_elsewhere(quiet, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    os.replace(quiet.last_tick, elsewhere)
    os.symlink(elsewhere, quiet.last_tick)
    idle(quiet)
    assert os.stat(elsewhere).st_mtime == 1
