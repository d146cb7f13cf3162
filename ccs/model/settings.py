"""Settings of one store. Every field has a default; an absent file means all of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from ccs.model.record import Id, Part, Span


class Settings(Part):
    max_concurrent_tasks: Annotated[int, Field(ge=1, le=1000)] = 3
    # After a usage reset: how long nothing starts, and how many held runs of an account a tick
    # may let go at once.
    reset_margin: Span = timedelta(seconds=90)
    released_at_once: Annotated[int, Field(ge=1, le=1000)] = 2
    runs_kept: Annotated[int, Field(ge=10, le=10_000)] = 200
    default_profile: Id | None = None
    claude_path: str | None = None
    mock_mode: bool = False
