"""Whether a run may start now, beside what runs already.

Asked twice, by the tick that plans and under the store lock by the supervisor that starts; both
must mean the same, so the rule stands once. Lean.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def held_reason(
    task_id: str, overlap: str, forced: bool, running: Sequence[str], limit: int
) -> str | None:
    """Why not: `overlap`, `concurrency`, or None. `running`: the task ids of all running runs."""
    if task_id in running and overlap != "allow" and not forced:
        return "overlap"
    if len(running) >= limit:
        return "concurrency"
    return None
