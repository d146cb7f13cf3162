"""A task as a text that is edited, and copied."""

from __future__ import annotations

import json

import pytest
from histories import at, job, task, uid

from ccs.engine import edit, tasks
from ccs.errors import CcsError, Conflict, InvalidInput

NOW = at("21 10:00")


@pytest.fixture
def one(store):
    made = task(1, prompt="ä", tags=["x"], priority=3, later={"kept": 1})
    store.tasks.put(made)
    return made


def edited(one, take=(), **values):
    told = json.loads(edit.text(one)) | values
    return json.dumps({name: value for name, value in told.items() if name not in take})


def test_the_text_has_what_a_person_may_change(one):
    told = json.loads(edit.text(one))
    assert told["prompt"] == "ä"
    assert "ä" in edit.text(one)
    assert not set(told) & {"id", "created_at", "updated_at", "active_since"}
    assert edit.fields(edit.text(one), one) == told


def test_a_change_is_kept_and_what_was_taken_out_has_its_default(store, one):
    text = edited(one, take=("priority",), name="other")
    changed = edit.replace(store, one, edit.fields(text, one), NOW)
    assert (changed.name, changed.priority, changed.tags) == ("other", 0, ["x"])
    assert (changed.id, changed.created_at) == (one.id, one.created_at)
    assert changed.record()["later"] == {"kept": 1}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("[]", "no JSON object"),
        ("[" * 100_000, "nested too deeply"),
        ('{"name": "x"}', "prompt"),
        ('{"name": "x", "prompt": "y", "modle": "opus"}', "modle: no such field"),
        ('{"name": "x", "prompt": "y", "retry": {"delya": "9s"}}', "retry.delya: no such"),
        (
            '{"name": "x", "prompt": "y", "schedule": {"schedule_type": "manual", "crn": "x"}}',
            "schedule.crn",
        ),
        ('{"name": "x", "prompt": "y", "timeout": "soon"}', "timeout"),
        (f'{{"name": "x", "prompt": "y", "id": "{uid(9)}"}}', "id: written by ccs"),
    ],
)
def test_what_makes_no_sense_is_said(one, text, words):
    with pytest.raises(InvalidInput, match=words):
        edit.fields(text, one)


def test_a_change_in_between_is_not_written_over(store, one):
    fields = edit.fields(edited(one, name="mine"), one)
    tasks.update(store, one.id, {"name": "theirs"}, NOW)
    with pytest.raises(Conflict):
        edit.replace(store, one, fields, NOW)
    assert store.tasks.get(one.id).name == "theirs"
    store.tasks.remove([one.id])
    with pytest.raises(CcsError):
        edit.replace(store, one, fields, NOW)


def test_a_copy_is_disabled_and_has_its_own_id_and_name(store):
    store.jobs.put(job(7, 1))
    store.tasks.put(task(1, job_id=uid(7), name="n" * 200, tags=["x"], until=at("20 11:00")))
    copy = edit.duplicate(store, uid(1), None, NOW)
    again = edit.duplicate(store, uid(1), None, NOW)
    assert copy.id not in (uid(1), again.id)
    assert (copy.enabled, copy.tags, copy.active_since) == (False, ["x"], NOW)
    assert copy.name == "n" * 195 + " copy"
    assert again.name == "n" * 193 + " copy 2"
    assert store.jobs.get(uid(7)).task_order == [uid(1), copy.id, again.id]
    assert edit.duplicate(store, uid(1), "mine", NOW).name == "mine"
