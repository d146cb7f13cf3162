"""What a task, a job or a profile may spend in a period, and what a profile leaves to people."""

from __future__ import annotations

from typing import Annotated, Any

from ccs.model.hours import Days, Hours
from ccs.model.record import Part, Zone
from ccs.model.schedule import Window
from ccs.model.shape import BeforeValidator, Field, field_validator, model_validator
from ccs.usage import windows

DAY = "day"


def _percent(value: Any) -> Any:
    return value.strip().removesuffix("%") if isinstance(value, str) else value


Percent = Annotated[float, BeforeValidator(_percent), Field(gt=0, le=100)]


def _is_known(window: str) -> str:
    """A misspelt window would bound nothing, and nobody would notice."""
    if windows.is_known(window):
        return window
    raise ValueError(f"{window!r} is no usage window: five_hour, seven_day, seven_day_opus, ...")


class Budget(Part):
    """`per`: `day`, midnight to midnight, or the name of a usage window."""

    per: Window = DAY
    usd: Annotated[float, Field(gt=0)] | None = None
    tokens: Annotated[int, Field(gt=0)] | None = None

    @field_validator("per")
    @classmethod
    def _is_a_period(cls, value: str) -> str:
        return value if value == DAY else _is_known(value)

    @model_validator(mode="after")
    def _limits_something(self) -> Budget:
        if self.usd is None and self.tokens is None:
            raise ValueError("a budget needs usd or tokens")
        return self


class Reserve(Part):
    """Runs may use a window up to this percentage; the rest is for people. Windows are an open
    set, so each is a key of its own: `{"five_hour": 80, "between": "09:00-18:00"}`.

    Without hours and days it holds always.
    """

    __pydantic_extra__: dict[str, Percent]

    between: Hours | None = None
    days: Days = []
    timezone: Zone = "UTC"

    @model_validator(mode="after")
    def _names_windows(self) -> Reserve:
        for name in self.model_extra or {}:
            _is_known(name)
        return self

    @property
    def windows(self) -> dict[str, float]:
        """Of each window the part of one that runs may use."""
        return {name: float(most) / 100 for name, most in (self.model_extra or {}).items()}
