"""A stand-in of the Messages API on loopback, for tests that drive the real client.

What it answers is told inside the prompt:  [[stub: KIND key=value key="quoted value" ...]]

  reply [text= status= util= threshold= overage= reset= claim=]   the default
  tool command= [text= background=1]      a Bash tool_use, and after its tool_result the text
  write path= content= [text=]            the same with Write
  slow [seconds=3] [text=]                one SSE delta each second, then the text
  hang                                    no answer until the caller or the server goes away
  cut                                     the answer breaks off
  limit [reset=60] [claim=five_hour]      429 of the account's window, until the told moment;
        [model=] [named=] [util=1]        only for such models; the reset and use told instead
  throttle, 529, 500, 401, 403, 404, credit, spend, too_long
        [retry_after= should_retry=false]   of these, credit and spend are about money

Unquoted values are percent-decoded; "..." takes \\" and \\\\; '...' is literal. Any kind takes
times=N: it holds for N requests of the whole server with that very text, then it is a reply.

Which directive is active: the last user text that has one decides, so an earlier turn's is not
replayed once a later turn brings its own. Several in one text are the steps of that turn: every
tool_result after the text moves one step on, and past the last step comes the final reply.
A `limit` tells one session one moment: resumed before it, the same 429; after it, a reply.
A directive that cannot be read is answered with a 400 that says so.

`MessagesApi(window=N, window_seconds=S)` is one account for all sessions: the first good answer
opens a window, N are given in it, then every session gets 429 until the reset.
"""

import contextlib
import gzip
import json
import math
import re
import select
import socket
import socketserver
import sys
import threading
import time
import urllib.parse
import uuid
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

VALUE = r""""(?:[^"\\]|\\.)*"|'[^']*'|(?:(?!\]\])\S)+"""
DIRECTIVE = re.compile(rf"\[\[stub:\s*(\w+)((?:\s+\w+=(?:{VALUE}))*)\s*\]\]")
OPTION = re.compile(rf"(\w+)=({VALUE})")
NEEDS = {"tool": {"command"}, "write": {"path", "content"}}
CREDITS = {"error_code": "credits_required", "disabled_reason": "out_of_credits"}
ERRORS = {
    "throttle": (429, "rate_limit_error", "This request would exceed a temporary rate limit."),
    "529": (529, "overloaded_error", "Overloaded"),
    "500": (500, "api_error", "Internal server error"),
    "401": (401, "authentication_error", "Invalid bearer token"),
    "403": (403, "permission_error", "This token may not use the Messages API."),
    "404": (404, "not_found_error", "model: no such model"),
    "spend": (429, "rate_limit_error", "Usage credits are required.", CREDITS),
    "credit": (400, "invalid_request_error", "Your credit balance is too low to access the API."),
    "too_long": (
        400,
        "invalid_request_error",
        "prompt is too long: 210000 tokens > 200000 maximum",
    ),
    "unreadable": (400, "invalid_request_error", "stand-in: cannot read the stub directive"),
}


class Directive(NamedTuple):
    kind: str
    options: dict
    source: str  # as written in the prompt
    place: tuple  # which directive of the conversation this is
    final: bool = False  # every step is done: only the closing text is left


class Request(NamedTuple):
    path: str
    body: dict
    session: str | None
    authorization: str | None = None

    @property
    def prompts(self):
        """What the user said, turn by turn, as one text."""
        return json.dumps([one for one in self.body["messages"] if one["role"] == "user"])


def _plain(value):
    if value[0] == '"':
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value[1:-1] if value[0] == "'" else urllib.parse.unquote(value)


def _blocks(body):
    """The user's content blocks in order: ("text", str) or ("tool_result", None)."""
    for message in body.get("messages", []):
        if message["role"] != "user":
            continue
        content = message["content"]
        if isinstance(content, str):
            yield "text", content
            continue
        if any(block["type"] == "tool_result" for block in content):
            yield "tool_result", None
        for block in content:
            if block["type"] == "text":
                yield "text", block["text"]


def directive_of(body):
    turn, text, rounds = 0, "", 0
    for kind, value in _blocks(body):
        if kind == "tool_result":
            rounds += 1
        elif "[[stub:" in value:
            turn, text, rounds = turn + 1, value, 0
    steps = list(DIRECTIVE.finditer(text))
    if text.count("[[stub:") != len(steps):
        return Directive("unreadable", {}, text, (turn, 0))
    if not steps:
        return Directive("reply", {}, "", (0, 0))
    step = steps[min(rounds, len(steps) - 1)]
    options = {key: _plain(value) for key, value in OPTION.findall(step[2])}
    kind = step[1]
    known = kind in {"reply", "slow", "hang", "cut", "limit", *NEEDS, *ERRORS}
    if not known or not NEEDS.get(kind, set()) <= options.keys():
        kind = "unreadable"
    return Directive(kind, options, step[0], (turn, rounds), rounds >= len(steps))


def unified_headers(claim, reset, utilization, status="allowed", threshold=None, overage=None):
    """The account's windows as the API tells them; reset is epoch seconds."""
    soon = math.ceil(time.time()) + 9000
    fields = {
        "status": status,
        "reset": reset,
        "representative-claim": claim,
        "5h-status": "allowed",
        "5h-reset": soon,
        "5h-utilization": 0.2,
        "7d-status": "allowed",
        "7d-reset": soon + 400_000,
        "7d-utilization": 0.1,
    }
    if window := {"five_hour": "5h", "seven_day": "7d"}.get(claim):  # no other has its own
        fields |= {f"{window}-status": status, f"{window}-reset": reset}
        fields |= {f"{window}-utilization": utilization}
        fields |= {f"{window}-surpassed-threshold": threshold} if threshold else {}
    if overage:
        fields["overage-status"] = overage
    elif status == "rejected":
        fields |= {"overage-status": "rejected", "overage-disabled-reason": "org_level_disabled"}
    return {f"anthropic-ratelimit-unified-{key}": str(value) for key, value in fields.items()}


class Account:
    """What the server remembers between requests: the window, and what it told before."""

    def __init__(self, window=None, window_seconds=3600):
        self.window, self.window_seconds = window, window_seconds
        self._lock = threading.Lock()
        self._used, self._reset = 0, 0
        self._told = {}  # (session, place of the directive) -> the reset it was told
        self._answered = Counter()

    def open(self):
        with self._lock:
            self._used, self._reset = 0, 0

    def spend(self):
        """(granted, headers) for one good answer."""
        if self.window is None:
            return True, {}
        with self._lock:
            now = time.time()
            if now >= self._reset:
                self._used, self._reset = 0, math.ceil(now + self.window_seconds)
            granted = self._used < self.window
            self._used += granted
            status = "allowed" if granted else "rejected"
            share = round(self._used / self.window, 4) if granted else 1
            return granted, unified_headers("five_hour", self._reset, share, status)

    def still_limited(self, key, seconds):
        """(limited, reset): the moment is fixed when a session first meets the directive."""
        with self._lock:
            now = time.time()
            reset = self._told.setdefault(key, math.ceil(now + seconds))
            return now < reset, reset

    def told_reset(self, session):
        """The moment a `limit` named to this session."""
        with self._lock:
            [reset] = {reset for (who, _), reset in self._told.items() if who == session}
            return reset

    def used_up(self, directive):
        with self._lock:
            self._answered[directive.source] += 1
            return self._answered[directive.source] > float(directive.options.get("times", "inf"))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        encoding = self.headers.get("content-encoding", "identity")
        if urllib.parse.urlsplit(self.path).path != "/v1/messages":
            return self._unknown()
        if encoding not in ("identity", "gzip"):
            return self._error(415, "invalid_request_error", f"stand-in: {encoding} body")
        body = json.loads(gzip.decompress(raw) if encoding == "gzip" else raw)
        session = self.headers.get("x-claude-code-session-id")
        told = Request(self.path, body, session, self.headers.get("authorization"))
        self.server.api.requests.append(told)
        self.server.api.wait_to_answer()
        return self._answer(directive_of(body), body, session)

    def _unknown(self):
        self.close_connection = True
        self.server.api.strays.append(f"{self.command} {self.path}")
        self._error(404, "not_found_error", "stand-in: no such route")

    do_GET = do_HEAD = do_PUT = do_DELETE = _unknown

    def _answer(self, directive, body, session):
        account = self.server.api.account
        kind, options = directive.kind, directive.options
        if directive.final or account.used_up(directive):
            kind = "reply"
        if kind == "limit":
            key = (session, directive.place)
            limited, reset = account.still_limited(key, float(options.get("reset", 60)))
            if limited and options.get("model", "") in body["model"]:
                claim, told = options.get("claim", "five_hour"), options.get("named", reset)
                headers = unified_headers(claim, told, options.get("util", 1), "rejected")
                return self._limited(headers)
            kind = "reply"
        if kind == "hang":
            return self._hang()
        if kind in ERRORS:
            return self._error(*ERRORS[kind], headers=_retry_headers(options))
        granted, headers = account.spend()
        if not granted:
            return self._limited(headers)
        return self._message(body, kind, options, headers | _told_headers(options))

    def _limited(self, headers):
        self.server.api.wait_to_refuse()
        text = "This request would exceed your account's rate limit. Please try again later."
        return self._error(429, "rate_limit_error", text, headers=headers)

    def _error(self, status, kind, message, details=None, headers=()):
        error = {"type": kind, "message": message} | ({"details": details} if details else {})
        self._send(status, {"type": "error", "error": error}, headers)

    def _send(self, status, document, headers=()):
        raw = json.dumps(document).encode()
        self._head(status, "application/json", {**dict(headers), "content-length": len(raw)})
        if self.command != "HEAD":
            self.wfile.write(raw)

    def _head(self, status, content_type, headers):
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("request-id", f"req_{uuid.uuid4().hex[:24]}")
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()

    def _hang(self):
        self.close_connection = True
        while not self.server.api.closed.wait(0.05):
            readable = select.select([self.connection], [], [], 0)[0]
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                return  # the caller went away

    def _message(self, body, kind, options, headers):
        content = _content(kind, options)
        seconds = float(options.get("seconds", 3)) if kind == "slow" else 0
        if body.get("stream"):
            self._head(200, "text/event-stream", {**headers, "transfer-encoding": "chunked"})
            for event in _events(body["model"], content, seconds, self.server.api.closed):
                self._chunk(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
                if kind == "cut" and event["type"] == "content_block_delta":
                    return self._break_off()
            return self._chunk(b"")
        if kind == "cut":
            self._head(200, "application/json", {**headers, "content-length": 1000})
            return self._break_off()
        self.server.api.closed.wait(seconds)
        return self._send(200, _document(body["model"], content), headers)

    def _chunk(self, raw):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(raw), raw))

    def _break_off(self):
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_):
        pass


def _retry_headers(options):
    names = {"retry_after": "retry-after", "should_retry": "x-should-retry"}
    return {header: options[key] for key, header in names.items() if key in options}


def _told_headers(options):
    """The window a good answer shows when its directive asks for one."""
    if not {"status", "util", "threshold", "overage"} & options.keys():
        return {}
    return unified_headers(
        options.get("claim", "five_hour"),
        math.ceil(time.time() + float(options.get("reset", 3600))),
        options.get("util", 0.5),
        options.get("status", "allowed"),
        options.get("threshold"),
        options.get("overage"),
    )


def _content(kind, options):
    if kind == "tool":
        name, given = "Bash", {"command": options["command"], "description": "told by the test"}
        given |= {"run_in_background": True} if options.get("background") == "1" else {}
    elif kind == "write":
        name, given = "Write", {"file_path": options["path"], "content": options["content"]}
    else:
        return [{"type": "text", "text": options.get("text", "done")}]
    return [
        {"type": "tool_use", "id": f"toolu_{uuid.uuid4().hex[:24]}", "name": name, "input": given}
    ]


def _document(model, content):
    reason = "tool_use" if content[0]["type"] == "tool_use" else "end_turn"
    return {
        "id": f"msg_{uuid.uuid4().hex[:24]}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 100,
            "output_tokens": 20,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
        },
    }


def _events(model, content, seconds, closed):
    """The SSE events of a one-block message; `seconds` ticks come before the block's own delta."""
    whole, block = _document(model, content), content[0]
    start = {**whole, "content": [], "stop_reason": None}
    yield {"type": "message_start", "message": start}
    if block["type"] == "text":
        empty, delta = {**block, "text": ""}, {"type": "text_delta", "text": block["text"]}
    else:
        told = json.dumps(block["input"])
        empty, delta = {**block, "input": {}}, {"type": "input_json_delta", "partial_json": told}
    yield {"type": "content_block_start", "index": 0, "content_block": empty}
    for tick in range(math.ceil(seconds)):
        text = {"type": "text_delta", "text": f"tick {tick + 1}\n"}
        yield {"type": "content_block_delta", "index": 0, "delta": text}
        if closed.wait(min(1, seconds - tick)):
            return
    yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    end = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": end, "usage": {"output_tokens": 20}}
    yield {"type": "message_stop"}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, api):
        self.api = api
        self.connections = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def server_bind(self):  # HTTPServer's would ask a name server for the host's name
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address

    def process_request_thread(self, request, client_address):
        self.connections.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.connections.discard(request)

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), OSError):  # else the caller hung up: no news
            super().handle_error(request, client_address)


class MessagesApi:
    """A running server; as a context manager it is closed at the end."""

    def __init__(self, window=None, window_seconds=3600):
        self.account = Account(window, window_seconds)
        self.requests = []  # every Request to /v1/messages, in order of arrival
        self.strays = []  # "METHOD /path" of anything else
        self.closed = threading.Event()
        self._answering, self._refusing = threading.Event(), threading.Event()
        self.let_go()
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    @property
    def sessions(self):
        """Of each request, in order of arrival."""
        return [request.session for request in self.requests]

    def open_window(self):
        """The account's window is fresh again, as after its reset."""
        self.account.open()

    @contextlib.contextmanager
    def holding(self, only_refusals=False):
        """Requests that come meanwhile are answered once it ends."""
        (self._refusing if only_refusals else self._answering).clear()
        try:
            yield
        finally:
            self.let_go()

    def let_go(self):
        self._answering.set()
        self._refusing.set()

    def wait_to_answer(self):
        self._answering.wait()

    def wait_to_refuse(self):
        self._refusing.wait()

    def close(self):
        if self.closed.is_set():
            return
        self.closed.set()  # wakes slow and hanging answers
        self.let_go()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        for connection in list(self._server.connections):
            with contextlib.suppress(OSError):  # it ended by itself just now
                connection.shutdown(socket.SHUT_RDWR)  # wakes a keep-alive read

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
