"""The stand-in client as a process: signals, tools in their own sessions, what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mock_client import STREAM, command, play, surroundings
from processes import end_of


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Any]:
    """Starts a mock that the test talks to while it runs, and leaves none behind."""
    clients: list[subprocess.Popen[bytes]] = []

    def start(prompt: str, **more: str) -> subprocess.Popen[bytes]:
        client = subprocess.Popen(
            command(*STREAM, prompt),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            cwd=tmp_path,
            env=surroundings(**more),
        )
        clients.append(client)
        return client

    yield start
    for client in clients:
        client.kill()
        client.wait()
        assert client.stdout
        client.stdout.close()


def test_term_ends_it_as_143_without_a_result(started: Any) -> None:
    client = started("[[mock: slow seconds=600]]")
    client.stdout.readline()
    client.terminate()
    rest, _ = client.communicate()
    assert client.returncode == 143
    assert b'"type":"result"' not in rest


def test_an_interrupt_ends_it_as_0_with_an_aborted_result(started: Any) -> None:
    client = started("[[mock: slow seconds=600]]")
    client.stdout.readline()
    client.stdout.readline()
    client.send_signal(signal.SIGINT)
    rest, _ = client.communicate()
    assert client.returncode == 0
    assert json.loads(rest.splitlines()[-1])["terminal_reason"] == "aborted_streaming"


def test_a_hanging_client_says_nothing_and_ends_on_term(started: Any, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    os.mkfifo(ledger)
    client = started("[[mock: hang]]", CCS_MOCK_LEDGER=str(ledger))
    assert str(client.pid) in ledger.read_text()
    client.terminate()
    assert client.communicate()[0] == b""
    assert client.returncode == 143


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_stubborn_client_ignores_term(started: Any) -> None:
    client = started("[[mock: stubborn]]")
    client.stdout.readline()
    status = Path(f"/proc/{client.pid}/status").read_text()
    [ignored] = [line.split()[1] for line in status.splitlines() if line.startswith("SigIgn")]
    assert int(ignored, 16) & 1 << signal.SIGTERM - 1


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_its_tool_is_a_session_of_its_own_that_ends_with_it(started: Any) -> None:
    client = started("[[mock: tool seconds=600]]")
    children = Path(f"/proc/{client.pid}/task/{client.pid}/children")
    while not (pids := children.read_text().split()):
        assert client.poll() is None
    shell = int(pids[0])
    while os.getsid(shell) != shell:
        assert client.poll() is None
    client.terminate()
    client.communicate()
    assert client.returncode == 143
    assert end_of(shell)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_it_detaches_outlives_it_with_its_environment(tmp_path: Path) -> None:
    marker = f"CCS_RUN_ID={tmp_path}"
    assert play("[[mock: detach seconds=600]]", CCS_RUN_ID=str(tmp_path)).returncode == 0
    [stray] = [
        int(process.name) for process in Path("/proc").glob("[0-9]*") if _carries(process, marker)
    ]
    assert os.getsid(stray) == stray
    os.kill(stray, signal.SIGKILL)


def _carries(process: Path, marker: str) -> bool:
    try:
        return marker.encode() in (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
