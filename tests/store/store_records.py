"""Records as people find them in the files, and processes that hold locks."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from ccs import instant
from ccs.model.run import Run
from ccs.model.task import Task

WHEN = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
_ANY = UUID("0d9e4b5c-1f6b-4d0b-8f6e-6a3c1b2d4e5f")


def an_id(number: int) -> str:
    """Reproducible, and spread over all first digits as real ones are."""
    return str(uuid5(_ANY, str(number)))


def task_entry(number: int = 0, **fields: Any) -> dict[str, Any]:
    moment = instant.text(WHEN)
    stamps = {"active_since": moment, "created_at": moment, "updated_at": moment}
    return {"id": an_id(number), "name": f"task {number}", "prompt": "go", **stamps, **fields}


def task(number: int = 0, **fields: Any) -> Task:
    return Task.model_validate(task_entry(number, **fields))


def run_entry(number: int = 0, **fields: Any) -> dict[str, Any]:
    slot = instant.text(WHEN + timedelta(minutes=number))
    known = {"task_id": an_id(-1), "trigger": "schedule", "status": "success"}
    return {"id": an_id(number), **known, "scheduled_time": slot, **fields}


def run(number: int = 0, **fields: Any) -> Run:
    return Run.model_validate(run_entry(number, **fields))


def document(name: str, *entries: Any, **envelope: Any) -> str:
    return json.dumps({"format": 1, **envelope, name: list(entries)}, indent=2)


def python(script: str, *words: str, **popen: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-I", "-c", script, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **popen,
    )


class Holder:
    """A process that holds a lock. `heir`: a child of it inherits the descriptor."""

    SCRIPT = """
import subprocess, sys
from ccs.store.lock import Lock
path, heir, command = sys.argv[1:]
lock = Lock(path)
lock.acquire_within(10, command)
if heir:
    subprocess.Popen(["cat"], pass_fds=[lock.fd], stdout=subprocess.DEVNULL)
print("held", flush=True)
sys.stdin.read()
"""
    BY_FILELOCK = """
import sys, filelock
lock = filelock.FileLock(sys.argv[1])
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""

    def __init__(
        self, path: str, heir: bool = False, command: str = "", script: str = SCRIPT
    ) -> None:
        self.process = python(script, path, "heir" if heir else "", command)
        assert self.process.stdout and self.process.stdout.readline() == "held\n"

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
