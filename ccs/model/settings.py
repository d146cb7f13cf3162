"""Settings of one store. Every field has a default; an absent file means all of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from ccs.model.notify import Notifications
from ccs.model.record import Id, Part, Span
from ccs.model.shape import Field


class Settings(Part):
    max_concurrent_tasks: Annotated[int, Field(ge=1, le=1000)] = 3
    # After a usage reset: how long nothing starts, and how many held runs of an account a tick
    # may let go at once.
    reset_margin: Span = timedelta(seconds=90)
    released_at_once: Annotated[int, Field(ge=1, le=1000)] = 2
    # Whether a change of a repository's hooks or servers holds its tasks until it is approved.
    approval: bool = True
    # After so many failures in a row a task is disabled; 0: never.
    disable_after: Annotated[int, Field(ge=0, le=100)] = 10
    runs_kept: Annotated[int, Field(ge=10, le=10_000)] = 200
    # What is deleted once a day: all but the newest so many runs of each task, what ended longer
    # ago than that; where both are set, what is both. None of them: nothing.
    prune_keep: Annotated[int, Field(ge=0)] | None = None
    prune_older_than: Span | None = None
    # Logs that were last written longer ago are compressed; None: never.
    logs_older_than: Span | None = timedelta(days=7)
    default_profile: Id | None = None
    claude_path: str | None = None
    mock_mode: bool = False
    notifications: Notifications = Notifications()

    def masked(self) -> dict[str, Any]:
        """The record as it may be shown."""
        return {**self.record(), "notifications": self.notifications.masked()}
