"""What every kept record has in common, and the field types they share.

Unknown keys are kept: a file written by a later or another program comes back from a rewrite whole.
Validation happens where records enter; inside ccs a record is trusted.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from ccs import duration, instant
from ccs.errors import CcsError, InvalidInput
from ccs.model.shape import AfterValidator, BaseModel, BeforeValidator, dumped
from ccs.model.taking import Refused

_HEX = frozenset("0123456789abcdef")


def _utc(moment: datetime) -> datetime:
    # At the ends of the calendar every sum and every change of zone may overflow.
    if not 1970 <= moment.year <= 9900:
        raise ValueError("must lie between the years 1970 and 9900")
    if moment.tzinfo is not UTC:
        # The prior system wrote naive local times; astimezone() reads them as such.
        moment = instant.parse(moment.astimezone().isoformat())
    # To the millisecond, as it is written: a record that was read can be put back as it is.
    finer = moment.microsecond % 1000
    return moment.replace(microsecond=moment.microsecond - finer) if finer else moment


def _span(value: Any) -> timedelta:
    try:
        return duration.parse(value)
    except CcsError as error:
        hint = f" ({error.hint})" if error.hint else ""
        raise ValueError(error.message + hint) from None


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"{name!r} is not a time zone; use an IANA name such as Europe/Berlin"
        ) from None
    return name


def _identity(value: str) -> str:
    if len(value) == 36 and value[8] + value[13] + value[18] + value[23] == "----":
        digits = value.replace("-", "")
        if len(digits) == 32 and _HEX.issuperset(digits):
            return value
    from uuid import UUID  # not for an id as ccs writes it

    try:
        return str(UUID(value))
    except ValueError:
        raise ValueError(f"{value!r} is not a UUID") from None


def _one_line(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    if len(value) > 200:
        raise ValueError("must not be longer than 200 characters")
    return value


Instant = Annotated[datetime, AfterValidator(_utc)]
Span = Annotated[timedelta, BeforeValidator(_span)]
Zone = Annotated[str, AfterValidator(_zone)]
Id = Annotated[str, AfterValidator(_identity)]
Name = Annotated[str, AfterValidator(_one_line)]


class Part(BaseModel):
    """A piece of a record."""

    @classmethod
    def checked(cls, fields: dict[str, Any]) -> Self:
        """The record, or InvalidInput that lists every wrong field in words."""
        try:
            return cls.model_validate(fields)
        except Refused as error:
            raise InvalidInput("; ".join(error.complaints)) from None

    def changed(self, **fields: Any) -> Self:
        """A validated copy with some fields replaced; the others keep their values."""
        return type(self).checked({**self.record(), **fields})

    def record(self) -> dict[str, Any]:
        """The record as it stands in a file."""
        found: dict[str, Any] = dumped(self)
        return found


class Record(Part):
    """A kept record: it has an id."""

    id: Id
