"""What one list has shown serves the next, and never longer than the file is as it was."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from histories import at, run, task, uid

from ccs.report import listed
from ccs.store import listing


def changed(path, text):
    """By a hand, in place."""
    Path(path).write_text(text)


@pytest.fixture
def tasks(store):
    store.tasks.put(task(1, name="α", model=None), task(2, cron=None))
    return store.home.collection("tasks")


def printed(store):
    records = [one.record() for one in store.tasks.all()]
    return json.dumps({"tasks": records}, indent=2).encode()


class TestTasks:
    def test_before_the_first_list_nothing_is_known(self, store, tasks):
        assert listed.task_rows(store.home) is None
        assert listed.tasks_in_json(store.home) is None
        assert listed.permissions(store.home) is None

    def test_rows_are_kept_until_the_file_changes(self, store, tasks):
        rows = listed.tasks_read(store)
        assert listed.task_rows(store.home) == rows
        assert [row[1:5] for row in rows] == [
            ["α", "yes", "*/15 * * * * (UTC)", "default"],
            ["task 2", "yes", "manual", "sonnet"],
        ]
        assert listed.permissions(store.home) == {uid(1): "bypass", uid(2): "bypass"}
        store.tasks.put(task(2, permissions="plan"))
        assert listed.task_rows(store.home) is None

    def test_a_table_tells_nothing_of_the_json_and_does_not_unlearn_it(self, store, tasks):
        listed.tasks_read(store)
        assert listed.tasks_in_json(store.home) is None
        listed.tasks_read(store, printed(store))
        assert listed.tasks_in_json(store.home) == printed(store)
        listed.tasks_read(store)
        assert listed.tasks_in_json(store.home) == printed(store)

    @pytest.mark.parametrize(
        "hand",
        [
            lambda text: text.replace('"tags": []', '"tags":  []'),
            lambda text: text.replace('      "tags": [],\n', ""),
            lambda text: text.replace('"format": 1', '"format": 1, "mine": 2'),
            lambda text: text.replace(uid(1), uid(1).upper().replace("-", "")),
            lambda text: text.replace('"priority": 0', '"priority": 0.0'),
        ],
    )
    def test_what_a_hand_wrote_otherwise_is_not_printed_as_it_stands(self, store, tasks, hand):
        before = Path(tasks).read_text()
        changed(tasks, hand(before))
        assert Path(tasks).read_text() != before
        listed.tasks_read(store, printed(store))
        assert listed.task_rows(store.home) is not None
        assert listed.tasks_in_json(store.home) is None

    def test_where_something_has_to_be_reported_nothing_is_kept(self, store, tasks):
        changed(tasks, Path(tasks).read_text().replace('"overlap": "skip"', '"overlap": "x"', 1))
        assert len(listed.tasks_read(store)) == 1
        assert listed.task_rows(store.home) is None

    def test_a_file_that_others_may_write_by_now_is_not_believed(self, store, tasks):
        listed.tasks_read(store)
        os.chmod(tasks, 0o620)
        assert listed.task_rows(store.home) is None

    def test_a_file_that_is_gone_or_a_link_is_not_believed(self, store, tasks):
        listed.tasks_read(store)
        os.rename(tasks, tasks + ".away")
        assert listed.task_rows(store.home) is None
        os.symlink(tasks + ".away", tasks)
        assert listed.task_rows(store.home) is None

    def test_no_damaged_listing_is_believed(self, store, tasks):
        listed.tasks_read(store, printed(store))
        path = Path(store.home.listing("tasks"))
        whole = path.read_bytes()
        lines = whole.split(b"\n")
        damaged = [whole[:length] for length in range(0, len(whole), 5)]
        damaged += [b"", b"\n", whole + b"x", b"\xff" + whole, b"\n".join(lines[:2] + lines[3:])]
        damaged += [whole.replace(b"0.1.0", b"0.0.9"), whole.replace(b" 2\n", b" -2\n")]
        for one in damaged:
            path.write_bytes(one)
            assert listing.known(store.home, "tasks") is None, one
        path.write_bytes(whole)
        assert listing.known(store.home, "tasks") is not None

    def test_a_store_that_takes_no_listing_is_listed_all_the_same(self, store, tasks):
        os.mkdir(store.home.listing("tasks"))
        assert len(listed.tasks_read(store)) == 2
        assert listed.task_rows(store.home) is None

    def test_it_is_for_the_owner_only(self, store, tasks):
        listed.tasks_read(store)
        assert os.stat(store.home.listing("tasks")).st_mode & 0o777 == 0o600


class TestRuns:
    @pytest.fixture
    def runs(self, store, tasks):
        times = ("20 10:15", "20 10:45", "20 10:30")
        store.runs.put(
            *(run(10 + n, task(1), scheduled_time=at(one)) for n, one in enumerate(times))
        )
        return store.home.collection("runs")

    def newest(self, store, most=2):
        found = listed.newest_runs(store.home, most)
        return None if found is None else [one["id"] for one in found]

    def test_once_read_the_newest_are_told_from_the_file(self, store, runs):
        assert self.newest(store) is None
        listed.runs_read(store)
        listed.tasks_read(store)
        assert self.newest(store) == [uid(11), uid(12)]
        (first, *_) = listed.newest_runs(store.home, 1)
        assert first == {**store.runs.get(uid(11)).record(), "permissions": "bypass"}

    def test_more_than_stand_there_may_be_in_history(self, store, runs):
        listed.runs_read(store)
        listed.tasks_read(store)
        assert len(self.newest(store, 4)) == 3
        store.history.append([run(9, task(1)).record()])
        assert len(self.newest(store, 3)) == 3
        assert self.newest(store, 4) is None

    def test_what_it_was_allowed_is_told_by_the_task_as_it_ran(self, store, runs):
        for number in (10, 11, 12):
            path = Path(store.home.as_run(uid(number)))
            path.write_text(json.dumps({"task": {"permissions": "plan"}}))
            path.chmod(0o600)
        listed.runs_read(store)
        assert [one["permissions"] for one in listed.newest_runs(store.home, 3)] == ["plan"] * 3

    def test_a_run_that_no_task_tells_of_waits_for_all_to_be_read(self, store, runs):
        listed.runs_read(store)
        assert self.newest(store) is None

    @pytest.mark.parametrize(
        "hand",
        [
            lambda text: text.replace('      "task_name": "",\n', "", 1),
            lambda text: text.replace(uid(11), uid(11).replace("-", "")),
            lambda text: text.replace("2026-11-20T10:45:00.000Z", "2026-11-20T11:45:00+01:00"),
            lambda text: text.replace('"trigger": "schedule"', '"trigger": "x"', 1),
        ],
    )
    def test_what_a_hand_wrote_otherwise_is_judged_each_time(self, store, runs, hand):
        before = Path(runs).read_text()
        changed(runs, hand(before))
        assert Path(runs).read_text() != before
        listed.runs_read(store)
        listed.tasks_read(store)
        assert self.newest(store) is None

    def test_a_change_of_one_run_is_seen_at_once(self, store, runs):
        listed.runs_read(store)
        listed.tasks_read(store)
        store.runs.put(store.runs.get(uid(11)).changed(status="success"))
        assert self.newest(store) is None
