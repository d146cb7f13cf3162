"""The real client's recorded output, as the tests of this folder read it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ccs.claude.events import Stream
from ccs.claude.values import parse

STREAMS = Path(__file__).parent / "streams"
EXPECTED: dict[str, dict[str, Any]] = json.loads((STREAMS / "expected.json").read_text())


def events(name: str) -> list[dict[str, Any]]:
    [path] = STREAMS.glob(f"{name}.stdout.json*")
    parsed = [parse(line) for line in path.read_bytes().splitlines()]
    return [event for event in parsed if event is not None]


def folded(*told: dict[str, Any]) -> Stream:
    stream = Stream()
    for event in told:
        stream.feed(event)
    return stream


def stream(name: str) -> Stream:
    return folded(*events(name))


def stderr(name: str) -> str:
    path = STREAMS / f"{name}.stderr.txt"
    return path.read_text() if path.exists() else ""


def the(name: str, kind: str) -> dict[str, Any]:
    """The last event of that type in the recording."""
    return [event for event in events(name) if event["type"] == kind][-1]
