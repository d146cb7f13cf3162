"""One furnished store for all tests, and the program that is loaded once."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import strace
from cases import furnish
from size import SEED
from sweep import Swept
from warm import Warm
from world import World


@pytest.fixture
def seeded(request: pytest.FixtureRequest) -> random.Random:
    """Differs from test to test, not from one execution to the next."""
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    warm = Warm(tmp_path_factory.mktemp("warm"))
    yield warm
    warm.close()


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("world"), warm)
    furnish(world)
    world.keep()
    yield world
    world.end_everything()


@pytest.fixture
def world(furnished: World) -> Iterator[World]:
    """The furnished store, as new."""
    with furnished.borrowed() as world:
        yield world


@pytest.fixture
def traced() -> None:
    if reason := strace.missing():
        pytest.skip(reason)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return tmp_path / "trace"


@pytest.fixture
def report(record_property, request: pytest.FixtureRequest):
    """Counts what was tried and fails with the command that repeats each failure alone."""

    def say(swept: Swept) -> None:
        record_property("tried", swept.tried)
        record_property("missed", swept.missed)
        repeat = f"CCS_FAULTS=full CCS_FAULTS_POINT=%s pytest {request.node.nodeid!r}"
        words = [f"{one}\n    {repeat % one.split(' ')[0]}" for one in swept.failures]
        assert not words, f"{len(words)} of {swept.tried}\n" + "\n".join(words)
        # What a supervisor does depends on its client's timing: a few calls may not come again.
        assert swept.missed <= max(2, swept.tried // 4), f"{swept.missed} were never met"

    return say
