"""Transcripts made up, their reader, and an oracle that reads a whole one the simple way."""

from __future__ import annotations

import copy
import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ccs.claude import transcripts
from ccs.claude.events import limit_facts

NOW = datetime(2026, 11, 20, 10, 0, 30, tzinfo=UTC)
KINDS = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)
MINUTE = "2026-11-20T10:00Z"
NASTY = [None, True, -1, -0.5, 1.5, 10**400, float("nan"), float("inf"), "", "7", [], {}, [[]]]
NO_TIMES = [
    None,
    0,
    [],
    "",
    "soon",
    "2026-11-20",
    "2026-11-20T10:00:00",
    "2026-13-20T10:00:00Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "2026-11-20T10:01:31Z",  # a minute and a second from now
    "2026-11-12T09:59:59Z",
    "\ud800",
]
QUOTA = {"status": "rejected", "resetsAt": 1795212971, "rateLimitType": "five_hour"}


def stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def said(tokens: int = 120, at: datetime = NOW, **changes: Any) -> dict[str, Any]:
    """An assistant's line; `id` None for a message without one."""
    usage = dict.fromkeys(KINDS, 0) | {"input_tokens": tokens}
    message = {"id": changes.pop("id", None), "model": "claude-sonnet-5-5", "usage": usage}
    event = {"message": message, "requestId": "req_1", "type": "assistant", "timestamp": stamp(at)}
    return event | changes


def refused(at: datetime = NOW, **changes: Any) -> dict[str, Any]:
    limit = {"apiError": "usage_limit_reached", "isApiErrorMessage": True, "quotaLimits": QUOTA}
    return said(0, at) | limit | changes


def raw(*events: dict[str, Any]) -> bytes:
    lines = [json.dumps(event, separators=(",", ":")) + "\n" for event in events]
    return "".join(lines).encode()


def transcript(config: Path, content: bytes, name: str = "-p/a.jsonl") -> Path:
    path = config / "projects" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


class Reader:
    """A caller who keeps the state as a file would: as JSON, in any order of keys."""

    def __init__(self, *dirs: Path) -> None:
        self.dirs = [str(one) for one in dirs]
        self.state: dict[str, Any] = {}
        self.read_bytes = 0
        self.problems: list[str] = []
        self.limits: list[dict[str, Any]] = []

    def read(self, now: datetime = NOW) -> dict[str, int]:
        """The activity of the first directory."""
        before = copy.deepcopy(self.state)
        found = transcripts.read(self.dirs, self.state, now)
        assert self.state == before, "the state given was altered"
        self.state = json.loads(json.dumps(found.state, sort_keys=True, allow_nan=False))
        self.read_bytes, self.problems = found.read_bytes, found.problems
        self.accounts = found.accounts
        self.limits += found.accounts[self.dirs[0]].limits
        return found.accounts[self.dirs[0]].activity


def random_lines(count: int, seed: int) -> bytes:
    """What a client may write, what it never would, and bytes that are not even JSON."""
    chance = random.Random(seed)
    lines = []
    for position in range(count):
        at = NOW - timedelta(seconds=chance.randint(-59, 9 * 86400))
        # Blocks of one message are near each other.
        event = said(
            chance.randint(0, 10**6), at, id=f"msg_{max(0, position - chance.choice([0, 1, 5]))}"
        )
        if chance.random() < 0.01:
            event = refused(at)
        for _ in range(chance.choice([0, 0, 0, 1, 2])):
            _spoil(event, chance)
        line = json.dumps(event, separators=(",", ":")).encode()
        if chance.random() < 0.1:
            line = _garbled(line, chance)
        lines.append(line)
    return b"\n".join(lines)


def _spoil(event: dict[str, Any], chance: random.Random) -> None:
    message = event["message"] if isinstance(event["message"], dict) else {}
    usage = message.get("usage")
    match chance.randrange(6):
        case 0 if isinstance(usage, dict):
            usage[chance.choice(KINDS)] = chance.choice(NASTY)
        case 1:
            event["timestamp"] = chance.choice(NO_TIMES)
        case 2:
            event[chance.choice(["type", "message", "quotaLimits"])] = chance.choice(NASTY)
        case 3:
            message[chance.choice(["id", "usage"])] = chance.choice(NASTY[:5])
        case 4:
            event["requestId"] = chance.choice(NASTY[:5])
        case 5:
            event["type"] = chance.choice(["user", "system", "x" * chance.randint(1, 9000)])


def _garbled(line: bytes, chance: random.Random) -> bytes:
    spot = chance.randrange(len(line))
    match chance.randrange(4):
        case 0:
            return line[:spot] + chance.randbytes(1) + line[spot + 1 :]
        case 1:
            return line[:spot]
        case 2:
            return line[:-1] + b',"deep":' + b"[" * 3000 + b"]" * 3000 + b"}"
    return chance.randbytes(chance.randrange(200))


def oracle(content: bytes) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """Activity and limits of one whole file."""
    messages: dict[Any, tuple[str, int]] = {}
    limits = []
    for position, line in enumerate(content.split(b"\n")[:-1]):
        try:
            event = json.loads(line.decode(), parse_constant=_refuse)
            moment = datetime.fromisoformat(event["timestamp"])
            old = moment < NOW.replace(second=0) - timedelta(days=8)
            if event["type"] != "assistant" or old or moment > NOW + timedelta(minutes=1):
                continue
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
        message = event["message"] if isinstance(event.get("message"), dict) else {}
        usage = message["usage"] if isinstance(message.get("usage"), dict) else {}
        request = event.get("requestId")
        tokens = sum(int(usage.get(name, 0)) for name in KINDS if _plain(usage.get(name)))
        ids = [one if isinstance(one, str) else "" for one in (message.get("id"), request)]
        key = tuple(ids) if ids[0] else position
        minute = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")
        first, counted = messages.get(key, (minute, 0))
        if isinstance(message.get("usage"), dict):
            messages[key] = first, max(counted, tokens)
        quota = event.get("quotaLimits")
        if event.get("apiError") == "usage_limit_reached" and isinstance(quota, dict):
            limits.append({"seen_at": stamp(moment), "facts": limit_facts(quota)})
    activity: Counter[str] = Counter()
    for minute, tokens in messages.values():
        activity[minute] += tokens
    return dict(+activity), limits


def _plain(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < 1e15


def _refuse(literal: str) -> float:
    raise ValueError(literal)
