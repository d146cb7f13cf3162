"""Once a day: what the settings let go is deleted, and old logs are compressed.

The tick only looks when that was done last; the work is a child's, because a large log takes its
time. A log is whole under its new name before the old one goes, so a kill loses nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from ccs import instant
from ccs.engine.launch import start_ccs
from ccs.errors import CcsError
from ccs.model.run import UNFINISHED
from ccs.model.settings import Settings
from ccs.store import atomic, strict
from ccs.store.home import COMPRESSED, Home, open_file
from ccs.store.lock import Lock
from ccs.store.store import Store

_EVERY = timedelta(days=1)
_LOGS = (".log", ".jsonl")
_DRAFT_AGE = timedelta(hours=1)


def start(home: Home, settings: Settings, environment: Mapping[str, str], now: datetime) -> None:
    """At most once a day, if there is something to do. Raises OSError."""
    last = _last(home)
    if last is not None and abs(now - last) < _EVERY:
        return
    # First, so that a child that fails is not started again each minute.
    _note(home, now, {})
    ages = settings.logs_older_than
    has_old = ages is not None and next(_old_logs(home, now - ages), None) is not None
    if has_old or _has_rule(settings):
        start_ccs(home.path, ["tidy"], environment)


def tidy(store: Store, now: datetime) -> None:
    """The child's work. Raises CcsError, OSError."""
    with Lock(store.home.tidy_lock) as lock:
        if not lock.acquire():
            return  # the one before is still at it
        settings = store.settings()
        _sweep_drafts(store.home, now)
        gone = _prune(store, settings, now) if _has_rule(settings) else 0
        ages = settings.logs_older_than
        count, saved = (0, 0) if ages is None else _compress(store, now - ages)
        counts = {"runs_deleted": gone, "logs_compressed": count, "bytes_saved": saved}
        _note(store.home, now, counts)


def compress(store: Store, before: datetime) -> tuple[int, int]:
    """Logs last written before that; how many, and the bytes saved. Raises CcsError, OSError."""
    with Lock(store.home.tidy_lock) as lock:
        if not lock.acquire():
            raise CcsError("logs are being compressed by another ccs", "wait for it to end")
        return _compress(store, before)


def report(home: Home) -> dict[str, Any] | None:
    """When it was done last, and what came of it."""
    found = atomic.read(home.tidied)
    try:
        told = json.loads(found[0]) if found else None
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def _has_rule(settings: Settings) -> bool:
    return settings.prune_keep is not None or settings.prune_older_than is not None


def _prune(store: Store, settings: Settings, now: datetime) -> int:
    from ccs.engine import prune

    rule = prune.Rule(settings.prune_keep, settings.prune_older_than)
    return len(prune.prune(store, rule, now))


def _last(home: Home) -> datetime | None:
    try:
        return instant.parse(str((report(home) or {})["at"]))
    except (KeyError, ValueError):
        return None


def _note(home: Home, now: datetime, counts: Mapping[str, int]) -> None:
    told = {"format": 1, "at": instant.text(now), **counts}
    atomic.write(home.tidied, strict.encode(told), durable=False)


def _old_logs(home: Home, before: datetime) -> Iterator[tuple[str, str]]:
    """Path and run id of logs that were last written before that."""
    with os.scandir(home.file("logs")) as entries:
        for entry in entries:
            name, dot, kind = entry.name.partition(".")
            if dot + kind not in _LOGS or not name.startswith("run_"):
                continue
            with suppress(FileNotFoundError):  # deleted meanwhile
                if entry.stat(follow_symlinks=False).st_mtime < before.timestamp():
                    yield entry.path, name.removeprefix("run_")


def _compress(store: Store, before: datetime) -> tuple[int, int]:
    _sweep(store.home)
    entries = store.runs.file.read().records
    going_on = {one["id"] for one in entries if one.get("status", "upcoming") in UNFINISHED}
    count = saved = 0
    for path, run_id in list(_old_logs(store.home, before)):
        less = None if run_id in going_on else _compress_one(store, path)
        if less is not None:
            count, saved = count + 1, saved + less
    return count, saved


def _compress_one(store: Store, path: str) -> int | None:
    """The bytes saved; None when the log is gone or was written to meanwhile."""
    import gzip  # only the child's, like what it deletes by
    import shutil

    draft = f"{path}{COMPRESSED}.tmp"
    try:
        source = atomic.open_read(path)
    except FileNotFoundError:
        return None
    try:
        with source:
            was = os.fstat(source.fileno())
            with os.fdopen(open_file(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as target:
                with gzip.GzipFile("", "wb", 6, target, mtime=was.st_mtime) as packed:
                    shutil.copyfileobj(source, packed, 1 << 20)
                target.flush()
                atomic.flush(target.fileno())
                size = os.fstat(target.fileno()).st_size
        os.utime(draft, ns=(was.st_atime_ns, was.st_mtime_ns))
        with store.locked("ccs tidy"):  # nobody deletes the run in between
            if not _is_as_it_was(path, was):
                return None
            os.replace(draft, path + COMPRESSED)
            atomic.flush_directory(os.path.dirname(path))
            os.unlink(path)
        return was.st_size - size
    finally:
        with suppress(FileNotFoundError):
            os.unlink(draft)


def _is_as_it_was(path: str, was: os.stat_result) -> bool:
    try:
        return atomic.stamp(os.stat(path)) == atomic.stamp(was)
    except FileNotFoundError:
        return False


def _sweep_drafts(home: Home, now: datetime) -> None:
    """What killed writers left where no next writer of the same file comes to sweep. One that is
    being written is younger; but for a second name of the version before, which is as old as
    that, and which the next writer sweeps."""
    old = (now - _DRAFT_AGE).timestamp()
    for directory in (home.path, *map(home.file, ("logs", "history", "history/index", "watch"))):
        with suppress(FileNotFoundError), os.scandir(directory) as entries:
            for entry in entries:
                if not (entry.name.startswith(".") and entry.name.endswith(".tmp")):
                    continue
                if ".prev." in entry.name:
                    continue
                with suppress(FileNotFoundError):
                    if entry.stat(follow_symlinks=False).st_mtime < old:
                        os.unlink(entry.path)


def _sweep(home: Home) -> None:
    """What a killed child left; the lock says that there is no other."""
    for name in os.listdir(home.file("logs")):
        if name.startswith("run_") and name.endswith(f"{COMPRESSED}.tmp"):
            os.unlink(os.path.join(home.file("logs"), name))
