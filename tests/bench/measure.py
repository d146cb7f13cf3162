"""Whole commands timed side by side: each once a round, in an order of its own."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median


@dataclass
class Command:
    """`before`, not timed, prepares each start. Exit codes but `code` end the measurement."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    before: Callable[[], object] | None = None
    code: int = 0
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def once(self) -> None:
        if self.before is not None:
            self.before()
        closed = (0, 1) if self.code == 0 else (0, 1, 2)
        quiet = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in closed]
        begun = time.perf_counter()
        pid = os.posix_spawn(self.argv[0], self.argv, self.env, file_actions=quiet)
        _, status, used = os.wait4(pid, 0)
        self.wall.append(time.perf_counter() - begun)
        self.cpu.append(used.ru_utime + used.ru_stime)
        code = os.waitstatus_to_exitcode(status)
        if code != self.code:
            raise SystemExit(f"{' '.join(self.argv)}: exit {code}")


def side_by_side(commands: Sequence[Command], rounds: int) -> None:
    for number in range(rounds + 1):
        for one in random.sample(commands, len(commands)):
            one.once()
        if not number:  # the first round reads everything into memory
            for one in commands:
                one.wall.clear()
                one.cpu.clear()


def ratio(one: Command, other: Command, what: str = "wall") -> float:
    """The median of what one round's two measurements gave."""
    pairs = zip(getattr(one, what), getattr(other, what), strict=True)
    return median(a / b for a, b in pairs)


def ms(values: Sequence[float]) -> float:
    return 1000 * median(values)


@dataclass
class Row:
    """One figure; `target` is what it may be at most, None for what is only told."""

    what: str
    figure: float
    unit: str = "x"
    target: float | None = None
    note: str = ""

    @property
    def kept(self) -> bool | None:
        return None if self.target is None else self.figure <= self.target


def show(rows: Sequence[Row]) -> None:
    for row in rows:
        told = "" if row.target is None else f"(target {row.target:g})"
        mark = "  " if row.kept is not False else "! "
        print(f"{mark}{row.what:58} {row.figure:8.2f} {row.unit:3} {told:14} {row.note}")
    print(flush=True)
