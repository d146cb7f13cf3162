"""A run that failed for a reason its task retries is tried again, as a run of its own.

It is recorded in the same write as the end of the run before it, and waits there for its time, so
a reboot loses no try. A try of a run that went on with a session goes on with it too; any other
begins in a session of its own, because the client refuses a session id that was used. Lean.
"""

from __future__ import annotations

from datetime import timedelta

from ccs import instant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

    Record = dict[str, Any]

_LONGEST = timedelta(days=1).total_seconds()
# Of each pause up to this part more, which differs from run to run: what failed together, because
# a service was down, does not come back together.
_SPREAD = 0.2
# The same work in the same place, for the same job and on the same account.
_KEPT = (
    *("task_id", "job_id", "job_run", "task_name", "parks", "profile", "account", "mock"),
    *("restart_of", "prompt", "cwd", "worktree", "approved"),
)


def retry_of(run: Record, asked: Record | None, now: datetime) -> Record | None:
    """The next try of a run that has ended. `asked`: the task as it ran, if that is left."""
    rule = (asked or {}).get("retry") or {}
    attempt = int(run.get("attempt") or 1)
    if run["status"] not in ("failed", "lost") or run.get("reason") not in rule.get("on", ()):
        return None
    if attempt >= int(rule["max_attempts"]):
        return None
    from ccs.model import key

    kept = _KEPT + (("session_id",) if (asked or {}).get("resumes") else ())
    run_id = key.for_follower(run["id"], "retry", attempt + 1)
    wait = pause(run_id, float(rule["delay"]), float(rule["backoff_multiplier"]), attempt)
    return {
        **{name: run[name] for name in kept if run.get(name) is not None},
        "id": run_id,
        "trigger": "retry",
        "status": "upcoming",
        "attempt": attempt + 1,
        "scheduled_time": instant.text(now),
        "not_before": instant.text(now + wait),
        "held_reason": "retry",
        "retry_of": run["id"],
    }


def pause(run_id: str, delay: float, multiplier: float, attempt: int) -> timedelta:
    """How long to wait after so many attempts; at most a day, and the spread."""
    steady = min(delay * multiplier ** min(attempt - 1, 64), _LONGEST)
    return timedelta(seconds=round(steady * (1 + _SPREAD * int(run_id[:4], 16) / 0xFFFF), 3))
