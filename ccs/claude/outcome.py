"""How a run ended: the table that turns a client's stream, exit and stderr into status and reason.

The verdict rests on structured fields and the process exit, on stderr only for a client that never
began, and never on a word the model wrote. The client's exit code and its `subtype` are misleading
alone: a usage limit is "success", an interrupt exits 0. Lean: the supervisor loads it.
"""

from __future__ import annotations

from ccs import instant
from ccs.claude.events import Stream
from ccs.claude.values import number
from ccs.text import plain, shorten
from ccs.usage import windows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_MESSAGE_WIDTH = 500
_NEARLY_USED_UP = 0.95
# A shell's and this client's way to say: ended by HUP, KILL, TERM.
_SIGNAL_EXITS = {129, 137, 143}
_AUTH = {
    "authentication_failed",
    "oauth_org_not_allowed",
    "account_on_hold",
    "verification_required",
    "cloud_credential_error",
}
_AUTH_TYPES = {"authentication_error", "permission_error"}
_ROOT_HINT = " (IS_SANDBOX=1 in the profile's environment lifts this)"
ENDED_UNPAID = "ended before it would live on paid extra usage (on_overage is stop)"
_ENDED_BY_US = {
    "stop": "stopped",
    "replaced": "replaced by a newer run of its task",
    "timeout": "not done when its time ran out",
    "hung": "showed no sign of life for too long",
    "shutdown": "its supervisor was told to end",
    "overage": ENDED_UNPAID,
}


class Exit:
    """How the client process ended. A negative return code is a signal, None is not known."""

    __slots__ = ("ended_by", "returncode")

    def __init__(self, returncode: int | None, ended_by: str | None = None) -> None:
        self.returncode = returncode
        self.ended_by = ended_by


def judge(stream: Stream, exit: Exit, stderr_tail: str) -> dict[str, Any]:
    case = _Case(stream, exit)
    status, reason = next((row[0], row[1]) for row in _RULES if row[2](case))
    limit_type, resets_at = _rejection(case) if status == "limited" else (None, None)
    return {
        "status": status,
        "reason": reason,
        "message": None if status == "success" else _message(case, reason, stderr_tail),
        "session_id": stream.session_id,
        "exit_code": exit.returncode,
        "cost_usd": None if stream.cost_usd is None else round(stream.cost_usd, 8),
        "turns": stream.turns,
        "usage": stream.usage,
        "models": stream.models,
        "quota": _quota(stream),
        "permission_denials": list(stream.permission_denials),
        "limit_type": limit_type,
        "resets_at": resets_at,
        "claude_version": stream.claude_version,
    }


def instant_of(epoch: object) -> str | None:
    """A reset's epoch seconds as an instant's text; None for what cannot be one."""
    told = windows.moment(number(epoch))
    return None if told is None else instant.text(told)


class _Case:
    """What the rules look at."""

    def __init__(self, stream: Stream, exit: Exit) -> None:
        result = stream.result or {}
        self.stream = stream
        self.code = exit.returncode
        self.ended_by = exit.ended_by
        self.has_result = stream.result is not None
        self.good = self.has_result and not result["is_error"]
        # A good result outlives an error that the client recovered from.
        error = {} if self.good else stream.api_error or {}
        self.subtype = result.get("subtype")
        self.terminal = result.get("terminal_reason") or ""
        self.startup_failure = result.get("startup_failure_reason")
        self.errors: list[str] = result.get("errors", [])
        self.text = result.get("result") or " ".join(self.errors)
        self.error = error.get("error")
        self.type = result.get("api_error_type") or error.get("api_error_type")
        self.api_error = result.get("api_error") or error.get("api_error")
        status = result.get("api_error_status")
        self.http = error.get("api_error_status") if status is None else status

    @property
    def done(self) -> bool:
        """A reaper knows no exit code; then the last result alone has to speak."""
        return self.good and (self.code == 0 or (self.code is None and self.ended_by is None))

    @property
    def signalled(self) -> bool:
        return self.code is not None and (self.code < 0 or self.code in _SIGNAL_EXITS)

    @property
    def limited(self) -> bool:
        """A throttle is also told as `rejected`, but it names no window and no reset."""
        if self.good or self.unpaid:
            return False
        told = self.http == 429 and self.has_result and self.refused_by_a_window
        return told or self.api_error == "usage_limit_reached"

    @property
    def refused_by_a_window(self) -> bool:
        limit = self.stream.limit or {}
        names_window = limit.get("rateLimitType") and limit.get("resetsAt") is not None
        return bool(names_window and limit.get("status") == "rejected" and not self.unpaid)

    @property
    def unpaid(self) -> bool:
        """A limit of money: no window's reset lifts it."""
        limit = self.stream.rejected or {}
        return limit.get("errorCode") == "credits_required" or (
            limit.get("rateLimitType") == "overage" and not _refusing(limit)
        )

    @property
    def wrapped_up(self) -> bool:
        """Near the end of its window the client ends the turn in order, its work unfinished."""
        limit = self.stream.limit or {}
        window = limit.get("unifiedWindows", {}).get("five_hour", {})
        near = (windows.share(window.get("utilization")) or 0) >= _NEARLY_USED_UP
        return self.stream.wrapping_up or (limit.get("status") == "allowed_warning" and near)

    @property
    def refused(self) -> bool:
        """The client turned its arguments down, in words or in a result."""
        unknown_session = any(text.startswith("No conversation found") for text in self.errors)
        never_began = not self.stream.began and not self.has_result
        return unknown_session or bool(self.startup_failure) or never_began

    def ran_out(self, subtype: str, terminal: str) -> bool:
        return self.subtype == subtype or self.terminal == terminal

    @property
    def overloaded(self) -> bool:
        return (
            self.told({"overloaded"}, {"overloaded_error", "api_error"}) or (self.http or 0) >= 500
        )

    def told(self, errors: set[str], types: set[str], *http: int) -> bool:
        """Whether the client names one of these: in its message, by the API's type, by status."""
        return self.error in errors or self.type in types or self.http in http


# The first row that applies decides: ours before theirs, the telling field before the general one.
_RULES: tuple[tuple[str, str | None, Callable[[_Case], bool]], ...] = (
    ("success", "wrapped_up", lambda c: c.done and c.wrapped_up),
    ("success", "denied", lambda c: c.done and bool(c.stream.permission_denials)),
    ("success", None, lambda c: c.done),
    ("cancelled", "stopped", lambda c: c.ended_by == "stop"),
    ("cancelled", "replaced", lambda c: c.ended_by == "replaced"),
    # Its time ran out while the client waited for the reset (on_limit hold).
    ("limited", "usage_limit", lambda c: c.ended_by == "timeout" and c.refused_by_a_window),
    ("failed", "timeout", lambda c: c.ended_by == "timeout"),
    ("failed", "hung", lambda c: c.ended_by == "hung"),
    ("lost", "shutdown", lambda c: c.ended_by == "shutdown"),
    ("limited", "usage_limit", lambda c: c.ended_by == "overage"),
    ("limited", "usage_limit", lambda c: c.limited),
    ("lost", "crash", lambda c: c.code is None and not c.has_result),
    ("failed", "killed", lambda c: c.terminal.startswith("aborted_")),
    ("failed", "killed", lambda c: not c.has_result and (c.signalled or c.code == 0)),
    ("failed", "start_failed", lambda c: c.refused),
    ("failed", "max_turns", lambda c: c.ran_out("error_max_turns", "max_turns")),
    ("failed", "max_budget", lambda c: c.ran_out("error_max_budget_usd", "budget_exhausted")),
    ("failed", "prompt_too_long", lambda c: c.terminal == "prompt_too_long"),
    ("failed", "model_not_found", lambda c: c.told({"model_not_found"}, set())),
    ("failed", "billing", lambda c: c.unpaid and not c.good),
    ("failed", "billing", lambda c: c.told({"billing_error"}, {"billing_error"}, 402)),
    ("failed", "auth", lambda c: c.told(_AUTH, _AUTH_TYPES, 401, 403)),
    ("failed", "rate_limited", lambda c: c.told({"rate_limit"}, {"rate_limit_error"}, 429)),
    ("failed", "overloaded", lambda c: c.overloaded),
    (
        "failed",
        "bad_request",
        lambda c: c.told({"invalid_request"}, {"invalid_request_error"}, 400),
    ),
    # A request that got no answer has no status; only then may a vaguer word be weighed.
    ("failed", "network", lambda c: c.terminal == "api_error" and c.http is None),
    ("failed", "overloaded", lambda c: c.told({"server_error"}, set())),
    ("failed", "killed", lambda c: c.signalled),
    ("failed", "error", lambda c: True),
)


def _message(case: _Case, reason: str | None, stderr_tail: str) -> str:
    if case.ended_by in _ENDED_BY_US:
        return _ENDED_BY_US[case.ended_by]
    if reason == "killed":
        return _killed(case)
    if reason == "crash":
        return "its supervisor and client are gone, and no result was left"
    text = case.text
    if not text and not case.stream.began:
        text = next((line for line in reversed(stderr_tail.split("\n")) if plain(line).strip()), "")
    message = shorten(text, _MESSAGE_WIDTH) or _unexplained(case)
    if "cannot be used with root/sudo" in stderr_tail:
        message = shorten(message, _MESSAGE_WIDTH - len(_ROOT_HINT)) + _ROOT_HINT
    return message


def _killed(case: _Case) -> str:
    if case.signalled and case.code is not None:
        return f"ended by signal {-case.code if case.code < 0 else case.code - 128}"
    return "interrupted from outside ccs" if case.has_result else "ended without a result"


def _unexplained(case: _Case) -> str:
    if case.limited:
        return "usage limit reached"
    how = "" if case.code is None else f" with exit {case.code}"
    what = "an error it did not explain" if case.has_result else "no result"
    return f"the client ended{how} and {what}"


def _quota(stream: Stream) -> dict[str, dict[str, float]] | None:
    before = _utilization(stream.first_windows)
    after = _utilization(stream.windows)
    return {"before": before, "after": after} if before or after else None


def _utilization(told: dict[str, Any]) -> dict[str, float]:
    known = ((name, windows.share(window["utilization"])) for name, window in told.items())
    return {name: share for name, share in known if share is not None}


def _rejection(case: _Case) -> tuple[str | None, str | None]:
    """The window that keeps the account out the longest, and when it resets."""
    stream = case.stream
    if case.ended_by == "overage":
        full = _refusing(stream.limit or {})
        ends = [(name, instant_of(window["resetsAt"])) for name, window in full.items()]
        return max(ends, key=lambda end: end[1] or "", default=("five_hour", None))
    params = (stream.api_error or {}).get("api_error_params", {})
    known = [limit for limit in (stream.rejected, params.get("rate_limit_info")) if limit]
    told = [_longest(limit) for limit in known]
    return next((end for end in told if end[1]), told[0] if told else (None, None))


def _longest(limit: dict[str, Any]) -> tuple[str | None, str | None]:
    ends = [(limit["rateLimitType"], instant_of(limit["resetsAt"]))]
    for name, window in _refusing(limit).items():
        ends.append((name, instant_of(window["resetsAt"])))
    # Paid usage that is refused as well is no window: what the plan has is waited for.
    of_the_plan = [end for end in ends if end[0] != "overage"]
    # Instants have one width, so the texts compare; the client's own choice comes first and wins.
    return max(of_the_plan or ends, key=lambda end: end[1] or "")


def _refusing(limit: dict[str, Any]) -> dict[str, Any]:
    """Windows that keep this account out. Most come without a status: then a full one counts."""

    def refuses(name: str, window: dict[str, Any]) -> bool:
        if window["status"] is not None or windows.model_of(name) is not None:
            return bool(window["status"] == "rejected")
        return (windows.share(window["utilization"]) or 0) >= 1

    told = limit.get("unifiedWindows", {}).items()
    return {name: window for name, window in told if refuses(name, window)}
