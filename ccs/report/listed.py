"""The lists that are asked for most, without judging again what an unchanged file holds.

Whoever has read all of a file keeps here what that showed (`ccs.store.listing`); a function that
gives None leaves it to the reading of everything. Loads no models.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ccs.errors import BrokenStore
from ccs.store import agenda, atomic, listing
from ccs.store.asked import as_it_ran
from ccs.store.history import History
from ccs.text import shorten

if TYPE_CHECKING:
    from ccs.store.home import Home
    from ccs.store.store import Store

Row = list[str]
BYPASS = "bypass"
# What the file of tasks begins with, and what the list of them in JSON.
_KEPT, _SHOWN = b'{\n  "format": 1,\n  "tasks": [', b'{\n  "tasks": ['
_WIDEST = 200
_PERMISSIONS = 5
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def when(task: Mapping[str, Any]) -> str:
    """A schedule in a few words; a moment, behind `once`, as it stands in the file."""
    schedule = task["schedule"]
    kind = str(schedule["schedule_type"])
    telling = {
        "cron": f"{schedule.get('cron')} ({schedule.get('timezone')})",
        "once": f"once {schedule.get('at')}",
        "interval": f"every {schedule.get('every')}",
        "calendar": _calendar(schedule),
        "file_watch": f"watch {schedule.get('watch_directory')}",
    }
    return telling.get(kind, kind)


def _calendar(schedule: Mapping[str, Any]) -> str:
    frequency, time = schedule.get("calendar_frequency"), schedule.get("calendar_time")
    if frequency == "weekly":
        days = ",".join(_DAYS[one] for one in schedule["calendar_days_of_week"])
        return f"weekly {days} {time}"
    day = f" {schedule['calendar_day_of_month']}" if frequency == "monthly" else ""
    return f"{frequency}{day} {time}"


def row(task: Mapping[str, Any]) -> Row:
    """Id, name, enabled, schedule, model, permissions, job."""
    enabled = "yes" if task["enabled"] else "no"
    cells = (task["name"], enabled, when(task), task["model"] or "default", task["permissions"])
    return [task["id"], *(shorten(str(one), _WIDEST) for one in cells), (task["job_id"] or "")[:8]]


def task_rows(home: Home) -> list[Row] | None:
    found = listing.known(home, "tasks")
    return None if found is None else found.rows


def tasks_in_json(home: Home) -> bytes | None:
    """What `ccs tasks list -o json` prints."""
    known = listing.known(home, "tasks")
    found = atomic.read(home.collection("tasks")) if known and known.as_shown else None
    if known is None or found is None or agenda.shown(found[1]) != known.stamp:
        return None
    return _as_shown(found[0])


def _as_shown(raw: bytes) -> bytes | None:
    return _SHOWN + raw[len(_KEPT) : -1] if raw.startswith(_KEPT) else None


def tasks_read(store: Store, shown: bytes = b"") -> list[Row]:
    """All of tasks.json has been read: their rows, kept where nothing is amiss. `shown`: the list
    of them in JSON as it is printed, if that has been made."""
    content, reading = store.tasks.both()
    rows = [row({**vars(one), "schedule": one.schedule.record()}) for one in reading.records]
    unknown = shown or listing.known(store.home, "tasks") is None
    if unknown and content.raw and not reading.problems and _may_write(store):
        listing.keep(store.home, "tasks", content.stamp, _as_shown(content.raw) == shown, rows)
    return rows


def permissions(home: Home) -> dict[str, str] | None:
    """Of each task as it is now, by its id."""
    rows = task_rows(home)
    return None if rows is None else {one[0]: one[_PERMISSIONS] for one in rows}


def permitted(home: Home, run_id: str) -> str | None:
    """What a run was allowed to do, where the task as it ran is still known."""
    task = task_of(home, run_id)
    return None if task is None else str(task.get("permissions", BYPASS))


def task_of(home: Home, run_id: str) -> dict[str, Any] | None:
    """As it ran; None where that cannot be told. One file must not hide the other runs, and
    ccs doctor names it."""
    try:
        task = (as_it_ran(home, run_id) or {}).get("task")
    except (BrokenStore, OSError):
        return None
    return task if isinstance(task, dict) else None


def newest_runs(home: Home, most: int) -> list[dict[str, Any]] | None:
    """As `ccs runs list` shows them."""
    known, found = listing.known(home, "runs"), atomic.read(home.collection("runs"))
    if known is None or found is None or agenda.shown(found[1]) != known.stamp:
        return None
    if not known.as_shown:
        return None
    runs: list[dict[str, Any]] = json.loads(found[0])["runs"]
    if most > len(runs) and History(home.history).months():
        return None
    runs.sort(key=lambda run: str(run["scheduled_time"]), reverse=True)
    shown = [{**run, "permissions": permitted(home, run["id"])} for run in runs[:most]]
    unknown = [run for run in shown if run["permissions"] is None]
    now = permissions(home) if unknown else {}
    if now is None:
        return None
    for run in unknown:
        run["permissions"] = now.get(run["task_id"])
    return shown


def runs_read(store: Store) -> None:
    """All of runs.json has been read: what that showed is kept."""
    content, reading = store.runs.both()
    if reading.problems or not content.raw or listing.known(store.home, "runs") is not None:
        return
    if not _may_write(store):
        return
    document = json.loads(content.raw)
    shown = [run.record() for run in reading.records]
    as_shown = isinstance(document, dict) and json.dumps(document["runs"]) == json.dumps(shown)
    listing.keep(store.home, "runs", content.stamp, as_shown)


def _may_write(store: Store) -> bool:
    """A store of another machine or of a later version is left as it is."""
    try:
        store.check_writable()
    except (BrokenStore, OSError):
        return False
    return True
