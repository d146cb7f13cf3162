"""Damaged files of records: what is saved is whole, and nothing comes from nowhere."""

from __future__ import annotations

import json
import os
import random

import pytest
from store_records import an_id, document, task, task_entry

from ccs.store.home import Home
from ccs.store.salvage import salvage
from ccs.store.store import Store


@pytest.fixture
def tasks(store):
    return store.tasks


def saved(tasks, restored=lambda one: one):
    return salvage(tasks.file, lambda entry: tasks.judged(entry)[1], restored)


def write(path, content):
    with open(path, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())
    os.chmod(path, 0o600)


def kept(plan):
    return [one["id"] for one in json.loads(plan.content)["tasks"]]


def three(tasks):
    """Three tasks in the file, the first two of them in its previous copy too."""
    tasks.put(task(1), task(2))
    tasks.put(task(3))
    with open(tasks.file.path, "rb") as file:
        return file.read()


def test_a_sound_file_needs_nothing(tasks):
    assert saved(tasks) is None
    three(tasks)
    assert saved(tasks) is None


def test_a_bad_record_goes_and_the_others_stay_with_all_their_keys(tasks):
    entries = [task_entry(1, later={"a": 1}), {**task_entry(2), "name": 5}, "odd", task_entry(3)]
    write(tasks.file.path, json.dumps({"format": 1, "kept": True, "tasks": entries}, indent=1))
    plan = saved(tasks)
    after = json.loads(plan.content)
    assert after["tasks"] == [entries[0], entries[3]]
    assert after["kept"] is True
    assert len(plan.told) == 2
    assert "tasks.json:" in plan.told[0] and "name: " in plan.told[0]


def test_a_bad_record_comes_back_as_it_was_before(tasks):
    text = three(tasks).replace(b'"name": "task 2"', b'"name": ""')
    write(tasks.file.path, text)
    plan = saved(tasks)
    assert kept(plan) == [an_id(1), an_id(2), an_id(3)]
    assert json.loads(plan.content)["tasks"][1]["name"] == "task 2"
    assert "previous copy" in plan.told[0]


def test_of_two_with_one_id_the_first_stays(tasks):
    twice = [task_entry(1), task_entry(1, name="double")]
    write(tasks.file.path, document("tasks", *twice))
    assert json.loads(saved(tasks).content)["tasks"] == twice[:1]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_torn_file_gives_its_whole_records_and_the_copy_the_rest(tasks, share):
    text = three(tasks)
    write(tasks.file.path, text[: int(len(text) * share)])
    plan = saved(tasks)
    assert set(kept(plan)) >= {an_id(1), an_id(2)}
    assert plan.raw == text[: int(len(text) * share)]


def test_a_typing_error_costs_one_record_only_and_brings_nothing_deleted_back(tasks):
    three(tasks)
    tasks.remove([an_id(1)])
    with open(tasks.file.path, "rb") as file:
        text = file.read()
    write(tasks.file.path, text.replace(b'"name": "task 2",', b'"name": "task 2"', 1))
    assert kept(saved(tasks)) == [an_id(2), an_id(3)]  # the second one from the copy
    assert len(saved(tasks).told) == 2


def test_a_vanished_file_comes_back_from_its_copy(tasks):
    three(tasks)
    os.unlink(tasks.file.path)
    plan = saved(tasks)
    assert (kept(plan), plan.raw) == ([an_id(1), an_id(2)], b"")


def test_what_is_restored_from_the_copy_can_be_changed_what_stands_in_the_file_is_not(tasks):
    text = three(tasks)
    write(tasks.file.path, text[: text.index(an_id(2).encode())])
    plan = saved(tasks, restored=lambda one: {**one, "name": "old"})
    names = {one["id"]: one["name"] for one in json.loads(plan.content)["tasks"]}
    assert names == {an_id(1): "task 1", an_id(2): "old"}


def test_a_file_of_a_later_version_is_let_alone(tasks):
    entries = [task_entry(1), {"id": "bad"}]
    write(tasks.file.path, json.dumps({"format": 2, "tasks": entries}))
    assert saved(tasks) is None


def test_a_list_of_the_prior_system_is_let_alone(tasks):
    write(tasks.file.path, json.dumps([task_entry(1), {"id": "bad"}]))
    assert saved(tasks) is None


def test_whatever_the_damage_what_is_saved_is_sound_and_was_there(tmp_path):
    """Random injuries: cut, overwritten, doubled, with bytes taken out."""
    chance = random.Random(7)
    store = Store(Home(str(tmp_path / "store")))
    store.home.create()
    text = three(store.tasks)
    whole = {one["id"]: one for one in json.loads(text)["tasks"]}
    found = 0
    for _ in range(300):
        at, size = chance.randrange(len(text)), chance.randrange(1, 60)
        injury = chance.choice([b"", b"\0" * size, b"{", text[:size], b"\xff", b'"', b"]}"])
        write(store.tasks.file.path, text[:at] + injury + text[at + chance.choice([0, size]) :])
        plan = saved(store.tasks)
        if plan is None:
            continue
        after = {one["id"]: one for one in json.loads(plan.content)["tasks"]}
        assert len(after) == len(json.loads(plan.content)["tasks"])
        found += len(after)
        for one in after.values():
            assert store.tasks.judged(one)[1] == ""
        same = [one for one in after if whole.get(one) == after[one]]
        assert len(same) >= 2, "one injury spoils one record at most, and the copy has two"
    assert found > 450


def test_of_a_lost_file_whose_previous_copy_is_damaged_too_the_whole_records_are_saved(tasks):
    three(tasks)
    os.unlink(tasks.file.path)
    with open(tasks.file.path + ".prev", "rb") as file:
        torn = file.read()[:-20]
    write(tasks.file.path + ".prev", torn)
    asked = []
    plan = saved(tasks, lambda one: asked.append(one["id"]) or {**one, "tags": ["restored"]})
    assert kept(plan) == asked == [an_id(1)]
    assert json.loads(plan.content)["tasks"][0]["tags"] == ["restored"]
    assert plan.raw == torn, "what is damaged is set aside, for the next change writes over it"
    assert "tasks.json.prev is damaged too: 1 tasks are whole in it" in "".join(plan.told)


def test_what_a_damaged_file_has_lost_comes_from_what_is_whole_of_a_damaged_copy(tasks):
    whole = three(tasks)
    write(tasks.file.path, whole[: whole.index(b"name")])
    with open(tasks.file.path + ".prev", "rb") as file:
        write(tasks.file.path + ".prev", file.read()[:-20])
    assert kept(saved(tasks)) == [an_id(1)]
