"""The store as the engine sees it: its collections, its lock, and what moves between them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from ccs.errors import BrokenStore, NotFound
from ccs.model.job import Job
from ccs.model.profile import Profile
from ccs.model.run import Run
from ccs.model.schedule import Startup
from ccs.model.settings import Settings
from ccs.model.taking import Refused
from ccs.model.task import Task
from ccs.store import atomic, machine, records, strict
from ccs.store.agenda import boot_id
from ccs.store.collection import Collection, choose
from ccs.store.history import History
from ccs.store.home import FORMAT, Home
from ccs.store.ledger import Ledger
from ccs.store.lock import STORE_TIMEOUT, Lock
from ccs.store.records import Records
from ccs.store.rundir import RunDir

# Finished runs leave runs.json in batches: an append to history costs more than one extra record.
BATCH = 50
# As many as a breaker can be told to count.
_MOST_FAILURES = 100


class Store:
    def __init__(self, home: Home) -> None:
        self.home = home
        self.jobs = Collection(home.collection("jobs"), "jobs", Job)
        self.tasks = Collection(home.collection("tasks"), "tasks", Task)
        self.runs = Collection(home.collection("runs"), "runs", Run)
        self.profiles = Collection(home.collection("profiles"), "profiles", Profile)
        self.cursors = Records(home.cursors, "cursors")
        self.history = History(home.history)
        self.ledger = Ledger(home)

    @contextmanager
    def locked(self, command: str = "") -> Iterator[None]:
        """The store lock. Raises LockTimeout after ten seconds, naming the holder."""
        self.home.create()
        with Lock(self.home.store_lock) as lock:
            lock.acquire_within(STORE_TIMEOUT, command)
            if not self.check_writable():
                machine.claim(self.home)
            yield

    def check_writable(self) -> bool:
        """Whether a machine has claimed it. Raises BrokenStore when it belongs to another one, or
        when part of it was written by a later version: the parts refer to each other.
        """
        paths = [one.file.path for one in (self.jobs, self.tasks, self.runs, self.profiles)]
        for path in (*paths, self.home.settings, self.home.cursors):
            if records.begins_newer(path):
                raise records.too_new(path)
        return machine.check(self.home)

    def rundir(self, run_id: str) -> RunDir:
        return RunDir(self.home.runs, run_id)

    def rundirs(self) -> list[str]:
        """The ids of the runs that have a directory."""
        with os.scandir(self.home.runs) as entries:
            named = [one for one in entries if _is_id(one.name)]
            # A link would lead the removal of what is left over out of the store.
            return [one.name for one in named if one.is_dir(follow_symlinks=False)]

    def settings(self) -> Settings:
        return self.read_settings()[0]

    def read_settings(self) -> tuple[Settings, atomic.Stamp | None]:
        """Raises BrokenStore. A file of the prior system (no format) lends no mock_mode."""
        found = self._settings_file()
        if found is None:
            return Settings(), None
        return self.settings_in(found[0], self.home.settings), found[1]

    def settings_in(self, raw: bytes, path: str) -> Settings:
        """Raises BrokenStore."""
        try:
            return Settings.model_validate(_document(raw, path))
        except Refused as error:
            words, line = "; ".join(error.complaints), _line_of(error.field, raw)
            by_command = error.field and error.field != "notifications"
            unset = f"ccs settings unset {error.field}, or " if by_command else ""
            raise BrokenStore(f"{path}{line}: {words}", f"{unset}mend it by hand") from None

    def settings_fields(self) -> dict[str, Any]:
        """As they stand in the file, which need not make sense. Raises BrokenStore."""
        found = self._settings_file()
        return _document(found[0], self.home.settings) if found else {}

    def _settings_file(self) -> tuple[bytes, atomic.Stamp] | None:
        """Raises BrokenStore where it is lost: what holds then by itself may spend money."""
        found = atomic.read(self.home.settings)
        if found is None:
            records.refuse_if_lost(self.home.settings)
        return found

    def write_settings(self, settings: Settings) -> None:
        """Called under the store lock. Raises BrokenStore for a broken or a later file."""
        self.read_settings()
        self.put_settings(settings.record())

    def put_settings(self, fields: dict[str, Any]) -> None:
        """What the file is to hold; the rest has its default. Called under the store lock.

        Raises BrokenStore for a file that is no object, or a later one.
        """
        path = self.home.settings
        atomic.sweep(path)
        found = self._settings_file()
        if found is not None:
            standing = _document(found[0], path)
            if records.is_newer(standing):
                raise records.too_new(path)
            if "format" not in standing:
                atomic.write(path + ".format-0", found[0])
        atomic.write(path, strict.encode({"format": FORMAT, **fields}), previous=path + ".prev")

    def begin_anew(self, task: Task) -> None:
        """A new schedule, or one enabled again: what was decided before counts no more.

        This boot counts as fired, and a watched tree as seen: its next scan is the baseline.
        Called under the store lock.
        """
        anew = isinstance(task.schedule, Startup)
        self._set_cursor(task.id, [{"id": task.id, "boot": boot_id()}] if anew else [])

    def forget_cursor(self, task_id: str) -> None:
        """Of a deleted task. Called under the store lock."""
        self._set_cursor(task_id, [])

    def _set_cursor(self, task_id: str, entries: list[dict[str, Any]]) -> None:
        content = self.cursors.read_about([task_id])
        standing = [entry for entry in content.records if entry["id"] == task_id]
        if standing != entries:
            self.cursors.change(content, [(one, None) for one in standing], entries)

    # Runs live in two places ------------------------------------------------

    def knows_run(self, run_id: str) -> bool:
        """Whether a run of this id exists, finished long ago, or was deleted."""
        # As it stands there, valid or not: what cannot be read is not run again for that.
        standing = self.runs.both()[0].records
        return any(one["id"] == run_id for one in standing) or self.history.knows(run_id)

    def get_run(self, run_id: str) -> Run | None:
        """Raises BrokenStore for an archived run that was damaged."""
        run = self.runs.get(run_id)
        if run is not None:
            return run
        archived = self.history.get(run_id)
        return self._archived(archived) if archived else None

    def _archived(self, line: dict[str, Any]) -> Run:
        try:
            return Run.model_validate(line)
        except Refused as error:
            words = "; ".join(error.complaints)
            where = self.history.directory
            raise BrokenStore(f"{where}: run {line['id']}: {words}", "mend it by hand") from None

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
        try:
            return choose(candidates.values(), wanted, "run")
        except NotFound as error:
            task = next((one for one in self.tasks.all() if one.name == reference.strip()), None)
            if task is None:
                raise
            hint = f"that is a task; its runs: ccs runs list --task {task.id[:8]}"
            raise NotFound(error.message, hint) from None

    def every_run(self, since: datetime | None = None) -> Iterator[Run]:
        """Newest first; a run on its way into history is given once.

        `since`: months of the history before it are not read.
        """
        recent = sorted(self.runs.all(), key=lambda run: run.scheduled_time, reverse=True)
        seen = {run.id for run in recent}
        yield from recent
        for line in self.history.newest_first(f"{since:%Y-%m}" if since else ""):
            if line["id"] in seen:
                continue
            try:
                run = self._archived(line)
            except BrokenStore:
                continue  # one bad line must not end the list
            yield run

    def archive(self, kept: int) -> None:
        """Moves the oldest finished runs into history. Called under the store lock."""
        content, reading = self.runs.both()
        if len(content.records) < kept + BATCH:
            return
        staying = _referred(content.records) | _doubled(content.records)
        staying |= _failing(content.records)
        finished = sorted(
            (run for run in reading.records if not run.unfinished),
            key=lambda run: run.scheduled_time,
        )
        oldest = finished[: max(0, len(finished) - kept)]
        leaving = [run for run in oldest if run.id not in staying]
        if len(leaving) < BATCH:
            return
        self.history.append([run.record() for run in leaving])
        gone = {run.id for run in leaving}
        self.runs.file.change(
            content, [(one, None) for one in content.records if one["id"] in gone]
        )

    def forget_runs(self, runs: list[Run]) -> None:
        """Deletes finished runs, remembering their ids. Called under the store lock."""
        if runs:
            self.history.bury([run.record() for run in runs])
            self.runs.remove(run.id for run in runs)


def _document(raw: bytes, path: str) -> dict[str, Any]:
    """Raises BrokenStore."""
    document = strict.parse(raw, path)
    if not isinstance(document, dict):
        raise BrokenStore(f"{path} is not an object", "mend it by hand")
    if "format" not in document:
        # Its default was true: taking it over would silently run nothing for real.
        document.pop("mock_mode", None)
    return document


def _line_of(name: str, raw: bytes) -> str:
    """Of the first field that is wrong, by its name; empty where the name is not to be found."""
    place = raw.find(f'"{name}"'.encode())
    line = raw.count(b"\n", 0, place) + 1
    return f":{line}" if place >= 0 else ""


def _is_id(name: str) -> bool:
    return len(name) == 36 and records.canonical(name.replace("-", "")) == name


def _referred(entries: list[dict[str, Any]]) -> set[str]:
    """Ids of runs that something unfinished goes back to."""
    unfinished = [one for one in entries if one.get("status") in ("upcoming", "running")]
    parents = _texts(one.get(key) for one in unfinished for key in ("resumed_from", "retry_of"))
    going_on = _texts(one.get("job_run") for one in unfinished)
    siblings = {one["id"] for one in entries if _texts([one.get("job_run")]) & going_on}
    return parents | siblings


def _failing(entries: list[dict[str, Any]]) -> set[str]:
    """Per task the failures since its last success: the circuit breaker counts them here, however
    rarely the task runs beside busy ones."""
    telling = [one for one in entries if one.get("status") in ("success", "failed", "lost")]
    telling.sort(key=lambda one: str(one.get("end_time") or ""), reverse=True)
    found: set[str] = set()
    done: set[str] = set()
    counted: dict[str, int] = {}
    for one in telling:
        task = str(one.get("task_id"))
        if one["status"] == "success" or counted.get(task, 0) >= _MOST_FAILURES:
            done.add(task)
        elif task not in done:
            counted[task] = counted.get(task, 0) + 1
            found |= _texts([one.get("id")])
    return found


def _texts(values: Iterable[Any]) -> set[str]:
    """Entries come as they stand in the file, where anything may stand."""
    return {records.canonical(value) for value in values if isinstance(value, str)}


def _doubled(entries: list[dict[str, Any]]) -> set[str]:
    """Were the one that is read taken away, its double would come to life."""
    counts = Counter(one["id"] for one in entries)
    return {run_id for run_id, count in counts.items() if count > 1}
