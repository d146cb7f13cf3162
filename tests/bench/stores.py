"""Stores of a chosen size, as ccs itself would have left them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid5

from ccs import instant
from ccs.model.run import Run
from ccs.model.task import Task
from ccs.store import agenda
from ccs.store.history import History
from ccs.store.home import Home
from ccs.store.store import Store

_ANY = UUID("6a3c1b2d-4e5f-4d0b-8f6e-0d9e4b5c1f6b")
# A typical mix: few expressions, many tasks.
_CRONS = ("0 3 * * *", "30 2 * * 1-5", "15 */6 * * *", "0 9 1 * *", "45 23 * * 0")
KEPT = 200


def an_id(number: int) -> str:
    return str(uuid5(_ANY, str(number)))


def make(
    place: Path,
    tasks: int = 10,
    runs: int = 0,
    due: int = 0,
    most: int = 3,
    client: str | None = None,
) -> Store:
    """`due`: so many tasks fire at the next tick; nothing else does within the hour. `client`: what
    they call, by default the bundled stand-in."""
    home = Home(str(place))
    home.create()
    store = Store(home)
    now = datetime.now(UTC)
    settings = {"format": 1, "mock_mode": client is None, "max_concurrent_tasks": most}
    _write(home.settings, {**settings, "claude_path": client})
    work = place.parent / "work"
    work.mkdir(exist_ok=True)
    _write(home.collection("jobs"), {"format": 1, "jobs": []})
    entries = [_task(number, number < due, work, now) for number in range(tasks)]
    _write(home.collection("tasks"), {"format": 1, "tasks": entries})
    slot = instant.text(now)
    store.cursors.write(
        store.cursors.read(), [{"id": an_id(number), "slot": slot} for number in range(due, tasks)]
    )
    _write_runs(store, runs, tasks, now)
    return store


def fire(store: Store, due: int) -> None:
    """The first `due` tasks are due again, as if a minute had gone by."""
    past = instant.text(datetime.now(UTC) - timedelta(seconds=90))
    fired = {an_id(number) for number in range(due)}
    content = store.cursors.read()
    stamp = store.cursors.put(content, [{"id": one, "slot": past} for one in fired])
    path = Path(store.home.agenda)
    if not path.exists():
        return
    head, *lines = path.read_text().splitlines()
    words = [word for word in head.split() if not word.startswith("cursors.json=")]
    words.insert(
        words.index(next(w for w in words if w.startswith("usage.json="))),
        f"cursors.json={agenda.shown(stamp)}",
    )
    awake = [
        line.replace(line[:12], "0" * 12, 1) if line[-36:] in fired else line for line in lines
    ]
    _private(str(path), "\n".join([" ".join(words), *awake, ""]))


def _task(number: int, is_due: bool, work: Path, now: datetime) -> dict[str, object]:
    soon = now + timedelta(hours=2)
    hourly = f"{soon.minute} {soon.hour} * * *"
    cron = "* * * * *" if is_due else (_CRONS[number % len(_CRONS)] if number % 7 else hourly)
    schedule = {"schedule_type": "cron", "cron": cron, "timezone": "Europe/Berlin"}
    fields = {
        "id": an_id(number),
        "name": f"task {number}",
        "prompt": f"Look after number {number}. " + "Then report what was found. " * 5,
        "schedule": schedule,
        "working_directory": str(work),
        "active_since": now if not is_due else now - timedelta(seconds=90),
        "created_at": now,
        "updated_at": now,
        "overlap": "allow" if is_due else "skip",
    }
    return Task.checked(fields).record()


def _write_runs(store: Store, runs: int, tasks: int, now: datetime) -> None:
    begun = now - timedelta(days=365)
    step = timedelta(days=364) / max(runs, 1)
    line_of = pattern()
    kept = min(runs, KEPT)
    files: dict[str, list[str]] = {}
    for number in range(runs - kept):
        slot = instant.text(begun + number * step)
        line = line_of.replace("@id", an_id(1_000_000_000 + number), 1)
        line = line.replace("@task", an_id(number % tasks), 1).replace("@slot", slot)
        files.setdefault(slot[:7], []).append(line)
    for month, lines in files.items():
        path = os.path.join(store.home.history, f"{month}.jsonl")
        _private(path, "".join(lines))
    History(store.home.history)._extend_index({})
    newest = []
    for number in range(runs - kept, runs):
        slot = instant.text(begun + number * step)
        line = line_of.replace("@id", an_id(1_000_000_000 + number), 1)
        newest.append(
            json.loads(line.replace("@task", an_id(number % tasks)).replace("@slot", slot))
        )
    _write(store.home.collection("runs"), {"format": 1, "runs": newest})


def pattern() -> str:
    """A finished run as a line of history, with @id, @task and @slot to be filled in."""
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    run = Run.checked(
        {
            "id": an_id(0),
            "task_id": an_id(1),
            "task_name": "look after it",
            "trigger": "schedule",
            "status": "success",
            "scheduled_time": begun,
            "start_time": begun,
            "end_time": begun,
            "duration": 61.2,
            "session_id": an_id(2),
            "exit_code": 0,
            "cost_usd": 0.21,
            "turns": 7,
            "usage": {"input": 1203, "output": 812, "cache_read": 60312},
            "models": ["claude-sonnet-4-5"],
            "account": "default",
            "model": "sonnet",
            "message": "Everything was found as it should be, nothing had to be changed.",
            "cwd": "/home/you/projects/app",
        }
    ).record()
    slots = dict.fromkeys(("scheduled_time", "start_time", "end_time"), "@slot")
    run |= {**slots, "id": "@id", "task_id": "@task"}
    return json.dumps(run, separators=(",", ":")) + "\n"


def _write(path: str, document: dict[str, object]) -> None:
    _private(path, json.dumps(document, indent=2) + "\n")


def _private(path: str, text: str) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def settle(store: Store, tick: Callable[[], object], seconds: float = 120.0) -> None:
    """Waits until nothing runs any more. What found the store busy for too long, a tick merges."""
    begun = looked = time.monotonic()
    while any(run.unfinished for run in store.runs.all()):
        if time.monotonic() - begun > seconds:
            raise SystemExit("runs did not end")
        if time.monotonic() - looked > 15:
            tick()
            looked = time.monotonic()
        time.sleep(0.05)
