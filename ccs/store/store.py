"""The store as the engine sees it: its collections, its lock, and what moves between them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError

from ccs.errors import BrokenStore
from ccs.model.job import Job
from ccs.model.profile import Profile
from ccs.model.record import complaints
from ccs.model.run import Run
from ccs.model.settings import Settings
from ccs.model.task import Task
from ccs.store import atomic, records
from ccs.store.collection import Collection, choose
from ccs.store.history import History
from ccs.store.home import FORMAT, Home
from ccs.store.lock import STORE_TIMEOUT, Lock
from ccs.store.records import Records
from ccs.store.rundir import RunDir

# Finished runs leave runs.json in batches: an append to history costs more than one extra record.
BATCH = 50


class Store:
    def __init__(self, home: Home) -> None:
        self.home = home
        self.jobs = Collection(home.collection("jobs"), "jobs", Job)
        self.tasks = Collection(home.collection("tasks"), "tasks", Task)
        self.runs = Collection(home.collection("runs"), "runs", Run)
        self.profiles = Collection(home.collection("profiles"), "profiles", Profile)
        self.cursors = Records(home.cursors, "cursors")
        self.history = History(home.history)

    @contextmanager
    def locked(self, command: str = "") -> Iterator[None]:
        """The store lock. Raises LockTimeout after ten seconds, naming the holder."""
        self.home.create()
        with Lock(self.home.store_lock) as lock:
            lock.acquire_within(STORE_TIMEOUT, command)
            yield

    def rundir(self, run_id: str) -> RunDir:
        return RunDir(self.home.runs, run_id)

    def settings(self) -> Settings:
        return self.read_settings()[0]

    def read_settings(self) -> tuple[Settings, atomic.Stamp | None]:
        """Raises BrokenStore. A file of the prior system (no format) lends no mock_mode."""
        found = atomic.read(self.home.settings)
        if found is None:
            return Settings(), None
        document = records.parse(found[0], self.home.settings)
        if not isinstance(document, dict):
            raise BrokenStore(f"{self.home.settings} is not an object", "mend it by hand")
        if "format" not in document:
            # Its default was true: taking it over would silently run nothing for real.
            document.pop("mock_mode", None)
        try:
            return Settings.model_validate(document), found[1]
        except ValidationError as error:
            words = "; ".join(complaints(error))
            raise BrokenStore(f"{self.home.settings}: {words}", "mend it by hand") from None

    def write_settings(self, settings: Settings) -> None:
        atomic.write(self.home.settings, records.encode({"format": FORMAT, **settings.record()}))

    # Runs live in two places ------------------------------------------------

    def knows_run(self, run_id: str) -> bool:
        """Whether a run of this id exists, finished long ago, or was deleted."""
        return self.runs.get(run_id) is not None or self.history.knows(run_id)

    def get_run(self, run_id: str) -> Run | None:
        run = self.runs.get(run_id)
        if run is not None:
            return run
        archived = self.history.get(run_id)
        return Run.model_validate(archived) if archived else None

    def find_run(self, reference: str) -> Run:
        """By id or unique prefix, in runs.json and in history. Raises NotFound, Ambiguous."""
        wanted = reference.strip().lower()
        candidates = {run.id: run for run in self.runs.all()}
        if wanted in candidates:
            return candidates[wanted]
        if len(wanted) >= 4:
            for line in list(self.history.lines(wanted)):
                run = None if line["id"] in candidates else self.get_run(line["id"])
                if run is not None:
                    candidates[run.id] = run
        return choose(candidates.values(), wanted, "run")

    def every_run(self) -> Iterator[Run]:
        """Newest first; a run on its way into history is given once."""
        recent = sorted(self.runs.all(), key=lambda run: run.scheduled_time, reverse=True)
        seen = {run.id for run in recent}
        yield from recent
        for line in self.history.newest_first():
            if line["id"] not in seen:
                yield Run.model_validate(line)

    def archive(self, kept: int) -> None:
        """Moves the oldest finished runs into history. Called under the store lock."""
        content = self.runs.file.read()
        finished = [one for one in content.records if _settled(one)]
        if len(finished) <= kept + BATCH:
            return
        needed = _referred(content.records)
        finished.sort(key=lambda one: str(one.get("scheduled_time")))
        leaving = [one for one in finished[:-kept] if one["id"] not in needed]
        self.history.append(leaving)
        gone = {one["id"] for one in leaving}
        self.runs.file.write(content, [one for one in content.records if one["id"] not in gone])

    def forget_runs(self, runs: list[Run]) -> None:
        """Deletes finished runs, remembering their ids. Called under the store lock."""
        if runs:
            self.history.bury([run.record() for run in runs])
            self.runs.remove(run.id for run in runs)


def _settled(record: dict[str, Any]) -> bool:
    try:
        return not Run.model_validate(record).unfinished
    except ValidationError:
        return False  # reported where runs are read; a bad record is not moved about


def _referred(entries: list[dict[str, Any]]) -> set[str]:
    """Ids of runs that something unfinished goes back to."""
    unfinished = [one for one in entries if one.get("status") in ("upcoming", "running")]
    parents = {one.get(key) for one in unfinished for key in ("resumed_from", "retry_of")}
    going_on = {one.get("job_run") for one in unfinished} - {None}
    siblings = {one["id"] for one in entries if one.get("job_run") in going_on}
    return {parent for parent in parents if parent} | siblings
