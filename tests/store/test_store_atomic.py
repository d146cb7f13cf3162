from __future__ import annotations

import errno
import json
import os
import re
import stat

import pytest
from store_records import an_id, document, task_entry

from ccs.errors import BrokenStore
from ccs.store import atomic
from ccs.store.home import Home


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "tasks.json")


def content(path):
    with open(path, "rb") as file:
        return file.read()


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def refuse(*_, **__):
    raise OSError(errno.EIO, "the disk is gone")


# Writing whole -------------------------------------------------------------


def test_what_was_written_is_read_with_the_same_stamp(path):
    written = atomic.write(path, b"one")
    assert atomic.read(path) == (b"one", written)
    assert atomic.write(path, b"two") != written


def test_a_missing_file_reads_as_none(path):
    assert atomic.read(path) is None


def test_a_file_is_private_whatever_the_umask(path):
    before = os.umask(0)
    try:
        atomic.write(path, b"secret")
        atomic.create(path + ".mark")
        atomic.append(path + ".log", b"line\n")
    finally:
        os.umask(before)
    assert [mode(path + end) for end in ("", ".mark", ".log")] == [0o600] * 3


@pytest.mark.parametrize("step", ["write", "fsync", "fstat", "replace"])
def test_a_failing_step_leaves_the_old_version_and_no_litter(path, step, monkeypatch):
    atomic.write(path, b"old")
    with monkeypatch.context() as broken:
        broken.setattr(os, step, refuse)
        with pytest.raises(OSError, match="the disk is gone"):
            atomic.write(path, b"new")
    assert content(path) == b"old"
    assert os.listdir(os.path.dirname(path)) == ["tasks.json"]


def test_fsync_is_not_tried_again_after_it_failed(path, monkeypatch):
    calls = []

    def fail(fd):
        calls.append(fd)
        refuse()

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError):
        atomic.write(path, b"new")
    assert len(calls) == 1


def test_a_directory_that_cannot_be_flushed_is_reported_with_the_new_version_in_place(
    path, monkeypatch
):
    atomic.write(path, b"old")
    monkeypatch.setattr(atomic, "flush_directory", refuse)
    with pytest.raises(OSError, match="the disk is gone"):
        atomic.write(path, b"new")
    assert content(path) == b"new"
    assert os.listdir(os.path.dirname(path)) == ["tasks.json"]


def test_a_write_cut_short_by_a_limit_leaves_the_old_version_and_no_litter(path, at_most):
    atomic.write(path, b"old")
    with at_most(4096), pytest.raises(OSError) as caught:
        atomic.write(path, b"x" * 10_000)
    assert caught.value.errno == errno.EFBIG
    assert content(path) == b"old"
    assert os.listdir(os.path.dirname(path)) == ["tasks.json"]


def test_a_full_disk_leaves_the_old_version_and_no_litter(small_disk, fill):
    path = str(small_disk / "tasks.json")
    atomic.write(path, b"old")
    fill(small_disk)
    with pytest.raises(OSError) as caught:
        atomic.write(path, b"x" * 100_000)
    assert caught.value.errno == errno.ENOSPC
    assert content(path) == b"old"
    assert sorted(os.listdir(small_disk)) == ["ballast", "tasks.json"]


def test_short_writes_are_continued(path, monkeypatch):
    whole = os.write
    monkeypatch.setattr(os, "write", lambda fd, view: whole(fd, view[:7]))
    atomic.write(path, bytes(range(256)))
    assert content(path) == bytes(range(256))


# What is not a plain file of ours ---------------------------------------------


def test_a_link_in_place_of_a_file_is_neither_read_nor_written(path, tmp_path):
    real = tmp_path / "elsewhere.json"
    real.write_bytes(b"theirs")
    os.symlink(real, path)
    for use in (
        lambda: atomic.read(path),
        lambda: atomic.write(path, b"ours"),
        lambda: atomic.append(path, b"ours\n"),
    ):
        with pytest.raises(BrokenStore, match="not a regular file") as caught:
            use()
        hint = caught.value.hint
    assert not atomic.create(path)
    assert os.path.islink(path) and real.read_bytes() == b"theirs"
    assert os.system(hint) == 0
    assert atomic.read(path)[0] == b"theirs"


def test_a_file_with_a_second_name_elsewhere_is_refused(path, tmp_path):
    atomic.write(path, b"ours")
    os.mkdir(tmp_path / "away")
    os.link(path, tmp_path / "away" / "second")
    for use in (lambda: atomic.read(path), lambda: atomic.append(path, b"more\n")):
        with pytest.raises(BrokenStore, match="second name") as caught:
            use()
    assert content(path) == b"ours"
    assert os.system(caught.value.hint) == 0
    atomic.append(path, b" more\n")
    assert (tmp_path / "away" / "second").read_bytes() == b"ours"


def test_a_pipe_in_place_of_a_file_is_refused_without_waiting_for_its_writer(path):
    os.mkfifo(path, 0o600)
    with pytest.raises(BrokenStore, match="not a regular file"):
        atomic.read(path)


def test_a_file_that_others_can_write_is_not_read(path):
    atomic.write(path, b"one")
    os.chmod(path, 0o620)
    with pytest.raises(BrokenStore, match="written by others") as caught:
        atomic.read(path)
    assert caught.value.hint == f"chmod go-w '{path}'"


# create and append -----------------------------------------------------------


def test_create_makes_a_file_once(path):
    assert atomic.create(path)
    assert not atomic.create(path)


def test_create_leaves_what_is_there(path):
    atomic.write(path, b"one")
    assert not atomic.create(path)
    assert content(path) == b"one"


def test_a_create_that_failed_made_nothing(path, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", refuse)
        with pytest.raises(OSError):
            atomic.create(path)
    assert not os.path.exists(path)
    assert atomic.create(path)


def test_append_ends_a_torn_line_first(path):
    atomic.append(path, b"one\n")
    atomic.append(path, b"two\n")
    with open(path, "ab") as file:
        file.write(b"torn")
    atomic.append(path, b"three\n")
    assert content(path) == b"one\ntwo\ntorn\nthree\n"


def test_an_append_that_ran_out_of_room_loses_no_later_line(path, at_most):
    atomic.append(path, b"one\n")
    with at_most(10), pytest.raises(OSError):
        atomic.append(path, b"two two two\n")
    atomic.append(path, b"three\n")
    assert content(path).splitlines()[0] == b"one"
    assert content(path).splitlines()[-1] == b"three"


def test_a_file_of_lines_is_whole_at_its_size_with_no_torn_line(path):
    atomic.append(path, b"one\ntwo\n")
    assert [size for size in range(20) if atomic.is_whole(path, size)] == [8]
    with open(path, "ab") as file:
        file.write(b"torn")
    assert not atomic.is_whole(path, 12)


def test_sweeping_takes_only_the_drafts_of_this_file(path, tmp_path):
    kept = ("tasks.json", "tasks.json.prev", ".jobs.json.1.ab.tmp", ".tasks.json.swp")
    for name in (*kept, ".tasks.json.1.ab.tmp", ".tasks.json.prev.1.ab.tmp"):
        (tmp_path / name).touch()
    atomic.sweep(path)
    assert sorted(os.listdir(tmp_path)) == sorted(kept)


# The order on the disk ----------------------------------------------------------

CHANGE = """
import os, sys
from ccs.store.home import Home
from ccs.store.lock import Lock
from ccs.store.records import Records
home = Home(sys.argv[1])
tasks = Records(home.collection("tasks"), "tasks")
os.access("/the-change-begins", 0)
with Lock(home.store_lock) as lock:
    lock.acquire_within(10, "a test")
    content = tasks.read()
    content.records[0]["name"] = "new"
    tasks.write(content, content.records)
"""
EVERYTHING = """
from ccs.store.history import History
from ccs.store.rundir import RunDir
History(home.history).append([{"id": "ab", "scheduled_time": "2026-11-20T10:00:00.000Z"}])
rundir = RunDir(home.runs, "ab")
rundir.make()
rundir.claim({"pid": 1})
rundir.mark_started()
rundir.write_outcome({"status": "success"})
rundir.ask_to_stop("stopped")
"""
CALL = re.compile(r"^(?:\[pid +\d+\] )?(\w+)\((.*)\) += (-?\d+)")


def calls(trace, place):
    """The calls that touch the store, in order, as (name, arguments)."""
    found = [CALL.match(line) for line in trace]
    return [(one[1], one[2]) for one in found if one and place in one[2] and one[3][0] != "-"]


@pytest.fixture
def home(tmp_path):
    home = Home(str(tmp_path / "store"))
    home.create()
    return home


@pytest.fixture
def old(home):
    text = document("tasks", task_entry(1, name="old"), task_entry(2))
    atomic.write(home.collection("tasks"), text.encode())
    return json.loads(text)


def test_everything_is_fsynced_before_its_name_and_the_directory_after(home, old, strace):
    options = ["-e", "trace=openat,link,linkat,rename,renameat,renameat2,fsync,fdatasync"]
    code, trace = strace(options, CHANGE + EVERYTHING, home.path)
    assert code == 0, trace
    made = calls(trace, home.path)
    renamed = []
    kept = [words for name, words in made if name.startswith("link")]
    for place, (name, words) in enumerate(made):
        if not name.startswith("rename"):
            continue
        draft, target = re.findall(r'"([^"]+)"', words)
        renamed.append(os.path.basename(target))
        if target.endswith("owner"):
            continue  # only for signalling, so not worth an fsync
        flushed = any(one == "fsync" and f"<{draft}>" in fd for one, fd in made[:place])
        # What stood there before is on disk already; it gets another name, and no other content.
        assert flushed or any(f'"{home.path}/tasks.json"' in one and draft in one for one in kept)
        directory = os.path.dirname(target)
        assert any(one == "fsync" and f"<{directory}>" in fd for one, fd in made[place:]), target
    expected = ["covered", "outcome.json", "owner", "stop", "tasks.json", "tasks.json.prev"]
    assert sorted(renamed) == expected
    for file in ("history/2026-11.jsonl", "runs/ab/started"):
        for synced in (f"{home.path}/{file}", os.path.dirname(f"{home.path}/{file}")):
            assert any(one == "fsync" and f"<{synced}>" in fd for one, fd in made), synced
    assert not [words for _, words in made if "O_TRUNC" in words]


def kill_points(trace, kinds, place):
    """(kind, n): the nth call of that kind in the process is one of the change's own."""
    begin = next(i for i, line in enumerate(trace) if "the-change-begins" in line)
    points = []
    for kind in kinds:
        alike = [i for i, line in enumerate(trace) if line.startswith(kind + "(")]
        points += [(kind, n) for n, i in enumerate(alike, 1) if i > begin and place in trace[i]]
    return points


def test_killed_at_any_system_call_a_put_leaves_the_old_or_the_new_version(home, old, strace):
    path = home.collection("tasks")
    kinds = ("openat", "write", "fsync", "rename", "close", "flock")
    code, trace = strace(["-e", "trace=access," + ",".join(kinds)], CHANGE, home.path)
    assert code == 0, trace
    points = kill_points(trace, kinds, home.path)
    names, killed = set(), 0
    for kind, n in points:
        atomic.write(path, json.dumps(old).encode())
        code, _ = strace(["-e", f"inject={kind}:signal=KILL:when={n}"], CHANGE, home.path)
        killed += code != 0
        found = json.loads(content(path))["tasks"]
        names.add(found[0].pop("name"))
        assert found[0]["id"] == an_id(1) and found[1:] == old["tasks"][1:]
        assert json.loads(content(path + ".prev"))["tasks"][1:] == old["tasks"][1:]
    assert killed > 15
    assert names == {"old", "new"}
    assert strace([], CHANGE, home.path)[0] == 0
    drafts = [name for name in os.listdir(home.path) if name.endswith(".tmp")]
    assert not drafts, "the next writer sweeps what killed ones left"


@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
@pytest.mark.parametrize("name", ["file", "file.prev"])
def test_what_is_no_file_is_neither_written_over_nor_led_to(tmp_path, kind, name):
    path, there = str(tmp_path / "file"), tmp_path / name
    atomic.write(path, b"old")
    there.unlink(missing_ok=True)
    if kind == "link":
        (tmp_path / "elsewhere").write_text("kept")
        there.symlink_to(tmp_path / "elsewhere")
    elif kind == "pipe":
        os.mkfifo(there)
    else:
        there.mkdir()
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(BrokenStore) as caught:
        atomic.write(path, b"new", previous=path + ".prev")
    assert str(there) in caught.value.hint
    assert sorted(os.listdir(tmp_path)) == before
