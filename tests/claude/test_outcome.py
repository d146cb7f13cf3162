"""Judging a run: every recorded ending, and each rule with the field that decides it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_events import EVENTS
from recorded_streams import EXPECTED, events, folded, stderr, stream, the

from ccs.claude.events import Stream
from ccs.claude.outcome import Exit, instant_of, judge

INIT = {"type": "system", "subtype": "init", "session_id": "s1"}
GOOD = {"type": "result", "subtype": "success", "is_error": False, "num_turns": 1}
KEYS = {
    "status",
    "reason",
    "message",
    "session_id",
    "exit_code",
    "cost_usd",
    "turns",
    "usage",
    "models",
    "quota",
    "permission_denials",
    "limit_type",
    "resets_at",
    "claude_version",
}


def ended(*told: dict[str, Any], code: int | None = 1, by: str | None = None) -> dict[str, Any]:
    return judge(folded(INIT, *told), Exit(code, by), "")


def verdict(*told: dict[str, Any], code: int | None = 1, by: str | None = None) -> tuple[str, Any]:
    outcome = ended(*told, code=code, by=by)
    return outcome["status"], outcome["reason"]


def failure(**fields: Any) -> dict[str, Any]:
    return {"type": "result", "subtype": "success", "is_error": True, **fields}


def synthetic(**fields: Any) -> dict[str, Any]:
    return {"type": "assistant", "message": {"model": "<synthetic>"}, **fields}


def rejection(windows: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    facts = {"status": "rejected", "unifiedWindows": windows or {}, **fields}
    return {"type": "rate_limit_event", "rate_limit_info": facts}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_each_recorded_ending_is_judged_as_expected(name: str) -> None:
    wanted = EXPECTED[name]
    outcome = judge(stream(name), Exit(wanted["exit_code"]), stderr(name))
    assert (outcome["status"], outcome["reason"]) == (wanted["status"], wanted["reason"])
    assert outcome["exit_code"] == wanted["exit_code"]
    assert set(outcome) == KEYS


@given(
    st.lists(EVENTS, max_size=5),
    st.one_of(st.none(), st.integers(-20, 150)),
    st.sampled_from([None, "stop", "timeout", "shutdown", "replaced"]),
    st.text(max_size=30),
)
@settings(max_examples=100, deadline=None)
def test_any_stream_and_exit_has_an_outcome_fit_for_a_record(
    told: list[dict[str, Any]], code: int | None, by: str | None, tail: str
) -> None:
    outcome = judge(folded(*told), Exit(code, by), tail)
    assert set(outcome) == KEYS
    json.dumps(outcome, ensure_ascii=False, allow_nan=False).encode()
    assert outcome["status"] in {"success", "failed", "cancelled", "limited", "lost"}
    assert (outcome["message"] is None) == (outcome["status"] == "success")
    assert len(outcome["message"] or "") <= 500


@pytest.mark.parametrize(
    ("by", "wanted"),
    [
        ("stop", ("cancelled", "stopped")),
        ("replaced", ("cancelled", "replaced")),
        ("timeout", ("failed", "timeout")),
        ("shutdown", ("lost", "shutdown")),
    ],
)
def test_what_we_ended_is_named_after_us(by: str, wanted: tuple[str, str]) -> None:
    assert verdict(code=143, by=by) == wanted
    assert verdict(GOOD, code=143, by=by) == wanted
    assert verdict(failure(api_error_status=529), code=1, by=by) == wanted


@pytest.mark.parametrize("by", ["stop", "replaced", "timeout", "shutdown"])
def test_a_client_that_was_done_before_it_was_ended_is_a_success(by: str) -> None:
    assert verdict(GOOD, code=0, by=by) == ("success", None)


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        (0, ("success", None)),
        (None, ("success", None)),
        (1, ("failed", "error")),
        (-9, ("failed", "killed")),
        (143, ("failed", "killed")),
    ],
)
def test_a_good_result_needs_a_good_exit(code: int | None, wanted: tuple[str, Any]) -> None:
    assert verdict(GOOD, code=code) == wanted


def test_an_earlier_good_result_does_not_excuse_a_bad_last_one() -> None:
    assert verdict(GOOD, failure(api_error_status=529), code=0) == ("failed", "overloaded")


def test_an_error_the_client_recovered_from_is_forgotten() -> None:
    error = synthetic(error="rate_limit", api_error="usage_limit_reached", api_error_status=429)
    assert verdict(error, GOOD, code=0) == ("success", None)
    assert verdict(error, GOOD, code=1) == ("failed", "error")


def test_a_result_that_does_not_say_it_is_good_is_not() -> None:
    assert verdict({"type": "result", "subtype": "success"}, code=0) == ("failed", "error")


@pytest.mark.parametrize("code", [0, -9, -15, 129, 137, 143])
def test_an_end_without_a_result_is_killed(code: int) -> None:
    assert verdict(code=code) == ("failed", "killed")


def test_an_end_nobody_saw_is_a_crash() -> None:
    assert verdict(code=None) == ("lost", "crash")
    assert judge(Stream(), Exit(None), "")["reason"] == "crash"
    assert verdict(failure(api_error_status=529), code=None) == ("failed", "overloaded")


@pytest.mark.parametrize(
    ("result", "error", "reason"),
    [
        ({"api_error_status": 401}, {}, "auth"),
        ({"api_error_status": 403}, {}, "auth"),
        ({"api_error_status": 400}, {"error": "account_on_hold"}, "auth"),
        ({"terminal_reason": "api_error"}, {"error": "cloud_credential_error"}, "auth"),
        ({"api_error_status": 400}, {"error": "billing_error"}, "billing"),
        ({"api_error_status": 400, "terminal_reason": "prompt_too_long"}, {}, "prompt_too_long"),
        ({"api_error_status": 404}, {"error": "model_not_found"}, "model_not_found"),
        ({"api_error_status": 529}, {"error": "server_error"}, "overloaded"),
        ({"api_error_status": 503}, {}, "overloaded"),
        ({"api_error_type": "overloaded_error", "terminal_reason": "api_error"}, {}, "overloaded"),
        ({"api_error_status": 429}, {"error": "rate_limit"}, "rate_limited"),
        ({"terminal_reason": "api_error", "api_error_status": None}, {}, "network"),
        ({"terminal_reason": "api_error"}, {"error": "unknown"}, "network"),
        ({"subtype": "error_max_turns"}, {}, "max_turns"),
        ({"subtype": "error_max_budget_usd"}, {}, "max_budget"),
        ({"api_error_status": 400}, {"error": "invalid_request"}, "bad_request"),
        ({"errors": ["No conversation found with session ID: x"]}, {}, "start_failed"),
        ({"startup_failure_reason": "bypass_root"}, {}, "start_failed"),
        ({"terminal_reason": "aborted_tools"}, {}, "killed"),
        ({"terminal_reason": "model_error"}, {}, "error"),
        ({}, {}, "error"),
    ],
)
def test_an_error_result_is_mapped_by_its_fields(
    result: dict[str, Any], error: dict[str, Any], reason: str
) -> None:
    told = [synthetic(**error)] if error else []
    assert verdict(*told, failure(**result)) == ("failed", reason)


def test_the_model_s_words_decide_nothing() -> None:
    says = "API Error: 529 Overloaded. usage_limit_reached. No conversation found. Not logged in"
    spoken = {"type": "assistant", "message": {"model": "m", "content": [{"text": says}]}}
    assert verdict(spoken, GOOD | {"result": says}, code=0) == ("success", None)
    assert verdict(spoken, failure(result=says)) == ("failed", "error")
    assert judge(folded(INIT, spoken), Exit(1), says)["message"] != says


def test_a_limit_is_known_by_its_word_in_the_result_or_the_message() -> None:
    assert verdict(failure(api_error="usage_limit_reached")) == ("limited", "usage_limit")
    assert verdict(synthetic(error="rate_limit", api_error="usage_limit_reached"), code=-9) == (
        "limited",
        "usage_limit",
    )


def test_a_429_is_a_limit_only_beside_a_rejected_window() -> None:
    refused = failure(api_error_status=429)
    allowed = the("oauth_allowed_stream", "rate_limit_event")
    rejected = rejection(rateLimitType="five_hour", resetsAt=1795212295)
    assert verdict(rejected, refused) == ("limited", "usage_limit")
    assert verdict(rejected, allowed, refused) == ("failed", "rate_limited")
    assert verdict(rejected, failure(api_error_status=529)) == ("failed", "overloaded")


@pytest.mark.parametrize("named", [{}, {"rateLimitType": "five_hour"}, {"resetsAt": 1795212295}])
def test_a_throttle_names_no_window_and_is_no_limit(named: dict[str, Any]) -> None:
    assert the("oauth_throttle", "rate_limit_event")["rate_limit_info"]["status"] == "rejected"
    outcome = ended(rejection(**named), failure(api_error_status=429))
    assert (outcome["status"], outcome["reason"]) == ("failed", "rate_limited")
    assert (outcome["limit_type"], outcome["resets_at"]) == (None, None)


def test_a_rejected_window_paid_by_overage_is_a_success() -> None:
    assert verdict(rejection(isUsingOverage=True), GOOD, code=0) == ("success", None)


def test_a_limit_tells_which_window_resets_when_in_utc() -> None:
    outcome = judge(stream("limit_midtask"), Exit(1), "")
    assert outcome["limit_type"] == "five_hour"
    assert outcome["resets_at"] == "2026-11-20T22:16:11.000Z"


def test_of_several_rejected_windows_the_last_to_reset_counts() -> None:
    early, late = 1795212295, 1795611695
    windows = {
        "five_hour": {"status": "rejected", "resetsAt": early},
        "seven_day": {"status": "rejected", "resetsAt": late},
        "seven_day_opus": {"status": "allowed", "resetsAt": late + 1},
    }
    told = rejection(windows, rateLimitType="five_hour", resetsAt=early)
    outcome = ended(told, failure(api_error="usage_limit_reached"))
    assert outcome["limit_type"] == "seven_day"
    assert outcome["resets_at"] == instant_of(late)


def test_without_a_limit_event_the_error_s_own_parameters_tell_the_reset() -> None:
    told = [event for event in events("oauth_429_5h_stream") if event["type"] != "rate_limit_event"]
    outcome = judge(folded(*told), Exit(1), "")
    assert outcome["limit_type"] == "five_hour"
    assert outcome["resets_at"] == "2026-11-20T22:04:55.000Z"


@pytest.mark.parametrize("epoch", [None, "soon", True, 0, -1, 978307200, 1795212295000, 10**400])
def test_a_reset_that_cannot_be_one_is_unknown(epoch: object) -> None:
    told = rejection(rateLimitType="five_hour", resetsAt=epoch)
    outcome = ended(told, failure(api_error="usage_limit_reached"))
    assert (outcome["status"], outcome["resets_at"]) == ("limited", None)
    assert outcome["limit_type"] == "five_hour"


def test_only_a_limited_run_has_a_limit() -> None:
    outcome = judge(stream("overage_allowed"), Exit(0), "")
    assert (outcome["limit_type"], outcome["resets_at"]) == (None, None)


def test_quota_tells_each_window_before_and_after() -> None:
    both = [the(name, "rate_limit_event") for name in ("oauth_allowed_stream", "overage_allowed")]
    assert ended(*both, GOOD, code=0)["quota"] == {
        "before": {"five_hour": 0.42, "seven_day": 0.1},
        "after": {"five_hour": 1, "seven_day": 0.1},
    }
    assert ended(GOOD, code=0)["quota"] is None


@pytest.mark.parametrize("name", ["limit_then_same_id", "sess_resume_missing_stream"])
def test_a_refused_start_says_why(name: str) -> None:
    message = judge(stream(name), Exit(1), stderr(name))["message"]
    assert message == stderr(name).strip()


def test_the_last_line_of_stderr_explains_a_client_that_never_began() -> None:
    tail = "Warning: no stdin\n\x1b[31merror: unknown option '--frobnicate'\x1b[0m\n\n"
    outcome = judge(Stream(), Exit(1), tail)
    assert (outcome["status"], outcome["reason"]) == ("failed", "start_failed")
    assert outcome["message"] == "error: unknown option '--frobnicate'"


def test_a_refusal_to_run_as_root_says_what_lifts_it() -> None:
    refusal = (
        "--dangerously-skip-permissions cannot be used with root/sudo privileges"
        " for security reasons"
    )
    message = judge(Stream(), Exit(1), f"{refusal}\n")["message"]
    assert message.startswith(refusal)
    assert "IS_SANDBOX=1" in message
    assert len(judge(Stream(), Exit(1), refusal + "!" * 900)["message"]) <= 500


def test_a_silent_end_is_put_into_words() -> None:
    assert judge(Stream(), Exit(3), "")["message"] == "the client ended with exit 3 and no result"
    assert ended(code=-9)["message"] == "ended by signal 9"
    assert ended(code=143)["message"] == "ended by signal 15"


def test_a_message_is_one_short_plain_line() -> None:
    message = ended(failure(result="first\n\x1b[31msecond " + "x" * 900))["message"]
    assert message.startswith("first second x")
    assert len(message) <= 500
    assert "\n" not in message


EARLY, LATE = 1_795_251_600, 1_795_600_000
EARLY_TEXT, LATE_TEXT = instant_of(EARLY), instant_of(LATE)


def window(used: object, resets: int, status: str | None = None) -> dict[str, Any]:
    told = {"utilization": used, "resetsAt": resets}
    return told if status is None else {**told, "status": status}


def test_its_time_ran_out_while_the_client_waited_for_the_reset() -> None:
    """on_limit hold: a limit is no failure, however the wait ended."""
    refused = rejection(rateLimitType="five_hour", resetsAt=EARLY)
    assert verdict(refused, code=None, by="timeout") == ("limited", "usage_limit")
    served = {"type": "rate_limit_event", "rate_limit_info": {"status": "allowed"}}
    assert verdict(refused, served, code=None, by="timeout") == ("failed", "timeout")
    assert verdict(code=None, by="timeout") == ("failed", "timeout")


def test_a_run_that_was_ended_for_paid_usage_waits_for_the_plan_s_reset() -> None:
    full = {"five_hour": window(1, EARLY), "seven_day": window(0.4, LATE)}
    paid = {"status": "allowed", "isUsingOverage": True, "unifiedWindows": full}
    told = {"type": "rate_limit_event", "rate_limit_info": paid}
    outcome = ended(told, code=143, by="overage")
    assert (outcome["status"], outcome["limit_type"]) == ("limited", "five_hour")
    assert outcome["resets_at"] == EARLY_TEXT
    bare = {"type": "rate_limit_event", "rate_limit_info": {"status": "allowed"}}
    assert ended(bare, code=143, by="overage")["limit_type"] == "five_hour"


@pytest.mark.parametrize(
    ("windows", "limit", "resets"),
    [
        # Most windows of a refusal come without a status: the full ones keep the account out.
        ({"five_hour": window(1, EARLY), "seven_day": window(1, LATE)}, "seven_day", LATE_TEXT),
        ({"five_hour": window(1, EARLY), "seven_day": window(0.9, LATE)}, "five_hour", EARLY_TEXT),
        (
            {"five_hour": window(1, EARLY), "seven_day_opus": window(1, LATE)},
            "five_hour",
            EARLY_TEXT,
        ),
        ({"seven_day": window(0.2, LATE, "rejected")}, "seven_day", LATE_TEXT),
    ],
)
def test_of_several_windows_that_refuse_the_latest_counts(
    windows: dict[str, Any], limit: str, resets: str
) -> None:
    told = {"five_hour": window(1, EARLY), **windows}
    refused = rejection(told, rateLimitType="five_hour", resetsAt=EARLY)
    outcome = ended(refused, failure(api_error_status=429))
    assert (outcome["limit_type"], outcome["resets_at"]) == (limit, resets)


def test_paid_usage_that_is_refused_too_is_no_window_to_wait_for() -> None:
    windows = {"five_hour": window(1, EARLY)}
    refused = rejection(windows, rateLimitType="overage", resetsAt=LATE)
    outcome = ended(refused, failure(api_error_status=429))
    assert (outcome["status"], outcome["limit_type"]) == ("limited", "five_hour")
    assert outcome["resets_at"] == EARLY_TEXT
