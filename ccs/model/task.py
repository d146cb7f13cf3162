"""A task: a prompt, how to run it, and when."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from ccs.model.budget import Budget
from ccs.model.hours import Days, Hours
from ccs.model.notify import Told
from ccs.model.record import Id, Instant, Name, Part, Record, Span
from ccs.model.schedule import Manual, Schedule, Sequential
from ccs.model.shape import AliasChoices, Field, field_validator, model_validator

# For which a run may be tried again.
RETRIABLE = (
    *("error", "auth", "billing", "overloaded", "rate_limited", "network", "timeout", "hung"),
    *("max_turns", "max_budget", "prompt_too_long", "model_not_found", "bad_request"),
    *("verify_failed", "start_failed", "env_failed", "workdir_missing", "killed"),
    *("crash", "shutdown"),
)


class Retry(Part):
    """How often a run that ended for one of the reasons in `on` is tried in all."""

    max_attempts: Annotated[int, Field(ge=1, le=100)] = 1
    delay: Span = timedelta(seconds=60)
    backoff_multiplier: Annotated[float, Field(ge=1, le=10)] = 2.0
    on: list[str] = ["overloaded", "rate_limited", "network", "timeout", "hung"]
    # How often the client itself tries one request again; None leaves that to the client.
    client: Annotated[int, Field(ge=0, le=100)] | None = None

    @field_validator("on")
    @classmethod
    def _are_reasons(cls, value: list[str]) -> list[str]:
        unknown = [one for one in value if one not in RETRIABLE]
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: no reason to fail: {', '.join(RETRIABLE)}")
        return value


class Task(Record):
    name: Name
    job_id: Id | None = None
    # Where a task without a job runs; a job's directory goes before it.
    working_directory: str | None = None
    enabled: bool = True
    prompt: str = Field(validation_alias=AliasChoices("prompt", "command"))
    prompt_type: Literal["prompt", "slash_command", "file"] = "prompt"
    schedule: Schedule = Manual()
    model: str | None = "sonnet"
    profile: Id | None = None
    permissions: Literal[
        "default", "bypass", "acceptEdits", "plan", "auto", "dontAsk", "manual"
    ] = "bypass"
    session_mode: Literal["new", "reuse", "fork"] = "new"
    allowed_tools: list[str] = []
    disallowed_tools: list[str] = []
    append_system_prompt: str | None = None
    mcp_config: list[str] = []
    add_dirs: list[str] = []
    extra_args: list[str] = []
    max_turns: Annotated[int, Field(ge=1)] | None = None
    max_budget_usd: Annotated[float, Field(gt=0)] | None = None
    budgets: list[Budget] = []
    fallback_model: str | None = None
    timeout: Span = timedelta(hours=4)
    first_output_timeout: Span | None = None
    idle_timeout: Span | None = None
    retry: Retry = Retry()
    catch_up: Literal["one", "none", "all"] = "one"
    grace: Span | None = None
    overlap: Literal["skip", "queue", "replace", "allow"] = "skip"
    priority: int = 0
    between: Hours | None = None
    days: Days = []
    not_before: Instant | None = None
    until: Instant | None = None
    max_runs: Annotated[int, Field(ge=1)] | None = None
    after: list[str] = []
    verify: str | list[str] | None = None
    verify_timeout: Span = timedelta(minutes=10)
    until_green: Annotated[int, Field(ge=0, le=100)] = 0
    commit_on_success: bool = True
    isolation: Literal["none", "worktree", "tmux"] = "none"
    on_limit: Literal["park", "fail", "hold"] = "park"
    # After so many failures in a row it is disabled; None: as the settings say; 0: never.
    disable_after: Annotated[int, Field(ge=0, le=100)] | None = None
    # What its repository could start by itself when somebody last agreed to that.
    approved: str | None = None
    disabled_why: str | None = None
    # Who is told of its runs.
    notifications: Told = Told()
    tags: list[str] = []
    active_since: Instant
    created_at: Instant
    updated_at: Instant

    @field_validator("prompt")
    @classmethod
    def _prompt_says_something(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("must not be empty")
        if len(value.encode("utf-8", "surrogatepass")) > 10_000_000:
            raise ValueError("the client takes at most 10 MB of prompt")
        return value

    @field_validator("timeout")
    @classmethod
    def _timeout_leaves_time(cls, value: timedelta) -> timedelta:
        if value < timedelta(seconds=1):
            raise ValueError("must be at least one second")
        return value

    @model_validator(mode="after")
    def _can_ever_run(self) -> Task:
        if isinstance(self.schedule, Sequential) and self.job_id is None:
            raise ValueError(
                "schedule: a sequential task runs only as a step of a job: give it one"
            )
        if self.not_before and self.until and self.not_before >= self.until:
            raise ValueError("until: must come after not_before")
        return self

    @model_validator(mode="after")
    def _only_our_options(self) -> Task:
        reserved = [word for word in self.extra_args if word.split("=")[0] in _OURS]
        if reserved:
            raise ValueError(f"extra_args: {', '.join(reserved)} is set by ccs itself")
        return self


# Options that decide how ccs reads the client; a second one would blind it.
_OURS = frozenset(
    (
        *("-p", "--print", "--output-format", "--input-format", "--verbose", "--bg", "--tmux"),
        *("--session-id", "--resume", "-r", "--continue", "-c", "--fork-session"),
        *("--no-session-persistence", "--"),
    )
)
