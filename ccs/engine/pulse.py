"""Whether a client still shows signs of life: events it prints.

It may be silent while its tools run, for those are the run's own work, and while it waits to try a
request again; only the run's timeout bounds these. Lean.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ccs.claude.events import Stream


class Pulse:
    """Times in seconds; None for no bound."""

    def __init__(
        self, monotonic: Callable[[], float], first: float | None, idle: float | None
    ) -> None:
        self._monotonic = monotonic
        self._idle = idle
        self._deadline = _after(monotonic(), first if first is not None else idle)

    def beat(self, stream: Stream) -> None:
        """An event was read."""
        pause = stream.retry_seconds
        self._deadline = None
        if not stream.open_tools and self._idle is not None:
            self._deadline = self._monotonic() + self._idle + pause

    def has_stopped(self) -> bool:
        return self._deadline is not None and self._monotonic() >= self._deadline


def _after(now: float, seconds: float | None) -> float | None:
    return None if seconds is None else now + seconds
