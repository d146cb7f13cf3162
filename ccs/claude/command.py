"""A task as the client's argument list.

Options only: the prompt goes by stdin, which keeps it out of `ps`, clear of the 128 kB limit of an
argument, and away from the variadic options that would swallow it.
"""

from __future__ import annotations

from ccs.model.task import Task

_MODES = {"bypass": "bypassPermissions"}


def options(task: Task, session_id: str) -> list[str]:
    """What follows the program's name."""
    words = ["-p", "--output-format", "stream-json", "--verbose", "--session-id", session_id]
    words += ["--permission-mode", _MODES.get(task.permissions, task.permissions)]
    for flag, value in (
        ("--model", task.model),
        ("--fallback-model", task.fallback_model),
        ("--append-system-prompt", task.append_system_prompt),
        ("--max-turns", task.max_turns),
        ("--max-budget-usd", task.max_budget_usd),
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
