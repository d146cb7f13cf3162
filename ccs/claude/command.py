"""A task as the client's argument list.

Options only: the prompt goes by stdin, which keeps it out of `ps`, clear of the 128 kB limit of an
argument, and away from the variadic options that would swallow it.
"""

from __future__ import annotations

from ccs.model.task import Task

_MODES = {"bypass": "bypassPermissions"}


# What a session is told that goes on after a usage limit cut it off.
CONTINUE = (
    "A usage limit interrupted this work; the limit has reset, and you may go on. Look at the "
    "state of the work first: the files, the repository (git status, git log) and whatever you "
    "had started. Do not repeat what is done already. Then finish the task you were given."
)


def options(
    task: Task, session_id: str, model: str, most_usd: float | None, resume: bool = False
) -> list[str]:
    """What follows the program's name. A resumed session restores neither permissions nor servers,
    so it gets the same options again.
    """
    words = ["-p", "--output-format", "stream-json", "--verbose"]
    words += ["--resume" if resume else "--session-id", session_id]
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
    if task.on_limit != "hold":
        return {}
    # It waits for the reset itself; a reset beyond the run's time ends it at once.
    longest = int(task.timeout.total_seconds() * 1000)
    return {
        "CLAUDE_CODE_RETRY_WATCHDOG": "1",
        "CLAUDE_CODE_RETRY_WATCHDOG_MAX_USAGE_LIMIT_WAIT_MS": str(longest),
    }
