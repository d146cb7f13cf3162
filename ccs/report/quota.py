"""What runs usually take out of their account's windows, and which of those to come still fit.

Learnt from the shares the client told before and after each run. Runs side by side see each other's
use in theirs; the median of several nights forgives that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from statistics import median

from ccs.model.run import Run
from ccs.usage import windows
from ccs.usage.window import Window

_LEARNT_FROM = 20
# Less than this is not worth a word.
_NOTHING = 0.005


def usual_quota(runs: Iterable[Run]) -> dict[str, dict[str, float]]:
    """Per task and window the median share that a run of it took. `runs`: newest first."""
    seen: dict[str, dict[str, list[float]]] = {}
    for run in runs:
        mine = seen.setdefault(run.task_id, {})
        for window, took in _taken(run).items():
            shares = mine.setdefault(window, [])
            if len(shares) < _LEARNT_FROM:
                shares.append(took)
    return {
        task: {window: median(shares) for window, shares in mine.items()}
        for task, mine in seen.items()
        if mine
    }


def _taken(run: Run) -> dict[str, float]:
    if run.status != "success" or not run.quota:
        return {}
    before, after = run.quota.get("before"), run.quota.get("after")
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return {}
    found = {}
    for window, end in after.items():
        start, share = windows.share(before.get(window)), windows.share(end)
        # Less than before: the window was reset in between, and nobody can say.
        if start is not None and share is not None and share >= start:
            found[str(window)] = share - start
    return found


class Forecast:
    """The windows of one account, as they fill with the runs to come. Asked in order of time."""

    def __init__(self, known: Mapping[str, Window]) -> None:
        self._used = {name: window.utilization or 0.0 for name, window in known.items()}
        self._ends = {
            name: window.resets_at or window.refused_until for name, window in known.items()
        }

    def push(self, at: datetime, needs: Mapping[str, float]) -> tuple[str, datetime] | None:
        """The window that has no room for the run and its reset; None: it fits, and is counted."""
        for name in needs:
            ends = self._ends.get(name)
            if ends is not None and ends <= at:
                self._used[name], self._ends[name] = 0.0, None
        full = {name: self._ends.get(name) for name in needs if self._is_full(name, needs[name])}
        known = [(end, name) for name, end in full.items() if end is not None]
        if known:
            end, name = max(known)
            return name, end
        for name, share in needs.items():
            self._used[name] = self._used.get(name, 0.0) + share
            if self._ends.get(name) is None:
                self._ends[name] = at + windows.length(name)  # it opens the window
        return None

    def left(self, window: str) -> float:
        return max(0.0, 1 - self._used.get(window, 0.0))

    def _is_full(self, window: str, share: float) -> bool:
        return share >= _NOTHING and self._used.get(window, 0.0) + share > 1


def said(needs: Mapping[str, float]) -> str:
    """`about 12% of five_hour, 2% of seven_day`, or nothing."""
    parts = [f"{share:.0%} of {name}" for name, share in needs.items() if share >= _NOTHING]
    return f"about {', '.join(parts)}" if parts else ""
