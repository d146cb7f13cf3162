"""One store that is put back before each fault, the program at work in it, and what must hold.

The invariants, whatever was killed or refused:

    every file parses, each record is valid, and what is referred to is there
    a slot is launched once (the client's ledger counts), and every run ends with a word for it
    an exit of 0 means that the change is there; any other is one of ccs's own, with words
    the program goes on where it was cut off: nothing that is left over blocks it
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from warm import Done, Warm

from ccs import instant
from ccs.errors import CcsError
from ccs.store.home import Home
from ccs.store.owed import Owed
from ccs.store.store import Store

Record = dict[str, Any]

# What a change is about. The rest of the store is derived, or words for people.
FILES = ("jobs", "tasks", "runs", "profiles", "settings", "cursors", "usage", "notify")
UNFINISHED = ("upcoming", "running")
OWN_EXIT_CODES = {1, 2, 3, 4, 5, 6, 7, 8, 124}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)")
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SUM = re.compile(r'"crc32": "[0-9a-f]{8}"')  # of times and ids, too
_SPAN = re.compile(r'"duration": [\d.]+')
_PATIENCE = 20.0


class World:
    def __init__(self, root: Path, warm: Warm) -> None:
        self.root = root
        self.warm = warm
        self.store = root / "store"
        self.work = root / "work"
        self.ledger = root / "ledger"
        self._kept = root / "kept"
        self.ids: dict[str, str] = {}
        for directory in (self.work, root / "home"):
            directory.mkdir()
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(root / "home"),
            "CCS_HOME": str(self.store),
            "CCS_MOCK_LEDGER": str(self.ledger),
            "TZ": "UTC",
        }

    # The program --------------------------------------------------------------

    def __call__(self, *words: str, **how: Any) -> Done:
        return self.warm(words, self.env, self.work, **how)

    def ok(self, *words: str, **how: Any) -> str:
        done = self(*words, **how)
        assert done.code == 0, f"ccs {' '.join(words)}: {done.code}\n{done.out}"
        return done.out.strip()

    def named(self, name: str, *words: str) -> str:
        """Makes something and remembers its id by this name."""
        lines = self.ok(*words, "-q").splitlines()
        # Words to people stand beside it.
        self.ids[name] = next(one for one in lines if _ID.fullmatch(one))
        return self.ids[name]

    # The store ----------------------------------------------------------------

    def keep(self) -> None:
        """The store as each fault finds it from now on."""
        shutil.rmtree(self._kept, ignore_errors=True)
        shutil.copytree(self.store, self._kept, symlinks=True)

    @contextmanager
    def borrowed(self) -> Iterator[World]:
        """The kept store, as new; what is kept meanwhile is forgotten at the end."""
        ids, original = dict(self.ids), self.root / "original"
        self.restore()
        self._kept.rename(original)
        try:
            yield self
        finally:
            self.end_everything()
            self.ids = ids
            shutil.rmtree(self._kept, ignore_errors=True)
            original.rename(self._kept)

    def restore(self) -> None:
        self.end_everything()
        shutil.rmtree(self.store, ignore_errors=True)
        shutil.copytree(self._kept, self.store, symlinks=True)
        self.ledger.unlink(missing_ok=True)

    def saved(self, name: str) -> list[Record]:
        path = self.store / f"{name}.json"
        return json.loads(path.read_text())[_LISTS.get(name, name)] if path.exists() else []

    def edit(self, name: str, change: Callable[[list[Record]], Any]) -> None:
        """By hand, as far as the program can tell."""
        records = self.saved(name)
        change(records)
        path = self.store / f"{name}.json"
        path.write_text(json.dumps({"format": 1, _LISTS.get(name, name): records}, indent=2))
        path.chmod(0o600)

    def settings(self, **values: Any) -> None:
        path = self.store / "settings.json"
        standing = json.loads(path.read_text()) if path.exists() else {"format": 1}
        path.write_text(json.dumps({**standing, **values}))
        path.chmod(0o600)

    def snapshot(self) -> dict[str, str]:
        """What the store says, without what differs from one execution to the next."""
        found = {}
        for name in FILES:
            path = self.store / f"{name}.json"
            if path.exists():
                found[name] = self.normal(path.read_text())
        for path in sorted((self.store / "history").glob("*.jsonl")):
            found[f"history/{path.name}"] = self.normal(path.read_text())
        return found

    def normal(self, text: str) -> str:
        known = set(self.ids.values())
        text = _SUM.sub('"crc32": SUM', _SPAN.sub('"duration": S', _TIME.sub("TIME", text)))
        return _ID.sub(lambda found: found[0] if found[0] in known else "ID", text)

    # Processes ----------------------------------------------------------------

    def processes(self) -> list[int]:
        """All that carry this store in their environment, which nobody can read in the moment in
        which a program begins, and what has lost its parent."""
        mine = f"CCS_HOME={self.store}".encode()
        found = self.warm.left()
        for name in os.listdir("/proc"):
            if name.isdigit():
                with suppress(OSError), open(f"/proc/{name}/environ", "rb") as file:
                    if mine in file.read().split(b"\0"):
                        found.append(int(name))
        return found

    def end_everything(self) -> None:
        while left := self.processes():
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.005)

    def until(self, happened: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + _PATIENCE
        while not (found := happened()):
            assert time.monotonic() < deadline, f"it never happened; runs: {self.saved('runs')}"
            time.sleep(0.04)
        return found

    def said(self, words: str) -> bool:
        """Whether a run's log says so."""
        return any(words in one.read_text() for one in self.store.glob("logs/*.log"))

    def launches(self) -> Counter[str]:
        lines = self.ledger.read_text().splitlines() if self.ledger.exists() else []
        return Counter(line.split()[0] for line in lines)

    # What must hold -------------------------------------------------------------

    def settle(self) -> None:
        """Ticks until nothing goes on. What waits for a far time by design may go on waiting."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            done = self("tick")
            assert done.code == 0, f"a tick after the fault: {done.code}\n{done.out}"
            self.until(lambda: not self.processes())
            if not self._goes_on():
                return
            assert time.monotonic() < deadline, f"it never settled: {self._goes_on()}"

    def _goes_on(self) -> list[str]:
        soon = datetime.now(UTC) + timedelta(minutes=30)
        waiting = [
            f"run {one['id']} {one['status']} {one.get('held_reason')}"
            for one in self.saved("runs")
            if one["status"] in UNFINISHED
            and one.get("held_reason") != "approval"
            and not (one.get("not_before") and instant.parse(one["not_before"]) > soon)
        ]
        unfinished = {one["id"] for one in self.saved("runs") if one["status"] in UNFINISHED}
        left = set(os.listdir(self.store / "runs")) - unfinished
        return waiting + [f"left over: {one}" for one in left]

    def assert_whole(self) -> None:
        """Every file parses, every record is valid, what is referred to is there."""
        found = list(damaged(self.store))
        assert not found, found
        assert list(dangling(self.store)) == []

    def assert_whole_after_a_cut(self) -> None:
        """What is derived may be empty then: it is not flushed, and nobody believes it."""
        assert list(damaged(self.store, derived=False)) == []
        assert list(dangling(self.store)) == []

    def assert_launched_once(self) -> None:
        launches = self.launches()
        twice = {run_id: count for run_id, count in launches.items() if count > 1}
        assert not twice, f"launched twice: {twice}"
        recorded = {one["id"]: one for one in self.all_runs()}
        unknown = set(launches) - set(recorded)
        assert not unknown, f"launched, and no record of it: {unknown}"
        ghosts = [
            one["id"]
            for one in recorded.values()
            if one["status"] == "success" and one["id"] not in launches
            and one["id"] not in self.ids.values()
        ]  # fmt: skip
        assert not ghosts, f"a success that was never launched: {ghosts}"

    def assert_nothing_lost(self, staying: set[str]) -> None:
        gone = staying - self.identities()
        assert not gone, f"lost: {gone}"

    def identities(self) -> set[str]:
        """Of all jobs, tasks, profiles and runs, those in the history too."""
        found = {one["id"] for one in self.all_runs()}
        for name in ("jobs", "tasks", "profiles"):
            found |= {one["id"] for one in self.saved(name)}
        return found

    def all_runs(self) -> list[Record]:
        return [run.record() for run in Store(Home(str(self.store))).every_run()]


_LISTS = {"usage": "accounts", "notify": "owed"}


_DERIVED = ("tick.json", "tidied.json", "transcripts.json")


def damaged(store: Path, derived: bool = True) -> Iterator[str]:
    """What of a store cannot be read, in words.

    A line of the history that was cut short is passed over by design, and written again: whether
    all of it is there is told by its runs.
    """
    home = Home(str(store))
    kept = Store(home)
    readers: list[Callable[[], Any]] = [kept.settings, kept.cursors.read, kept.ledger.read]
    readers += [Owed(home).read]
    for collection in (kept.jobs, kept.tasks, kept.runs, kept.profiles):
        try:
            yield from map(str, collection.read().problems)
        except (CcsError, OSError) as error:
            yield str(error)
    for read in readers:
        try:
            read()
        except (CcsError, OSError) as error:
            yield str(error)
    for path in sorted(store.rglob("*.json*")):
        counts = derived or path.name not in _DERIVED
        if (
            counts
            and not path.name.startswith(".")
            and path.suffix in (".json", ".prev", ".format-0")
        ):
            try:
                json.loads(path.read_bytes())
            except ValueError as error:
                yield f"{path}: {error}"


def dangling(store: Path) -> Iterator[str]:
    """References that lead nowhere. A job may still order tasks while it is being deleted."""
    kept = Store(Home(str(store)))
    jobs, tasks = kept.jobs.read().by_id, kept.tasks.read().by_id
    for task in tasks.values():
        if task.job_id and task.job_id not in jobs:
            yield f"task {task.name} belongs to no job"
    for run in kept.runs.read().records:
        if run.unfinished and run.task_id not in tasks:
            yield f"run {run.id} belongs to no task"
