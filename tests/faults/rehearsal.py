"""A command at work in its store, undisturbed: what it asks of the kernel, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cases import Case
from disk import Call, Disk, recorded, recording
from strace import Point, points, tracing
from warm import Done
from world import FILES, World


class Rehearsal:
    """`calls` are to be played on `disk`, which is the store before the first of them."""

    def __init__(self, world: World, case: Case, trace: Path) -> None:
        self.world, self.case, self.trace = world, case, trace
        case.prepare(world)
        world.keep()
        # What is there, and what the command leaves there.
        self.staying = world.identities()
        # The first one fills what the others find in every cache, as those do that are disturbed.
        self._play(())
        self._play(recording(trace))
        self.calls: list[Call] = list(recorded(trace))
        self.ledger = world.launches()
        self.versions = self._versions()
        self._play(tracing(trace))
        self.points: list[Point] = list(points(trace, world.store))
        assert self.points, f"{case.id} asks nothing of its store"
        world.settle()

    def _play(self, strace: Sequence[str]) -> None:
        self.restore()
        self.disk = Disk(self.world.store)
        self.before = self.world.snapshot()
        done = self.do(strace)
        self.rest()
        self.after = self.world.snapshot()
        self.staying &= self.world.identities()
        assert done.code == self.case.code, f"{self.case.id}: exit {done.code}\n{done.out}"

    def rest(self) -> None:
        """Until what was started by itself has come to its end, where that is to be waited for."""
        if self.case.begin is None:
            self.world.until(lambda: not self.world.processes())

    def restore(self) -> None:
        self.world.restore()
        if self.case.begin is not None:
            self.case.begin(self.world)

    def do(self, strace: Sequence[str] = ()) -> Done:
        words = self.case.argv(self.world)
        return self.world(*words, stdin=self.case.stdin, strace=strace)

    def _versions(self) -> dict[str, set[str | None]]:
        """Of each file all that it ever held, as told by what was written."""
        found: dict[str, set[str | None]] = {
            # What was started by itself is not recorded; it has come to its end.
            name: {self.before.get(name), self.after.get(name)}
            for name in FILES
        }
        disk = Disk.like(self.disk)
        for call in self.calls:
            if disk.play(call) and call.name.startswith("rename"):
                for name in FILES:
                    content = disk.names.get(f"{self.world.store}/{name}.json")
                    if content is not None:
                        found[name].add(self.world.normal(content.content.decode()))
        return found
