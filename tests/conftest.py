"""The real home is out of reach by construction: HOME is a file; nothing can be made below it."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime

import pytest

from ccs.store.home import Home
from ccs.store.store import Store

# A shell that starts tests in the background has them ignore Ctrl-C, and so all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_real_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch):
    forbidden = tmp_path_factory.mktemp("home") / "the-real-home-is-off-limits"
    forbidden.touch()
    monkeypatch.setenv("HOME", str(forbidden))
    for name in ("CCS_HOME", "CLAUDE_CONFIG_DIR", "PYTHONDONTWRITEBYTECODE", "TZ"):
        monkeypatch.delenv(name, raising=False)
    for name in list(os.environ):
        if name.startswith(("ANTHROPIC_", "CLAUDE_CODE_", "CCS_MOCK")):
            monkeypatch.delenv(name)


@pytest.fixture
def home(tmp_path):
    """An empty store of this test's own."""
    home = Home(str(tmp_path / "store"))
    home.create()
    return home


@pytest.fixture
def store(home):
    return Store(home)


@pytest.fixture
def now():
    return datetime(2026, 11, 20, 10, 0, 30, tzinfo=UTC)
