"""What a person reads in a run's log: each event of the client's stream as no line or a few.

Every line is plain text (`ccs.text`), whatever the model, a tool or a web page put into it, and
nothing here raises. Lean: the supervisor writes the log while the client works.
"""

from __future__ import annotations

from ccs.claude.events import limit_facts, model_usage, spent
from ccs.claude.outcome import instant_of
from ccs.claude.values import Event, listing, mapping, number, word
from ccs.text import plain, shorten

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_WIDTH = 200
# What tells one tool call from another, the most telling first.
_TELLING = (
    "command",
    "file_path",
    "notebook_path",
    "pattern",
    "url",
    "query",
    "description",
    "prompt",
    "path",
)


def lines(event: Event) -> list[str]:
    kind, subtype = event.get("type"), event.get("subtype")
    render = _RENDERERS.get(f"system/{subtype}" if kind == "system" else str(kind))
    if render is None:
        return []
    indent = "  " if event.get("parent_tool_use_id") else ""
    return [indent + line for text in render(event) for line in plain(text).split("\n")]


def _short(value: object, width: int = _WIDTH) -> str:
    return shorten(value, width) if isinstance(value, str) else ""


def _amount(value: object) -> float:
    return number(value) or 0.0


def _init(event: Event) -> list[str]:
    version = _short(event.get("claude_code_version"))
    names = [f"claude {version}" if version else "claude"]
    names += [_short(event.get(key)) for key in ("model", "permissionMode", "cwd", "session_id")]
    return ["● " + " · ".join(name for name in names if name)]


def _assistant(event: Event) -> list[str]:
    if event.get("is_api_error_message") is True and not event.get("parent_tool_use_id"):
        return []  # the result says the same
    shown = []
    for block in map(mapping, listing(mapping(event.get("message")).get("content"))):
        if block.get("type") == "text" and isinstance(block.get("text"), str):
            shown.append(block["text"])
        elif block.get("type") == "tool_use":
            shown.append(tool_call(block))
    return shown


def tool_call(block: Event) -> str:
    given = mapping(block.get("input"))
    told = next((text for key in _TELLING if (text := _short(given.get(key)))), "")
    return f"→ {_short(block.get('name')) or 'a tool'}" + (f": {told}" if told else "")


def _user(event: Event) -> list[str]:
    if any(
        mapping(meta).get("non_execution_kind") for meta in listing(event.get("tool_result_meta"))
    ):
        return []  # refused, and shown as such
    blocks = map(mapping, listing(mapping(event.get("message")).get("content")))
    return [
        f"✗ tool error: {_result_text(block.get('content'))}"
        for block in blocks
        if block.get("type") == "tool_result" and block.get("is_error") is True
    ]


def _result_text(content: object) -> str:
    parts = [content, *(mapping(part).get("text") for part in listing(content))]
    return next((text for part in parts if (text := _short(part))), "no text")


def _denied(event: Event) -> list[str]:
    tool = _short(event.get("tool_name")) or "a tool"
    why = _short(event.get("message"))
    return [f"⊘ {tool} not permitted" + (f": {why}" if why else "")]


def _retry(event: Event) -> list[str]:
    wait = _amount(event.get("retry_delay_ms")) / 1000
    status = number(event.get("error_status"))
    attempt, most = _amount(event.get("attempt")), _amount(event.get("max_retries"))
    why = _short(event.get("error")) or "unknown"
    code = f" ({status:.0f})" if status is not None else ""
    return [f"retry {attempt:.0f}/{most:.0f} in {wait:.{0 if wait >= 1 else 1}f} s: {why}{code}"]


def _rate_limit(event: Event) -> list[str]:
    limit = limit_facts(event.get("rate_limit_info"))
    if limit is None or limit["status"] in {None, "allowed"}:
        return []
    shares = [
        f"{name} {window['utilization']:.0%}"
        for name, window in limit["unifiedWindows"].items()
        if window["utilization"] is not None
    ]
    resets_at = instant_of(limit["resetsAt"])
    text = f"⚠ usage {limit['status']}: {limit['rateLimitType'] or 'not named'}"
    text += f", resets {resets_at}" if resets_at else ""
    text += f" ({', '.join(shares)})" if shares else ""
    return [text + (", on paid overage" if limit["isUsingOverage"] else "")]


def _background(event: Event) -> list[str]:
    status = _short(event.get("status")) or "ended"
    return [f"· background task {status}: {_short(event.get('summary'))}"]


def _fallback(event: Event) -> list[str]:
    first, second = _short(event.get("original_model")), _short(event.get("fallback_model"))
    why = _short(event.get("trigger"))
    return [f"· model {first or '?'} → {second or '?'}" + (f" ({why})" if why else "")]


def _informational(event: Event) -> list[str]:
    content = _short(event.get("content"))
    return [f"· {content}"] if content else []


def _result(event: Event) -> list[str]:
    usage, cumulative = model_usage(event)
    used, cost = spent(usage)
    turns = _amount(event.get("num_turns"))
    counts = [
        f"{turns:.0f} turn{'' if turns == 1 else 's'}",
        f"{_amount(event.get('duration_ms')) / 1000:.1f} s",
        f"${_amount(event.get('total_cost_usd')) if cumulative else cost:.4f}",
        f"{tokens(sum(used.values()) - used['output'])} in / {tokens(used['output'])} out",
    ]
    if event.get("is_error") is False:
        return ["✓ done: " + ", ".join(counts)]
    texts = [event.get("result"), *listing(event.get("errors"))[:5]]
    why = next((text for item in texts if (text := _short(item, 500))), "")
    why = (
        why or word(event.get("terminal_reason")) or word(event.get("subtype")) or "no reason given"
    )
    return [f"✗ failed: {', '.join(counts)}: {why}"]


def tokens(count: int) -> str:
    if count < 100:
        return str(count)
    return f"{count / 1e3:.1f}k" if count < 1e6 else f"{count / 1e6:.1f}M"


_RENDERERS: dict[str, Callable[[Event], list[str]]] = {
    "system/init": _init,
    "system/permission_denied": _denied,
    "system/api_retry": _retry,
    "system/task_notification": _background,
    "system/model_fallback": _fallback,
    "system/informational": _informational,
    "assistant": _assistant,
    "user": _user,
    "rate_limit_event": _rate_limit,
    "result": _result,
}
