"""One transcript: how far it was read, and what it told so far.

Wherever the readings fall between the client's writes, they tell together what one reading of the
whole file would. Nothing that stands in the file raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import TypeGuard

from ccs import instant
from ccs.claude.events import limit_facts
from ccs.claude.values import Event, listing, mapping, number, parse, word

_LONGEST_LINE = 64 << 20
# A message's blocks are written one after another, but other lines get in between.
_OPEN_MESSAGES = 16
_TOKENS = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)
_MINUTE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\dZ", re.ASCII)

Limit = tuple[datetime, Event]


class Span:
    """The time that counts: `kept` until now, and a minute more, for clocks are stepped back."""

    def __init__(self, now: datetime, kept: timedelta) -> None:
        self._since, self._until = instant.minute(now - kept), now + instant.MINUTE
        self._first, self._last = _minute(self._since), _minute(self._until)

    def moment(self, timestamp: object) -> datetime | None:
        """None for what is no time, and for one that does not count."""
        if not isinstance(timestamp, str):
            return None
        try:
            moment = instant.parse(timestamp)
        except (ValueError, OverflowError):
            return None
        return moment if self._since <= moment <= self._until else None

    def holds(self, minute: str) -> bool:
        return self._first <= minute <= self._last

    def prune(self, activity: dict[str, int]) -> dict[str, int]:
        return {minute: tokens for minute, tokens in activity.items() if self.holds(minute)}


class Transcript:
    """`offset`: the end of the last whole line; `size`: the end of what was seen.

    `skipping`: a line too long to matter goes on at `offset`. `recent`: the messages that may go
    on, with the minute each began in and the tokens counted.
    """

    def __init__(self, inode: int, size: int = 0, offset: int = 0, skipping: bool = False) -> None:
        self.inode = inode
        self.size = size
        self.offset = offset
        self.skipping = skipping
        self.activity: dict[str, int] = {}
        self.recent: dict[str, tuple[str, int]] = {}

    @classmethod
    def restored(cls, value: object) -> Transcript | None:
        """None when any part is wrong: read afresh, the file makes all of it good."""
        entry = mapping(value)
        numbers = [entry.get(name) for name in ("inode", "size", "offset")]
        inode, size, offset = (one if is_count(one) else -1 for one in numbers)
        if inode < 0 or not 0 <= offset <= size or not isinstance(entry.get("skipping"), bool):
            return None
        file = cls(inode, size, offset, entry["skipping"])
        file.activity = buckets(entry.get("activity"))
        for item in listing(entry.get("recent")):
            match item:
                case [str(key), minute, tokens] if is_minute(minute) and is_count(tokens):
                    if key.isascii():
                        file.recent[key] = minute, tokens
        held = {**entry, "activity": file.activity, "recent": file._recent_items()}
        return file if held == entry else None

    def as_json(self) -> Event:
        return {**vars(self), "recent": self._recent_items()}

    def _recent_items(self) -> list[list[str | int]]:
        return [[key, *seen] for key, seen in self.recent.items()]

    def goes_on_as(self, inode: int, size: int) -> bool:
        return self.inode == inode and self.size <= size

    def inherit(self, before: Transcript) -> None:
        """What was used stays used when a file is cut or replaced; what stands in both is once."""
        for minute, tokens in before.activity.items():
            self.activity[minute] = max(tokens, self.activity.get(minute, 0))

    def prune(self, span: Span) -> None:
        self.activity = span.prune(self.activity)
        self.recent = {key: seen for key, seen in self.recent.items() if span.holds(seen[0])}

    def take(self, chunks: Iterable[bytes], span: Span) -> Iterator[Limit]:
        """Reads on, yielding limits. `chunks`: what the file holds from `offset` on."""
        for line in self._lines(chunks):
            # Most lines end here: looking for a word costs a fraction of parsing.
            if b'"usage":{' not in line and b"quotaLimits" not in line:
                continue
            if b'"assistant"' not in line or not (event := parse(line)):
                continue
            if event.get("type") == "assistant" and (moment := span.moment(event.get("timestamp"))):
                self._use(event, _minute(moment))
                if (facts := _limit(event)) is not None:
                    yield moment, facts

    def _lines(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        pending = bytearray()
        self.size = self.offset
        for chunk in chunks:
            self.size += len(chunk)
            *lines, rest = chunk.split(b"\n")
            if lines:
                lines[0] = bytes(pending) + lines[0]
                pending.clear()
                self.offset = self.size - len(rest)
                ended = lines[1:] if self.skipping else lines
                self.skipping = False
                yield from (line for line in ended if len(line) <= _LONGEST_LINE)
            pending += rest
            if self.skipping or len(pending) > _LONGEST_LINE:
                self.skipping = True
                pending.clear()
                self.offset = self.size

    def _use(self, event: Event, minute: str) -> None:
        """A message has a line per block; it counts once, where it began, at its largest."""
        message = mapping(event.get("message"))
        usage = message.get("usage")
        if not isinstance(usage, dict):
            return
        tokens = sum(int(number(usage.get(name)) or 0) for name in _TOKENS)
        counted = 0
        if name := word(message.get("id")):
            whole = f"{name} {word(event.get('requestId'))}".encode()
            key = blake2b(whole, digest_size=8).hexdigest()
            minute, counted = self.recent.pop(key, (minute, 0))
            self.recent[key] = minute, max(counted, tokens)
            if len(self.recent) > _OPEN_MESSAGES:
                del self.recent[next(iter(self.recent))]
        if tokens > counted:
            self.activity[minute] = self.activity.get(minute, 0) + tokens - counted


def is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < 1 << 64


def is_minute(value: object) -> TypeGuard[str]:
    """Whether it is a minute in just the form that `Account.activity` has."""
    if not isinstance(value, str) or not _MINUTE.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def buckets(value: object) -> dict[str, int]:
    """What in `value` is minutes with tokens."""
    return {
        minute: tokens
        for minute, tokens in mapping(value).items()
        if is_count(tokens) and is_minute(minute)
    }


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC).isoformat()[:16]}Z"


def _limit(event: Event) -> Event | None:
    refused = event.get("apiError") == "usage_limit_reached"
    if not refused or event.get("isApiErrorMessage") is not True:
        return None
    return limit_facts(event.get("quotaLimits"))
