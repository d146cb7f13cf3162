from __future__ import annotations

import pytest
from histories import Ticks


@pytest.fixture
def ticks(store, monkeypatch):
    return Ticks(store, monkeypatch)
