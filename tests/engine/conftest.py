from __future__ import annotations

import pytest
from histories import Ticks
from nights import Night


@pytest.fixture
def ticks(store, monkeypatch):
    return Ticks(store, monkeypatch)


@pytest.fixture
def night(store, monkeypatch):
    return Night(store, monkeypatch)
