"""What an imported job or task could do that its reader should know before enabling it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ccs.model.job import Job
from ccs.model.profile import EnvVar, Profile
from ccs.model.sources import leads_programs
from ccs.model.task import Task
from ccs.text import shorten

_LONGEST = 200
# More runs, turns or hours than anybody would expect of one task.
_MANY = 10
_LONG_HOURS = 24
# These look, and ask no server of somebody's choosing.
_TOOLS_THAT_LOOK = frozenset(("Read", "Glob", "Grep", "LS", "NotebookRead", "TodoWrite"))
# Besides those that `leads_programs` knows: here nobody has yet said that he means them.
_LEADING = ("PATH", "CLAUDE_CONFIG_DIR", "CLAUDE_CODE_SHELL", "CLAUDE_CODE_SHELL_PREFIX")
_LEADING_BEGINS = ("PYTHON", "GIT_", "PERL5", "NODE_", "NPM_CONFIG_")
# Where requests go, with all that is in them, and whom they trust there.
_ELSEWHERE = ("NODE_TLS_REJECT_UNAUTHORIZED", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE")
_ELSEWHERE_ENDS = ("_BASE_URL", "_PROXY", "_ENDPOINT", "_ENDPOINT_URL", "_CA_BUNDLE", "_HEADERS")


def of_job(job: Job) -> list[str]:
    found = []
    if setup := job.working_directory.worktree_setup:
        found.append(f"runs in a new worktree: {_shown(setup)}")
    if job.max_parallel > _MANY:
        found.append(f"max_parallel: {job.max_parallel} of its tasks may run at once")
    return found


def of_task(task: Task) -> list[str]:
    found = []
    if task.permissions == "bypass":
        found.append("permissions bypass: it may do whatever you may do")
    elif task.permissions in ("auto", "dontAsk", "acceptEdits"):
        found.append(f"permissions {task.permissions}")
    if let := [one for one in task.allowed_tools if _name_of(one) not in _TOOLS_THAT_LOOK]:
        found.append(f"allowed_tools: {_shown(*let)}")
    if task.verify:
        commands = [task.verify] if isinstance(task.verify, str) else task.verify
        found.append(f"verify runs: {_shown(*commands)}")
    for name in ("extra_args", "mcp_config", "add_dirs"):
        if values := getattr(task, name):
            found.append(f"{name}: {_shown(*values)}")
    if task.append_system_prompt:
        found.append(f"append_system_prompt: {_shown(task.append_system_prompt)}")
    if task.prompt_type == "file":
        found.append(f"the prompt is read from a file: {_shown(task.prompt)}")
    elif task.prompt_type == "slash_command":
        found.append(f"it runs a command of the repository or of yours: {_shown(task.prompt)}")
    if channels := _channels(task):
        found.append(f"notifications go to: {_shown(*channels)}")
    return [*found, *_spending(task)]


def _spending(task: Task) -> Iterator[str]:
    """What makes more of it run than one run a slot."""
    if task.retry.max_attempts > _MANY:
        yield f"retry: it is tried up to {task.retry.max_attempts} times"
    if task.until_green > _MANY:
        yield f"until_green: it goes on up to {task.until_green} times until verify passes"
    if task.disable_after == 0:
        yield "disable_after 0: however often it fails, it is not disabled"
    if task.overlap == "allow":
        yield "overlap allow: it may run beside itself"
    if task.catch_up == "all":
        yield "catch_up all: after downtime it runs several times"
    hours = task.timeout.total_seconds() / 3600
    if hours > _LONG_HOURS:
        yield f"timeout: it may run for {hours:.0f} hours"


def of_profile(profile: Profile) -> list[str]:
    found = []
    tests: list[tuple[Callable[[EnvVar], Any], str]] = [
        (lambda one: one.source == "command", "is the output of a command"),
        (lambda one: one.source == "file", "is read from a file"),
        (_leads, "decides what programs load"),
        (_leads_elsewhere, "decides where requests go, or whom they trust there"),
    ]
    for is_so, words in tests:
        found += [f"{one.name} {words}" for one in profile.env_vars if is_so(one)]
    for name in ("claude_path", "config_dir"):
        if value := getattr(profile, name):
            found.append(f"{name}: {_shown(value)}")
    if profile.allow_loader_variables:
        found.append("allow_loader_variables: what programs load may be decided by it")
    if profile.on_overage == "allow":
        found.append("on_overage allow: it may spend money beyond the plan")
    return found


def _leads(one: EnvVar) -> bool:
    named = one.name in _LEADING or one.name.startswith(_LEADING_BEGINS)
    return one.source != "unset" and (named or leads_programs(one.name))


def _leads_elsewhere(one: EnvVar) -> bool:
    name = one.name.upper()
    return one.source != "unset" and (name in _ELSEWHERE or name.endswith(_ELSEWHERE_ENDS))


def _name_of(tool: str) -> str:
    """Of a rule such as `Bash(make *)`."""
    return tool.partition("(")[0].strip()


def _channels(task: Task) -> list[str]:
    told = task.notifications
    events = (told.on_start, told.on_success, told.on_failure, told.on_limit, told.on_resume)
    return sorted({channel for channels in events for channel in channels or ()})


def _shown(*values: str) -> str:
    return shorten(", ".join(values), _LONGEST)
