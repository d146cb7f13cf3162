"""Every failure ccs knows, with what to do about it and the exit code it ends a command with.

Raised where the cause is known, printed once at the door (`ccs.cli.main`). Anything else that
escapes is a bug and is shown as one.
"""

from __future__ import annotations

EXIT_RUN_FAILED = 5
EXIT_CODES = {
    0: "done",
    1: "failed",
    2: "usage: the command line makes no sense as written",
    3: "not found",
    4: "ambiguous, or in conflict with the present state",
    5: "the run failed (--wait, --exit-status)",
    6: "unhealthy (status, health, doctor), or a broken store",
    7: "the store's lock was not to be had within ten seconds",
    8: "a dependency is missing: the client, an extra",
    124: "--timeout ran out; the run goes on",
    130: "interrupted",
}


class CcsError(Exception):
    """A known failure. `hint` says what to do next; `matches` names candidates, when there are."""

    exit_code = 1
    code = "failed"

    def __init__(self, message: str, hint: str = "", matches: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.matches = matches


class InvalidInput(CcsError):
    """What was asked for makes no sense as written."""

    exit_code = 2
    code = "usage"


class NotFound(CcsError):
    exit_code = 3
    code = "not_found"


class Conflict(CcsError):
    """The request is clear but the present state forbids it."""

    exit_code = 4
    code = "conflict"


class Ambiguous(Conflict):
    """A name or an id prefix fits more than one record."""

    code = "ambiguous"


class BrokenStore(CcsError):
    """The store cannot be trusted: unreadable, foreign, writable by others, or too new."""

    exit_code = 6
    code = "broken_store"


class LockTimeout(CcsError):
    exit_code = 7
    code = "lock_timeout"


class MissingDependency(CcsError):
    """Something outside ccs is needed and absent: the client, an extra, a later part of ccs."""

    exit_code = 8
    code = "missing_dependency"


class WaitTimeout(CcsError):
    """A `--timeout` ran out while following a run; the run itself goes on."""

    exit_code = 124
    code = "timeout"
