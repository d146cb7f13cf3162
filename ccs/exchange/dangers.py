"""What an imported job or task could do that its reader should know before enabling it."""

from __future__ import annotations

from ccs.model.job import Job
from ccs.model.profile import Profile
from ccs.model.task import Task
from ccs.text import shorten

_LONGEST = 200
# Variables that make any program load or run what they name.
_LOADERS = ("LD_", "DYLD_", "PYTHON", "GIT_", "PERL5")
_OTHER_LOADERS = ("NODE_OPTIONS", "BASH_ENV", "ENV", "PATH")


def of_job(job: Job) -> list[str]:
    setup = job.working_directory.worktree_setup
    return [f"runs in a new worktree: {_shown(setup)}"] if setup else []


def of_task(task: Task) -> list[str]:
    found = []
    if task.permissions == "bypass":
        found.append("permissions bypass: it may do whatever you may do")
    elif task.permissions in ("auto", "dontAsk", "acceptEdits"):
        found.append(f"permissions {task.permissions}")
    if wide := [tool for tool in task.allowed_tools if _is_wide(tool)]:
        found.append(f"allowed_tools: {_shown(*wide)}")
    if task.verify:
        commands = [task.verify] if isinstance(task.verify, str) else task.verify
        found.append(f"verify runs: {_shown(*commands)}")
    for name in ("extra_args", "mcp_config", "add_dirs"):
        if values := getattr(task, name):
            found.append(f"{name}: {_shown(*values)}")
    if task.prompt_type == "file":
        found.append(f"the prompt is read from a file: {_shown(task.prompt)}")
    if channels := _channels(task):
        found.append(f"notifications go to: {_shown(*channels)}")
    return found


def of_profile(profile: Profile) -> list[str]:
    found = [
        f"{one.name} is the output of a command"
        for one in profile.env_vars
        if one.source == "command"
    ]
    found += [
        f"{one.name} decides what programs load"
        for one in profile.env_vars
        if one.source != "unset" and (one.name.startswith(_LOADERS) or one.name in _OTHER_LOADERS)
    ]
    if profile.claude_path:
        found.append(f"claude_path: {_shown(profile.claude_path)}")
    return found


def _is_wide(tool: str) -> bool:
    """A rule that leaves open what is done: a bare tool or one with a wildcard."""
    return "*" in tool or (
        "(" not in tool and tool.strip() in ("Bash", "Write", "Edit", "WebFetch")
    )


def _channels(task: Task) -> list[str]:
    told = task.notifications
    events = (told.on_start, told.on_success, told.on_failure, told.on_limit, told.on_resume)
    return sorted({channel for channels in events for channel in channels or ()})


def _shown(*values: str) -> str:
    return shorten(", ".join(values), _LONGEST)
