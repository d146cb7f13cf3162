"""What every kept record has in common, and the field types they share.

Unknown keys are kept (`extra="allow"`): a file written by a later or another program comes back
from a rewrite whole. Validation happens where records enter; inside ccs a record is trusted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainSerializer
from pydantic import ValidationError as _ValidationError

from ccs import duration, instant
from ccs.errors import CcsError, InvalidInput


def _utc(moment: datetime) -> datetime:
    # At the ends of the calendar every sum and every change of zone may overflow.
    if not 1970 <= moment.year <= 9900:
        raise ValueError("must lie between the years 1970 and 9900")
    # The prior system wrote naive local times; astimezone() reads them as such.
    return instant.parse(moment.astimezone().isoformat())


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


Instant = Annotated[datetime, AfterValidator(_utc), PlainSerializer(instant.text)]
Span = Annotated[timedelta, BeforeValidator(_span), PlainSerializer(duration.text)]
Zone = Annotated[str, AfterValidator(_zone)]
Id = Annotated[str, AfterValidator(_identity)]
Name = Annotated[str, AfterValidator(_one_line)]


class Part(BaseModel):
    """A piece of a record."""

    model_config = ConfigDict(extra="allow", protected_namespaces=(), allow_inf_nan=False)

    @classmethod
    def checked(cls, fields: dict[str, Any]) -> Self:
        """The record, or InvalidInput that lists every wrong field in words."""
        try:
            return cls.model_validate(fields)
        except _ValidationError as error:
            raise InvalidInput("; ".join(complaints(error))) from None

    def changed(self, **fields: Any) -> Self:
        """A validated copy with some fields replaced; the others keep their values."""
        return type(self).checked({**self.record(), **fields})

    def record(self) -> dict[str, Any]:
        """The record as it stands in a file."""
        return self.model_dump(mode="json")


class Record(Part):
    """A kept record: it has an id."""

    id: Id


def complaints(error: _ValidationError) -> list[str]:
    """`field: what is wrong`, one for each problem, without pydantic's own vocabulary."""
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        place = ".".join(_place(problem["loc"]))
        message = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{place}: {message}" if place else message)
    return lines


def _place(steps: Sequence[int | str]) -> Iterator[str]:
    """The path without the tag that pydantic puts after a tagged union: people never wrote it."""
    before: int | str = ""
    for step in steps:
        if before != "schedule":
            yield str(step)
        before = step
