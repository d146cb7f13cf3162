"""A job: tasks that share a working directory and can be run in order."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from ccs.model import treename
from ccs.model.budget import Budget
from ccs.model.record import Id, Instant, Name, Part, Record
from ccs.model.shape import Field, field_validator

JobStatus = Literal["pending", "in_progress", "completed", "failed", "cancelled"]


# What git refuses in a branch, and what would look like an option.
_NO_BRANCH = re.compile(r"^[-/.]|[\x00-\x20\x7f~^:?*\[\\]|\.\.|//|/\.|@\{|[/.]$|\.lock(/|$)|^@?$")


class WorkingDirectory(Part):
    path: str
    use_git_worktree: bool = False
    worktree_name: str | None = None
    worktree_branch: str | None = None
    # A shell line, run in a new worktree before anything else uses it.
    worktree_setup: str | None = None

    @field_validator("path")
    @classmethod
    def _names_a_place(cls, value: str) -> str:
        if not value.strip() or "\0" in value:
            raise ValueError("must name a directory")
        return value

    @field_validator("worktree_name")
    @classmethod
    def _names_a_tree(cls, value: str | None) -> str | None:
        if value is not None and (fault := treename.fault(value)):
            raise ValueError(f"{value!r} {fault}")
        return value

    @field_validator("worktree_branch")
    @classmethod
    def _is_a_branch(cls, value: str | None) -> str | None:
        if value is not None and (_NO_BRANCH.search(value) or not value.isprintable()):
            raise ValueError(f"{value!r} is no name for a git branch")
        return value

    @field_validator("worktree_setup")
    @classmethod
    def _says_something(cls, value: str | None) -> str | None:
        if value is not None and (not value.strip() or "\0" in value):
            raise ValueError("must be a command")
        return value


class JobRun(Part):
    """The run of a job that is going on or was the last: its id and the tasks, in order."""

    id: Id
    order: list[Id]


class Job(Record):
    name: Name
    description: str = ""
    status: JobStatus = "pending"
    profile: Id | None = None
    working_directory: WorkingDirectory
    task_order: list[Id] = []
    max_parallel: Annotated[int, Field(ge=1, le=100)] = 1
    on_failure: Literal["stop", "continue"] = "stop"
    budgets: list[Budget] = []
    run: JobRun | None = None
    created_at: Instant
    updated_at: Instant
