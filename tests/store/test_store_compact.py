"""Months without what was deleted from them."""

from __future__ import annotations

from pathlib import Path

import pytest
from store_records import an_id, run_entry

from ccs.store.history import History


@pytest.fixture
def history(tmp_path):
    directory = tmp_path / "history"
    directory.mkdir(mode=0o700)
    found = History(str(directory))
    found.append([run_entry(n, scheduled_time=f"2026-1{n % 2}-02T00:00:00.000Z") for n in range(9)])
    return found


def ids(history):
    return {one["id"] for one in history.newest_first()}


def size(history):
    return sum(path.stat().st_size for path in Path(history.directory).glob("*.jsonl"))


def test_deleted_runs_leave_the_disk_and_stay_known(history):
    gone = [one for one in history.newest_first() if one["id"] in (an_id(2), an_id(3))]
    history.bury(gone)
    before = size(history)
    history.compact()
    assert size(history) < before
    assert ids(history) == {an_id(n) for n in range(9) if n not in (2, 3)}
    for number in range(9):
        assert history.knows(an_id(number))
        assert (history.get(an_id(number)) is None) == (number in (2, 3))


def test_a_month_that_lost_nothing_is_not_written(history):
    history.bury([history.get(an_id(2))])  # of October
    november = Path(history.directory, "2026-11.jsonl")
    inode = november.stat().st_ino
    history.compact()
    assert november.stat().st_ino == inode
    history.compact()
    assert not history.get(an_id(2))


def test_what_is_added_later_is_found_beside_the_rest(history):
    history.bury([history.get(an_id(2))])
    history.compact()
    history.append([run_entry(20)])
    assert ids(history) == {an_id(n) for n in (0, 1, 3, 4, 5, 6, 7, 8, 20)}
    assert all(history.get(run_id) for run_id in ids(history))


def test_lines_nobody_understands_stay(history):
    path = Path(history.directory, "2026-10.jsonl")
    path.write_bytes(path.read_bytes() + b"a note by hand\n")
    history.bury([history.get(an_id(2))])
    history.compact()
    assert b"a note by hand\n" in path.read_bytes()


def test_a_month_can_be_named_before_which_none_is_read(history):
    assert {one["scheduled_time"][:7] for one in history.newest_first("2026-11")} == {"2026-11"}
