from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "engine"))

from histories import Ticks, at


@pytest.fixture
def ticks(store, monkeypatch):
    return Ticks(store, monkeypatch)


@pytest.fixture
def last_tick(store):
    """`last_tick("20 10:15")`: the sign of life is of that time."""

    def touch(when):
        if not os.path.exists(store.home.last_tick):
            Path(store.home.last_tick).write_text("{}")
            os.chmod(store.home.last_tick, 0o600)
        moment = (at(when) + timedelta(seconds=1)).timestamp()
        os.utime(store.home.last_tick, (moment, moment))

    return touch
