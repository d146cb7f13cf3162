"""What is wrong with the store and around it, and the command that mends it. Looks, and changes
nothing. A check is a function to findings; one that fails is a finding and hides no other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from ccs import duration, instant
from ccs.engine import limittexts, repair
from ccs.errors import BrokenStore, CcsError
from ccs.host import process
from ccs.report import surroundings, ticking, usage
from ccs.report.finding import BROKEN, NOTE, WARNING, Check, Finding, Scene
from ccs.store import atomic, lock, machine, mounts, records
from ccs.store.collection import lines
from ccs.store.home import Home, check_directory, check_file
from ccs.store.mending import AWAY, quoted
from ccs.store.salvage import bad, is_prior
from ccs.store.store import Store

REPAIR = "ccs doctor --repair"
_MOUNTS = "/proc/self/mountinfo"
# Of the store lock nobody needs more than a moment; a tick takes seconds where much is due.
_MOMENT, _TICK_SECONDS = 10.0, 300.0
_MOST_STRANGERS = 5
_RECENT = timedelta(days=2)
_LEVELS = (BROKEN, WARNING, NOTE)
# What else may stand beside the files and directories that `Home` names.
_ENDINGS = (".prev", ".format-0", ".tmp", ".own")


def examine(scene: Scene) -> dict[str, Any]:
    """`status` is that of the worst finding, or ok; the worst findings stand first."""
    every: dict[Finding, None] = {}
    for check in CHECKS:
        # What keeps a check from looking has mostly been found by one before.
        told = {(one.what, one.mend) for one in every}
        made = (one for one in _made(check, scene) if (one.what, one.mend) not in told)
        every |= dict.fromkeys(made)
    found = sorted(every, key=lambda one: _LEVELS.index(one.level))
    worst = found[0].level if found and found[0].level != NOTE else "ok"
    findings = [asdict(one) for one in found]
    return {"status": worst, "home": scene.store.home.path, "findings": findings}


def _made(check: Check, scene: Scene) -> list[Finding]:
    path = scene.store.home.path
    try:
        return list(check(scene))
    except CcsError as error:
        return [Finding(BROKEN, error.message, path, error.hint or "ccs status")]
    except OSError as error:
        words = error.strerror or str(error)
        where = os.fsdecode(error.filename) if error.filename else path
        return [Finding(BROKEN, words, where, f"ls -ld {quoted(where)}")]
    except Exception as error:
        # Whatever a damaged file leads to that nobody foresaw: this is where one looks for it.
        words = f"a check failed ({check.__name__.strip('_')}: {type(error).__name__})"
        return [Finding(BROKEN, words, path, "see what the others say, then: ccs debug all")]


def _trust(scene: Scene) -> Iterator[Finding]:
    """Each directory and file: whose it is, who may write it, whether it is what it seems."""
    store = scene.store
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
            is_directory = entry.is_dir(follow_symlinks=False)
            is_part = entry.path in home.parts or (is_directory and directory == home.runs)
            is_strange = is_directory and directory == home.path and not _is_known(home, entry.name)
            if AWAY in entry.name or is_strange:
                continue  # nobody reads it
            if is_part and is_directory:
                left.append(entry.path)
            else:
                yield (check_directory if is_part else check_file), entry.path


def _records(scene: Scene) -> Iterator[Finding]:
    store = scene.store
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


def _others(scene: Scene) -> Iterator[Finding]:
    """Settings and the user's own limit texts."""
    store = scene.store
    path = store.home.settings
    try:
        store.settings()
        found = atomic.read(path)
        if found and repair.is_newer(found[0], path):
            newer = records.too_new(path)
            yield Finding(BROKEN, f"{newer.message}: it is only read", path, newer.hint)
    except CcsError as error:
        yield Finding(BROKEN, error.message, path, _mend_of_settings(store, error.hint))
    try:
        limittexts.own(store.home)
    except CcsError as error:
        yield Finding(BROKEN, error.message, store.home.limit_texts, error.hint)


def _mend_of_settings(store: Store, hint: str) -> str:
    try:
        if repair.of_settings(store):
            return REPAIR
    except CcsError:
        pass  # not to be read at all, and the hint says what to do
    return "mend it by hand" if REPAIR in hint else hint


def _history(scene: Scene) -> Iterator[Finding]:
    store = scene.store
    for path, line in store.history.damaged():
        words = "a line that is no run: cut off by a crash, or edited; it is passed over"
        yield Finding(
            WARNING, words, f"{path}:{line}", f"look at it: sed -n {line}p {quoted(path)}"
        )


def _owner(scene: Scene) -> Iterator[Finding]:
    store = scene.store
    try:
        machine.check(store.home)
    except CcsError as error:
        yield Finding(BROKEN, error.message, store.home.host, error.hint)
    if machine.identity() is None:
        why = "this is a container" if machine.in_container() else "this system has no machine id"
        words = f"{why}, so use of the store by two machines would not be noticed"
        yield Finding(NOTE, words, store.home.path, "let one machine at a time use it")


def _disk(scene: Scene) -> Iterator[Finding]:
    store = scene.store
    try:
        with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
            kind = mounts.kind_of(os.path.realpath(store.home.path), file.read())
    except OSError:
        return  # only Linux lists them so
    if mounts.is_remote(kind):
        words = f"it lies on {kind}, where locks may not hold others off, so runs may be doubled"
        mend = "keep it on a local disk: move it there, and set CCS_HOME for cron too"
        yield Finding(WARNING, words, store.home.path, mend)


def _locks(scene: Scene) -> Iterator[Finding]:
    home = scene.store.home
    most = {home.store_lock: _MOMENT, home.usage_lock: _MOMENT, home.tick_lock: _TICK_SECONDS}
    for path, seconds in most.items():
        pid = lock.holding(path)
        held = None if pid is None else _held(path, pid, scene)
        if held is not None and held > seconds:
            span = duration.text(timedelta(seconds=round(held)))
            words = f"held for {span} by pid {pid}, so nothing else goes on"
            yield Finding(BROKEN, words, path, f"ps -fp {pid}; if it hangs: kill {pid}")


def _held(path: str, pid: int, scene: Scene) -> float | None:
    """Seconds; at most as long as the process has run, and since it signed if it did."""
    age = process.age(pid)
    try:
        signed = os.stat(path + ".holder").st_mtime
    except OSError:
        return age
    return None if age is None else min(age, max(0.0, scene.now.timestamp() - signed))


def _accounts(scene: Scene) -> Iterator[Finding]:
    where = scene.store.home.usage
    try:
        views = usage.usage(scene.store, scene.now)
    except BrokenStore:
        return  # the file is another check's finding
    for view in views:
        name, clear = view["account"], f"ccs usage clear {quoted(view['account'])}"
        if view["state"] == "outage":
            words = f"account {name} does not work ({view['reason']}): {view['message']}"
            login = "claude auth login" if view["reason"] == "auth" else "put its account in order"
            yield Finding(BROKEN, words, where, f"{login}, then: {clear}")
        elif view["state"] == "overage":
            words = f"account {name} is paid with extra-usage credits since {view['since']}"
            yield Finding(WARNING, words, where, "ccs usage; ccs profiles update --on-overage stop")
        elif view["state"] in ("limited", "unproven"):
            words = f"account {name} is at its limit until {view['until'] or 'a run has tried'}"
            yield Finding(
                NOTE, words, where, "nothing to do: its runs wait and go on by themselves"
            )
        for alarm in view["alarms"] if view["state"] != "outage" else []:
            if _is_recent(alarm.get("at"), scene):
                words = f"account {name}: {alarm.get('kind')}: {alarm.get('message')}"
                yield Finding(WARNING, words, where, clear)


def _is_recent(at: object, scene: Scene) -> bool:
    try:
        return scene.now - instant.parse(str(at)) < _RECENT
    except ValueError:
        return False  # edited by hand


def _strangers(scene: Scene) -> Iterator[Finding]:
    """What no ccs of this version has put there."""
    home = scene.store.home
    try:
        names = sorted(os.listdir(home.path))
    except FileNotFoundError:
        return
    foreign = [one for one in names if not _is_known(home, one)]
    for name in foreign[:_MOST_STRANGERS]:
        path = home.file(name)
        more = len(foreign) - _MOST_STRANGERS if name == foreign[:_MOST_STRANGERS][-1] else 0
        words = "not of ccs: of another program, or of a later version"
        words += f"; and {more} more like it" if more > 0 else ""
        yield Finding(NOTE, words, path, f"if it is another's: mv {quoted(path)} ~")


def _is_known(home: Home, name: str) -> bool:
    base = name.partition(".corrupt-")[0].partition(AWAY)[0]
    for ending in _ENDINGS:
        base = base.removesuffix(ending)
    return base.startswith(".") or home.file(base) in home.known


CHECKS: tuple[Check, ...] = (
    *(_trust, _records, _others, _history, _owner, _disk, _locks, _accounts, _strangers),
    *ticking.CHECKS,
    *surroundings.CHECKS,
)
