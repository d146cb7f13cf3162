"""A file that ccs alone writes is changed record by record; any other is read as a whole."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccs.errors import BrokenStore
from ccs.store import atomic, sealed
from ccs.store.records import Records

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT | st.sampled_from(["\n    },\n    {\n", '"runs": [', "\u2028", '"id-3"', "{", "}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
FIELDS = st.dictionaries(TEXT.filter(lambda key: key != "id"), VALUES, max_size=4)
CHANGES = st.lists(st.tuples(st.integers(0, 5), st.none() | FIELDS), min_size=1, max_size=12)


def runs_in(place: Path) -> Records:
    return Records(str(place / "runs.json"), "runs")


def keep(file: Records, *records: dict[str, Any]) -> None:
    file.write(file.read(), list(records))


def record(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": f"id-{number}", **fields}


def reformat(place: Path) -> None:
    """As another program lays it out."""
    path = place / "runs.json"
    path.write_text(json.dumps(json.loads(path.read_text())))


def ids(content: Any) -> list[str]:
    return [one["id"] for one in content.records]


@settings(deadline=None)
@given(CHANGES)
def test_changed_one_by_one_it_holds_what_a_dictionary_would(tmp_path_factory, changes):
    file = runs_in(tmp_path_factory.mktemp("sealed"))
    model: dict[str, dict[str, Any]] = {}
    for number, fields in changes:
        mine = f"id-{number}"
        content = file.read_some(sealed.mentioning(mine))
        standing = next((one for one in content.records if one["id"] == mine), None)
        assert standing == model.get(mine)
        if fields is None:
            file.change(content, [(standing, None)] if standing else [])
            model.pop(mine, None)
        else:
            model[mine] = record(number, **fields)
            instead = [(standing, model[mine])] if standing else []
            file.change(content, instead, [] if standing else [model[mine]])
        assert file.read().records == list(model.values())
        assert file.read_some(sealed.each).records == list(model.values())


def test_only_what_is_wanted_is_read_and_the_rest_stays_byte_for_byte(tmp_path):
    file = runs_in(tmp_path)
    keep(file, *(record(number, message="\n}\u00e9", cost=1e-7) for number in range(5)))
    before = sealed.texts(atomic.read(file.path)[0], "runs")
    content = file.read_some(sealed.mentioning("id-1"))
    assert ids(content) == ["id-1"]
    content.want(sealed.mentioning("id-3"))
    assert ids(content) == ["id-1", "id-3"]
    file.change(content, [(content.records[1], record(3, message="new"))], [record(9)])
    after = sealed.texts(atomic.read(file.path)[0], "runs")
    assert [after[place] for place in (0, 1, 2, 4)] == [before[place] for place in (0, 1, 2, 4)]
    assert ids(file.read()) == ["id-0", "id-1", "id-2", "id-3", "id-4", "id-9"]


def test_a_file_edited_by_hand_is_read_whole_and_is_ours_again_once_changed(tmp_path):
    file = runs_in(tmp_path)
    keep(file, record(1, task="a"), record(2, task="b"))
    path = tmp_path / "runs.json"
    path.write_text(path.read_text().replace('"task": "b"', '"task": "c"'))
    content = file.read_some(sealed.mentioning("id-1"))
    assert content.records == [record(1, task="a"), record(2, task="c")]
    file.change(content, [(content.records[0], record(1, task="d"))])
    assert ids(file.read_some(sealed.mentioning("id-2"))) == ["id-2"]
    assert file.read().records == [record(1, task="d"), record(2, task="c")]


@pytest.mark.parametrize("spoilt", ["\x00", "}", ""])
def test_what_was_spoilt_in_a_record_nobody_asked_for_is_still_refused(tmp_path, spoilt):
    file = runs_in(tmp_path)
    keep(file, record(1), record(2, name="x"))
    path = tmp_path / "runs.json"
    torn = path.read_text().replace('"x"', spoilt)
    path.write_text(torn)
    with pytest.raises(BrokenStore):
        file.read_some(sealed.mentioning("id-1"))
    assert path.read_text() == torn


@pytest.mark.parametrize("depth", range(50, 70))
@pytest.mark.parametrize("ours", [False, True])
def test_however_deep_a_record_is_it_is_refused_or_can_be_read_again(tmp_path, depth, ours):
    file = runs_in(tmp_path)
    keep(file, record(1))
    if not ours:
        reformat(tmp_path)
    deep: Any = 1
    for _ in range(depth):
        deep = [deep]
    with contextlib.suppress(BrokenStore):
        file.change(file.read_some(sealed.mentioning("id-2")), [], [record(2, deep=deep)])
    assert file.read().records[0] == record(1)


@pytest.mark.parametrize("odd", [{"\ud800": 1}, {"usage": {"\udfff": 1}}])
@pytest.mark.parametrize("ours", [False, True])
def test_a_record_that_could_not_be_read_again_is_not_written(tmp_path, odd, ours):
    file = runs_in(tmp_path)
    keep(file, record(1), record(2))
    if not ours:
        reformat(tmp_path)
    before = atomic.read(file.path)
    content = file.read_some(sealed.mentioning("id-1"))
    with pytest.raises(BrokenStore):
        file.change(content, [(content.records[0], {**content.records[0], **odd})])
    assert atomic.read(file.path) == before


def test_other_keys_of_the_file_and_entries_that_are_no_records_survive(tmp_path):
    path = tmp_path / "runs.json"
    path.write_text(json.dumps({"format": 1, "by": "me", "runs": [7, record(1), record(2)]}))
    file = runs_in(tmp_path)
    for number in (1, 2):
        content = file.read_some(sealed.mentioning(f"id-{number}"))
        [mine] = [one for one in content.records if one["id"] == f"id-{number}"]
        file.change(content, [(mine, {**mine, "turns": 5})])
    found = json.loads(path.read_text())
    assert found["by"] == "me"
    assert found["runs"] == [record(1, turns=5), record(2, turns=5), 7]


@pytest.mark.parametrize("ours", [False, True])
@pytest.mark.parametrize("instead", [None, record(3, status="cancelled"), record(3, status="new")])
def test_what_was_added_to_it_in_memory_is_written_once_and_as_it_is_by_then(
    tmp_path, ours, instead
):
    file = runs_in(tmp_path)
    keep(file, record(1), record(2))
    if not ours:
        reformat(tmp_path)
    content = file.read_some(sealed.mentioning("id-2"))
    added = record(3, status="new")
    content.add(added)
    file.change(content, [(added, instead)], [record(4)])
    left = [instead] if instead else []
    assert file.read().records == [record(1), record(2), *left, record(4)]


# The version before ---------------------------------------------------------------


def names_of(*paths: str) -> list[int]:
    return [os.stat(path).st_nlink for path in paths]


def test_the_version_before_is_a_file_of_its_own(tmp_path):
    file = runs_in(tmp_path)
    keep(file, record(1))
    first = atomic.read(file.path)[0]
    keep(file, record(2))
    assert atomic.read(file.path + ".prev")[0] == first
    assert names_of(file.path, file.path + ".prev") == [1, 1]


def test_without_links_it_is_copied(tmp_path, monkeypatch):
    file = runs_in(tmp_path)
    keep(file, record(1))
    first = atomic.read(file.path)[0]

    def no_links(*words: Any, **more: Any) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", no_links)
    keep(file, record(2))
    assert atomic.read(file.path + ".prev")[0] == first
    assert ids(file.read()) == ["id-2"]


def test_killed_while_it_has_two_names_it_can_be_read_and_written(tmp_path):
    file = runs_in(tmp_path)
    keep(file, record(1))
    for name in (".runs.json.prev.77.ab.tmp", "runs.json.prev"):
        os.link(file.path, tmp_path / name)
    assert ids(file.read()) == ["id-1"]
    assert ids(Records(file.path + ".prev", "runs").read()) == ["id-1"]
    keep(file, record(2))
    assert sorted(os.listdir(tmp_path)) == ["runs.json", "runs.json.prev"]
    assert names_of(file.path, file.path + ".prev") == [1, 1]


def test_a_name_that_ccs_did_not_give_is_refused_all_the_same(tmp_path):
    file = runs_in(tmp_path)
    keep(file, record(1))
    os.link(file.path, file.path + ".prev")
    os.link(file.path, tmp_path / "elsewhere")
    with pytest.raises(BrokenStore, match="second name"):
        file.read()
