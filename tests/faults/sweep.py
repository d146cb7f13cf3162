"""One fault after another at the calls of one command, each in the store as it was."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field

import strace
from cases import DETACHED
from rehearsal import Rehearsal
from strace import Point
from warm import Done
from world import FILES, OWN_EXIT_CODES, UNFINISHED

Fault = tuple[Point, str]


@dataclass
class Swept:
    """`missed`: faults at calls that did not come again, as the timing of a client has it."""

    tried: int = 0
    missed: int = 0
    failures: list[str] = field(default_factory=list)


def kills(of: Rehearsal) -> list[Fault]:
    return [(point, "KILL") for point in of.points if point.changes]


def refusals(of: Rehearsal) -> list[Fault]:
    once = [(point, errno) for point in of.points for errno in point.errnos]
    if of.case.command == "supervise":
        return once  # it waits for room without end, with the lock in its hand
    # A disk that stays full, a file system that stays read-only.
    return once + [(point, f"{one}+") for point, one in once if one in ("ENOSPC", "EROFS")]


def sweep(of: Rehearsal, faults: list[Fault], most: int, chance: random.Random) -> Swept:
    only = os.environ.get("CCS_FAULTS_POINT")
    if only:
        faults = [one for one in faults if _name(of, *one) == only]
    elif len(faults) > most:
        faults = sorted(chance.sample(faults, most), key=faults.index)
    swept = Swept()
    for point, fault in faults:
        swept.tried += 1
        try:
            swept.missed += not _met(of, point, fault)
        except (AssertionError, ValueError, KeyError, OSError) as error:
            swept.failures.append(f"{_name(of, point, fault)} ({point.text})\n    {error!s:.1500}")
    return swept


def _name(of: Rehearsal, point: Point, fault: str) -> str:
    return f"{of.case.id}:{point.name}:{point.nth}:{fault}"


def _met(of: Rehearsal, point: Point, fault: str) -> bool:
    """Does it with the fault, and checks what came of it. Whether the fault was met at all."""
    of.restore()
    done = of.do(["-o", str(of.trace), *point.inject(fault)])
    of.rest()
    met = done.code == -9 if fault == "KILL" else strace.met(of.trace, of.world.store)
    of.world.assert_whole()
    of.world.assert_nothing_lost(of.staying)
    if met and fault == "KILL":
        _assert_old_or_new(of)
    elif met:
        _assert_honest(of, done, speechless=fault.endswith("+") and point.name == "write")
    _assert_it_goes_on(of)
    return met


def _assert_honest(of: Rehearsal, done: Done, speechless: bool) -> None:
    if of.case in DETACHED and done.code != 0:
        return  # nobody is there to read words; the next tick starts another
    assert "Traceback" not in done.out, done.out
    assert done.code in {of.case.code, *OWN_EXIT_CODES}, f"exit {done.code}: {done.out}"
    if done.code not in (0, of.case.code):
        assert speechless or done.out.strip(), f"exit {done.code} without a word"
    elif not of.case.best_effort and not of.case.launches and not of.case.begin:
        present = of.world.snapshot()
        wrong = [name for name in of.after if present.get(name) != of.after[name]]
        if wrong == ["notify"] and of.world.said("-- nobody is told of its "):
            return  # a run is worth more than the news of it
        assert not wrong, f"exit {done.code}, and {wrong} are not as they were to be:\n{done.out}"


def _assert_old_or_new(of: Rehearsal) -> None:
    """Unless something goes on by itself that was started before the kill."""
    if of.case.launches or of.case.begin:
        return
    present = of.world.snapshot()
    wrong = [name for name, known in of.versions.items() if present.get(name) not in known]
    assert not wrong, f"{wrong} are as the command never wrote them: {present[wrong[0]]}"


def _assert_it_goes_on(of: Rehearsal) -> None:
    """By a tick; where it launches nothing, first by the same command again."""
    if not of.case.launches:
        again = of.do()
        assert again.code in (of.case.code, *of.case.again), f"again: {again.code}\n{again.out}"
    _settle(of)
    if of.case.launches:
        return _assert_launched(of)
    name = of.case.command.split()[0]
    drafts = [one.name for one in of.world.store.glob(f".{name}.json.*.tmp") if name in FILES]
    assert not drafts, f"left over: {drafts}"
    return None


def _settle(of: Rehearsal) -> None:
    of.world.settle()
    of.world.assert_whole()
    of.world.assert_launched_once()
    of.world.assert_nothing_lost(of.staying)


def _assert_launched(of: Rehearsal) -> None:
    """What had to be launched, or was recorded, was launched, and ended."""
    launches = of.world.launches()
    known = {one["id"]: one for one in of.world.saved("runs")}
    for name in of.case.launches:
        task = of.world.ids[name]
        mine = [one for one in known.values() if one["task_id"] == task]
        launched = [one for one in mine if one["id"] in launches]
        assert len(launched) <= 1, f"{name} was launched {len(launched)} times"
        if of.case.command == "tick":
            assert launched, f"{name} was never launched: {mine}"
        elif of.case.command != "supervise":
            fresh = [one for one in mine if one["id"] not in of.world.ids.values()]
            assert len(fresh) == len(launched), f"{name} was recorded and not launched: {fresh}"
        odd = [one for one in mine if one["status"] in UNFINISHED and not one.get("not_before")]
        assert not odd, f"{name} never ended: {odd}"
