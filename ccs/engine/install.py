"""Into the system's scheduler and out of it: one entry for one store, whichever backend holds it.

Decide first: what would be written, what is there already, what stands in the way. Then write, read
back, and only then take away what it replaces; two entries for a moment do no harm, because a tick
that finds another at work leaves.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from ccs import instant
from ccs.engine import sight
from ccs.engine.clock import Clock
from ccs.errors import CcsError, Conflict, MissingDependency
from ccs.host import asking
from ccs.host.install import entry as entries
from ccs.host.install import systemd
from ccs.host.install.entry import Entry
from ccs.host.install.machine import Backend, Found, Machine, Text
from ccs.store.home import Home

BACKENDS = ("cron", "systemd", "launchd", "schtasks")
# A minute until the next call, and what a slow machine needs to start it.
FIRST_TICK_SECONDS = 70.0
# More for the client to say whether it is logged in.
_LOGIN_SECONDS = 20.0
# It needs all that was installed with ccs, and neither a store nor a client.
_TRIAL = ("schedule", "explain", "0 3 L * *")
_TRIAL_SECONDS = 30.0
_PAUSE = 0.2
_WSL = (
    "this is WSL: Windows shuts it down, cron and systemd included, when its last terminal is"
    " closed, and then nothing ticks; man ccs, SCHEDULERS, has what helps"
)


@dataclass(frozen=True)
class Plan:
    """`others`: ours in other backends; `by_hand`: what else calls the tick for this store."""

    backend: str
    entry: Entry
    texts: list[Text]
    present: Found | None
    others: dict[str, Found]
    by_hand: dict[str, list[Found]]
    warnings: list[str]
    # Nothing will call it as things are, so there is no use in waiting.
    is_dead: bool

    @property
    def is_there(self) -> bool:
        return self.present is not None and not self.present.fault


def backend(name: str) -> Backend:
    return cast(Backend, importlib.import_module(f"ccs.host.install.{name}"))


def texts(home: Home, environment: Mapping[str, str], wanted: str) -> tuple[str, list[Text]]:
    """What would be written, whether or not this machine has that scheduler."""
    machine = Machine(environment)
    entry = entries.of(environment, home.path)
    name = _chosen(machine, {}, {}) if wanted == "auto" else wanted
    return name, backend(name).texts(entry, machine)


def plan(home: Home, environment: Mapping[str, str], wanted: str, replace: bool) -> Plan:
    """Raises MissingDependency, Conflict, InvalidInput, CcsError."""
    machine = Machine(environment)
    entry = entries.of(environment, home.path)
    existing, faults = everything(entry, machine)
    ours = {name: one for name, found in existing.items() for one in found if one.ours}
    by_hand = _by_hand(existing)
    name = _chosen(machine, ours, faults) if wanted == "auto" else wanted
    if name in faults:
        raise faults[name]
    if unfit := backend(name).fits(machine):
        raise MissingDependency(unfit, _other_than(name))
    others = {other: one for other, one in ours.items() if other != name}
    if not replace:
        _refuse_second(others, by_hand)
    warnings = backend(name).warnings(entry, machine)
    return Plan(
        name,
        entry,
        backend(name).texts(entry, machine),
        ours.get(name),
        others,
        by_hand,
        [*warnings, *(fault.message for fault in faults.values()), *([_WSL] if _is_wsl() else [])],
        is_dead=name == "cron" and bool(warnings),
    )


def everything(
    entry: Entry, machine: Machine
) -> tuple[dict[str, list[Found]], dict[str, CcsError]]:
    """The entries for this store, by backend, and why a backend could not be asked: who may not use
    cron may still use systemd.
    """
    existing: dict[str, list[Found]] = {}
    faults: dict[str, CcsError] = {}
    for name in BACKENDS:
        if name == "cron" and backend(name).fits(machine):
            continue  # files of another manager are entries all the same, be it in reach or not
        try:
            existing[name] = backend(name).found(entry, machine)
        except OSError as error:
            faults[name] = CcsError(f"{name}: {error}")
        except CcsError as error:
            faults[name] = error
    return existing, faults


def try_entry(made: Plan) -> None:
    """Raises CcsError when the entry's environment alone is not enough to find ccs."""
    argv = [*entries.program(), *_TRIAL]
    answer = asking.ask(argv, b"", "/", made.entry.variables, _TRIAL_SECONDS)
    if answer.fault or not answer.out:
        said = os.fsdecode(answer.err).strip().rpartition("\n")[2]
        raise CcsError(
            f"{' '.join(argv)} does not work without your shell's environment:"
            f" {answer.fault} {said}",
            "install ccs where that Python finds it (make install, pipx), without PYTHONPATH",
        )


def apply(made: Plan, home: Home, environment: Mapping[str, str], clock: Clock) -> datetime:
    """Since when a tick of the new entry is expected. Raises CcsError, OSError."""
    machine = Machine(environment)
    backend(made.backend).install(made.entry, machine)
    if all(one.fault for one in backend(made.backend).found(made.entry, machine) if one.ours):
        raise CcsError(f"{made.backend} does not show what was written", "ccs status")
    since = clock.now()
    sight.expect(home, made.backend, since)
    for other in made.others:
        backend(other).uninstall(made.entry, machine)
    for name, found in made.by_hand.items():
        backend(name).retire(made.entry, machine, found)
    return since


def remove(
    home: Home, environment: Mapping[str, str], dry_run: bool
) -> tuple[list[Found], list[Found], list[str]]:
    """What was ours and is gone, or would be; what was made by hand and stays; and what could not
    be asked. Raises CcsError, OSError.
    """
    machine = Machine(environment)
    entry = entries.of(environment, home.path)
    existing, faults = everything(entry, machine)
    gone = []
    for name, found in existing.items():
        ours = [one for one in found if one.ours]
        gone += ours
        if ours and not dry_run:
            backend(name).uninstall(entry, machine)
    if not dry_run and home.exists():
        sight.forget(home)
    by_hand = [one for found in _by_hand(existing).values() for one in found]
    return gone, by_hand, [fault.message for fault in faults.values()]


def _by_hand(existing: Mapping[str, list[Found]]) -> dict[str, list[Found]]:
    others = {name: [one for one in found if not one.ours] for name, found in existing.items()}
    return {name: found for name, found in others.items() if found}


def first_tick(
    made: Plan, home: Home, since: datetime, clock: Clock, show: Callable[[float], None]
) -> dict[str, Any]:
    """What the first tick after `since` saw that came from the entry; empty when none came in time.
    `show` is called with the seconds that have gone by.
    """
    begun = clock.monotonic()
    told: dict[str, Any] = {}
    while True:
        gone = clock.monotonic() - begun
        told = _seen(made, home, since)
        if told and told.get("login") != "asking":
            return told
        if gone > FIRST_TICK_SECONDS + (_LOGIN_SECONDS if told else 0.0):
            return told
        show(gone)
        clock.sleep(_PAUSE)


def _seen(made: Plan, home: Home, since: datetime) -> dict[str, Any]:
    """By its PATH it is told from a tick that an older entry has just called."""
    told = sight.seen(home)
    wanted = {"backend": made.backend, "path": made.entry.variables["PATH"]}
    fresh = bool(told) and told["at"] >= instant.text(since)
    return told if fresh and wanted.items() <= told.items() else {}


def _chosen(machine: Machine, ours: Mapping[str, Found], faults: Mapping[str, CcsError]) -> str:
    """What is installed already, else what this system's users expect. Raises MissingDependency."""
    if ours:
        return next(iter(ours))
    if sys.platform == "darwin":
        return "launchd"
    if sys.platform == "win32":
        return "schtasks"
    from ccs.host.install import cron

    has_manager = not systemd.fits(machine)
    if has_manager and systemd.lingers(machine):
        return "systemd"
    has_cron = not cron.fits(machine) and not (has_manager and "cron" in faults)
    if has_cron and (cron.has_daemon(machine) or not has_manager):
        return "cron"
    if has_manager:
        return "systemd"
    raise MissingDependency(
        f"there is neither cron nor a systemd of yours here ({systemd.fits(machine)})",
        "install cron (apt install cron, dnf install cronie), or let anything else call"
        " ccs tick each minute",
    )


def _other_than(name: str) -> str:
    return f"ccs install without --backend {name} takes what there is"


def _refuse_second(others: Mapping[str, Found], by_hand: Mapping[str, list[Found]]) -> None:
    found = [f"{one.where}, by ccs install ({name})" for name, one in others.items()]
    found += [f"{it.where}, made by hand: {it.said}" for ones in by_hand.values() for it in ones]
    if found:
        raise Conflict(
            "something calls the tick for this store already",
            "--replace takes its place (a line of yours in the crontab becomes a comment)",
            tuple(found),
        )


def _is_wsl() -> bool:
    try:
        with open("/proc/sys/kernel/osrelease", encoding="ascii") as file:
            return "microsoft" in file.read().lower()
    except OSError:
        return False
