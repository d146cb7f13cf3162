"""Every command that changes the store, with a fault at each of its calls.

Killed: the store is whole, each file as the command wrote it once, and nothing is lost or doubled.
Refused: it says so, and leaves what was there or what was to be there. Without power: what was
flushed is there and nothing is half there. After each of them it goes on.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import strace
from cases import DETACHED, MUTATING, Case
from cuts import cuts, unflushed
from rehearsal import Rehearsal
from size import SIZE
from sweep import kills, refusals, sweep
from world import World

EVERY = [
    pytest.param(case, marks=pytest.mark.xdist_group(case.id), id=case.id)
    for case in (*MUTATING, *DETACHED)
]


# One command after another, each on one worker: its rehearsal serves all four.
pytestmark = pytest.mark.parametrize("of", EVERY, indirect=True, scope="module")


@pytest.fixture(scope="module")
def of(
    request: pytest.FixtureRequest, furnished: World, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rehearsal]:
    """Once a command, for all that befalls it."""
    if reason := strace.missing():
        pytest.skip(reason)
    case: Case = request.param
    with furnished.borrowed() as world:
        yield Rehearsal(world, case, tmp_path_factory.mktemp("trace") / "trace")


def test_killed(of, seeded, report):
    report(sweep(of, kills(of), SIZE, seeded))


def test_refused(of, seeded, report):
    report(sweep(of, refusals(of), SIZE, seeded))


def test_without_power(of, seeded, report):
    report(cuts(of, SIZE, seeded))


def test_flushed_in_order(of):
    """Data before its name, all of it before anything is started, and before the command ends."""
    assert unflushed(of) == []
