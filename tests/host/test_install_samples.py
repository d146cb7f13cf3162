"""contrib/ holds what ccs install would write, for people who would rather copy it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import ccs
from ccs.host.install import crontab, entry, launchd, schtasks, systemd

CONTRIB = Path(__file__).parents[2] / "contrib"
PIPX = "pipx/venvs/claude-code-scheduler"
HEAD = b"# A sample; ccs install writes it with your own paths."


def made(monkeypatch, home: str, python: str, path: str) -> entry.Entry:
    monkeypatch.setattr(sys, "executable", python)
    lib = f"{Path(python).parents[1]}/lib/python3.13/site-packages"
    monkeypatch.setattr(ccs, "__file__", f"{lib}/ccs/__init__.py")
    return entry.of({"HOME": home, "PATH": path}, f"{home}/.claude-scheduler")


def on_linux(monkeypatch) -> entry.Entry:
    path = "/home/you/.local/bin:/usr/local/bin:/usr/bin:/bin"
    return made(monkeypatch, "/home/you", f"/home/you/.local/share/{PIPX}/bin/python", path)


def on_macos(monkeypatch) -> entry.Entry:
    path = "/Users/you/.local/bin:/opt/homebrew/bin:/usr/local/bin:/usr/bin:/bin"
    return made(monkeypatch, "/Users/you", f"/Users/you/.local/{PIPX}/bin/python", path)


def unmarked(content: bytes) -> bytes:
    """Without the mark by which ccs would take it for its own."""
    return HEAD + content[content.index(b"\n") :]


def sample_crontab(monkeypatch) -> bytes:
    line = crontab.block(on_linux(monkeypatch)).split(b"\n")[1]
    return b"\n".join([HEAD, b"# cron expands no variable, and a % is written \\%.", line, b""])


def sample_task(monkeypatch) -> bytes:
    home = r"C:\Users\you"
    monkeypatch.setattr(sys, "executable", rf"{home}\pipx\venvs\claude-code-scheduler\python.exe")
    path = rf"{home}\.local\bin;C:\Program Files\Git\cmd;C:\Windows\System32;C:\Windows"
    mine = entry.Entry(rf"{home}\.claude-scheduler", {"HOME": home, "PATH": path})
    return schtasks.task(mine, r"PC\you")


SAMPLES = {
    "crontab": sample_crontab,
    "systemd/ccs-tick.service": lambda m: unmarked(systemd.service(on_linux(m))),
    "systemd/ccs-tick.timer": lambda m: unmarked(systemd.timer(on_linux(m))),
    "launchd/ccs.tick.plist": lambda m: launchd.texts(on_macos(m), None)[0].content,
    "windows/ccs-tick.xml": sample_task,
}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_what_would_be_written(name, monkeypatch):
    assert (CONTRIB / name).read_bytes() == SAMPLES[name](monkeypatch)
