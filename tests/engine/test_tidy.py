"""Once a day, by a child of the tick: old runs deleted, old logs compressed."""

from __future__ import annotations

import gzip
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from histories import at, run, task, uid

from ccs.engine import tick, tidy
from ccs.model.settings import Settings
from ccs.report.logs import Tail
from ccs.store.lock import Lock

NOW = at("30 12:00")
TEXT = "a line\n" * 1000


@pytest.fixture
def started(monkeypatch):
    """How often a child was started; none is."""
    calls = []
    monkeypatch.setattr(tidy, "start_ccs", lambda home, words, env: calls.append(words))
    return calls


@pytest.fixture
def logged(store):
    """`logged(3, days)`: run 3, ended, with logs that were last written so many days ago."""
    store.tasks.put(task(1))

    def make(number, days, status="success"):
        ended = NOW - timedelta(days=days)
        times = {"scheduled_time": ended, "end_time": ended}
        store.runs.put(run(number, task(1), status=status, **times))
        for path in (store.home.log(uid(number)), store.home.stream(uid(number))):
            Path(path).write_text(TEXT)
            os.utime(path, (ended.timestamp(), ended.timestamp()))
        return uid(number)

    return make


def settings(store, **values):
    path = Path(store.home.settings)
    path.write_text(json.dumps({"format": 1, **values}))
    path.chmod(0o600)


def logs(store):
    return sorted(path.name.partition(".")[2] for path in Path(store.home.file("logs")).iterdir())


def text(store, run_id, raw=False):
    return "".join(f"{line.text}\n" for line in Tail(store.home, run_id, raw).fresh(True))


def test_old_logs_are_compressed_and_read_as_before(store, logged):
    old, new = logged(1, 8), logged(2, 6)
    tidy.tidy(store, NOW)
    assert logs(store) == ["jsonl", "jsonl.gz", "log", "log.gz"]
    assert os.path.exists(store.home.log(new))
    assert text(store, old) == text(store, old, raw=True) == TEXT
    mode = os.stat(store.home.log(old) + ".gz")
    assert (mode.st_mode & 0o777, int(mode.st_mtime)) == (
        0o600,
        int((NOW - timedelta(days=8)).timestamp()),
    )


@pytest.mark.parametrize("status", ["running", "upcoming"])
def test_logs_of_what_has_not_ended_stay(store, logged, status):
    logged(1, 8, status)
    tidy.tidy(store, NOW)
    assert logs(store) == ["jsonl", "log"]


def test_records_stay_unless_the_settings_let_them_go(store, logged):
    logged(1, 400)
    tidy.tidy(store, NOW)
    assert len(store.runs.all()) == 1
    settings(store, prune_older_than="90d", logs_older_than=None)
    tidy.tidy(store, NOW)
    assert (store.runs.all(), logs(store)) == ([], [])
    assert tidy.report(store.home)["runs_deleted"] == 1


def test_a_log_that_is_written_to_meanwhile_is_left_as_it_is(store, logged, monkeypatch):
    old = logged(1, 8)
    flush = tidy.atomic.flush

    def written_to(fd):
        flush(fd)
        with open(store.home.log(old), "a", encoding="ascii") as file:
            file.write("one more\n")

    monkeypatch.setattr(tidy.atomic, "flush", written_to)
    tidy._compress_one(store, store.home.log(old))
    assert logs(store) == ["jsonl", "log"]
    assert text(store, old) == TEXT + "one more\n"


def test_a_full_disk_leaves_the_log_and_no_litter(store, logged, monkeypatch):
    logged(1, 8)

    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tidy.atomic, "flush", full)
    with pytest.raises(OSError):
        tidy.tidy(store, NOW)
    assert logs(store) == ["jsonl", "log"]


def test_what_a_killed_child_left_is_swept_and_made_anew(store, logged):
    old = logged(1, 8)
    Path(store.home.log(old) + ".gz.tmp").write_bytes(b"half")
    # Killed between the new name and the end of the old one: the old one is read and packed again.
    Path(store.home.stream(old) + ".gz").write_bytes(gzip.compress(b"{}\n"))
    assert text(store, old, raw=True) == TEXT
    tidy.tidy(store, NOW)
    assert logs(store) == ["jsonl.gz", "log.gz"]
    assert text(store, old, raw=True) == TEXT


def test_two_of_them_do_not_work_at_once(store, logged):
    logged(1, 8)
    with Lock(store.home.tidy_lock) as lock:
        assert lock.acquire()
        tidy.tidy(store, NOW)
    assert logs(store) == ["jsonl", "log"]


# When ------------------------------------------------------------------------------


def test_it_is_started_once_a_day_and_only_for_something(store, logged, started):
    start = tidy.start
    start(store.home, Settings(), {}, NOW)
    assert started == []
    logged(1, 8)
    start(store.home, Settings(), {}, NOW + timedelta(hours=23))
    assert started == []
    start(store.home, Settings(), {}, NOW + timedelta(hours=24))
    start(store.home, Settings(), {}, NOW + timedelta(hours=25))
    assert started == [["tidy"]]


def test_nothing_is_started_where_the_settings_say_so(store, logged, started):
    logged(1, 400)
    tidy.start(store.home, Settings(logs_older_than=None), {}, NOW)
    assert started == []
    Path(store.home.tidied).unlink()
    tidy.start(store.home, Settings(logs_older_than=None, prune_keep=5), {}, NOW)
    assert len(started) == 1


def test_a_clock_that_was_wrong_does_not_put_it_off_for_years(store, logged, started):
    logged(1, 8)
    tidy.start(store.home, Settings(logs_older_than=None), {}, NOW + timedelta(days=4000))
    tidy.start(store.home, Settings(), {}, NOW)
    assert len(started) == 1


def test_a_damaged_note_counts_as_none(store, logged, started):
    logged(1, 8)
    path = Path(store.home.tidied)
    path.write_text("{half")
    path.chmod(0o600)
    tidy.start(store.home, Settings(), {}, NOW)
    assert len(started) == 1


def test_a_tick_starts_it_and_a_simulated_one_does_not(store, logged, started):
    logged(1, 8)
    tick.tick(store, NOW, {}, spawn=lambda *_: None)
    assert started == []
    done = tick.tick(store, NOW, {})
    assert (len(started), done.problems) == (1, [])


def test_a_version_that_is_kept_while_it_sweeps_does_not_fail_its_writer(store, monkeypatch):
    """Its draft is a second name of a file that may be old."""
    store.tasks.put(task(1))
    path = store.home.collection("tasks")
    written = os.stat(path).st_mtime
    os.utime(path, (written - 3660, written - 3660))
    link = os.link

    def linked(*words, **more):
        link(*words, **more)
        tidy.tidy(store, datetime.fromtimestamp(written, UTC))

    monkeypatch.setattr(os, "link", linked)
    store.tasks.put(task(2))
    assert {one.id for one in store.tasks.all()} == {uid(1), uid(2)}


def test_drafts_of_killed_writers_go_and_those_of_living_ones_stay(store):
    hour_ago = (NOW - timedelta(minutes=61)).timestamp()
    places = [Path(store.home.path), Path(store.home.file("logs")), Path(store.home.history)]
    left = [place / ".agenda.77.0badcafe.tmp" for place in places]
    living = Path(store.home.path) / ".tasks.json.78.0badcafe.tmp"
    for path, moment in [*((one, hour_ago) for one in left), (living, NOW.timestamp())]:
        path.touch()
        os.utime(path, (moment, moment))
    tidy.tidy(store, NOW)
    assert [path.exists() for path in left] == [False] * 3
    assert living.exists()
