"""Folding a client's stream: which facts survive, and that nothing in it can hurt."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_events import EVENTS
from recorded_streams import events, folded, stream, the

from ccs.claude.events import Stream, limit_facts
from ccs.claude.values import parse

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"not json",
        b'{"type":"result"',
        b"[1, 2]",
        b"null",
        b'"text"',
        b"12",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'\xff{"a": 1}',
        b'{"a": ' + b"9" * 10_000 + b"}",
        b'{"a": ' + b"[" * 100_000,
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a": 1}{"b": 2}',
    ],
)
def test_a_line_that_is_no_json_object_is_none(line: bytes) -> None:
    assert parse(line) is None


def test_a_line_that_is_an_object_is_an_event_with_or_without_its_newline() -> None:
    assert parse(b'{"type": "result"}\n') == parse(b' {"type":"result"}\r\n') == {"type": "result"}


@given(st.binary(max_size=60))
@settings(max_examples=100, deadline=None)
def test_no_line_raises(line: bytes) -> None:
    event = parse(line)
    assert event is None or isinstance(event, dict)


@given(st.lists(EVENTS, max_size=6))
@settings(max_examples=80, deadline=None)
def test_no_event_raises_and_facts_keep_their_types(told: list[dict[str, Any]]) -> None:
    stream = folded(*told)
    assert all(isinstance(count, int) and count >= 0 for count in stream.usage.values())
    assert stream.cost_usd is None or stream.cost_usd >= 0
    assert all(isinstance(name, str) for name in stream.models)
    json.dumps(vars(stream), default=list, allow_nan=False).encode()


def test_the_session_and_where_it_runs_come_from_init() -> None:
    seen = stream("limit_midtask")
    assert seen.began
    assert seen.session_id == "70000006-0000-4000-8000-000000000000"
    assert seen.claude_version == "2.1.329"
    assert seen.permission_mode == "bypassPermissions"
    assert seen.cwd == "/home/user/project"


def test_a_client_that_never_began_has_not_begun() -> None:
    assert not stream("sess_resume_missing_stream").began


def test_the_last_of_several_results_counts_and_their_spending_adds_up() -> None:
    seen = stream("bash_background_8s")
    assert seen.result is not None
    assert seen.result["result"] == "done"
    assert seen.cost_usd == pytest.approx(0.0024)
    assert seen.usage == {"input": 300, "output": 60, "cache_read": 0, "cache_creation": 0}
    assert seen.turns == 3


def test_a_resumed_session_costs_only_what_this_process_spent() -> None:
    assert the("limit_midtask_resume", "result")["total_cost_usd"] == 0.0008
    seen = stream("limit_midtask_resume")
    assert seen.cost_usd == 0.0004
    assert seen.usage["input"] == 100


def test_an_older_client_s_session_total_is_taken() -> None:
    seen = stream("bud2")
    assert seen.cost_usd == 0.041
    assert seen.usage["output"] == 2010


def test_without_a_result_tokens_are_those_of_each_message_once() -> None:
    seen = folded(*(event for event in events("limit_midtask") if event["type"] != "result"))
    assert seen.usage == {"input": 100, "output": 1, "cache_read": 0, "cache_creation": 0}
    assert seen.cost_usd is None
    assert seen.turns is None


def test_messages_after_the_last_result_are_counted_too() -> None:
    told = events("bash_background_8s")[:-1]
    assert told[-1]["type"] == "assistant"
    assert folded(*told).usage["input"] == 300


def test_models_are_named_once_sorted_and_without_the_synthetic_one() -> None:
    reply = {"type": "assistant", "message": {"model": "b"}}
    usage = {"type": "result", "model_usage_since_last_result": {"a": {}, "b": {}}}
    synthetic = {"type": "assistant", "message": {"model": "<synthetic>"}}
    assert folded(reply, usage, synthetic).models == ["a", "b"]


def test_windows_are_merged_and_the_first_reading_kept() -> None:
    first, second = (
        the("oauth_allowed_stream", "rate_limit_event"),
        the("oauth_warning_stream", "rate_limit_event"),
    )
    seen = folded(first, second)
    assert seen.first_windows["five_hour"]["utilization"] == 0.42
    assert seen.windows["five_hour"] == {
        "utilization": 0.93,
        "resetsAt": 1795215293,
        "status": "allowed_warning",
    }
    assert set(seen.windows) == {"five_hour", "seven_day"}


def test_an_event_without_windows_forgets_none() -> None:
    windows, bare = (
        the("oauth_allowed_stream", "rate_limit_event"),
        the("oauth_ok_stream", "rate_limit_event"),
    )
    seen = folded(windows, bare)
    assert seen.limit is not None
    assert seen.limit["unifiedWindows"] == {}
    assert seen.windows["five_hour"]["utilization"] == 0.42


def test_a_limit_told_without_unified_windows_is_a_window_itself() -> None:
    facts = limit_facts(
        {"status": "rejected", "rateLimitType": "seven_day", "resetsAt": 1795212295}
    )
    assert facts is not None
    assert facts["unifiedWindows"] == {
        "seven_day": {"utilization": None, "resetsAt": 1795212295, "status": "rejected"}
    }


def test_a_synthetic_error_is_remembered_until_the_client_recovers() -> None:
    limited = [event for event in events("limit_midtask") if event["type"] != "result"]
    seen = folded(*limited)
    assert seen.api_error is not None
    assert seen.api_error["api_error"] == "usage_limit_reached"
    assert seen.api_error["api_error_params"]["rate_limit_info"]["resetsAt"] == 1795212971
    seen.feed(the("ok_stream", "assistant"))
    assert seen.api_error is None


def test_a_subagent_s_error_is_not_the_run_s() -> None:
    error = the("err_500_stream", "assistant") | {"parent_tool_use_id": "toolu_1"}
    assert folded(error).api_error is None


def test_retries_and_tool_calls_are_counted() -> None:
    retried = stream("retry_default_529_oauth").api_retry
    assert retried is not None
    assert (retried["attempt"], retried["max_retries"], retried["error"]) == (10, 10, "overloaded")
    assert stream("max_turns_3_stream").tool_calls == 3


def test_a_denial_told_in_two_results_is_one() -> None:
    told = the("perm_default_bash", "result")
    assert len(folded(told, told).permission_denials) == 1


def test_a_large_denied_input_is_cut() -> None:
    denial = {"tool_name": "Write", "tool_input": {"content": "é" * 5000}}
    [kept] = folded({"type": "result", "permission_denials": [denial]}).permission_denials
    assert len(kept["tool_input"].encode()) < 2100
    assert kept["tool_input"].endswith("é…")


@pytest.mark.parametrize("shown", [None, 7, "x", [], {}, {"a": [{"b": [1]}]}])
def test_a_small_denied_input_is_kept_as_it_is(shown: object) -> None:
    denial = {"tool_name": "Write", "tool_input": shown}
    [kept] = folded({"type": "result", "permission_denials": [denial]}).permission_denials
    assert kept["tool_input"] == shown


@pytest.mark.parametrize("levels", [60, 900])
def test_a_denied_input_that_is_deep_is_told_as_a_text(levels: int) -> None:
    deep = "[" * levels + "]" * levels
    denial = {"tool_name": "Write", "tool_input": json.loads(deep)}
    [kept] = folded({"type": "result", "permission_denials": [denial]}).permission_denials
    assert kept["tool_input"] == deep + "…"


def test_a_stream_stays_small_whatever_it_holds() -> None:
    seen = Stream()
    long = "x" * 100_000
    window = {"utilization": 0.5, "resetsAt": 1, "status": long}
    for number in range(1000):
        message = {"id": f"m{number}", "model": f"model {number}", "usage": {"input_tokens": 1}}
        seen.feed({"type": "assistant", "message": message, "session_id": long})
        limit = {"status": long, "unifiedWindows": {f"w{number}-{i}": window for i in range(30)}}
        seen.feed({"type": "rate_limit_event", "rate_limit_info": limit})
    assert seen.usage["input"] == 1000
    denials = [{"tool_name": long, "tool_use_id": str(i), "tool_input": long} for i in range(100)]
    end = {"type": "result", "result": long, "errors": [long] * 100, "permission_denials": denials}
    seen.feed(end)
    assert len(json.dumps(vars(seen), default=list)) < 100_000
    assert len(seen.permission_denials) == 20


def test_the_supervisor_s_modules_load_nothing_but_json_and_the_clock() -> None:
    """A supervisor waits for hours; what it imports, it holds for hours."""
    code = """if True:
        import __future__, datetime, json, sys
        before = set(sys.modules)
        import ccs.claude.events, ccs.claude.outcome, ccs.claude.render
        print(json.dumps(sorted(set(sys.modules) - before)))
    """
    told = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert json.loads(told.stdout) == [
        "ccs",
        "ccs.claude",
        "ccs.claude.events",
        "ccs.claude.outcome",
        "ccs.claude.render",
        "ccs.claude.values",
        "ccs.instant",
        "ccs.text",
        "ccs.usage",
        "ccs.usage.windows",
    ]
