"""A task as the client's argument list.

Options only: the prompt goes by stdin, which keeps it out of `ps`, clear of the 128 kB limit of an
argument, and away from the variadic options that would swallow it. Lean.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ccs.model.task import Task

_MODES = {"bypass": "bypassPermissions"}


_LOOK_FIRST = (
    "Look at the state of the work first: the files, the repository (git status, git log) and "
    "whatever you had started. Do not repeat what is done already. Then finish the task you were "
    "given."
)
# What a session is told that goes on after a usage limit cut it off, after a try that failed, or
# because somebody wants it to.
CONTINUE = (
    "A usage limit interrupted this work; the limit has reset, and you may go on. " + _LOOK_FIRST
)
AGAIN = "The last try at this work failed before it was done. " + _LOOK_FIRST
GO_ON = "Go on with this work. " + _LOOK_FIRST


def mend(check: str | list[str], words: str, tail: str) -> str:
    """What a session is told whose work did not pass its task's check."""
    line = check if isinstance(check, str) else " ".join(check)
    return (
        f"After your work this check was run: {line}\nIt failed ({words}). Its output ends:\n\n"
        f"{tail}\n\nMend what is wrong in the work, not the check, and finish."
    )


def options(task: Task, session: list[str], model: str, most_usd: float | None) -> list[str]:
    """What follows the program's name; `session`: the options that choose one. A resumed session
    restores neither permissions nor servers, so it gets the same options again.
    """
    words = ["-p", "--output-format", "stream-json", "--verbose", *session]
    words += ["--permission-mode", _MODES.get(task.permissions, task.permissions)]
    for flag, value in (
        ("--model", None if model == "default" else model),
        ("--fallback-model", None if task.fallback_model == model else task.fallback_model),
        ("--append-system-prompt", task.append_system_prompt),
        ("--max-turns", task.max_turns),
        ("--max-budget-usd", most_usd),
        ("--allowedTools", ",".join(task.allowed_tools)),
        ("--disallowedTools", ",".join(task.disallowed_tools)),
    ):
        if value:
            words += [flag, f"{value:g}" if isinstance(value, float) else str(value)]
    for flag, values in (("--mcp-config", task.mcp_config), ("--add-dir", task.add_dirs)):
        for value in values:
            words += [flag, value]
    return words + task.extra_args


def prompt(task: Task) -> str:
    """What the client reads on stdin, for every prompt type but `file`."""
    text = task.prompt
    if task.prompt_type == "slash_command" and not text.lstrip().startswith("/"):
        return "/" + text.lstrip()
    return text


def variables(task: Task) -> dict[str, str]:
    """What the client is told by its environment."""
    told = {} if task.retry.client is None else {"CLAUDE_CODE_MAX_RETRIES": str(task.retry.client)}
    if task.on_limit != "hold":
        return told
    # It waits for the reset itself; a reset beyond the run's time ends it at once.
    longest = int(task.timeout.total_seconds() * 1000)
    return told | {
        "CLAUDE_CODE_RETRY_WATCHDOG": "1",
        "CLAUDE_CODE_RETRY_WATCHDOG_MAX_USAGE_LIMIT_WAIT_MS": str(longest),
    }
