"""A run that met a limit is parked: the run that goes on with its session is recorded at once.

It is recorded in the same write as the end of the run before it, so nothing in between can lose
it, and a reboot finds it waiting. Lean.
"""

from __future__ import annotations

from ccs import instant
from ccs.usage import windows
from ccs.usage.gate import MARGIN
from ccs.usage.parking import resume_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

    Record = dict[str, Any]

# What goes on is the same work in the same place, for the same job and on the same account.
_KEPT = (
    *("task_id", "job_id", "job_run", "task_name", "attempt", "session_id", "cwd", "worktree"),
    *("profile", "account", "mock", "limit_type", "resets_at", "prompt", "approved"),
)


def resume_of(run: Record, asked: Record | None, now: datetime) -> Record | None:
    """The run that goes on with a limited one. `asked`: the task as it ran, if that is left.

    None where the task says that a limit is the end of it.
    """
    task = (asked or {}).get("task", {})
    if run["status"] != "limited" or task.get("on_limit") == "fail" or not run.get("session_id"):
        return None
    from ccs.model import key

    # Refused after it had been served, it begins to count anew.
    parks = 0 if _was_served(run) else int(run.get("parks") or 0)
    window, ends = run.get("limit_type"), run.get("resets_at")
    margin = float((asked or {}).get("terms", {}).get("margin", MARGIN.total_seconds()))
    resets_at = instant.parse(ends) if ends else None
    other = _other_model(run, task)
    at = resume_at(run["task_id"], window, resets_at, parks, now, margin)
    return {
        **{name: run[name] for name in _KEPT if run.get(name) is not None},
        "id": key.for_follower(run["id"], "resume", parks + 1),
        "trigger": "resume",
        "status": "upcoming",
        "scheduled_time": instant.text(now),
        **({"model": other} if other else {"parked_until": instant.text(at)}),
        "not_before": None if other else instant.text(at),
        "held_reason": None if other else "limit",
        "resumed_from": run["id"],
        "parks": parks + 1,
    }


def _other_model(run: Record, task: Record) -> str | None:
    """What it falls back on at once, where only its own model is used up."""
    window, fallback = run.get("limit_type"), task.get("fallback_model")
    if not window or not fallback or windows.model_of(window) is None:
        return None
    helps = not windows.concerns(window, fallback) and run.get("model") != fallback
    return str(fallback) if helps else None


def _was_served(run: Record) -> bool:
    usage = run.get("usage")
    return isinstance(usage, dict) and bool(usage.get("output"))
