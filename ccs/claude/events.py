"""The client's stream-json, read a line at a time and folded into the facts a run is judged by.

Nothing here raises, whatever the client prints, and a `Stream` stays small however long the stream
is: it keeps clipped facts, never events. The supervisor waits with it, so only `json` is imported.
"""

from __future__ import annotations

import json

from ccs.claude.values import Event, listing, mapping, number, word

TYPE_CHECKING = False
if TYPE_CHECKING:
    pass

SYNTHETIC = "<synthetic>"
TOKENS = ("input", "output", "cache_read", "cache_creation")
_MODEL_TOKENS = ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheCreationInputTokens")
_MESSAGE_TOKENS = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)
_WORDS = ("subtype", "terminal_reason", "api_error", "api_error_type", "startup_failure_reason")
_RETRY_COUNTS = ("attempt", "max_retries", "retry_delay_ms", "error_status")
_WRAPS_UP = "Approaching your 5-hour usage limit"
_KEPT = 20
# In levels: the files of the store are read to a certain depth only.
_DENIAL_DEPTH = 20
_DENIAL_BYTES = 2000
_OPEN_MESSAGES = 64


def model_usage(result: Event) -> tuple[Event, bool]:
    """Per model what a result accounts for, and whether that spans the session's earlier processes.

    `modelUsage` counts all of a resumed session; `model_usage_since_last_result` only what is new,
    but older clients and failed starts lack it.
    """
    since = result.get("model_usage_since_last_result")
    if isinstance(since, dict):
        return since, False
    return mapping(result.get("modelUsage")), True


def spent(usage: Event) -> tuple[dict[str, int], float]:
    """Tokens and dollars of a `modelUsage` object, all models together."""
    total = dict.fromkeys(TOKENS, 0)
    for part in usage.values():
        _add(total, _tokens(mapping(part), _MODEL_TOKENS))
    return total, sum(number(mapping(part).get("costUSD")) or 0.0 for part in usage.values())


def limit_facts(value: object) -> Event | None:
    """The known fields of a `rate_limit_info`; every window it names under `unifiedWindows`."""
    if not isinstance(value, dict):
        return None
    own = word(value.get("rateLimitType"))
    windows: dict[str, Event] = {}
    for name, window in mapping(value.get("unifiedWindows")).items():
        label = word(name)
        if label and len(windows) < _KEPT:
            windows[label] = _window(mapping(window))
    if own not in {None, "overage", *windows} and number(value.get("resetsAt")) is not None:
        windows[str(own)] = _window(value)
    return {
        "status": word(value.get("status")),
        "resetsAt": number(value.get("resetsAt")),
        "rateLimitType": own,
        "overageStatus": word(value.get("overageStatus")),
        "errorCode": word(value.get("errorCode")),
        "isUsingOverage": value.get("isUsingOverage") is True,
        "unifiedWindows": windows,
    }


class Stream:
    """The facts of one client process so far. Cost and tokens are this process's own."""

    def __init__(self) -> None:
        self.began = False
        self.session_id: str | None = None
        self.claude_version: str | None = None
        self.cwd: str | None = None
        self.permission_mode: str | None = None
        self.result: Event | None = None
        self.api_error: Event | None = None
        self.api_retry: Event | None = None
        self.limit: Event | None = None
        self.rejected: Event | None = None
        self.windows: dict[str, Event] = {}
        self.first_windows: dict[str, Event] = {}
        self.wrapping_up = False
        self.cost_usd: float | None = None
        self.turns: int | None = None
        self.tool_calls = 0
        # Asked for and not answered yet; and how long the client waits before it tries again.
        self.open_tools: set[str] = set()
        self.retry_seconds = 0.0
        self.permission_denials: list[Event] = []
        self._denied: set[str] = set()
        self._models: set[str] = set()
        self._has_deltas = False
        self._reported = dict.fromkeys(TOKENS, 0)
        self._closed = dict.fromkeys(TOKENS, 0)
        self._open: dict[str, dict[str, int]] = {}

    @property
    def models(self) -> list[str]:
        return sorted(self._models)

    @property
    def usage(self) -> dict[str, int]:
        """What results reported, and what messages told after the last of them."""
        total = dict(self._reported)
        for part in (self._closed, *self._open.values()):
            _add(total, part)
        return total

    def feed(self, event: Event) -> None:
        self.session_id = word(event.get("session_id")) or self.session_id
        kind = event.get("type")
        self.retry_seconds = 0.0
        if kind == "assistant":
            self._assistant(event)
        elif kind == "user":
            self._answered(event)
        elif kind == "rate_limit_event":
            self._rate_limit(limit_facts(event.get("rate_limit_info")))
        elif kind == "result":
            self._result(event)
        elif kind == "system" and event.get("subtype") == "init":
            self._init(event)
        elif kind == "system" and event.get("subtype") == "informational":
            # The client's own words; the model cannot write such an event.
            self.wrapping_up |= (word(event.get("content")) or "").startswith(_WRAPS_UP)
        elif kind == "system" and event.get("subtype") == "api_retry":
            self.api_retry = {key: number(event.get(key)) for key in _RETRY_COUNTS}
            self.api_retry["error"] = word(event.get("error"))
            self.retry_seconds = (number(event.get("retry_delay_ms")) or 0.0) / 1000

    def _init(self, event: Event) -> None:
        self.began = True
        self.claude_version = word(event.get("claude_code_version")) or self.claude_version
        self.cwd = word(event.get("cwd"), 4096) or self.cwd
        self.permission_mode = word(event.get("permissionMode")) or self.permission_mode

    def _assistant(self, event: Event) -> None:
        message = mapping(event.get("message"))
        self._see_model(message.get("model"))
        # What befalls a subagent does not decide about the run.
        if not event.get("parent_tool_use_id"):
            failed = word(event.get("error")) or event.get("is_api_error_message") is True
            self.api_error = _error_facts(event) if failed else None
        self._see_usage(message)
        blocks = listing(message.get("content"))
        used = [one for one in map(mapping, blocks) if one.get("type") == "tool_use"]
        self.tool_calls += len(used)
        for one in used:
            if len(self.open_tools) < _OPEN_MESSAGES:
                self.open_tools.add(word(one.get("id")) or "")

    def _answered(self, event: Event) -> None:
        """The results of tools come as a message of the user's."""
        for block in listing(mapping(event.get("message")).get("content")):
            if mapping(block).get("type") == "tool_result":
                self.open_tools.discard(word(mapping(block).get("tool_use_id")) or "")

    def _see_model(self, name: object) -> None:
        model = word(name)
        if model and model != SYNTHETIC and len(self._models) < _KEPT:
            self._models.add(model)

    def _see_usage(self, message: Event) -> None:
        usage = message.get("usage")
        if not isinstance(usage, dict):
            return
        # A message comes in several events, one per block, each with the counts so far.
        self._open[word(message.get("id")) or ""] = _tokens(usage, _MESSAGE_TOKENS)
        if len(self._open) > _OPEN_MESSAGES:
            _add(self._closed, self._open.pop(next(iter(self._open))))

    def _rate_limit(self, facts: Event | None) -> None:
        if facts is None:
            return
        self.limit = facts
        if facts["status"] == "rejected":
            self.rejected = facts
        for name, window in facts["unifiedWindows"].items():
            if name in self.windows or len(self.windows) < _KEPT:
                self.windows[name] = window
                self.first_windows.setdefault(name, window)

    def _result(self, event: Event) -> None:
        self.open_tools.clear()
        self.result = _result_facts(event)
        # Each result counts the turns since the one before it.
        self.turns = (self.turns or 0) + int(number(event.get("num_turns")) or 0)
        for denial in listing(event.get("permission_denials")):
            self._see_denial(mapping(denial))
        self._see_spending(event)

    def _see_spending(self, event: Event) -> None:
        usage, cumulative = model_usage(event)
        for name in usage:
            self._see_model(name)
        tokens, cost = spent(usage)
        if not cumulative:
            self._has_deltas = True
            _add(self._reported, tokens)
            self.cost_usd = (self.cost_usd or 0.0) + cost
        elif not self._has_deltas:
            self._reported = tokens
            self.cost_usd = number(event.get("total_cost_usd"))
        if usage or not cumulative:
            self._open.clear()
            self._closed = dict.fromkeys(TOKENS, 0)

    def _see_denial(self, denial: Event) -> None:
        name = word(denial.get("tool_name"))
        use = word(denial.get("tool_use_id"))
        if not name or use in self._denied or len(self.permission_denials) >= _KEPT:
            return
        if use:
            self._denied.add(use)
        shown = _clipped(denial.get("tool_input"))
        self.permission_denials.append({"tool_name": name, "tool_input": shown})


def _add(total: dict[str, int], part: dict[str, int]) -> None:
    for name, count in part.items():
        total[name] += count


def _tokens(usage: Event, keys: tuple[str, ...]) -> dict[str, int]:
    pairs = zip(TOKENS, keys, strict=True)
    return {name: int(number(usage.get(key)) or 0) for name, key in pairs}


def _window(window: Event) -> Event:
    return {
        "utilization": number(window.get("utilization")),
        "resetsAt": number(window.get("resetsAt")),
        "status": word(window.get("status")),
    }


def _error_facts(event: Event) -> Event:
    params = mapping(event.get("api_error_params"))
    return {
        "error": word(event.get("error")),
        "api_error": word(event.get("api_error")),
        "api_error_type": word(event.get("api_error_type")),
        "api_error_status": number(event.get("api_error_status")),
        "api_error_params": {"rate_limit_info": limit_facts(params.get("rate_limit_info"))},
    }


def _result_facts(event: Event) -> Event:
    errors = [word(error, 1000) for error in listing(event.get("errors"))[:5]]
    return {
        **{key: word(event.get(key)) for key in _WORDS},
        "is_error": event.get("is_error") is not False,
        "api_error_status": number(event.get("api_error_status")),
        "result": word(event.get("result"), 2000),
        "errors": [error for error in errors if error],
    }


def _clipped(value: object) -> object:
    """A copy of `value`; of one that is too long or too deep for a record, a part of its JSON."""
    try:
        raw = json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
        if len(raw) <= _DENIAL_BYTES and not _is_deep(value):
            return json.loads(raw)
    except (TypeError, ValueError, RecursionError):
        return None
    return raw[:_DENIAL_BYTES].decode("utf-8", "ignore") + "…"


def _is_deep(value: object) -> bool:
    level = [value]
    for _ in range(_DENIAL_DEPTH):
        inside = [list(one.values()) if isinstance(one, dict) else one for one in level]
        level = [one for each in inside if isinstance(each, list) for one in each]
    return bool(level)
