"""One directory of the prior system, read and converted. Nothing is written here.

A record that makes no sense is told and left out, and so is a file of runs that is torn: it was
written anew at each end of a run, transcripts and all. Of the others a torn one is refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from ccs import instant
from ccs.engine.exchangefile import here
from ccs.errors import BrokenStore, InvalidInput
from ccs.exchange import prior
from ccs.exchange.notes import Note
from ccs.model.job import Job
from ccs.model.profile import Profile
from ccs.model.record import Record
from ccs.model.run import Run
from ccs.model.task import Task
from ccs.store import atomic, strict
from ccs.store.home import check_directory
from ccs.store.mending import quoted
from ccs.store.records import Records
from ccs.store.store import Store
from ccs.text import shorten

R = TypeVar("R", bound=Record)
Convert = Callable[[Mapping[str, Any]], tuple[dict[str, Any], list[Note]]]
FILES = ("profiles", "jobs", "tasks", "runs", "settings")
# What every one of our records has and none of its had.
_SIGNS = {"tasks": "active_since", "runs": "trigger"}
_LOGS = "~/.claude-scheduler/logs"
# Of its 28 settings those that changed what it ran, or whom it showed secrets.
_NEVER = {
    "mock_mode": "a run is mocked only where this store is told to",
    "unmask_env_vars": "secrets are never shown",
}
_BY_HAND = {
    "max_concurrent_tasks": (3, "max_concurrent_tasks"),
    "claude_cli_path": ("", "claude_path"),
}


class Remark(NamedTuple):
    """`lost`: the whole record could not be carried."""

    record: str
    words: str
    lost: bool = False

    def __str__(self) -> str:
        return f"{self.record}: {self.words}" if self.record else self.words


@dataclass
class Gathered:
    """What the directories hold, converted. `own`: those of their records that lie in the store."""

    directories: list[str] = field(default_factory=list)
    profiles: dict[str, Profile] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)
    remarks: list[Remark] = field(default_factory=list)


def is_priors(entry: Mapping[str, Any], name: str) -> bool:
    """Of records that stand among ours."""
    sign = _SIGNS.get(name)
    return sign is not None and sign not in entry


class Reader:
    """One directory."""

    def __init__(
        self,
        store: Store,
        directory: str,
        found: Gathered,
        environment: Mapping[str, str],
        now: datetime,
    ) -> None:
        self.directory = directory
        self.found = found
        self.here = here(environment)
        self.now = now
        self.is_own = os.path.realpath(directory) == os.path.realpath(store.home.path)

    def read(self) -> bool:
        """Whether there is anything of the prior system. Raises BrokenStore, OSError."""
        check_directory(os.path.realpath(self.directory))
        if not self.is_own and self._is_of_ccs():
            self._remark(self.directory, "a store of ccs, not of the prior system: passed over")
            return False
        born = {"created_at": self.now, "updated_at": self.now}
        ticking = {**born, "active_since": self.now}
        since = instant.text(self.now)
        found = self.found
        self._collect("profiles", Profile, prior.profile, found.profiles, born)
        self._collect("jobs", Job, lambda one: prior.job(one, self.here), found.jobs, born)
        self._collect(
            "tasks", Task, lambda one: prior.task(one, self.here, since), found.tasks, ticking
        )
        try:
            self._collect("runs", Run, prior.run, self.found.runs, {})
        except BrokenStore as problem:
            self.found.remarks.append(Remark("runs", problem.message, lost=True))
        self._tell_settings()
        return bool(self.found.own) or not self.is_own

    def _is_of_ccs(self) -> bool:
        """Its files said nothing of a format."""
        found = (self._document(name) for name in FILES if name != "runs")
        return any(isinstance(one, dict) and "format" in one for one in found)

    def _document(self, name: str) -> Any:
        path = os.path.join(self.directory, f"{name}.json")
        try:
            found = atomic.read(path)
            return strict.parse(found[0], path) if found else None
        except BrokenStore:
            return None  # told where it is read

    def _collect(
        self,
        name: str,
        kind: type[R],
        convert: Convert,
        into: dict[str, R],
        born: Mapping[str, Any],
    ) -> None:
        content = Records(os.path.join(self.directory, f"{name}.json"), name).read()
        bare = content.raw.lstrip()[:1] == b"["
        if content.damaged:
            words = f"{len(content.damaged)} entries are no records"
            self._remark(name, words, lost=True)
        carried = []
        for entry in content.records:
            if self.is_own and not (is_priors(entry, name) or (bare and name not in _SIGNS)):
                continue
            record = self._converted(name, kind, convert, entry, born)
            if record is None:
                continue
            if record.id in into:
                if into[record.id] != record:
                    self._remark(_called(name, entry), "another has its id", lost=True)
                continue
            into[record.id] = record
            carried.append(entry)
            if self.is_own:
                self.found.own.add(record.id)
        if name == "runs":
            self._tell_outputs(carried)

    def _converted(
        self,
        name: str,
        kind: type[R],
        convert: Convert,
        entry: Mapping[str, Any],
        born: Mapping[str, Any],
    ) -> R | None:
        called = _called(name, entry)
        try:
            fields, notes = convert(entry)
            record = kind.checked({**born, **fields})
        except InvalidInput as problem:
            self._remark(called, shorten(problem.message, 500), lost=True)
            return None
        for note in notes:
            self._remark(called, str(note))
        return record

    def _tell_settings(self) -> None:
        path = os.path.join(self.directory, "settings.json")
        found = atomic.read(path)
        settings = strict.parse(found[0], path) if found else {}
        if not isinstance(settings, dict) or "format" in settings:
            return
        for name, why in _NEVER.items():
            if settings.get(name):
                self._remark("settings", f"{name}: not taken over; {why}")
        for name, (default, ours) in _BY_HAND.items():
            if self.is_own and name == ours:
                continue  # the file is that of this store, so it counts as it stands
            if settings.get(name, default) != default:
                shown = shorten(str(settings[name]), 200)
                words = f"{name}: it was {shown}, and is not taken over"
                self._remark("settings", f"{words}: ccs settings set {ours} {quoted(shown)}")

    def _tell_outputs(self, entries: list[dict[str, Any]]) -> None:
        """What it kept in its records of runs is kept in logs here."""
        size = sum(len(str(one.get("raw_output") or "")) for one in entries)
        if size:
            self._remark("runs", f"{size:,} characters of output stay in its runs.json")
        logs = [os.path.join(self.directory, "logs"), os.path.expanduser(_LOGS)]
        for directory in dict.fromkeys(logs):
            named = [os.path.join(directory, f"run_{one['id']}.log") for one in entries]
            if count := sum(map(os.path.exists, named)):
                self._remark("runs", f"the logs of {count} of them stay in {directory}")

    def _remark(self, record: str, words: str, lost: bool = False) -> None:
        self.found.remarks.append(Remark(record, words, lost))


def _called(name: str, entry: Mapping[str, Any]) -> str:
    shown = entry.get("name") if isinstance(entry.get("name"), str) else entry.get("id")
    return f"{name.removesuffix('s')} {shorten(str(shown), 100)!r}"
