"""What transcripts tell: use and limits, and that nothing in them or in the state can hurt."""

from __future__ import annotations

import copy
import json
import os
import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded_streams import STREAMS
from transcript_lines import (
    MINUTE,
    NASTY,
    NO_TIMES,
    NOW,
    Reader,
    append,
    oracle,
    random_lines,
    raw,
    refused,
    said,
    stamp,
    transcript,
)

from ccs.claude import transcripts

NOTHING: dict[str, int] = {}


@pytest.fixture
def reader(tmp_path):
    return Reader(tmp_path)


def test_the_recorded_transcript_tells_its_limit_and_its_use(tmp_path, reader):
    recorded = (STREAMS / "transcript_limit_midtask_then_resume.jsonl").read_bytes()
    transcript(tmp_path, recorded)
    now = datetime(2026, 11, 20, 22, 20, tzinfo=UTC)
    # Two messages of 120 tokens, the first in two lines.
    assert reader.read(now) == {"2026-11-20T22:15Z": 240}
    [limit] = reader.limits
    assert limit["seen_at"] == "2026-11-20T22:15:11.125Z"
    facts = limit["facts"]
    assert (facts["status"], facts["rateLimitType"]) == ("rejected", "five_hour")
    assert facts["resetsAt"] == 1795212971
    reader.read(now)
    assert len(reader.limits) == 1, "a limit is told once"


def test_a_message_in_several_lines_counts_once_at_its_largest(tmp_path, reader):
    later = NOW + timedelta(seconds=50)
    path = transcript(tmp_path, raw(said(10, id="m"), said(30, later, id="m"), said(20, id="m")))
    assert reader.read() == {MINUTE: 30}
    append(path, raw({"type": "user"}, said(35, later, id="m"), said(35, later, id="m")))
    assert reader.read() == {MINUTE: 35}
    append(path, raw(said(1, id="m", requestId="req_2"), said(2), said(2)))
    assert reader.read() == {MINUTE: 40}


def test_all_four_classes_of_tokens_count(tmp_path, reader):
    usage = dict(zip(said()["message"]["usage"], [1, 10, 100, 1000], strict=True))
    transcript(tmp_path, raw(said(message={"id": "m", "usage": usage | {"other": 5}})))
    assert reader.read() == {MINUTE: 1111}


def test_only_an_assistant_line_of_these_days_is_use(tmp_path, reader):
    strange = [said(1, timestamp=value) for value in NO_TIMES]
    told = said(1, type="user", role="assistant")
    transcript(tmp_path, raw(*strange, told, said(0), said(-5)))
    assert reader.read() == NOTHING


@pytest.mark.parametrize(
    "changes",
    [
        {"isApiErrorMessage": False},
        {"isApiErrorMessage": "true"},
        {"apiError": "overloaded"},
        {"quotaLimits": None},
        {"quotaLimits": ["rejected"]},
        {"type": "user"},
        {"timestamp": stamp(NOW - timedelta(days=9))},
        {"timestamp": stamp(NOW + timedelta(minutes=2))},
    ],
)
def test_what_is_not_the_clients_own_refusal_is_no_limit(tmp_path, reader, changes):
    transcript(tmp_path, raw(refused(**changes)))
    reader.read()
    assert reader.limits == []


def test_limits_come_in_the_order_of_time_and_not_without_end(tmp_path, reader):
    moments = [NOW - timedelta(seconds=n) for n in range(150)]
    transcript(tmp_path, raw(*[refused(moment) for moment in moments[:70]]), "-p/a.jsonl")
    transcript(tmp_path, raw(*[refused(moment) for moment in moments[70:]]), "-q/b.jsonl")
    reader.read()
    assert [limit["seen_at"] for limit in reader.limits] == [
        stamp(moment) for moment in reversed(moments[:100])
    ]


def test_a_name_that_is_no_text_does_not_spoil_the_state(tmp_path, reader):
    path = transcript(tmp_path, raw(said(1)))
    os.rename(path, os.fsencode(path.parent) + b"/\xff.jsonl")
    assert reader.read() == {MINUTE: 1}
    json.dumps(reader.state, ensure_ascii=False).encode()
    assert reader.read() == {MINUTE: 1}
    assert reader.read_bytes == 0


def places(value):
    """Every place in the state: where it hangs, and under which key."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in inner:
        yield value, key
        if isinstance(part, dict | list):
            yield from places(part)


def test_a_spoilt_state_costs_a_reading_and_neither_use_nor_an_exception(tmp_path, reader):
    for number in range(3):
        transcript(tmp_path, raw(said(1, id="m"), said(2, id="n")), f"-p/{number}.jsonl")
    told = reader.read()
    whole = reader.state
    for spoilt in [*NASTY, "\ud800", -(10**9), {"": None}, [[1, 2, 3]]]:
        for index in range(len(list(places(whole)))):
            state = copy.deepcopy(whole)
            holder, key = list(places(state))[index]
            holder[key] = copy.deepcopy(spoilt)
            again = transcripts.read(reader.dirs, state, NOW)
            # No activity is as good a state as any.
            if (key, spoilt) != ("activity", {}):
                assert again.accounts[reader.dirs[0]].activity == told, (key, spoilt)
            json.dumps(again.state, allow_nan=False, ensure_ascii=False).encode()
        found = transcripts.read(reader.dirs, spoilt, NOW)
        assert found.accounts[reader.dirs[0]].activity == told


def test_a_state_of_another_form_is_none(tmp_path, reader):
    path = transcript(tmp_path, raw(said(1)))
    reader.read()
    reader.state["form"] = 0
    assert reader.read() == {MINUTE: 1}
    assert reader.read_bytes == path.stat().st_size


def test_a_state_that_is_ahead_of_its_file_loses_nothing(tmp_path, reader):
    path = transcript(tmp_path, raw(said(1)))
    reader.read()
    [known] = reader.state["dirs"].values()
    known["files"]["-p/a.jsonl"]["offset"] += 10
    append(path, raw(said(2)))
    assert reader.read() == {MINUTE: 3}


def test_ten_thousand_random_lines_in_random_pieces_are_as_one_whole(tmp_path, reader):
    content = random_lines(10_000, seed=7)
    chance = random.Random(7)
    cuts = sorted(chance.sample(range(len(content)), 60))
    path = transcript(tmp_path, b"")
    for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True):
        append(path, content[start:end])
        pieces = reader.read()
    activity, limits = oracle(content)
    assert len(activity) > 3000 and len(limits) > 20
    assert pieces == activity
    assert sorted(map(json.dumps, reader.limits)) == sorted(map(json.dumps, limits))
    assert Reader(tmp_path).read() == activity


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**40), chunk=st.integers(1, 5000), pieces=st.integers(1, 12))
def test_wherever_readings_and_chunks_fall_they_tell_the_same(
    tmp_path_factory, seed, chunk, pieces
):
    config = tmp_path_factory.mktemp("config")
    content = random_lines(30, seed)
    chance = random.Random(seed)
    cuts = sorted(chance.randrange(len(content)) for _ in range(pieces))
    path, reader = transcript(config, b""), Reader(config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transcripts, "_CHUNK", chunk)
        for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True):
            append(path, content[start:end])
            activity = reader.read()
    assert (activity, len(reader.limits)) == (oracle(content)[0], len(oracle(content)[1]))
