"""The clocks of whoever has to wait: handed in at the door, so that nothing below asks the time.

Lean: supervisors wait with it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime


class Clock:
    """Wall time for records, monotonic time for spans, and a way to let time pass."""

    def __init__(
        self,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self.now = now
        self.monotonic = monotonic
        self.sleep = sleep
