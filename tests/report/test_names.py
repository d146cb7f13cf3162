"""What completion offers names the record it stands for, and means nothing to a shell."""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ccs.errors import CcsError
from ccs.report import names
from ccs.store.collection import choose
from ccs.text import plain


@dataclass
class Named:
    id: str
    name: str


def saved(home, records, collection="tasks"):
    with open(home.collection(collection), "w", encoding="utf-8") as file:
        json.dump({"format": 1, collection: records}, file)


# Few letters, so that names, ids and their beginnings meet.
IDS = st.text("ab1", min_size=1, max_size=10)
NAMES = st.one_of(st.text("ab1", max_size=10), st.text(max_size=6), st.text("a$'\"`:;,*\x1b\n -"))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(IDS, NAMES), max_size=6, unique_by=lambda one: one[0]), st.text("ab1"))
def test_an_offered_word_is_plain_goes_on_from_what_was_typed_and_is_understood(home, rows, begun):
    records = [Named(*row) for row in rows]
    saved(home, [{"id": one.id, "name": one.name} for one in records])
    offered = names.words(home, "tasks", begun)
    for one in offered:
        assert one.word.lower().startswith(begun)
        assert shlex.split(one.word, comments=True) == [one.word] == [shlex.quote(one.word)]
        assert plain(" ".join(one.about.split())) == one.about
    found = [choose(records, one.word, "task").id for one in offered]
    assert len(set(found)) == len(found)
    if not begun:
        assert set(found) == {one.id for one in records}


def test_an_id_is_offered_where_a_name_will_not_do_or_an_id_was_begun(home):
    saved(
        home,
        [
            {"id": "aaaaaaaa-1", "name": "deps"},
            {"id": "bbbbbbbb-1", "name": "two words"},
            {"id": "cccccccc-1", "name": "twice"},
            {"id": "cccccccc-2", "name": "twice"},
        ],
    )
    assert [one.word for one in names.words(home, "tasks", "")] == [
        *("deps", "bbbbbbbb", "cccccccc-1", "cccccccc-2")
    ]
    assert [one.word for one in names.words(home, "tasks", "aaa")] == ["aaaaaaaa"]
    assert [one.word for one in names.words(home, "tasks", "aaaaaaaa-")] == ["aaaaaaaa-1"]
    assert names.words(home, "tasks", "bbb")[0].about == "two words"


def test_runs_come_newest_first_and_say_how_they_ended(home):
    saved(
        home,
        [
            {"id": "aaaaaaaa", "status": "success", "scheduled_time": "2026-11-20T10:00:00Z"},
            {
                **{
                    "id": "bbbbbbbb",
                    "status": "failed",
                    "reason": "auth",
                    "task_name": "de\x1b[2Jps",
                },
                "scheduled_time": "2026-11-21T10:00:00Z",
            },
        ],
        "runs",
    )
    newest, oldest = names.words(home, "runs", "")
    assert newest == ("bbbbbbbb", "deps failed auth 2026-11-21 10:00")
    assert oldest.word == "aaaaaaaa"


def test_a_secret_in_a_description_is_not_told(home):
    secret = "sk-ant-" + "api03-" + "x" * 40
    saved(home, [{"id": "aaaaaaaa", "name": "p", "description": f"uses {secret}"}], "profiles")
    [found] = names.words(home, "profiles", "")
    assert found.word == "p" and secret not in found.about and "uses" in found.about


def test_the_bare_list_of_the_prior_system_is_read_and_odd_entries_are_passed_over(home):
    with open(home.collection("jobs"), "w", encoding="utf-8") as file:
        json.dump([{"id": "aaaaaaaa", "name": "app"}, 7, {"name": "no id"}, {"id": None}], file)
    assert [one.word for one in names.words(home, "jobs", "")] == ["app"]


def test_what_cannot_be_trusted_is_not_read(home):
    saved(home, [{"id": "aaaaaaaa", "name": "app"}])
    with open(home.collection("tasks"), "rb") as file:
        os.fchmod(file.fileno(), 0o666)
    with pytest.raises(CcsError):
        names.words(home, "tasks", "")
