"""When a run that met a limit goes on: after the reset, or by trying when nobody told one. Lean."""

from __future__ import annotations

from datetime import timedelta

from ccs.usage import windows
from ccs.usage.gate import spread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

# Refused again so often after a reset, it is no usual night any more.
ALARM_AFTER = 5
_SHORT = timedelta(minutes=5)
_DOUBLINGS = 10


def resume_at(
    task: str,
    window: str | None,
    resets_at: datetime | None,
    parks: int,
    now: datetime,
    margin: float,
) -> datetime:
    """`parks`: how often it was parked before this time, in a row.

    Never later than one length of the window ahead: by then it has tried again.
    """
    longest = windows.length(window or "five_hour")
    if resets_at is None:
        wait = min(windows.PROBE * _doubled(parks), longest)
    elif resets_at <= now:
        # The reset has come and it was refused all the same: the server needs a while.
        wait = min(_SHORT * _doubled(parks - 1), windows.PROBE) if parks else timedelta(0)
    else:
        wait = min(resets_at - now, longest)
    return now + wait + spread(task, margin)


def _doubled(times: int) -> int:
    return 1 << min(times, _DOUBLINGS)
