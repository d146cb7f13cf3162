"""What was asked of a run's supervisor: the task as the run ran it. Lean."""

from __future__ import annotations

import json

from ccs.store import atomic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ccs.store.home import Home


def as_it_ran(home: Home, run_id: str) -> dict[str, Any] | None:
    """None when that file is gone or torn. Raises BrokenStore for one that is not ours alone,
    OSError."""
    found = atomic.read(home.as_run(run_id))
    try:
        record = json.loads(found[0]) if found else None
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
