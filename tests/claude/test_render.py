"""The log a person reads: one plain line for what matters, none for the rest."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from random_events import EVENTS
from recorded_streams import events, the

from ccs.claude.render import lines
from ccs.text import plain


def shown(name: str) -> list[str]:
    return [line for event in events(name) for line in lines(event)]


def assistant(*blocks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"type": "assistant", "message": {"content": list(blocks)}, **fields}


def test_a_run_reads_from_start_to_end() -> None:
    assert shown("bash_background_8s")[:5] == [
        "● claude 2.1.329 · claude-opus-5-5 · bypassPermissions · /home/user/project"
        " · f801f746-2cbd-4c76-b30c-c2db03568742",
        "I will use a tool.",
        '→ Bash: perl -e "sleep 8"; echo bgdone > bg.txt',
        "done",
        "✓ done: 2 turns, 0.8 s, $0.0016, 0.2k in / 40 out",
    ]
    assert '· background task completed: Background command "x" completed (exit code 0)' in shown(
        "bash_background_8s"
    )


def test_a_limit_is_told_once_by_the_event_and_once_by_the_result() -> None:
    assert shown("limit_midtask")[-2:] == [
        "⚠ usage rejected: five_hour, resets 2026-11-20T22:16:11.000Z"
        " (five_hour 100%, seven_day 10%)",
        "✗ failed: 2 turns, 0.3 s, $0.0004, 0.1k in / 20 out:"
        " You've hit your 5-hour limit · resets 10:16pm (UTC)",
    ]


def test_a_plain_allowed_limit_is_not_shown() -> None:
    assert lines(the("oauth_allowed_stream", "rate_limit_event")) == []


def test_paid_overage_is_named() -> None:
    [line] = lines(the("overage_allowed", "rate_limit_event"))
    assert line.endswith(", on paid overage")


def test_a_refused_tool_is_shown_once() -> None:
    refused = [line for line in shown("perm_default_bash") if "needs approval" in line]
    assert len(refused) == 1
    assert refused[0].startswith("⊘ Bash not permitted: Output redirection to")


@pytest.mark.parametrize(
    ("delay", "status", "line"),
    [
        (4236, 529, "retry 2/10 in 4 s: overloaded (529)"),
        (548, None, "retry 2/10 in 0.5 s: overloaded"),
    ],
)
def test_a_retry_says_which_when_and_why(delay: int, status: int | None, line: str) -> None:
    told = {"type": "system", "subtype": "api_retry", "attempt": 2, "max_retries": 10}
    more = {"retry_delay_ms": delay, "error_status": status, "error": "overloaded"}
    assert lines(told | more) == [line]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"command": "npm test", "description": "Run tests"}, "→ T: npm test"),
        ({"file_path": "/a/b.py", "content": "…"}, "→ T: /a/b.py"),
        ({"pattern": "TODO", "path": "src"}, "→ T: TODO"),
        ({"url": "https://example.org", "prompt": "sum up"}, "→ T: https://example.org"),
        ({"description": "find it", "prompt": "long"}, "→ T: find it"),
        ({"command": "a\n\tb"}, "→ T: a b"),
        ({"todos": []}, "→ T"),
        ({"command": 7}, "→ T"),
    ],
)
def test_a_tool_call_shows_its_telling_argument(given: dict[str, Any], line: str) -> None:
    assert lines(assistant({"type": "tool_use", "name": "T", "input": given})) == [line]


def test_a_long_command_is_cut() -> None:
    [line] = lines(assistant({"type": "tool_use", "name": "Bash", "input": {"command": "x" * 999}}))
    assert len(line) < 220
    assert line.endswith("…")


@pytest.mark.parametrize("content", ["exit 1\nno", [{"type": "text", "text": "exit 1\nno"}]])
def test_a_failed_tool_is_one_line(content: object) -> None:
    block = {"type": "tool_result", "is_error": True, "content": content}
    assert lines({"type": "user", "message": {"content": [block]}}) == ["✗ tool error: exit 1 no"]


def test_what_a_tool_returned_well_is_not_shown() -> None:
    assert lines(the("limit_midtask", "user")) == []


def test_text_keeps_its_lines_and_thinking_stays_hidden() -> None:
    told = assistant({"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a\n\n  b"})
    assert lines(told) == ["a", "", "  b"]


def test_a_subagent_is_indented() -> None:
    assert lines(assistant({"type": "text", "text": "a\nb"}, parent_tool_use_id="toolu_1")) == [
        "  a",
        "  b",
    ]


def test_a_change_of_model_is_shown() -> None:
    told = {"type": "system", "subtype": "model_fallback", "trigger": "overloaded"}
    models = {"original_model": "opus", "fallback_model": "sonnet"}
    assert lines(told | models) == ["· model opus → sonnet (overloaded)"]


def test_a_failure_without_text_names_its_reason() -> None:
    assert shown("max_turns_3_stream")[-1].endswith(": Reached maximum number of turns (3)")
    told = {"type": "result", "is_error": True, "terminal_reason": "budget_exhausted"}
    assert lines(told)[0].endswith(": budget_exhausted")


@pytest.mark.parametrize("kind", ["stream_event", "control_response", "new_kind", None, 3, ["a"]])
def test_events_of_other_kinds_show_nothing(kind: object) -> None:
    assert lines({"type": kind, "subtype": "init"}) == []


def test_terminal_commands_in_a_reply_do_not_reach_the_log() -> None:
    assert lines(assistant({"type": "text", "text": "\x1b[2Jok\u202e\r\x9b31m"})) == ["ok31m"]


@given(EVENTS)
@settings(max_examples=100, deadline=None)
def test_any_event_is_plain_lines(event: dict[str, Any]) -> None:
    for line in lines(event):
        assert "\n" not in line
        assert plain(line) == line
