"""The real home is out of reach by construction: HOME is a file; nothing can be made below it.

What tests write lies in memory where there is room for it: a file system on a disk takes as long to
replace one file as the rest of a tick.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from datetime import UTC, datetime

import pytest

from ccs.store.home import Home
from ccs.store.store import Store

# A shell that starts tests in the background has them ignore Ctrl-C, and so all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


_MEMORY = "/dev/shm"
_ROOM = 1 << 30
_IN_MEMORY = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Unless it was said where, as to a worker."""
    if config.option.basetemp is None and _takes_programs(_MEMORY):
        place = tempfile.mkdtemp(dir=_MEMORY, prefix="ccs-tests-")
        config.option.basetemp = config.stash[_IN_MEMORY] = place


def pytest_unconfigure(config: pytest.Config) -> None:
    if place := config.stash.get(_IN_MEMORY, ""):
        shutil.rmtree(place, ignore_errors=True)


def _takes_programs(place: str) -> bool:
    """Whether there is room, and scripts can be run that are written there."""
    try:
        found = os.statvfs(place)
    except (OSError, AttributeError):
        return False
    return not found.f_flag & os.ST_NOEXEC and found.f_bavail * found.f_frsize > _ROOM


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
