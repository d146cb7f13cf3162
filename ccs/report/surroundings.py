"""For `ccs doctor`: the programs and the disk that runs need, as this shell has them."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator

from ccs.host import asking, environ, program
from ccs.report import disk
from ccs.report.finding import BROKEN, NOTE, WARNING, Check, Finding, Scene
from ccs.store.mending import quoted

_ASKING_SECONDS = 0.4
_GIT = (2, 33)
_MIB = 1 << 20
# Less, and a run's log or the next record may not fit any more.
_FULL, _TIGHT = 50 * _MIB, 500 * _MIB
_MUCH = 2048 * _MIB
_VERSION = re.compile(r"\d+\.\d+\.\d+[\w.-]*")


def _client(scene: Scene) -> Iterator[Finding]:
    if not scene.is_real:
        return
    path, level = scene.here["client"], BROKEN if scene.timed else WARNING
    if path is None:
        mend = "npm install -g @anthropic-ai/claude-code, or: ccs settings set claude_path PATH"
        yield Finding(level, str(scene.here["problem"]), "PATH", mend)
        return
    real = (one for one in scene.runs if one.end_time and not one.mock)
    runs = sorted(real, key=lambda one: str(one.end_time), reverse=True)
    last = next((one for one in runs if one.status == "success"), None)
    version = _version(path)
    if last and last.claude_version and version and version != last.claude_version:
        failed = runs[0].status == "failed"
        words = f"it is {version} now; the last run that succeeded had {last.claude_version}"
        words += ", and the newest failed" if failed else ""
        mend = f"ccs tasks run {last.task_id[:8]} --wait shows whether it works"
        yield Finding(WARNING if failed else NOTE, words, path, mend)


def _version(path: str) -> str | None:
    """As the files beside it tell; the program itself takes its time to start."""
    real = os.path.realpath(path)
    name = os.path.basename(real)
    if _VERSION.fullmatch(name):  # as the native installer keeps them
        return name
    try:
        with open(os.path.join(os.path.dirname(real), "package.json"), encoding="utf-8") as file:
            told = json.load(file)
    except (OSError, ValueError):
        return None
    version = told.get("version") if isinstance(told, dict) else None
    return version if isinstance(version, str) else None


def _git(scene: Scene) -> Iterator[Finding]:
    path = scene.here["git"]
    mend = "install git 2.33 or newer (apt install git, brew install git)"
    if path is None:
        words = "there is no git, so nothing is committed and no worktree can be made"
        yield Finding(WARNING, words, "PATH", mend)
        return
    variables = environ.inherited(scene.environment)
    try:
        answer = asking.ask([path, "--version"], b"", "/", variables, _ASKING_SECONDS)
    except OSError as error:
        yield Finding(WARNING, f"git cannot be called: {error.strerror}", path, mend)
        return
    if answer.code is None:
        return  # the machine is busy: a slow answer is no fault
    found = re.search(r"(\d+)\.(\d+)", os.fsdecode(answer.out))
    if not found:
        yield Finding(WARNING, "git does not tell its version", path, mend)
    elif tuple(map(int, found.groups())) < _GIT:
        yield Finding(WARNING, f"git {found[0]} is too old to commit what runs change", path, mend)


def _room(scene: Scene) -> Iterator[Finding]:
    """Free space, and what ccs takes of it."""
    home = scene.store.home
    if not os.path.isdir(home.path):
        return
    used = disk.use(home)
    free, taken = used["free_bytes"], used["total"]["bytes"]
    said = f"{_mib(free or 0)} are free on its disk, and ccs uses {_mib(taken)}"
    mend = "ccs runs prune --older-than 30d --dry-run, or make room elsewhere: df -h"
    if free is not None and free < _TIGHT:
        yield Finding(BROKEN if free < _FULL else WARNING, said, home.path, mend)
    elif taken > _MUCH:
        yield Finding(NOTE, said, home.path, "ccs settings set prune_older_than 90d")


def _mib(count: int) -> str:
    return f"{count // _MIB:,} MiB"


def _namesakes(scene: Scene) -> Iterator[Finding]:
    """Other programs of this name; some of them belong to the client's users too."""
    directories = scene.environment.get("PATH", os.defpath).split(os.pathsep)
    found = [shutil.which("ccs", path=one) for one in dict.fromkeys(directories) if one]
    paths = [one for one in found if one]
    foreign = [one for one in paths if not _is_ours(one)]
    for path in foreign:
        ours = next((one for one in paths if one not in foreign), None)
        hidden = ours is None or paths.index(path) < paths.index(ours)
        directory = os.path.dirname(ours or os.path.join(os.path.dirname(sys.executable), "ccs"))
        words = "another program called ccs" + (", found before this one" if hidden else "")
        mend = f"export PATH={quoted(directory)}:$PATH, or call this one claude-code-scheduler"
        yield Finding(WARNING if hidden else NOTE, words, path, mend)


def _is_ours(path: str) -> bool:
    """A script that calls this package, by whatever Python, or a shim that leads to one."""
    try:
        with open(path, "rb") as file:
            head = file.read(4096)
    except OSError:
        return False
    return any(one in head for one in (b"from ccs.", b"from ccs ", b"-m ccs", b"pyenv"))


def _compiled(scene: Scene) -> Iterator[Finding]:
    found = program.uncompiled()
    if not found:
        return
    count = f"{len(found)} module" + ("" if len(found) == 1 else "s")
    words = f"{count} not compiled, which makes each tick slower"
    places = sorted({os.path.dirname(one) for one in found})
    mend = " ".join([quoted(sys.executable), "-m compileall -q", *map(quoted, _highest(places))])
    yield Finding(NOTE, words, places[0], mend)


def _highest(places: list[str]) -> list[str]:
    """Those that lie in none of the others."""
    return [one for one in places if not any(one.startswith(it + os.sep) for it in places)]


CHECKS: tuple[Check, ...] = (_client, _git, _room, _namesakes, _compiled)
