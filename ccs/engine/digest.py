"""What happened since the last digest, for whoever reads one in the morning."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from ccs import instant
from ccs.model.run import Run
from ccs.model.task import Task
from ccs.schedule.due import runs_next
from ccs.store.store import Store

_MOST = 10
# A run is listed by when it was due, and may end long after; none lasts, and waits, longer.
_LONGEST_RUN = timedelta(days=8)


def of(store: Store, since: datetime, until: datetime) -> dict[str, Any]:
    """Plain values, for `ccs.notify.forms.digest`. Raises BrokenStore."""
    begun = since - _LONGEST_RUN
    recent = store.every_run(begun)
    ended = [run for run in recent if run.end_time is not None and since < run.end_time <= until]
    costs = [run.cost_usd for run in ended if run.cost_usd is not None and not run.mock]
    return {
        "since": instant.text(since),
        "until": instant.text(until),
        "counts": dict(Counter(run.status for run in ended)),
        "failures": _failures(ended),
        "cost_usd": round(sum(costs), 4),
        "waiting": _waiting(store),
        "next": _next(store.tasks.all(), until),
    }


def _failures(ended: list[Run]) -> list[dict[str, Any]]:
    """One entry a task and reason, with the newest message."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for run in ended:
        if run.status not in ("failed", "lost"):
            continue
        reason = run.reason or run.status
        entry = found.setdefault(
            (run.task_id, reason),
            {"task_id": run.task_id, "task_name": run.task_name, "reason": reason}
            | {"message": run.message or "", "times": 0},
        )
        entry["times"] += 1
    return sorted(found.values(), key=lambda one: -int(one["times"]))[:_MOST]


def _waiting(store: Store) -> list[dict[str, Any]]:
    return [
        {
            "run": run.id,
            "task_name": run.task_name,
            "held_reason": run.held_reason,
            "not_before": instant.text(run.not_before) if run.not_before else None,
        }
        for run in store.runs.all()
        if run.status == "upcoming" and run.held_reason
    ][:_MOST]


def _next(tasks: list[Task], after: datetime) -> list[dict[str, Any]]:
    slots = [(next(runs_next(task, after), None), task.name) for task in tasks if task.enabled]
    coming = sorted((slot, name) for slot, name in slots if slot is not None)
    return [{"task_name": name, "at": instant.text(slot)} for slot, name in coming[:3]]
