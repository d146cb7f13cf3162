"""What other programs say of usage windows: a status line's input, the client's answer when it is
asked, a block of ccusage.

Nothing in it is trusted. What makes no sense is passed over window by window, and only an answer
that tells of none raises. Lean.
"""

from __future__ import annotations

from ccs.claude.values import listing, mapping, number, parse, word
from ccs.errors import CcsError
from ccs.usage import windows
from ccs.usage.windows import Reading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from typing import Any

    Readings = dict[str, Reading]

# How the client is asked. It answers in one line, without a session and without the model.
OPTIONS = ("-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose")
QUESTION = (
    b'{"type":"control_request","request_id":"ccs",'
    b'"request":{"subtype":"get_usage","skip_behaviors":true}}\n'
)
_OF_ALL_MODELS = ("five_hour", "seven_day")
_KINDS = {"session": "five_hour", "weekly_all": "seven_day"}
_MAKER = "claude"
_MOST = 20
_LONGEST_NAME = 60


class NoUsage(CcsError):
    """The client said nothing about windows."""

    code = "no_usage"


class Usage:
    """`readings`: by window. `extra`: whether paid usage is on and what it came to, if told."""

    __slots__ = ("extra", "readings")

    def __init__(self, readings: Readings, extra: dict[str, Any] | None) -> None:
        self.readings = readings
        self.extra = extra


def status_line(text: bytes, now: datetime) -> Readings:
    """Of a status line's input; empty for whatever else it is.

    A window whose reset has passed is what a session left open heard long ago.
    """
    found = {}
    for name, window in _named(mapping(parse(text)).get("rate_limits")):
        used = windows.share(window.get("used_percentage"), percent=True)
        resets_at = windows.reset(window.get("resets_at"), name, now)
        if used is not None and resets_at is not None and resets_at > now:
            found[name] = _reading("status_line", name, used, resets_at, now)
    return found


def usage(out: bytes, now: datetime) -> Usage:
    """Of what the client printed when asked. Raises NoUsage."""
    response = _response(out)
    if response.get("rate_limits_available") is False:
        raise NoUsage(
            "this login has no usage windows to ask for (API key, or CLAUDE_CODE_OAUTH_TOKEN)",
            "its runs still tell of theirs; a client logged in with /login can be asked",
        )
    limits = response.get("rate_limits")
    if not isinstance(limits, dict):
        raise NoUsage(
            "the client could not reach the service",
            "look at the network, and for CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
        )
    found = dict(_listed(limits.get("limits"), now))
    for name, window in _named(limits):
        used = windows.share(window.get("utilization"), percent=True)
        if name != "extra_usage" and used is not None and "resets_at" in window:
            resets_at = windows.reset(window["resets_at"], name, now)
            found[name] = _reading("refresh", name, used, resets_at, now)
    return Usage(found, _extra(limits.get("extra_usage")))


def block(out: bytes, now: datetime) -> Reading | None:
    """The active block of `ccusage blocks --active --json`, if there is one."""
    for one in map(mapping, listing(mapping(parse(out)).get("blocks"))):
        if one.get("isActive") is True and one.get("isGap") is not True:
            ends = windows.reset(one.get("endTime"), "five_hour", now)
            if ends is not None and ends > now:
                return Reading("ccusage", now, None, None, ends)
    return None


def _response(out: bytes) -> dict[str, Any]:
    told = (event for line in out.splitlines() if (event := parse(line)))
    answers = [one for one in told if one.get("type") == "control_response"]
    outer = mapping(answers[-1].get("response")) if answers else {}
    inner = outer.get("response")
    if outer.get("subtype") == "success" and isinstance(inner, dict):
        return inner
    hint = "it may be too old, or too new: ccs version"
    if outer.get("subtype") == "error":
        raise NoUsage(f"the client refused to tell: {word(outer.get('error'), 300)}", hint)
    raise NoUsage("the client gave no answer that could be understood", hint)


def _listed(limits: object, now: datetime) -> Iterator[tuple[str, Reading]]:
    """The form of newer accounts; of two windows for one model the fuller one counts."""
    found: list[tuple[float, str, Reading]] = []
    for one in map(mapping, listing(limits)[:_MOST]):
        name, used = _window(one), windows.share(one.get("percent"), percent=True)
        if name and used is not None:
            resets_at = windows.reset(one.get("resets_at"), name, now)
            found.append((used, name, _reading("refresh", name, used, resets_at, now)))
    for _, name, reading in sorted(found, key=lambda entry: entry[0]):
        yield name, reading


def _window(limit: dict[str, Any]) -> str | None:
    kind = word(limit.get("kind"))
    if kind != "weekly_scoped":
        return _KINDS.get(kind or "")
    model = mapping(mapping(limit.get("scope")).get("model"))
    for told in (word(model.get("display_name")), word(model.get("id"))):
        letters = "".join(one if "a" <= one <= "z" else " " for one in (told or "").lower())
        # Of "Claude Opus 4.5" and "claude-opus-4-5": the name that the windows have for it.
        family = next((one for one in letters.split() if one != _MAKER), None)
        if family:
            return f"seven_day_{family[:_LONGEST_NAME]}"
    return None


def _named(value: object) -> Iterator[tuple[str, dict[str, Any]]]:
    """The windows of an open set, by names that no file and no terminal can trip over."""
    for name, window in list(mapping(value).items())[:_MOST]:
        fit = name.isascii() and name.isidentifier() and len(name) <= _LONGEST_NAME
        if fit and isinstance(window, dict):
            yield name, window


def _reading(
    source: str, window: str, used: float, resets_at: datetime | None, now: datetime
) -> Reading:
    """A full one refuses, if it is one that runs are counted in: not that of another product."""
    counts = window in _OF_ALL_MODELS or windows.model_of(window) is not None
    return Reading(source, now, "rejected" if used >= 1 and counts else None, used, resets_at)


def _extra(value: object) -> dict[str, Any] | None:
    if not isinstance(value, dict):
        return None
    enabled = value.get("is_enabled") is True
    return {"is_enabled": enabled, "used_credits": number(value.get("used_credits"))}
