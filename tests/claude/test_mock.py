"""The stand-in client: it ends as the real one was recorded to, and says it in the same fields."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from mock_client import SESSION, command, play, surroundings, told
from recorded_streams import events, folded

from ccs.claude.outcome import Exit, judge


@pytest.mark.parametrize(
    ("kind", "code", "status", "reason"),
    [
        ("success", 0, "success", None),
        ("failure", 1, "failed", "overloaded"),
        ("overloaded", 1, "failed", "overloaded"),
        ("auth", 1, "failed", "auth"),
        ("limit", 1, "limited", "usage_limit"),
        ("throttle", 1, "failed", "rate_limited"),
        ("denied", 0, "success", "denied"),
        ("max_turns", 1, "failed", "max_turns"),
        ("slow seconds=0.01", 0, "success", None),
        ("tool seconds=0", 0, "success", None),
        ("detach seconds=0", 0, "success", None),
        ("noise stderr=300000 line=300000", 0, "success", None),
        ("write path=a.txt text=b", 0, "success", None),
        ("crash", -9, "failed", "killed"),
        ("exit code=3", 3, "failed", "error"),
        ("garbage", 0, "success", None),
    ],
)
def test_each_play_ends_as_it_is_meant_to(
    tmp_path: Path, kind: str, code: int, status: str, reason: str | None
) -> None:
    ended = play(f"do it [[mock: {kind}]] please", cwd=tmp_path)
    outcome = judge(folded(*told(ended)), Exit(ended.returncode), ended.stderr.decode())
    assert (ended.returncode, outcome["status"], outcome["reason"]) == (code, status, reason)
    assert outcome["claude_version"] == "0.0.0-mock"


@pytest.mark.parametrize(
    ("kind", "recording"),
    [
        ("success", "oauth_allowed_stream"),
        ("limit", "oauth_429_5h_stream"),
        ("failure", "err_500_stream"),
        ("overloaded", "retry_default_529_oauth"),
        ("auth", "err_401_stream"),
        ("denied", "perm_default_bash"),
        ("max_turns", "max_turns_3_stream"),
    ],
)
def test_every_field_it_prints_is_one_the_real_client_prints(kind: str, recording: str) -> None:
    real: dict[tuple[Any, Any], set[str]] = {}
    for event in events(recording) + events("oauth_ok_stream"):
        real.setdefault((event["type"], event.get("subtype")), set()).update(event)
    for event in told(play(f"[[mock: {kind}]]")):
        known = real.get((event["type"], event.get("subtype")))
        assert known is not None
        assert set(event) <= known


def test_the_prompt_s_word_goes_before_the_environment_s() -> None:
    assert play("hi", CCS_MOCK="exit code=5").returncode == 5
    assert play("[[mock: exit code=6]]", CCS_MOCK="exit code=5").returncode == 6


def test_several_directives_are_played_in_turn_until_one_ends_the_run(tmp_path: Path) -> None:
    text = "[[mock: write path=a.txt text='two words']] [[mock: limit]] [[mock: success]]"
    ended = play(text, cwd=tmp_path)
    assert (tmp_path / "a.txt").read_text() == "two words\n"
    assert ended.returncode == 1
    outcome = judge(folded(*told(ended)), Exit(1), "")
    assert outcome["status"] == "limited"
    assert outcome["cost_usd"] == 0.0004


def test_an_unknown_play_is_refused_by_name() -> None:
    ended = play("[[mock: sucess]]")
    assert (ended.returncode, ended.stdout) == (1, b"")
    assert b"no play 'sucess'" in ended.stderr


def test_a_limit_names_its_window_and_its_reset() -> None:
    ended = play("[[mock: limit window=seven_day resets=7200]]")
    [limit] = [event for event in told(ended) if event["type"] == "rate_limit_event"]
    rejected = limit["rate_limit_info"]
    assert rejected["rateLimitType"] == "seven_day"
    assert rejected["unifiedWindows"]["seven_day"]["status"] == "rejected"
    # Three hours from now by construction, so the difference tells what `resets` was.
    three_hours = rejected["unifiedWindows"]["five_hour"]["resetsAt"]
    assert three_hours - rejected["resetsAt"] == 3600


def test_a_resumed_session_goes_on_counting_its_total_only() -> None:
    result = told(play("hi", "--resume", SESSION))[-1]
    assert result["session_id"] == SESSION
    assert result["total_cost_usd"] == 0.0008
    assert folded(result).cost_usd == 0.0004


def test_the_session_is_the_one_asked_for_or_a_new_one() -> None:
    assert told(play("hi", "--session-id", SESSION))[0]["session_id"] == SESSION
    forked = told(play("hi", "--resume", SESSION, "--fork-session"))[0]["session_id"]
    assert forked not in {SESSION, told(play("hi"))[0]["session_id"]}


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("--frobnicate",), "error: unknown option '--frobnicate'"),
        (("--session-id", "mine"), "Error: Invalid session ID. Must be a valid UUID."),
        (("--model",), "error: option '--model <value>' argument missing"),
        (("--resume", SESSION, "--session-id", SESSION), "Error: --session-id with --resume"),
    ],
)
def test_bad_arguments_are_refused_on_stderr_before_anything_begins(
    argv: tuple[str, ...], message: str
) -> None:
    ended = play("hi", *argv)
    assert (ended.returncode, ended.stdout) == (1, b"")
    assert ended.stderr.decode().startswith(message)


def test_every_option_ccs_passes_is_taken(tmp_path: Path) -> None:
    argv = (
        *("--model", "opus", "--fallback-model", "sonnet", "--permission-mode", "acceptEdits"),
        *("--allowedTools", "Bash", "Write", "--disallowedTools", "WebFetch", "--add-dir", "/a"),
        *("--append-system-prompt", "-x", "--mcp-config", "m.json", "--settings", "{}"),
        *("--max-turns", "5", "--max-budget-usd=1.5", "--session-id", SESSION),
    )
    init = told(play("hi", *argv, cwd=tmp_path))[0]
    assert init["model"] == "claude-opus-5-5"
    assert init["permissionMode"] == "acceptEdits"
    assert init["cwd"] == str(tmp_path)


def test_without_a_prompt_it_refuses() -> None:
    ended = play("")
    assert ended.returncode == 1
    assert ended.stderr.startswith(b"Error: Input must be provided")


def test_a_list_option_swallows_a_prompt_that_follows_it_as_the_real_one_does() -> None:
    assert play("", "--allowedTools", "Bash", "the prompt").returncode == 1
    assert play("", "--allowedTools", "Bash", "--", "the prompt").returncode == 0


@pytest.mark.parametrize(
    ("argv", "wanted"), [((), b"Mock reply: done.\n"), (("--output-format", "text"), b"Mock reply")]
)
def test_as_text_it_prints_the_reply_alone(argv: tuple[str, ...], wanted: bytes) -> None:
    ended = subprocess.run(
        command("-p", *argv), input=b"hi", capture_output=True, env=surroundings()
    )
    assert ended.stdout.startswith(wanted)


def test_as_json_it_prints_one_result_without_the_delta() -> None:
    argv = ("-p", "--output-format", "json")
    ended = subprocess.run(command(*argv), input=b"hi", capture_output=True, env=surroundings())
    result = json.loads(ended.stdout)
    assert result["type"] == "result"
    assert "model_usage_since_last_result" not in result


def test_its_version_shows_that_it_is_no_client() -> None:
    ended = subprocess.run(command("--version"), capture_output=True, env=surroundings())
    assert ended.stdout == b"0.0.0-mock (Claude Code)\n"


def test_noise_has_the_length_asked_for() -> None:
    ended = play("[[mock: noise stderr=100001 line=70001]]")
    assert len(ended.stderr) == 100_001
    assert 70_001 in {len(line) + 1 for line in ended.stdout.split(b"\n")}


def test_every_start_is_one_line_of_the_ledger(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    for run in ("r1", "r2"):
        play(
            "[[mock: exit]]",
            "--session-id",
            SESSION,
            CCS_RUN_ID=run,
            CCS_MOCK_LEDGER=str(ledger),
        )
    lines = [line.split(" ") for line in ledger.read_text().splitlines()]
    assert [(run, session) for run, _, session in lines] == [("r1", SESSION), ("r2", SESSION)]
    assert len({pid for _, pid, _ in lines}) == 2
