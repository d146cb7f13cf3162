"""Ticks two at a time, and they and the supervisors killed at any moment, again and again."""

from __future__ import annotations

import math
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from size import SHARE
from world import World

from ccs.model.task import Task
from ccs.store.home import Home
from ccs.store.store import Store

DUE_EACH_ROUND = 2


def test_no_slot_is_lost_or_launched_twice(world, seeded, record_property):
    wanted = max(30, round(1000 * SHARE))
    world.settings(max_concurrent_tasks=100)
    tasks: list[str] = []
    kills = 0
    began = time.monotonic()
    subprocess.run([sys.executable, "-P", "-m", "ccs", "tick"], env=world.env, check=True)
    usual = time.monotonic() - began
    while kills < wanted:
        tasks += _due(world, seeded)
        kills += _tick_and_kill(world, seeded, usual)
    world.settle()
    record_property("kills", kills)
    record_property("slots", len(tasks))
    world.assert_whole()
    world.assert_launched_once()
    runs = [one for one in world.all_runs() if one["task_id"] in tasks]
    assert sorted(one["task_id"] for one in runs) == sorted(tasks), "each slot has one record"
    # A supervisor that was killed five times before it could begin is given up, and says so.
    ends = {(one["status"], one["reason"]) for one in runs}
    assert ends <= {("success", None), ("lost", "crash"), ("failed", "start_failed")}
    assert ("success", None) in ends and ("lost", "crash") in ends
    given_up = [one["id"] for one in runs if one["reason"] == "start_failed"]
    assert not set(given_up) & set(world.launches())


def _due(world: World, chance: random.Random) -> list[str]:
    """New tasks whose only slot has just come."""
    store = Store(Home(str(world.store)))
    now = datetime.now(UTC)
    made = [
        Task.checked(
            {
                "id": str(UUID(int=chance.getrandbits(128), version=4)),
                "name": "due",
                "prompt": chance.choice(["go", "[[mock: slow seconds=1]]"]),
                "schedule": {"schedule_type": "once", "at": now - timedelta(seconds=1)},
                "working_directory": str(world.work),
                "active_since": now - timedelta(minutes=1),
                "created_at": now,
                "updated_at": now,
            }
        )
        for _ in range(DUE_EACH_ROUND)
    ]
    with store.locked("the test"):
        store.tasks.put(*made)
    return [one.id for one in made]


def _tick_and_kill(world: World, chance: random.Random, usual: float) -> int:
    """Two ticks together; how many processes were killed. `usual`: seconds that a tick takes."""
    argv = [sys.executable, "-P", "-m", "ccs", "tick"]
    ticks = [subprocess.Popen(argv, env=world.env, cwd=world.work) for _ in range(2)]
    began = time.monotonic()
    ends = {one.pid: _moment(chance, began, usual, 0.3) for one in ticks}
    kills = 0
    while any(one.poll() is None for one in ticks) or time.monotonic() < began + usual:
        supervisors = _supervisors(world)
        for pid in supervisors:
            ends.setdefault(pid, _moment(chance, time.monotonic(), usual, 0.6))
        running = [*supervisors, *(one.pid for one in ticks if one.poll() is None)]
        for pid in running:
            if time.monotonic() >= ends.get(pid, math.inf):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    kills += 1
                    ends[pid] = math.inf
        time.sleep(0.02)
        assert time.monotonic() < began + 90, "a tick does not end"
    for one in ticks:
        assert one.wait() in (0, -signal.SIGKILL)
    return kills


def _moment(chance: random.Random, now: float, usual: float, share: float) -> float:
    """When to kill it: some time in its life, or never."""
    return now + chance.uniform(0, 1.5 * usual) if chance.random() < share else math.inf


def _supervisors(world: World) -> list[int]:
    found = []
    for pid in world.processes():
        with suppress(OSError):
            if b"supervise" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found
