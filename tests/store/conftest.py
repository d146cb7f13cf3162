"""Real faults for the store: a full disk, a file-size limit, kills at a chosen system call."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from store_records import Holder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 kB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k,mode=0700", "tmpfs", str(place)]
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("only root can mount a small disk")
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is forbidden here")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def fill() -> Any:
    """Leaves no byte free on the disk of `directory`; returns the file to remove for room."""

    def to_the_brim(directory: Path) -> Path:
        ballast = directory / "ballast"
        with ballast.open("wb", buffering=0) as file:
            for size in (65536, 4096, 1):
                try:
                    while file.write(b"\0" * size) == size:
                        pass
                except OSError:
                    pass
        return ballast

    return to_the_brim


@pytest.fixture
def at_most() -> Any:
    """No file may grow beyond so many bytes: a write is cut short, the next one fails."""

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, before)

    return limited


@pytest.fixture(scope="session")
def strace() -> Any:
    """Runs a script under strace: its exit code and the trace."""
    program = shutil.which("strace")
    if program is None:
        pytest.skip("strace is not installed")
    probe = subprocess.run([program, "-o", os.devnull, "true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("strace may not trace here")

    def traced(options: list[str], script: str, *words: str) -> tuple[int, list[str]]:
        command = [program, "-qq", "-y", *options, "--", sys.executable, "-I", "-c", script, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        return done.returncode, done.stderr.splitlines()

    return traced


@pytest.fixture
def holding() -> Iterator[Any]:
    """Starts processes that hold a lock until they are told to end, and leaves none behind."""
    holders: list[Holder] = []

    def hold(path: str, **how: Any) -> Holder:
        holders.append(Holder(path, **how))
        return holders[-1]

    yield hold
    for one in holders:
        one.end()
