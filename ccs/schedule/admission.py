"""Whether a run may start now, beside what runs already.

Asked twice, by the tick that plans and under the store lock by the supervisor that starts; both
must mean the same, so the rule stands once. Lean.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Running = Sequence[tuple[str | None, str | None]]


def held_reason(
    task: str,
    job: str | None,
    running: Running,
    overlap: str = "skip",
    forced: bool = False,
    limit: int = 1,
    job_limit: int = 1,
) -> str | None:
    """Why not: `overlap`, `concurrency`, or None. `running`: task and job of all running runs.

    The tasks of a job share a directory, so its limit holds for all of them, by whatever they are
    started. `forced` passes overlap, never the limits.
    """
    if not forced and overlap != "allow" and any(other == task for other, _ in running):
        return "overlap"
    if len(running) >= limit:
        return "concurrency"
    if job is not None and sum(other == job for _, other in running) >= job_limit:
        return "concurrency"
    return None
