"""What is wrong with the store, and the command that mends it. Looks, and changes nothing.

A check is a function from the store to findings; one that fails is a finding and hides no other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ccs.engine import limittexts, repair
from ccs.errors import CcsError
from ccs.store import atomic, machine, mounts, records
from ccs.store.collection import lines
from ccs.store.home import Home, check_directory, check_file, quoted
from ccs.store.salvage import bad, is_prior
from ccs.store.store import Store

BROKEN, WARNING, NOTE = "broken", "warning", "note"
REPAIR = "ccs doctor --repair"
_MOUNTS = "/proc/self/mountinfo"


@dataclass(frozen=True)
class Finding:
    """`where`: a path, with the line if there is one; `mend`: a command, or words for a person."""

    level: str
    what: str
    where: str
    mend: str


Check = Callable[[Store], Iterable[Finding]]


def examine(store: Store) -> dict[str, Any]:
    """`status` is that of the worst finding, or ok."""
    found = dict.fromkeys(one for check in CHECKS for one in _made(check, store))  # each once
    levels = {one.level for one in found}
    worst = next((level for level in (BROKEN, WARNING) if level in levels), "ok")
    findings = [asdict(one) for one in found]
    return {"status": worst, "home": store.home.path, "findings": findings}


def _made(check: Check, store: Store) -> list[Finding]:
    try:
        return list(check(store))
    except CcsError as error:
        return [Finding(BROKEN, error.message, store.home.path, error.hint)]
    except OSError as error:
        words = error.strerror or str(error)
        where = os.fsdecode(error.filename) if error.filename else store.home.path
        return [Finding(BROKEN, words, where, f"ls -ld {quoted(where)}")]


def _trust(store: Store) -> Iterator[Finding]:
    """Each directory and file: whose it is, who may write it, whether it is what it seems."""
    for check, path in _everything(store.home):
        try:
            check(path)
        except CcsError as error:
            yield Finding(BROKEN, error.message, path, error.hint)
        except FileNotFoundError:
            continue  # of a run that ended meanwhile


def _everything(home: Home) -> Iterator[tuple[Callable[[str], None], str]]:
    left = [home.path]
    while left:
        directory = left.pop()
        yield check_directory, directory
        try:
            entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            continue
        for entry in entries:
            below = directory in (home.path, home.runs) or entry.name == "index"
            is_part = below and not entry.name.endswith((".json", ".prev")) and entry.is_dir()
            if is_part and not entry.is_symlink():
                left.append(entry.path)
            else:
                yield (check_directory if is_part else check_file), entry.path


def _records(store: Store) -> Iterator[Finding]:
    for file, judge in repair.files(store):
        try:
            content = file.read()
        except CcsError as error:
            yield Finding(BROKEN, error.message, file.path, error.hint)
            continue
        if content.newer:
            newer = records.too_new(file.path)
            yield Finding(BROKEN, f"{newer.message}: it is only read", file.path, newer.hint)
        found = bad(content, judge)
        line = lines(content.raw, file.name) if found else []
        mend = "ccs import-store" if is_prior(content) else REPAIR
        for place, words in found.items():
            yield Finding(BROKEN, words, f"{file.path}:{line[place]}", mend)


def _others(store: Store) -> Iterator[Finding]:
    """Settings and the user's own limit texts."""
    path = store.home.settings
    try:
        store.settings()
        found = atomic.read(path)
        if found and repair.is_newer(found[0], path):
            newer = records.too_new(path)
            yield Finding(BROKEN, f"{newer.message}: it is only read", path, newer.hint)
    except CcsError as error:
        kept = os.path.exists(path + ".prev")
        yield Finding(BROKEN, error.message, path, REPAIR if kept else error.hint)
    try:
        limittexts.own(store.home)
    except CcsError as error:
        yield Finding(BROKEN, error.message, store.home.limit_texts, error.hint)


def _history(store: Store) -> Iterator[Finding]:
    for path, line in store.history.damaged():
        words = "a line that is no run: cut off by a crash, or edited; it is passed over"
        yield Finding(
            WARNING, words, f"{path}:{line}", f"look at it: sed -n {line}p {quoted(path)}"
        )


def _owner(store: Store) -> Iterator[Finding]:
    try:
        machine.check(store.home)
    except CcsError as error:
        yield Finding(BROKEN, error.message, store.home.host, error.hint)
    if machine.identity() is None:
        why = "this is a container" if machine.in_container() else "this system has no machine id"
        words = f"{why}, so use of the store by two machines would not be noticed"
        yield Finding(NOTE, words, store.home.path, "let one machine at a time use it")


def _disk(store: Store) -> Iterator[Finding]:
    try:
        with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
            kind = mounts.kind_of(os.path.realpath(store.home.path), file.read())
    except OSError:
        return  # only Linux lists them so
    if mounts.is_remote(kind):
        words = f"it lies on {kind}, where locks may not hold others off, so runs may be doubled"
        mend = "keep it on a local disk: move it there, and set CCS_HOME for cron too"
        yield Finding(WARNING, words, store.home.path, mend)


CHECKS: tuple[Check, ...] = (_trust, _records, _others, _history, _owner, _disk)
