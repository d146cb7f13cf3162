"""Messages to a server on loopback: what it gets, and how little it can do to us."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ccs.host import notify
from ccs.host.notify import NotDelivered


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.got: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answer: tuple[int, dict[str, str], bytes] = (200, {}, b"ok")

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.command, self.path, dict(self.headers), body))
        status, headers, content = self.server.answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(content)
        except OSError:
            pass  # it had read enough

    do_GET = do_POST

    def log_message(self, *words: Any) -> None:
        pass


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def line() -> Iterator[socket.socket]:
    """A socket that listens; what it answers is up to the test."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def address(line: socket.socket) -> str:
    return f"http://127.0.0.1:{line.getsockname()[1]}/secret"


def test_a_message_arrives_with_its_headers(server):
    said = notify.post(server.url("/a?b=1"), b"{}", {"Idempotency-Key": "e1", "X": "y"})
    assert said == "answered 200"
    method, path, headers, body = server.got[0]
    assert (method, path, body, headers["Idempotency-Key"]) == ("POST", "/a?b=1", b"{}", "e1")


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_a_server_that_says_no_is_quoted(server, status):
    server.answer = (status, {}, b"in\x1b[31mvalid_payload\n")
    with pytest.raises(NotDelivered, match=f"answered {status}: invalid_payload") as error:
        notify.post(server.url(), b"", {})
    assert not error.value.silent


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_nowhere(server, status):
    for target in (server.url("/other"), "file:///etc/passwd", "ftp://127.0.0.1/x"):
        server.got.clear()
        server.answer = (status, {"Location": target}, b"")
        with pytest.raises(NotDelivered, match="leads elsewhere"):
            notify.post(server.url(), b"", {"Authorization": "Bearer tk"})
        assert len(server.got) == 1


def test_an_endless_answer_is_not_read_to_its_end(server):
    server.answer = (200, {}, b"x" * 50_000_000)
    assert notify.post(server.url(), b"", {}) == "answered 200"


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/x", "data:,x"])
def test_only_the_web_is_asked(url):
    with pytest.raises(NotDelivered):
        notify.post(url, b"", {})


def test_nobody_there_is_said_without_the_address():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = address(taken)
    with pytest.raises(NotDelivered) as error:
        notify.post(url, b"", {})
    assert error.value.silent
    assert "secret" not in error.value.message


def test_a_server_that_never_answers_has_its_time_and_no_more(line):
    with pytest.raises(NotDelivered) as error:
        notify.post(address(line), b"", {}, seconds=0.2)
    assert error.value.silent


def test_a_server_that_drips_its_answer_has_its_time_and_no_more(line):
    over = threading.Event()

    def drip() -> None:
        peer, _ = line.accept()
        with peer:
            peer.sendall(b"HTTP/1.1 200 OK\r\n")
            while not over.wait(0.02):
                try:
                    peer.sendall(b"X: y\r\n"[:3])
                except OSError:
                    return

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    with pytest.raises(NotDelivered, match=r"within 0\.3 s"):
        notify.post(address(line), b"", {}, seconds=0.3)
    over.set()
    thread.join()


def test_what_is_no_http_is_no_success(line):
    def mumble() -> None:
        peer, _ = line.accept()
        with peer:
            peer.recv(1000)
            peer.sendall(b"220 mail.example ESMTP\r\n")

    thread = threading.Thread(target=mumble, daemon=True)
    thread.start()
    with pytest.raises(NotDelivered):
        notify.post(address(line), b"", {})
    thread.join()


@pytest.mark.parametrize(
    ("status", "refused"), [(404, True), (401, True), (408, False), (429, False), (500, False)]
)
def test_whether_it_would_say_so_again_is_told(server, status, refused):
    server.answer = (status, {}, b"")
    with pytest.raises(NotDelivered) as raised:
        notify.post(server.url(), b"{}", {})
    assert raised.value.refused is refused
