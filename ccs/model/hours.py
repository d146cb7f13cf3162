"""Hours and days of a record, as `ccs.schedule.hours` reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from ccs.errors import CcsError
from ccs.model.shape import AfterValidator, BeforeValidator
from ccs.schedule import hours

V = TypeVar("V")


def _hours(value: str) -> str:
    return _worded(lambda: (hours.window(value), value)[1])


def _days(values: list[str]) -> list[str]:
    return _worded(lambda: hours.days(values)) if values else []


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _worded(check: Callable[[], V]) -> V:
    """pydantic lists ValueErrors; anything else would end the validation."""
    try:
        return check()
    except CcsError as error:
        raise ValueError(f"{error.message} ({error.hint})") from None


Hours = Annotated[str, AfterValidator(_hours)]
Days = Annotated[list[str], BeforeValidator(_as_list), AfterValidator(_days)]
