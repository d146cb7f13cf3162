"""When a task runs: one class a kind, told apart by `schedule_type`.

Only validated here; what a schedule means in time is the business of `ccs.schedule`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ccs.errors import CcsError
from ccs.model.record import Instant, Part, Zone
from ccs.schedule import cron


def _expression(value: str) -> str:
    try:
        return cron.validate(value)
    except CcsError as error:
        raise ValueError(
            f"{error.message} ({error.hint})" if error.hint else error.message
        ) from None


class Manual(Part):
    """Runs only when somebody asks."""

    schedule_type: Literal["manual"] = "manual"


class CronSchedule(Part):
    """A Debian cron expression, read in an IANA zone."""

    schedule_type: Literal["cron"] = "cron"
    cron: Annotated[str, AfterValidator(_expression)]
    timezone: Zone = "UTC"


class Once(Part):
    """One slot, at an instant."""

    schedule_type: Literal["once"] = "once"
    at: Instant
    timezone: Zone = "UTC"


Schedule = Annotated[Manual | CronSchedule | Once, Field(discriminator="schedule_type")]
