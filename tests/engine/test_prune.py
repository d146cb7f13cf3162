"""Which runs may go: never one that something goes back to or still counts."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest
from histories import at, job, run, task, uid

from ccs.engine import prune
from ccs.engine.calls import last_session
from ccs.engine.prune import Rule
from ccs.errors import InvalidInput

NOW = at("30 12:00")
ALL = Rule(keep=0)


@pytest.fixture
def days(store):
    """`days(task, 1, 2)`: runs 1 and 2 of that task, ended on the 1st and the 2nd."""

    def make(of, *numbers, first=0, **fields):
        if store.tasks.get(of.id) is None:
            store.tasks.put(of)
        made = [
            run(
                first + day,
                of,
                **{
                    "scheduled_time": at(f"{day} 10:00"),
                    "end_time": at(f"{day} 11:00"),
                    "status": "success",
                    **fields,
                },
            )
            for day in numbers
        ]
        store.runs.put(*made)
        return made

    return make


def gone(store, rule=ALL, now=NOW):
    """The numbers of the runs that a pruning takes."""
    return sorted(int(one.id[-4:], 16) for one in prune.prune(store, rule, now))


def test_the_newest_of_each_task_stay(store, days):
    days(task(1), 1, 2, 3, 4)
    days(task(2), 1, first=100)
    assert gone(store, Rule(keep=2)) == [1, 2]
    assert gone(store, Rule(keep=2)) == []


def test_what_ended_lately_stays(store, days):
    days(task(1), 1, 2, 29)
    assert gone(store, Rule(older_than=timedelta(days=10))) == [1, 2]


def test_both_together_take_only_what_is_both(store, days):
    days(task(1), 1, 2, 3, 29)
    days(task(2), 1, first=100)
    assert gone(store, Rule(1, timedelta(days=27, hours=2))) == [1, 2]


def test_a_rule_that_says_nothing_is_refused(store):
    with pytest.raises(InvalidInput):
        prune.prunable(store, Rule(), NOW)


def test_looking_changes_nothing(store, days):
    days(task(1), 1, 2)
    assert len(prune.prunable(store, ALL, NOW)) == 2
    assert len(store.runs.all()) == 2


def test_logs_go_too_and_the_id_stays_known(store, days):
    [old] = days(task(1), 1)
    for path in store.home.logs_of(old.id):
        Path(path).touch()
    assert gone(store) == [1]
    assert not any(map(os.path.exists, store.home.logs_of(old.id)))
    assert store.get_run(old.id) is None
    assert store.knows_run(old.id)


def test_archived_runs_are_pruned_and_give_their_room_back(store, days):
    days(task(1), *range(1, 29), message="x" * 400)
    store.history.append([one.record() for one in store.runs.all()])
    store.runs.remove([one.id for one in store.runs.all()])
    month = Path(store.history.directory, "2026-11.jsonl")
    before = month.stat().st_size
    assert len(gone(store, Rule(keep=3))) == 25
    assert month.stat().st_size < before / 2
    assert len(list(store.every_run())) == 3


def test_unfinished_runs_and_what_they_go_back_to_stay(store, days):
    first, *_ = days(task(1), 1)
    second, *_ = days(task(1), 2, status="limited", resumed_from=first.id)
    days(task(1), 3, status="upcoming", resumed_from=second.id, end_time=None)
    days(task(1), 4)
    repeated, *_ = days(task(2), 5, first=100)
    days(task(2), 6, first=100, status="running", restart_of=repeated.id, end_time=None)
    assert gone(store) == [4]


def test_a_chain_that_was_archived_stays_as_well(store, days):
    first, *_ = days(task(1), 1)
    second, *_ = days(task(1), 2, status="failed", reason="network", retry_of=first.id)
    store.history.append([first.record(), second.record()])
    store.runs.remove([first.id, second.id])
    days(task(1), 3, status="upcoming", retry_of=second.id, end_time=None)
    assert gone(store) == []


def test_what_begins_to_need_a_run_meanwhile_keeps_it(store, days, monkeypatch):
    first, second = days(task(1), 1, 2)
    planned = prune.prunable(store, ALL, NOW)
    days(task(1), 3, status="upcoming", restart_of=first.id, end_time=None)
    monkeypatch.setattr(prune, "prunable", lambda *_: planned)
    assert gone(store) == [2]
    assert store.get_run(first.id) is not None
    assert store.get_run(second.id) is None


def test_a_record_that_cannot_be_read_keeps_itself_and_its_parent(store, days):
    first, *_ = days(task(1), 1)
    days(task(1), 2, resumed_from=first.id)
    days(task(1), 3)
    path = Path(store.home.collection("runs"))
    content = json.loads(path.read_text())
    content["runs"][1]["attempt"] = "twice"
    path.write_text(json.dumps(content))
    assert gone(store) == [3]


@pytest.mark.parametrize(("status", "expected"), [("in_progress", []), ("completed", [1])])
def test_steps_of_a_job_in_progress_stay(store, days, status, expected):
    order = {"id": uid(99), "order": [uid(1)]}
    store.jobs.put(job(7, 1, status=status, run=order))
    days(task(1, job_id=uid(7)), 1, job_id=uid(7), job_run=uid(99))
    assert gone(store) == expected


def test_a_task_that_may_run_so_often_only_is_not_let_off(store, days):
    days(task(1, max_runs=3), 1, 2)
    days(task(1), 3, trigger="manual")
    days(task(1), 4, status="skipped", reason="overlap")
    assert gone(store) == [3, 4]


def test_what_was_spent_in_a_budgets_period_still_counts(store, days):
    budget = {"period": "day", "usd": 5}
    days(task(1, budgets=[budget]), 29, 30)
    assert gone(store) == []
    assert gone(store, now=NOW + timedelta(days=60)) == [29, 30]


def test_the_last_session_of_a_task_that_goes_on_with_it_stays(store, days):
    days(task(1, session_mode="reuse"), 1, 2, session_id=uid(50))
    days(task(1), 3)
    assert gone(store) == [1, 3]


def test_the_last_session_is_that_of_the_run_that_began_last(store, days):
    again = task(1, session_mode="reuse")
    days(again, 1, session_id=uid(50), start_time=at("29 10:00"))  # an older slot, run again
    days(again, 2, session_id=uid(51), start_time=at("2 10:00"))
    days(again, 3, session_id=uid(52), start_time=at("29 11:00"), reason="start_failed")
    assert gone(store) == [2, 3]
    assert last_session(store, run(99, again), again, mock=False) == uid(50)


def test_a_row_of_failures_is_not_forgotten(store, days):
    failed = {"status": "failed", "reason": "error"}
    days(task(1, disable_after=3), 1, 2, **failed)
    days(task(1), 3)
    days(task(1), 4, 5, **failed)
    assert gone(store) == [1, 2, 3]
    days(task(2, disable_after=1), 1, 2, first=100, **failed)
    assert gone(store) == [101]


def test_runs_of_a_task_that_cannot_be_read_stay(store, days):
    days(task(1), 1)
    path = Path(store.home.collection("tasks"))
    content = json.loads(path.read_text())
    content["tasks"][0]["max_runs"] = "few"
    path.write_text(json.dumps(content))
    assert gone(store) == []


def test_runs_whose_task_is_gone_are_pruned(store, days):
    days(task(1), 1)
    store.tasks.remove([uid(1)])
    assert gone(store) == [1]
