"""The stream-json that the stand-in speaks, each event as the real client was recorded to print it.

Pure: the clock is an argument and ids are counted, so the same play prints the same events.
"""

from __future__ import annotations

import json
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Event = dict[str, Any]

VERSION = "0.0.0-mock"
COST, INPUT, OUTPUT = 0.0004, 100, 20
_LIMIT_NAMES = {
    "five_hour": "5-hour",
    "seven_day": "weekly",
    "seven_day_opus": "Opus",
    "seven_day_sonnet": "Sonnet",
}


def encode(event: Event) -> bytes:
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


class Speaker:
    """Builds one process's events. Remembers only what its result has to repeat."""

    def __init__(self, session_id: str, model: str, cwd: str, mode: str, *, resumed: bool) -> None:
        self.session_id = session_id
        self.model = model
        self.cwd = cwd
        self.mode = mode
        self.resumed = resumed
        self.denials: list[Event] = []
        self.call: Event = {}
        self._calls = 0
        self._ids = 0

    def init(self) -> Event:
        return self._event(
            "system",
            subtype="init",
            cwd=self.cwd,
            tools=["Bash", "Edit", "Read", "Write"],
            mcp_servers=[],
            model=self.model,
            permissionMode=self.mode,
            slash_commands=[],
            apiKeySource="none",  # pragma: allowlist secret
            claude_code_version=VERSION,
            output_style="default",
            agents=[],
            skills=[],
            plugins=[],
        )

    def text(self, text: str) -> Event:
        return self._message({"type": "text", "text": text})

    def tool_use(self, tool: str, **given: str) -> Event:
        self._calls += 1
        self.call = {"type": "tool_use", "id": f"toolu_{self._id()}", "name": tool, "input": given}
        return self._message(self.call)

    def tool_result(self, text: str, *, is_error: bool = False, **fields: object) -> Event:
        use = self.call.get("id")
        block = {"type": "tool_result", "tool_use_id": use, "content": text, "is_error": is_error}
        message = {"role": "user", "content": [block]}
        return self._event("user", message=message, parent_tool_use_id=None, **fields)

    def denied(self, why: str) -> list[Event]:
        """The last tool call refused, as it is told in a stream: twice, and again in the result."""
        name, use = self.call["name"], self.call["id"]
        entry = {"tool_name": name, "tool_use_id": use, "tool_input": self.call["input"]}
        self.denials.append(entry)
        told = {"subtype": "permission_denied", "tool_name": name, "tool_use_id": use}
        meta = [{"id": use, "non_execution_kind": "user-rejected"}]
        return [
            self._event("system", **told, message=why),
            self.tool_result(why, is_error=True, tool_result_meta=meta),
        ]

    def rate_limit(self, now: int, rejected: str = "", resets_at: int = 0) -> Event:
        """What a subscription's responses tell; the window named `rejected` is used up."""
        ends = {"five_hour": now + 3 * 3600, "seven_day": now + 4 * 86400}
        shares = {"five_hour": 0.25, "seven_day": 0.1}
        windows = {
            name: {"utilization": shares[name], "resetsAt": end, "status": "allowed"}
            for name, end in ends.items()
        }
        if rejected:
            windows[rejected] = {"utilization": 1, "resetsAt": resets_at, "status": "rejected"}
        facts = _limit_facts(windows[rejected or "five_hour"], rejected or "five_hour")
        return self._event("rate_limit_event", rate_limit_info={**facts, "unifiedWindows": windows})

    def retry(self, attempt: int, status: int, error: str) -> Event:
        told = {"attempt": attempt, "max_retries": 2, "retry_delay_ms": 500 * 2**attempt}
        return self._event("system", subtype="api_retry", **told, error_status=status, error=error)

    def limited(self, window: str, resets_at: int) -> list[Event]:
        clock = time.strftime("%I:%M%p", time.gmtime(resets_at)).lstrip("0").lower()
        text = f"You've hit your {_LIMIT_NAMES.get(window, window)} limit · resets {clock} (UTC)"
        facts = _limit_facts({"resetsAt": resets_at, "status": "rejected"}, window)
        params = {"rate_limit_info": facts}
        return self.failed(429, "rate_limit", text, "usage_limit_reached", params)

    def failed(
        self, status: int, error: str, text: str, api_error: str = "", params: Event | None = None
    ) -> list[Event]:
        """A request that the API refused for good: the synthetic message, then the result."""
        told: Event = {"api_error_status": status, "api_error_type": _api_type(status)}
        if api_error:
            told["api_error"] = api_error
        shown = dict(told, error=error, is_api_error_message=True)
        if params:
            shown["api_error_params"] = params
        message = self._message({"type": "text", "text": text}, "<synthetic>", tokens=(0, 0))
        told |= {"is_error": True, "terminal_reason": "api_error", "stop_reason": "stop_sequence"}
        return [message | shown, self.result(text, spent=self._calls > 0, **told)]

    def result(self, text: str | None, *, spent: bool = True, **fields: object) -> Event:
        # As the real client's, totals go on counting in a resumed session and the delta does not.
        total = int(spent) + int(self.resumed)
        event: Event = {
            "subtype": "success",
            "is_error": False,
            "terminal_reason": "completed",
            "stop_reason": "end_turn",
            "duration_ms": 200,
            "duration_api_ms": 50,
            "num_turns": 1 + self._calls,
            "total_cost_usd": total * COST,
            "usage": _message_usage(INPUT, OUTPUT),
            "modelUsage": self._model_usage(total),
            "permission_denials": self.denials,
            "queued_turn_count": 0,
            "result_index": 0,
            "model_usage_since_last_result": self._model_usage(int(spent)),
        }
        if text is not None:  # an error_* result has neither
            event |= {"result": text, "api_error_status": None}
        return self._event("result", **(event | fields))

    def _event(self, kind: str, **fields: object) -> Event:
        uuid = f"{self.session_id[:24]}{self._id()}"
        return {"type": kind, **fields, "session_id": self.session_id, "uuid": uuid}

    def _message(
        self, block: Event, model: str = "", tokens: tuple[int, int] = (INPUT, 1)
    ) -> Event:
        message = {
            "id": f"msg_{self._id()}",
            "type": "message",
            "role": "assistant",
            "model": model or self.model,
            "content": [block],
            "stop_reason": "stop_sequence" if model else None,
            "usage": _message_usage(*tokens),
        }
        return self._event("assistant", message=message, parent_tool_use_id=None)

    def _model_usage(self, times: int) -> Event:
        usage = {
            "inputTokens": times * INPUT,
            "outputTokens": times * OUTPUT,
            "cacheReadInputTokens": 0,
            "cacheCreationInputTokens": 0,
            "webSearchRequests": 0,
            "costUSD": times * COST,
            "contextWindow": 1000000,
            "maxOutputTokens": 128000,
        }
        return {self.model: usage} if times else {}

    def _id(self) -> str:
        self._ids += 1
        return f"{self._ids:012x}"


def _message_usage(given: int, made: int) -> Event:
    cache = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    return {"input_tokens": given, "output_tokens": made, **cache, "service_tier": "standard"}


def _limit_facts(window: Event, name: str) -> Event:
    facts = {key: window[key] for key in ("status", "resetsAt")}
    overage = {"overageStatus": "rejected", "overageDisabledReason": "org_level_disabled"}
    return {**facts, "rateLimitType": name, **overage, "isUsingOverage": False}


def _api_type(status: int) -> str:
    types = {401: "authentication_error", 429: "rate_limit_error", 529: "overloaded_error"}
    return types.get(status, "api_error")
