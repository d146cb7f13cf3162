"""What a plan is made from, and what it is made of. Pure records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol

from ccs.model.job import Job
from ccs.model.run import Run
from ccs.model.task import Task
from ccs.usage.gate import Begun, Hold


class Action(NamedTuple):
    """`launch` starts the run, `hold` lets it wait, `skip` ends it unrun, `count` adds passed
    slots to a run that is there already, `replace` stops a running run for the next one."""

    verb: Literal["launch", "hold", "skip", "count", "replace"]
    run: Run


class Gate(Protocol):
    """Whether the accounts let runs start: see `ccs.engine.accounts`."""

    def account(self, run: Run | None, task: Task) -> str: ...

    def begun(self, run: Run, task: Task | None) -> Begun: ...

    def held(self, run: Run, task: Task, begun: Sequence[Begun]) -> Hold | None: ...

    def admit(self, run: Run, task: Task) -> None: ...

    def fresh_since(self, account: str) -> datetime | None: ...


class OpenGate:
    """Nothing is known of any account."""

    def account(self, run: Run | None, task: Task) -> str:
        return ""

    def begun(self, run: Run, task: Task | None) -> Begun:
        return Begun(run.scheduled_time, "")

    def held(self, run: Run, task: Task, begun: Sequence[Begun]) -> Hold | None:
        return None

    def admit(self, run: Run, task: Task) -> None:
        pass

    def fresh_since(self, account: str) -> datetime | None:
        return None


class Snapshot(NamedTuple):
    """What the store said under its lock. `runs`: all in runs.json, in their order there.

    `known`: ids that exist, here, in history or as deleted. `used`: how often a task has run, for
    the tasks that may run so often only. `unreadable`: tasks whose records are broken.
    `released_at_once`: how many runs of an account that a limit held may start in one tick.
    `approval`: whether changed hooks hold a run until somebody agrees to them.
    """

    tasks: Mapping[str, Task]
    runs: Sequence[Run]
    known: frozenset[str]
    limit: int
    jobs: Mapping[str, Job] = MappingProxyType({})
    unreadable: frozenset[str] = frozenset()
    used: Mapping[str, int] = MappingProxyType({})
    gate: Gate = OpenGate()
    released_at_once: int = 1000
    approval: bool = True
