"""The same work done by others, for comparison."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import stores
from measure import Row, ms

JOBS = 100


def whole_file(place: Path, runs: int, rounds: int) -> float:
    """Milliseconds for one change where one pretty runs.json holds all runs, written and fsynced
    whole, as the prior system keeps them."""
    pattern = json.loads(stores.pattern())
    path = place / f"whole-{runs}.json"
    path.write_text(json.dumps([{**pattern, "id": stores.an_id(n)} for n in range(runs)], indent=2))
    taken = []
    for number in range(rounds):
        begun = time.perf_counter()
        records = json.loads(path.read_text())
        records[-1]["turns"] = number
        with open(f"{path}.tmp", "w") as file:
            json.dump(records, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        os.replace(f"{path}.tmp", path)
        taken.append(time.perf_counter() - begun)
    path.unlink()
    return ms(taken)


def hundred(place: Path, python: str) -> list[Row]:
    rows = [Row(f"{JOBS} x posix_spawn and wait", _spawned(), "s")]
    for name, program, play in (
        ("task-spooler", "tsp", _tsp),
        ("nq", "nq", _nq),
        ("at", "at", _at),
    ):
        if shutil.which(program):
            rows.append(Row(name, play(place), "s"))
        else:
            rows.append(Row(f"{name}: not installed", 0.0, ""))
    for name, script in (("huey", _HUEY), ("apscheduler", _APSCHEDULER)):
        found = subprocess.run([python, "-c", f"import {name}"], capture_output=True, check=False)
        if found.returncode:
            rows.append(Row(f"{name}: not installed", 0.0, ""))
            continue
        words = [python, "-c", script, str(place / f"{name}.db")]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        rows.append(Row(name, float(done.stdout.split()[-1]), "s", note="in one process"))
    return rows


def _spawned() -> float:
    begun = time.perf_counter()
    pids = [os.posix_spawn("/bin/true", ["true"], {}) for _ in range(JOBS)]
    for pid in pids:
        os.waitpid(pid, 0)
    return time.perf_counter() - begun


def _until(done: Callable[[], bool]) -> None:
    while not done():
        time.sleep(0.01)


def _tsp(place: Path) -> float:
    env = {**os.environ, "TS_SOCKET": str(place / "tsp"), "TMPDIR": str(place), "TS_SLOTS": "2"}
    subprocess.run(["tsp", "true"], env=env, capture_output=True, check=True)
    subprocess.run(["tsp", "-w"], env=env, check=True)
    begun = time.perf_counter()
    for _ in range(JOBS):
        subprocess.run(["tsp", "true"], env=env, capture_output=True, check=True)
    subprocess.run(["tsp", "-w"], env=env, capture_output=True, check=True)
    took = time.perf_counter() - begun
    subprocess.run(["tsp", "-K"], env=env, check=True)
    return took


def _nq(place: Path) -> float:
    queue = place / "nq"
    queue.mkdir()
    env = {**os.environ, "NQDIR": str(queue)}
    begun = time.perf_counter()
    for _ in range(JOBS):
        subprocess.run(["nq", "true"], env=env, capture_output=True, check=True)
    subprocess.run(["nq", "-w"], env=env, capture_output=True, check=True)
    return time.perf_counter() - begun


def _at(place: Path) -> float:
    """Needs atd."""
    begun = time.perf_counter()
    for number in range(JOBS):
        words = f"touch {place}/at-{number}\n"
        subprocess.run(["at", "now"], input=words, text=True, capture_output=True, check=True)
    deadline = begun + 20
    _until(lambda: len(list(place.glob("at-*"))) == JOBS or time.perf_counter() > deadline)
    return time.perf_counter() - begun


_HUEY = f"""
import sys, threading, time
from huey import SqliteHuey
huey = SqliteHuey(filename=sys.argv[1], fsync=True)
@huey.task()
def job(): return 1
consumer = huey.create_consumer(workers=2, worker_type="thread", initial_delay=0.01, max_delay=0.05)
consumer.start()
begun = time.perf_counter()
results = [job() for _ in range({JOBS})]
for one in results: one.get(blocking=True, timeout=30)
print(time.perf_counter() - begun)
consumer.stop(graceful=True)
"""
_APSCHEDULER = f"""
import sys, threading, time
from datetime import datetime
from apscheduler.schedulers.background import BackgroundScheduler
scheduler = BackgroundScheduler(timezone="UTC")
scheduler.add_jobstore("sqlalchemy", url="sqlite:///" + sys.argv[1])
done = threading.Semaphore(0)
def job(): done.release()
scheduler.start()
begun = time.perf_counter()
for _ in range({JOBS}): scheduler.add_job("__main__:job", misfire_grace_time=None)
for _ in range({JOBS}): done.acquire()
print(time.perf_counter() - begun)
scheduler.shutdown()
"""
