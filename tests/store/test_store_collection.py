from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from store_records import an_id, document, run, run_entry, task, task_entry

from ccs.errors import Ambiguous, BrokenStore, NotFound
from ccs.model.profile import Profile
from ccs.model.run import Run
from ccs.model.task import Task
from ccs.store.collection import Collection
from ccs.store.records import Records


@pytest.fixture
def tasks(tmp_path):
    return Collection(str(tmp_path / "tasks.json"), "tasks", Task)


def write(collection, text):
    path = Path(collection.file.path)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(0o600)


def held(collection):
    """What the file holds."""
    return json.loads(Path(collection.file.path).read_bytes())


# Reading and writing ----------------------------------------------------------------


def test_an_absent_file_is_empty(tasks):
    assert tasks.all() == []
    assert tasks.get(an_id(1)) is None
    assert tasks.read().stamp is None


def test_put_adds_and_replaces_and_keeps_the_order(tasks):
    tasks.put(task(1), task(2), task(3))
    tasks.put(task(2, name="changed"), task(4))
    assert [one.name for one in tasks.all()] == ["task 1", "changed", "task 3", "task 4"]
    assert tasks.get(an_id(2)) == task(2, name="changed")


def test_remove_takes_out_what_is_named(tasks):
    tasks.put(task(1), task(2), task(3))
    tasks.remove([an_id(1), an_id(3), an_id(99)])
    assert [one.id for one in tasks.all()] == [an_id(2)]


def test_the_stamp_is_that_of_the_file_as_it_was_read(tasks):
    tasks.put(task(1))
    before = tasks.read().stamp
    assert tasks.read().stamp == before
    tasks.put(task(1))
    assert tasks.read().stamp != before


# Keys of later versions ----------------------------------------------------------------


def test_unknown_keys_survive_a_rewrite_at_every_depth(tasks):
    later = task_entry(1, later={"deep": [1, {"x": None}]}, retry={"max_attempts": 2, "jitter": 3})
    write(tasks, document("tasks", later, task_entry(2, odd="\ud800"), written_by="ccs 9"))
    tasks.put(tasks.find("task 1").changed(name="renamed"), task(3))
    assert held(tasks)["written_by"] == "ccs 9"
    first, second, _ = held(tasks)["tasks"]
    assert first["name"] == "renamed"
    assert first["later"] == {"deep": [1, {"x": None}]}
    assert first["retry"]["jitter"] == 3
    assert second == task_entry(2, odd="\ud800")


# Records that cannot be used --------------------------------------------------------


def test_a_bad_record_is_reported_with_its_line_and_the_others_go_on(tasks):
    bad = task_entry(2, retry={"max_attempts": 0})
    text = document("tasks", task_entry(1), bad, task_entry(3))
    write(tasks, text)
    reading = tasks.read()
    assert [one.id for one in reading.records] == [an_id(1), an_id(3)]
    (problem,) = reading.problems
    line = text[: text.index(an_id(2))].count("\n")  # the brace stands a line before its id
    assert str(problem).startswith(f"{tasks.file.path}:{line}: task {an_id(2)}: retry.max")


def test_a_record_that_trips_its_check_does_not_stop_the_others(tasks, monkeypatch):
    validate = Task.model_validate

    def trips_over_the_first(entry):
        return validate(entry) if entry["id"] != an_id(1) else {}["sk-secret"]

    monkeypatch.setattr(Task, "model_validate", trips_over_the_first)
    write(tasks, document("tasks", task_entry(1), task_entry(2)))
    reading = tasks.read()
    assert [one.id for one in reading.records] == [an_id(2)]
    assert reading.problems[0].words == f"task {an_id(1)}: KeyError while it was checked"


def test_a_bad_record_stays_as_it_is_when_others_change(tasks):
    bad = {**task_entry(2), "timeout": "soon", "enabled": ["?"], "later": {"kept": True}}
    write(tasks, document("tasks", bad, task_entry(1)))
    tasks.put(task(1, name="changed"))
    tasks.remove([an_id(1)])
    assert held(tasks)["tasks"] == [bad]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (17, "not a task: no object"),
        (["sk-secret"], "not a task: no object"),
        ({"name": "sk-secret"}, "not a task: no id"),
        ({"id": 5, "name": "sk-secret"}, "not a task: no id"),
        ({"id": None}, "not a task: no id"),
    ],
)
def test_what_is_no_record_is_reported_by_line_without_its_content_and_stays(tasks, entry, words):
    write(tasks, f'{{"notes": ["[", {{"tasks": []}}],\n"tasks": [\n{json.dumps(entry)}]}}')
    (problem,) = tasks.read().problems
    assert str(problem) == f"{tasks.file.path}:3: {words}"
    tasks.put(task(2))
    assert held(tasks)["tasks"][1] == entry


def test_the_line_is_that_on_which_the_record_begins(tasks):
    trap, twin = json.dumps(task_entry(1, prompt='a "}]" trap\n')), json.dumps(task_entry(2))
    lines = ["{", '"x": [1, {"tasks": []}] ,"tasks" :', "[", f" {trap},", "5,", f"{twin}, {{}}"]
    lines += [",", f"  {twin}", "]", ', "y": {"tasks": [0]}}']
    write(tasks, "\n".join(lines))
    problems = [(problem.line, problem.words.split()[-1]) for problem in tasks.read().problems]
    assert problems == [(5, "object"), (6, "id"), (8, "twice")]


def test_a_secret_is_not_in_the_words_about_its_record(tmp_path):
    profiles = Collection(str(tmp_path / "profiles.json"), "profiles", Profile)
    variable = {"name": "not a name", "source": "static", "value": "sk-secret"}
    profile = {"id": an_id(1), "name": "p", "env_vars": [variable]}
    write(profiles, document("profiles", profile, {"env_vars": [variable]}))
    words = " ".join(map(str, profiles.read().problems))
    assert "not a name" in words and "sk-secret" not in words


def test_a_broken_record_is_not_written_over_by_a_good_one_of_its_id(tasks):
    write(tasks, document("tasks", task_entry(1, timeout="soon")))
    before = Path(tasks.file.path).read_bytes()
    with pytest.raises(BrokenStore, match=f"json:4: task {an_id(1)}: timeout"):
        tasks.put(task(1))
    assert Path(tasks.file.path).read_bytes() == before


def test_an_id_that_stands_twice_is_reported_and_the_first_good_one_counts(tasks):
    broken = task_entry(1, timeout="soon")
    first, second = task_entry(1, name="first"), task_entry(1, name="second")
    write(tasks, document("tasks", broken, first, second))
    assert [one.name for one in tasks.all()] == ["first"]
    assert "stands there twice" in str(tasks.read().problems[1])
    tasks.put(task(1, name="changed"))
    assert tasks.find(an_id(1)).name == "changed"
    assert held(tasks)["tasks"][::2] == [broken, second]


def test_removing_an_id_that_stands_twice_leaves_none_to_come_to_life(tasks):
    write(tasks, document("tasks", task_entry(1), task_entry(1), task_entry(2)))
    tasks.remove([an_id(1)])
    assert [entry["id"] for entry in held(tasks)["tasks"]] == [an_id(2)]


@pytest.mark.parametrize("spelled", [str.upper, "{{{}}}".format, "urn:uuid:{}".format])
def test_an_id_may_be_spelled_in_any_form_of_a_uuid(tasks, spelled):
    write(tasks, document("tasks", task_entry(1, id=spelled(an_id(1))), task_entry(2)))
    assert tasks.find(an_id(1)).name == "task 1"
    assert tasks.file.read().records[0]["id"] == an_id(1)  # so supervisors find it too
    tasks.put(task(1, name="changed"))
    assert [one.name for one in tasks.all()] == ["changed", "task 2"]
    write(tasks, document("tasks", task_entry(1, id=spelled(an_id(1))), task_entry(2)))
    tasks.remove([an_id(1)])
    assert [one.id for one in tasks.all()] == [an_id(2)]


# Files that cannot be used as a whole -----------------------------------------------------

BROKEN = {
    "empty": b"",
    "cut": document("tasks", task_entry(1)).encode()[:-9],
    "zeros": b"\0" * 4096,
    "nan": b'{"tasks": [{"id": "a", "x": NaN}]}',
    "infinity": b'{"tasks": [{"id": "a", "x": -Infinity}]}',
    "overflow": b'{"tasks": [{"id": "a", "x": 1e999}]}',
    "digits": b'{"tasks": [' + b"1" * 10_000 + b"]}",
    "deep": b"[" * 100_000,
    "deep and closed": b"[" * 100_000 + b"]" * 100_000,
    "too deep to be written again": b'{"tasks": ' + b"[" * 400 + b"]" * 400 + b"}",
    "not utf-8": b'{"tasks": [\n{"id": "\xff"}]}',
    "utf-16": document("tasks").encode("utf-16"),
    "surrogate key": b'{"tasks": [{"id": "a", "x": {"\\ud800": 1}}]}',
    "key twice": b'{"tasks": [], "tasks": []}',
    "key twice in a record": b'{"tasks": [{"id": "a", "enabled": true, "enabled": false}]}',
    "no list": b'{"tasks": {}}',
    "another file": b'{"format": 1, "jobs": []}',
    "a text": b'"tasks"',
    "null": b"null",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_refuses_reads_and_writes_and_is_left_byte_for_byte(tasks, name):
    write(tasks, BROKEN[name])
    for use in (tasks.read, lambda: tasks.put(task(1)), lambda: tasks.remove([an_id(1)])):
        with pytest.raises(BrokenStore, match=r"tasks\.json") as caught:
            use()
        assert caught.value.hint.endswith("ccs doctor --repair")
    assert Path(tasks.file.path).read_bytes() == BROKEN[name]
    assert os.listdir(os.path.dirname(tasks.file.path)) == ["tasks.json"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cut", "line 11 column 3"),
        ("not utf-8", "line 2: byte 0xff"),
        ("key twice", "the key 'tasks' stands twice"),
        ("overflow", "1e999 is too large"),
    ],
)
def test_the_words_about_a_broken_file_lead_to_the_place(tasks, name, words):
    write(tasks, BROKEN[name])
    with pytest.raises(BrokenStore, match=words):
        tasks.read()


def test_a_lone_surrogate_in_a_value_is_kept(tasks):
    write(tasks, document("tasks", task_entry(1, later="\ud800")))
    tasks.put(tasks.find("task 1").changed(name="renamed"))
    assert held(tasks)["tasks"][0]["later"] == "\ud800"


@pytest.mark.parametrize("version", [2, 99, "2", None, 1.5])
def test_a_newer_format_is_read_only(tasks, version):
    text = json.dumps({"format": version, "tasks": [task_entry(1)]})
    write(tasks, text)
    assert [one.id for one in tasks.all()] == [an_id(1)]
    with pytest.raises(BrokenStore, match="later version"):
        tasks.put(task(2))
    assert Path(tasks.file.path).read_text() == text


def test_a_bare_list_is_read_and_converted_by_the_first_write_with_the_original_kept(tasks):
    original = json.dumps([task_entry(1, legacy=True), "odd"])
    write(tasks, original)
    assert [one.id for one in tasks.all()] == [an_id(1)]
    tasks.put(task(2))
    assert held(tasks)["format"] == 1
    assert held(tasks)["tasks"][0]["legacy"] is True and held(tasks)["tasks"][-1] == "odd"
    tasks.put(task(3))
    kept = Path(tasks.file.path + ".format-0")
    assert kept.read_text() == original
    assert oct(kept.stat().st_mode)[-3:] == "600"


@pytest.mark.parametrize("converted", [False, True])
def test_a_file_that_vanished_beside_its_previous_copy_is_not_an_empty_one(tasks, converted):
    if converted:
        write(tasks, "[]")
    tasks.put(task(1))
    if not converted:
        tasks.put(task(2))
    os.unlink(tasks.file.path)
    for use in (tasks.read, lambda: tasks.put(task(1))):
        with pytest.raises(BrokenStore, match="is gone") as caught:
            use()
    assert caught.value.hint == "ccs doctor --repair"
    os.unlink(tasks.file.path + ".prev")
    assert tasks.all() == []


# find ---------------------------------------------------------------------------------


def test_a_task_is_found_by_id_by_prefix_and_by_exact_name(tasks):
    tasks.put(task(1), task(2, name="nightly"))
    for reference in (an_id(2), an_id(2).upper(), an_id(2)[:4], f" {an_id(2)[:13]} ", "nightly"):
        assert tasks.find(reference).id == an_id(2)


@pytest.mark.parametrize("reference", ["", "   ", "night", "Nightly", an_id(2)[:3], "zzzz", "\0"])
def test_what_fits_nothing_is_not_found(tasks, reference):
    tasks.put(task(1), task(2, name="nightly"))
    with pytest.raises(NotFound) as caught:
        tasks.find(reference)
    assert caught.value.exit_code == 3


def test_what_fits_several_is_ambiguous_and_names_them(tasks):
    twin = an_id(1)[:8] + an_id(2)[8:]
    tasks.put(task(1), task(2, id=twin), task(3, name="task 1"))
    for reference, ids in ((an_id(1)[:8], (an_id(1), twin)), ("task 1", (an_id(1), an_id(3)))):
        with pytest.raises(Ambiguous) as caught:
            tasks.find(reference)
        assert tuple(match.split()[0] for match in caught.value.matches) == ids


def test_an_id_goes_before_a_name_and_a_name_before_a_prefix(tasks):
    tasks.put(task(1), task(2, name=an_id(1)), task(3, name=an_id(1)[:6]))
    assert tasks.find(an_id(1)).id == an_id(1)
    assert tasks.find(an_id(1)[:6]).id == an_id(3)


# Whatever stands in the file --------------------------------------------------------------

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["\ud800", "2026-11-20T10:00:00Z", "0001-01-01T00:00:00+14:00", an_id(1)])
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12
)
fields = st.sampled_from(sorted(Task.model_fields)) | st.text()


def altered(entry):
    changes = st.dictionaries(fields, values, max_size=3)
    return changes.map(lambda change: {**entry, **change})


listed = st.lists(values | altered(task_entry(1)) | altered(task_entry(2)), max_size=4)
documents = values | listed | st.fixed_dictionaries({"tasks": listed}, optional={"format": values})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents)
def test_any_json_document_reads_or_is_refused_and_can_be_written_back(anything):
    with tempfile.TemporaryDirectory() as place:
        tasks = Collection(os.path.join(place, "tasks.json"), "tasks", Task)
        text = json.dumps(anything)
        write(tasks, text)
        try:
            reading = tasks.read()
            tasks.put(task(3))
        except BrokenStore:
            assert Path(tasks.file.path).read_text() == text
            return
        again = tasks.read()
        assert [one.id for one in again.records] == [*(one.id for one in reading.records), an_id(3)]
        assert len(again.problems) == len(reading.problems)
        assert all(1 <= problem.line <= text.count("\n") + 1 for problem in reading.problems)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(sorted(Run.model_fields)) | st.text(), values, max_size=4))
@example({"end_time": 0.9375})
def test_any_run_that_is_read_can_be_put_back(change):
    with tempfile.TemporaryDirectory() as place:
        runs = Collection(os.path.join(place, "runs.json"), "runs", Run)
        write(runs, json.dumps({"runs": [{**run_entry(1), **change}, run_entry(2)]}))
        try:
            found = runs.read().records
        except BrokenStore:
            return
        runs.put(*found)
        assert runs.read().records == found


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_read_or_are_refused(anything):
    with tempfile.TemporaryDirectory() as place:
        tasks = Collection(os.path.join(place, "tasks.json"), "tasks", Task)
        write(tasks, anything)
        try:
            assert tasks.read().records == []
        except BrokenStore:
            pass


# The lean half ------------------------------------------------------------------------------


def test_what_is_no_record_is_kept_at_the_end_when_supervisors_write(tmp_path):
    file = Records(str(tmp_path / "runs.json"), "runs")
    (tmp_path / "runs.json").write_text(json.dumps({"runs": [5, run_entry(1), {"id": 7}]}))
    content = file.read()
    file.write(content, [*content.records, run(2).record()])
    again = file.read()
    assert [one["id"] for one in again.records] == [an_id(1), an_id(2)]
    assert again.damaged == [5, {"id": 7}]


def test_a_write_that_fails_leaves_file_and_previous_copy(tmp_path, at_most):
    file = Records(str(tmp_path / "runs.json"), "runs")
    file.write(file.read(), [run_entry(1)])
    file.write(file.read(), [run_entry(2)])
    content = file.read()
    with at_most(2000), pytest.raises(OSError):
        file.write(content, [run_entry(number) for number in range(100)])
    assert [one["id"] for one in file.read().records] == [an_id(2)]
    assert sorted(os.listdir(tmp_path)) == ["runs.json", "runs.json.prev"]
