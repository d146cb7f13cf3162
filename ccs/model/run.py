"""A run: one launch of a task, from the moment it was decided to its outcome."""

from __future__ import annotations

from typing import Any, Literal

from ccs.model.record import Id, Instant, Part, Record

Status = Literal[
    "upcoming", "running", "success", "failed", "cancelled", "limited", "skipped", "lost"
]
UNFINISHED = ("upcoming", "running")
Trigger = Literal[
    "schedule", "manual", "retry", "resume", "catch_up", "job", "startup", "file_watch", "usage"
]


class Usage(Part):
    """Tokens of this run only."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_creation: int = 0


class Run(Record):
    task_id: Id
    job_id: Id | None = None
    job_run: Id | None = None
    task_name: str = ""
    attempt: int = 1
    trigger: Trigger
    status: Status = "upcoming"
    reason: str | None = None
    message: str | None = None
    scheduled_time: Instant
    # When it is looked at again; a parked one does not go on before its reset.
    not_before: Instant | None = None
    parked_until: Instant | None = None
    held_reason: str | None = None
    start_time: Instant | None = None
    end_time: Instant | None = None
    duration: float | None = None
    session_id: str | None = None
    exit_code: int | None = None
    cost_usd: float | None = None
    turns: int | None = None
    usage: Usage | None = None
    models: list[str] = []
    # Whose windows it used, and the model it asked for: its task's, or the fallback.
    profile: Id | None = None
    account: str | None = None
    model: str | None = None
    # What it may spend, and of one that goes by a usage window that window's reset.
    max_budget_usd: float | None = None
    window_reset: Instant | None = None
    quota: dict[str, Any] | None = None
    permission_denials: list[dict[str, Any]] = []
    resets_at: Instant | None = None
    limit_type: str | None = None
    resumed_from: Id | None = None
    # How often in a row it was parked at a limit before this run.
    parks: int = 0
    retry_of: Id | None = None
    # Of a run that somebody asked for: the one it repeats, or what it says to the session.
    # What of its repository nobody has approved, of one that waits for that.
    unapproved: str | None = None
    approved: str | None = None
    restart_of: Id | None = None
    prompt: str | None = None
    missed_slots: int = 0
    last_slot: Instant | None = None
    # How many paths of the watched tree changed while a file_watch run ran.
    own_changes: int | None = None
    forced: bool = False
    mock: bool = False
    cwd: str | None = None
    worktree: str | None = None
    commit: str | None = None
    claude_version: str | None = None

    @property
    def unfinished(self) -> bool:
        return self.status in UNFINISHED
