"""ccs notify, and a whole run that tells a server and a command."""

from __future__ import annotations

import json
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.status = 200

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        told = json.loads(body) if body.startswith(b"{") else {}
        self.server.got.append((self.path, told))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *words: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def test_a_whole_run_tells_a_server_a_ping_and_a_command(ccs, server):
    told = ccs.root / "told"
    add = ("notify", "add")
    ccs.ok(*add, "hook", "webhook", "--url", "-", "--on", "end", stdin=server.url("/t0ps3cret"))
    ccs.ok(*add, "check", "ping", "--url", server.url("/ping"))
    line = f'printf "%s %s %s\\n" "$CCS_EVENT" "$CCS_STATUS" "$CCS_RUN" >> {told}'
    ccs.ok(*add, "log", "command", "--on", "all", "--", line)
    task = ccs.task("go", "--notify", "all=check", "--notify", "end=hook,log", "--name", "deps")
    run = ccs.ended(ccs.start(task))

    def everything() -> bool:  # without a tick: the supervisor sees to it
        return ccs.ok("notify", "list").json == {"owed": []} and len(server.got) >= 2

    ccs.until(everything)
    by_path = {path.partition("?")[0]: body for path, body in server.got}
    assert set(by_path) == {"/t0ps3cret", "/ping"}
    event = by_path["/t0ps3cret"]
    assert (event["event"], event["run"]["id"]) == ("success", run["id"])
    assert event["title"] == "ccs: deps succeeded [mock]"
    # start goes to `check` only: the task said so.
    assert told.read_text().splitlines() == [f"success success {run['id']}"]
    for file in (ccs.store / "logs").iterdir():
        assert "t0ps3cret" not in file.read_text()
    assert stat.S_IMODE((ccs.store / "notify.json").stat().st_mode) == 0o600
    assert "t0ps3cret" not in (ccs.store / "notify.json").read_text()


def test_a_refused_message_is_shown_and_waits(ccs, server):
    server.status = 500
    ccs.ok("notify", "add", "hook", "webhook", "--url", server.url("/x"), "--on", "failure")
    ccs.ended(ccs.start(ccs.task("go"), CCS_MOCK="fail"))

    def tried() -> Any:
        ccs.ok("tick")
        (entry,) = ccs.ok("notify", "list").json["owed"]
        return entry if entry["tries"] else None

    entry = ccs.until(tried)
    assert (entry["state"], entry["error"], entry["event"]) == ("owed", "answered 500", "failure")
    assert "secret" not in json.dumps(entry)
    assert ccs.ok("notify", "forget").json == {"forgotten": 1}
    assert ccs.ok("notify", "list").json == {"owed": []}


def test_a_test_message_says_what_happened_to_each_channel(ccs, server):
    ccs.ok("notify", "add", "good", "ntfy", "--url", server.url("/topic"))
    assert ccs.ok("notify", "test", "good").json["tests"][0]["result"] == "answered 200"
    assert server.got[0][1]["topic"] == "topic"
    ccs.ok("notify", "add", "bad", "command", "--", "/bin/false")
    tested = ccs("notify", "test")
    assert tested.code == 1
    good, bad = tested.json["tests"]
    assert good["result"] == "answered 200"
    assert bad["error"] == "false: it ended with exit 1"
    assert ccs("notify", "test", "nobody").code == 3


def test_addresses_are_shown_nowhere(quick):
    url = "https://ntfy.example/t0ps3cret"
    quick.ok("notify", "add", "phone", "ntfy", "--url", url, "--token", "t0k3n", "--on", "all")
    quick.ok("notify", "on", "digest", "phone", "--at", "6:05", "--tz", "Europe/Berlin")
    shown = [quick.ok("notify", "channels"), quick.ok("state"), quick("health")]
    shown.append(quick("notify", "add", "phone", "ntfy", "--url", url))
    shown.append(quick("notify", "add", "two", "slack", "--url", "ftp://t0ps3cret"))
    for one in shown:
        assert "t0ps3cret" not in one.out + one.err
        assert "t0k3n" not in one.out + one.err
    assert [one.code for one in shown[-2:]] == [4, 2]
    told = quick.ok("state").json["settings"]["notifications"]
    assert (told["digest_at"], told["timezone"]) == ("06:05", "Europe/Berlin")


def test_a_task_says_who_is_told_of_its_events(quick):
    for name in ("phone", "team"):
        quick.ok("notify", "add", name, "desktop")
    task = quick.task("x", "--notify", "failure=phone,team", "--notify", "limit=phone")
    changed = quick.ok("tasks", "update", task, "--notify", "end=", "--notify", "start=team").json
    told = changed["notifications"]
    assert (told["on_failure"], told["on_success"], told["on_start"]) == ([], [], ["team"])
    assert (told["on_limit"], told["on_resume"]) == (["phone"], None)
    back = quick.ok("tasks", "update", task, "--notify", "failure=default").json
    assert back["notifications"]["on_failure"] is None
    for wrong, code in (("x=phone", 2), ("failure", 2), ("digest=phone", 2), ("end=who", 3)):
        assert quick("tasks", "update", task, "--notify", wrong).code == code
    quick.ok("notify", "remove", "phone")
    assert quick.ok("tasks", "get", task).json["notifications"]["on_limit"] == []
