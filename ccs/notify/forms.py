"""What is said of an event, and the request that carries it to a channel. Pure.

An entry is what `ccs.engine.owe` recorded: `id`, `event`, `channel`, `at` and `facts`. The id goes
along with every message, so that whoever gets one twice can tell. A tick, which only asks for
times, loads nothing that takes addresses apart.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ccs import __version__, duration, instant
from ccs.model.notify import Channel
from ccs.text import plain, shorten

TEST = "test"
_LONGEST_TITLE = 200
_LONGEST_TEXT = 3000  # of bytes; ntfy takes 4096 in all, and a lock screen shows a hundred
LONGEST_WAIT = timedelta(hours=1)
_SHORTEST_SECRET = 8  # of a command's words: a mask for every "-s" would leave nothing to read
_ANY_TASK = "{task}"  # in an address, for one of each task
_URGENT = ("failure", "alarm")
_WORDS = {
    "start": "{name} started",
    "resume": "{name} goes on",
    "success": "{name} succeeded",
    "failure": "{name} {status}",
    "limit": "{name} met a usage limit",
    "alarm": "alarm: {kind} ({account})",
    "digest": "{total}",
    TEST: "a test of the channel {channel}",
}
_PINGS = {"start": "/start", "resume": "/start", "success": "", "failure": "/fail", TEST: ""}


class Message:
    """One event in words, and as the record that programs get."""

    def __init__(self, entry: dict[str, Any], zone: ZoneInfo) -> None:
        self.id = str(entry["id"])
        self.event = str(entry.get("event"))
        # Kept in a file that a hand may have been at.
        self.facts: dict[str, Any] = _mapped(entry.get("facts"))
        self.run = _mapped(self.facts.get("run"))
        self.at = str(entry.get("at") or "")
        self.channel = str(entry.get("channel") or "")
        self.title = shorten(f"ccs: {self._title()}", _LONGEST_TITLE)
        self.text = _cut("\n".join(filter(None, self._lines(zone))))

    @property
    def urgent(self) -> bool:
        return self.event in _URGENT

    def record(self) -> dict[str, Any]:
        said = {"id": self.id, "event": self.event, "at": self.at}
        return {**said, "title": self.title, "text": self.text, **self.facts}

    def variables(self) -> dict[str, str]:
        """The same for the environment of a command. Not the run's id as CCS_RUN_ID: that name
        marks the processes of a run, which are ended with it."""
        run = self.run
        told = {
            "EVENT": self.event,
            "NOTIFICATION": self.id,
            "TITLE": self.title,
            "TEXT": self.text,
            "RUN": run.get("id"),
            "TASK": run.get("task_id"),
            "TASK_NAME": run.get("task_name"),
            "STATUS": run.get("status"),
            "REASON": run.get("reason"),
            "COST_USD": run.get("cost_usd"),
            "ACCOUNT": run.get("account") or self.facts.get("account"),
        }
        return {
            f"CCS_{name}": plain(str(value)) for name, value in told.items() if value is not None
        }

    def _title(self) -> str:
        run = self.run
        name = run.get("task_name") or run.get("task_id") or ""
        known = {**self.facts, "name": name, "status": _status(run), "channel": self.channel}
        words = _WORDS.get(self.event, "{name}").format_map(_Blanks(known))
        return f"{words} [mock]" if run.get("mock") else words

    def _lines(self, zone: ZoneInfo) -> list[str]:
        run = self.run
        if not run:
            return [plain(str(self.facts.get("message") or self.facts.get("body") or ""))]
        lines = [plain(str(run.get("message") or ""))]
        if self.event == "limit":
            lines.append(_limit(run, self.facts.get("goes_on_at"), zone))
        if self.event not in ("start", "resume"):
            lines.append(_effort(run))
        return [*lines, f"ccs runs log {str(run.get('id'))[:8]}"]


class _Blanks(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return ""


class Request:
    """What to POST. `url` and `headers` hold secrets."""

    def __init__(self, url: str, body: bytes, headers: dict[str, str]) -> None:
        self.url = url
        self.body = body
        self.headers = headers


def request(channel: Channel, message: Message) -> Request | None:
    """None: this kind of channel has nothing to say to such an event."""
    url = address(channel, message)
    form = "application/json"
    if channel.kind == "ping":
        suffix = _PINGS.get(message.event)
        if suffix is None:
            return None
        url, form = _ping(url, suffix, message.run.get("id")), "text/plain; charset=utf-8"
        body = f"{message.title}\n{message.text}".encode()
    elif channel.kind == "ntfy":
        url, topic = _topic(url)
        told = {"topic": topic, "title": message.title, "message": message.text or message.title}
        body = _encoded({**told, "priority": 4 if message.urgent else 3})
    elif channel.kind == "slack":
        body = _encoded({"text": f"*{_slack(message.title)}*\n{_slack(message.text)}".strip()})
    else:
        body = _encoded(message.record())
    headers = {"Content-Type": form, "User-Agent": f"ccs/{__version__}"}
    headers["Idempotency-Key"] = message.id
    if channel.token:
        headers["Authorization"] = f"Bearer {channel.token}"
    return Request(url, body, headers)


def address(channel: Channel, message: Message) -> str:
    """Of the channel for this task: a secret."""
    return (channel.url or "").replace(_ANY_TASK, _slug(message.run))


def hidden(channel: Channel, message: Message) -> list[str]:
    """The parts of a channel that must not stand in any message, longest first."""
    from urllib.parse import parse_qsl, unquote, urlsplit

    found = [channel.token or "", *_words(channel.command)]
    for url in (channel.url or "", address(channel, message)):
        found.append(url)
        if url and channel.kind != "apprise":
            parts = urlsplit(url)
            found += [parts.path, parts.path.strip("/"), parts.query]
    if channel.url and channel.kind != "apprise":
        parts = urlsplit(channel.url)
        own = [one for one in parts.path.split("/") if one != _ANY_TASK]
        own += [value for _, value in parse_qsl(parts.query)]
        found += [part for one in own for part in (one, unquote(one), *one.split(_ANY_TASK))]
    return sorted({one for one in found if len(one) > 3}, key=len, reverse=True)


def _words(command: str | list[str] | None) -> list[str]:
    """Of a command, those long enough to be a secret, and what stands behind a `=` in one."""
    words = command.split() if isinstance(command, str) else (command or [])[1:]
    words = [one.strip("'\"") for one in words]
    words += [one.partition("=")[2].strip("'\"") for one in words]
    return [one for one in words if len(one) >= _SHORTEST_SECRET]


def back_off(tries: int) -> timedelta:
    """How long after so many tries the next one comes: 1, 2, 4, ... minutes, at most an hour."""
    return min(timedelta(minutes=1 << min(max(tries - 1, 0), 6)), LONGEST_WAIT)


def is_final(made: datetime, now: datetime) -> bool:
    """Whether a failure now is the last: nobody waits for the news of yesterday."""
    return now - made >= timedelta(days=1)


def digest_slot(at: str, zone: ZoneInfo, now: datetime) -> datetime:
    """The newest moment not after `now` at which a digest is due."""
    return max(one for one in _digests(at, zone, now) if one <= now)


def next_digest(at: str, zone: ZoneInfo, now: datetime) -> datetime:
    """The first such moment after `now`."""
    return min(one for one in _digests(at, zone, now) if one > now)


def _digests(at: str, zone: ZoneInfo, now: datetime) -> list[datetime]:
    """Those around `now`; a day on which the clock is changed has 23 or 25 hours."""
    hour, minute = map(int, at.split(":"))
    today = now.astimezone(zone).date()
    days = (today + timedelta(days=ahead) for ahead in (-2, -1, 0, 1, 2))
    local = (datetime(one.year, one.month, one.day, hour, minute, tzinfo=zone) for one in days)
    return [one.astimezone(UTC) for one in local]


def digest(facts: dict[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    """What `ccs.engine.digest` found, in words: `total` for the title, `body` for the rest."""
    counts: dict[str, int] = facts["counts"]
    told = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    since = moment(facts["since"], zone)
    total = f"nothing ran since {since}" if not counts else f"{told} since {since}"
    lines = []
    if facts["cost_usd"]:
        lines.append(f"cost: {facts['cost_usd']:.2f} USD")
    for one in facts["failures"]:
        times = f" ({one['times']} times)" if one["times"] > 1 else ""
        words = f": {shorten(one['message'], 120)}" if one["message"] else ""
        lines.append(f"failed: {one['task_name']}, {one['reason']}{times}{words}")
    for one in facts["waiting"]:
        until = f", not before {moment(one['not_before'], zone)}" if one["not_before"] else ""
        lines.append(f"waits: {one['task_name']} ({one['held_reason']}{until})")
    lines += [f"next: {one['task_name']}, {moment(one['at'], zone)}" for one in facts["next"]]
    return {**facts, "total": total, "body": "\n".join(plain(line) for line in lines)}


def moment(value: str, zone: ZoneInfo) -> str:
    try:
        return instant.parse(value).astimezone(zone).strftime("%a %d %b %H:%M")
    except (ValueError, OverflowError):
        return value


def _status(run: dict[str, Any]) -> str:
    was = "was lost" if run.get("status") == "lost" else "failed"
    return f"{was}: {run['reason']}" if run.get("reason") else was


def _effort(run: dict[str, Any]) -> str:
    parts = []
    if isinstance(run.get("duration"), int | float):
        parts.append(duration.text(timedelta(seconds=round(run["duration"]))))
    if isinstance(run.get("turns"), int):
        parts.append(f"{run['turns']} turns")
    if isinstance(run.get("cost_usd"), int | float):
        parts.append(f"{run['cost_usd']:.2f} USD")
    return ", ".join(parts)


def _limit(run: dict[str, Any], goes_on_at: object, zone: ZoneInfo) -> str:
    window = run.get("limit_type") or "limit"
    ends = f"{window} resets {moment(str(run['resets_at']), zone)}" if run.get("resets_at") else ""
    on = f"goes on {moment(str(goes_on_at), zone)}" if goes_on_at else "is not gone on with"
    return "; ".join(filter(None, (ends, on)))


def _ping(url: str, suffix: str, run: object) -> str:
    """Success is the address itself; `rid` lets the receiver tell runs that overlap apart."""
    from urllib.parse import urlsplit, urlunsplit

    parts = urlsplit(url)
    query = "&".join(filter(None, (parts.query, f"rid={run}" if run else "")))
    path = parts.path.rstrip("/") + suffix
    return urlunsplit((parts.scheme, parts.netloc, path, query, ""))


def _topic(url: str) -> tuple[str, str]:
    """The server's address for JSON, and the topic that stands at the end of a topic's address."""
    from urllib.parse import urlsplit, urlunsplit

    parts = urlsplit(url)
    base, _, topic = parts.path.rstrip("/").rpartition("/")
    return urlunsplit((parts.scheme, parts.netloc, base + "/", parts.query, "")), topic


def _slug(run: dict[str, Any]) -> str:
    from urllib.parse import quote

    name = str(run.get("task_name") or "ccs").lower()
    letters = "".join(one if one.isascii() and one.isalnum() else "-" for one in name)
    return quote("-".join(filter(None, letters.split("-")))[:100] or "ccs")


def _slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _mapped(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _encoded(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode("ascii")


def _cut(text: str) -> str:
    content = text.encode("utf-8", "replace")
    if len(content) <= _LONGEST_TEXT:
        return text
    return content[:_LONGEST_TEXT].decode("utf-8", "ignore").rstrip() + "…"
