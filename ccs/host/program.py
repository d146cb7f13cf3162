"""ccs itself as a program: how it is called, and whether Python kept it compiled."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence

import ccs

# For a program that is to start several supervisors, which each begin without it: their run ids.
RUN_IDS = "CCS_RUN_IDS"
# What a command loads that was installed with it.
_PACKAGES = ("ccs", "click", "croniter", "dateutil", "pydantic", "pydantic_core")


def argv(*words: str) -> list[str]:
    """For a child. By path: `-m` would first import what finds modules."""
    return [sys.executable, "-P", _entry(), *words]


def scheduled(*words: str) -> list[str]:
    """For the system's scheduler: no shim of a version manager, no environment, no site-packages
    before there is something to do."""
    return [os.path.abspath(sys.executable), "-IS", _entry(), *words]


def detached(argv: list[str], environment: Mapping[str, str]) -> None:
    """Starts a process in a session of its own, with no descriptor of ours. Raises OSError."""
    if sys.platform == "linux":
        _spawned(argv, environment)
    else:
        _opened(argv, environment)


def _spawned(argv: list[str], environment: Mapping[str, str]) -> None:
    """Without `subprocess`, which takes longer to import than this takes to run."""
    streams = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    # What we inherited ourselves, such as the lock of a flock(1) around a tick.
    others = [(os.POSIX_SPAWN_CLOSE, fd) for fd in _open_fds() if fd > 2]
    os.posix_spawn(argv[0], argv, environment, file_actions=streams + others, setsid=True)


def _open_fds() -> Iterator[int]:
    for name in os.listdir("/proc/self/fd"):
        try:
            os.fstat(int(name))
        except OSError:
            continue  # the one that listed them
        yield int(name)


def _opened(argv: list[str], environment: Mapping[str, str]) -> None:
    import subprocess

    how = 0
    if sys.platform == "win32":
        # Out of the job object that Task Scheduler ends with its task.
        how = (
            subprocess.DETACHED_PROCESS
            | subprocess.CREATE_NEW_PROCESS_GROUP
            | subprocess.CREATE_BREAKAWAY_FROM_JOB
        )
    subprocess.Popen(
        argv,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        close_fds=True,
        start_new_session=True,
        creationflags=how,
    ).returncode = 0  # not ours to wait for: keeps Popen from warning that it still runs


def uncompiled(packages: Sequence[str] = _PACKAGES) -> list[str]:
    """The modules that Python compiles anew each time, which makes every command several times as
    slow: their bytecode is missing or of another version of the file."""
    import importlib.util

    found = []
    for name in packages:
        spec = importlib.util.find_spec(name)
        for place in (spec and spec.submodule_search_locations) or ():
            found += [path for path in _sources(place) if not _is_compiled(path)]
    return found


def _entry() -> str:
    return os.path.join(os.path.dirname(os.path.abspath(ccs.__file__)), "__main__.py")


def _sources(place: str) -> Iterator[str]:
    for directory, _, names in os.walk(place):
        yield from (os.path.join(directory, one) for one in sorted(names) if one.endswith(".py"))


def _is_compiled(path: str) -> bool:
    """As the import system asks it (PEP 552)."""
    import importlib.util

    try:
        with open(importlib.util.cache_from_source(path), "rb") as file:
            head = file.read(16)
        source = os.stat(path)
    except OSError:
        return False
    if len(head) < 16 or head[:4] != importlib.util.MAGIC_NUMBER:
        return False
    if head[4] & 1:  # by a hash of the source, which its installer has seen to
        return True
    known = head[8:12], head[12:16]
    return known == tuple(
        (int(number) & 0xFFFFFFFF).to_bytes(4, "little")
        for number in (source.st_mtime, source.st_size)
    )
