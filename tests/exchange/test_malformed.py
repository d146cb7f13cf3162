"""Whatever stands in a file, it is read or refused in words; nothing else comes out of it."""

from __future__ import annotations

import copy
from datetime import UTC, datetime

import prior_files as files
from hypothesis import given, settings
from hypothesis import strategies as st

from ccs.errors import InvalidInput
from ccs.exchange import prior, reading
from ccs.exchange.notes import Here
from ccs.text import plain

NOW = datetime(2026, 11, 20, 10, 0, 30, tzinfo=UTC)
HERE = Here("UTC", "/home/me")
odd = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        10**30,
        1e308,
        "",
        "x",
        "~",
        "\0",
        "\ud800",
        "9" * 500,
        [],
        [[]],
        {},
        {"": 0},
    ]
)
values = st.recursive(
    odd | st.text(max_size=5) | st.integers() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
extra = {"max_turns": 3, "retry": {"max_attempts": 2, "on": []}, "budgets": [{"usd": 1}]}
ours = {"format": 1, "job": {"max_parallel": 2}, "tasks": {files.TASK: extra}, "profiles": []}


def places(value, path=()):
    """Every place of a document."""
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*path, index))


def put(document, path, value):
    if not path:
        return value
    changed = copy.deepcopy(document)
    inner = changed
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return changed


WHOLE = files.exported(ccs=ours)


@given(st.lists(st.tuples(st.sampled_from(list(places(WHOLE))), values), min_size=1, max_size=3))
@settings(max_examples=300, deadline=None)
def test_an_export_with_anything_in_any_place(changes):
    document = WHOLE
    for path, value in changes:
        try:
            document = put(document, path, value)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change has taken that place away
    try:
        parcels = reading.read(document, HERE, NOW)
    except InvalidInput:
        return
    for parcel in parcels:
        for record in [*parcel.tasks, *([parcel.job] if parcel.job else [])]:
            assert plain(record.name) == record.name and not record.model_extra


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_a_record_of_the_prior_system_with_anything_in_any_place(data):
    entry, convert = data.draw(
        st.sampled_from(
            [
                (files.job(), lambda one: prior.job(one, HERE)),
                (files.task(), lambda one: prior.task(one, HERE, "2026-11-20T10:00:30.000Z")),
                (files.run(), prior.run),
                (files.profile(), prior.profile),
            ]
        )
    )
    path = data.draw(st.sampled_from([one for one in places(entry) if one]))
    try:
        convert(put(entry, path, data.draw(values)))
    except InvalidInput:
        pass
