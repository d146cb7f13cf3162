"""The common keys and those of ccs: what the one leaves open the other tells, and no more."""

from __future__ import annotations

import json
from datetime import timedelta

import prior_files as files
import pytest
from random_records import NOW

from ccs.exchange import document, reading
from ccs.exchange.notes import Here
from ccs.model.task import Task

HERE = Here("Asia/Tokyo", "/home/me")
BORN = dict.fromkeys(("created_at", "updated_at", "active_since"), NOW)


def task(**fields):
    return Task.checked({"id": files.TASK, "name": "x", "prompt": "x", **BORN, **fields})


def read(found):
    (parcel,) = reading.read(json.loads(json.dumps(found)), HERE, NOW + timedelta(days=1))
    return parcel.tasks[0], parcel.notes


def exported(**fields):
    return document.build(None, [task(**fields)], [], NOW)


def test_an_interval_counts_from_where_it_did_though_it_began_with_its_task():
    schedule = {"schedule_type": "interval", "every": "15m", "start": NOW}
    came, notes = read(exported(schedule=schedule))
    assert (came.schedule, notes) == (task(schedule=schedule).schedule, [])


@pytest.mark.parametrize(
    ("before", "name", "common", "after"),
    [
        ({"permissions": "auto"}, "permissions", "plan", "plan"),
        ({"prompt_type": "file"}, "prompt_type", "slash_command", "slash_command"),
        ({"model": None}, "model", "haiku", "haiku"),
        ({"enabled": False}, "enabled", True, True),
    ],
)
def test_what_is_changed_by_hand_counts_though_ccs_said_more_of_it(before, name, common, after):
    found = exported(**before)
    assert read(found)[1] == []
    found["tasks"][0][name] = common
    came, notes = read(found)
    assert getattr(came, name) == after
    assert len(notes) == (name in found["ccs"]["tasks"][files.TASK])


def test_an_interval_changed_by_hand_counts():
    schedule = {"schedule_type": "interval", "every": "15m", "start": NOW}
    found = exported(schedule=schedule)
    found["tasks"][0]["schedule"]["interval_value"] = 30
    came, notes = read(found)
    assert came.schedule.record()["every"] == "30m"
    assert ["schedule: ccs says otherwise" in note for note in notes] == [True]


def test_of_a_part_only_what_was_changed_is_taken_from_the_common_keys():
    found = exported(retry={"max_attempts": 3, "delay": "0.5s", "on": ["error"]})
    found["tasks"][0]["retry"]["max_attempts"] = 4
    came, _ = read(found)
    assert came.retry.record() | {"client": None} == {
        "max_attempts": 5,
        "delay": "0.5s",
        "backoff_multiplier": 2.0,
        "on": ["error"],
        "client": None,
    }


@pytest.mark.parametrize("written", [{}, {"permissions": None}])
def test_what_the_common_keys_leave_out_is_as_ccs_says_and_never_a_wider_default(written):
    found = exported(permissions="manual")
    del found["tasks"][0]["permissions"]
    found["tasks"][0] |= written
    assert (read(found)[0].permissions, read(found)[1]) == ("manual", [])


def test_a_permission_that_the_common_keys_deny_is_not_smuggled_in_beside_them():
    ours = {"format": 1, "tasks": {files.TASK: {"permissions": "bypass", "prompt": "evil"}}}
    plan = files.exported(tasks=[files.task(permissions="plan", prompt="good")], ccs=ours)
    came, notes = read(plan)
    assert (came.permissions, came.prompt) == ("plan", "good")
    assert len(notes) == 2


@pytest.mark.parametrize("name", ["a\tb", "a\nb", "\x1b[31mred", "a\u2028b"])
def test_what_ccs_once_took_as_a_name_comes_back_cleaned_and_not_refused(name):
    came, notes = read(exported(name=name))
    assert came.name in ("a b", "red")
    assert any("control characters" in note for note in notes)
