"""The power goes after one call of a command or another: what is found when it is back."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from disk import Call, Disk
from rehearsal import Rehearsal
from size import SEED
from sweep import Swept
from world import FILES

# Rebuilt when they are lost: written without a flush.
_DERIVED = (
    *("agenda", "tick.json", "tidied.json", "transcripts.json", "owner", "index", "watch"),
    *("tasks.listing", "runs.listing"),
)
# So often a store is not only looked at, but worked with again.
_GOES_ON = 0.25
_KINDS = ("certain", "names", "some0", "some1", "some2")
Found = dict[str, bytes]


def cuts(of: Rehearsal, most: int, chance: random.Random) -> Swept:
    """`most`: how many moments, each with what is certain then and with what may be there."""
    moments = [number for number, _, _ in _moments(of)]
    chosen = set(chance.sample(moments, min(most, len(moments))))
    only = os.environ.get("CCS_FAULTS_POINT")
    swept = Swept()
    for number, disk, launched in _moments(of):
        if number not in chosen:
            continue
        for kind in _KINDS if most > len(moments) else _KINDS[:3]:
            where = f"{of.case.id}:{number}:{kind}"
            if only in (None, where):
                swept.tried += 1
                # Its own chance, so that each can be tried alone.
                problem = _problem(of, disk, kind, launched, random.Random(f"{SEED} {where}"))
                if problem:
                    words = _words(of.calls[number])
                    swept.failures.append(f"{where} after {words}\n    {problem:.1500}")
    return swept


def _moments(of: Rehearsal) -> Iterator[tuple[int, Disk, bool]]:
    """After each call that made a difference, and whether the run's client is launched by then."""
    disk = Disk.like(of.disk)
    launched = False
    for number, call in enumerate(of.calls):
        launched |= call.spawns and of.case.command == "supervise"
        if disk.play(call):
            yield number, disk, launched


def _problem(
    of: Rehearsal, disk: Disk, kind: str, launched: bool, chance: random.Random
) -> str | None:
    found = {"certain": disk.least, "names": disk.names_only}.get(kind)
    _cut(of, disk, found() if found else disk.some(chance), launched)
    try:
        of.world.assert_whole_after_a_cut()
        of.world.assert_nothing_lost(of.staying)
        if chance.random() < _GOES_ON:
            of.world.settle()
            of.world.assert_launched_once()
            of.world.assert_whole()
    except (AssertionError, OSError, ValueError) as error:
        return str(error) or type(error).__name__
    return None


def _cut(of: Rehearsal, disk: Disk, files: Found, launched: bool) -> None:
    world = of.world
    world.end_everything()
    shutil.rmtree(world.store)
    world.store.mkdir(mode=0o700)
    disk.write(files, world.store)
    world.ledger.unlink(missing_ok=True)
    if launched:
        world.ledger.write_text(f"{world.ids['recorded']} 0 -\n")


def _words(call: Call) -> str:
    return f"{call.name} {b' '.join(call.texts[:2])!r:.200}"


# The order ------------------------------------------------------------------------


def unflushed(of: Rehearsal) -> list[str]:
    """What was not flushed when it had to be."""
    disk = Disk.like(of.disk)
    wrong: list[str] = []
    for call in of.calls:
        if call.spawns:
            wrong += [f"{one} was not flushed when a process was started" for one in _at_risk(disk)]
        disk.play(call)
    renamed = [one for one in disk.unflushed_renames if not set(Path(one).parts) & set(_DERIVED)]
    wrong += [f"{one} was renamed before it was flushed" for one in renamed]
    return wrong + [f"{one} was not flushed when the command ended" for one in _at_risk(disk)]


def _at_risk(disk: Disk) -> list[str]:
    """What is recorded, and would not be there after a cut."""
    least, now = disk.least(), disk.everything()
    # What was removed may come back: a merged outcome is cleared away.
    return [path for path, content in now.items() if _tells(path) and least.get(path) != content]


def _tells(path: str) -> bool:
    name = os.path.basename(path)
    recorded = name in {f"{one}.json" for one in FILES} or name in ("started", "outcome.json")
    return recorded or (name.endswith(".jsonl") and "/history/" in path)
