"""Whatever an imported record could do is listed: each of its fields is, or is known to be none."""

from __future__ import annotations

import pytest
from random_records import NOW

from ccs.exchange import dangers
from ccs.model.job import Job, WorkingDirectory
from ccs.model.profile import EnvVar, Profile
from ccs.model.task import Task

ID = "b778007c-fd5e-48ba-8959-2b6fadf6dabb"
BORN = {"created_at": NOW, "updated_at": NOW}
# Shown with the plan: what it is, asks, runs as, when and where.
SHOWN = {"id", "name", "job_id", "prompt", "schedule", "profile", "working_directory", "enabled"}
TASK_DANGERS = {
    "permissions": ["bypass", "auto", "dontAsk", "acceptEdits"],
    "allowed_tools": [
        ["Bash"],
        ["Bash(rm -rf /)"],
        ["mcp__server"],
        ["NotebookEdit"],
        ["MultiEdit"],
        ["Read", "Write"],
    ],
    "prompt_type": ["file", "slash_command"],
    "append_system_prompt": ["obey"],
    "mcp_config": [["x.json"]],
    "add_dirs": [["/"]],
    "extra_args": [["--dangerously-skip-permissions"]],
    "verify": ["curl x | sh", ["sh", "-c", "x"]],
    "notifications": [{f"on_{one}": ["x"]} for one in ("start", "success", "failure", "limit")],
    "retry": [{"max_attempts": 100}],
    "until_green": [100],
    "disable_after": [0],
    "overlap": ["allow"],
    "catch_up": ["all"],
    "timeout": ["10d"],
}
TASK_HARMLESS = {
    # It only takes away, or bounds.
    *("disallowed_tools", "max_turns", "max_budget_usd", "budgets", "first_output_timeout"),
    *("idle_timeout", "between", "days", "not_before", "until", "max_runs", "after"),
    *("verify_timeout", "on_limit", "priority", "grace", "tags"),
    # Whose words go to the client's own choice among models and sessions.
    *("model", "fallback_model", "session_mode", "isolation"),
    # It commits what the run changed, to a branch of the repository it was given.
    "commit_on_success",
    # Never taken from a file.
    *("approved", "disabled_why", "active_since", "created_at", "updated_at"),
}


def task(**fields):
    plain = {"permissions": "default", "active_since": NOW, **BORN}
    return Task.checked({"id": ID, "name": "x", "prompt": "x", **plain, **fields})


def test_every_field_of_a_task_is_a_danger_or_known_to_be_none():
    assert SHOWN | TASK_DANGERS.keys() | TASK_HARMLESS == set(Task.model_fields)
    assert dangers.of_task(task()) == []


@pytest.mark.parametrize(
    ("field", "value"), [(name, one) for name, them in TASK_DANGERS.items() for one in them]
)
def test_what_a_task_could_do_is_listed(field, value):
    (found,) = dangers.of_task(task(**{field: value}))
    assert found


def test_tools_that_only_look_are_no_danger():
    assert dangers.of_task(task(allowed_tools=["Read", "Grep", "Glob(**/*.py)"])) == []


def test_every_field_of_a_job_is_a_danger_or_known_to_be_none():
    place = {"path", "use_git_worktree", "worktree_name", "worktree_branch", "worktree_setup"}
    assert set(WorkingDirectory.model_fields) == place
    bounds = {"on_failure", "budgets", "task_order", "status", "description", "run", *BORN}
    assert SHOWN & set(Job.model_fields) | bounds | {"max_parallel"} == set(Job.model_fields)
    setup = {"path": "/x", "worktree_setup": "curl x | sh"}
    for fields in ({"max_parallel": 100}, {"working_directory": setup}):
        place = {"working_directory": {"path": "/x"}}
        job = Job.checked({"id": ID, "name": "x", **place, **BORN, **fields})
        assert len(dangers.of_job(job)) == 1


PROFILE_DANGERS = {
    "claude_path": "/tmp/x",
    "config_dir": "/tmp/x",
    "allow_loader_variables": True,
    "on_overage": "allow",
}


def profile(**fields):
    return Profile.checked({"id": ID, "name": "x", **BORN, **fields})


def test_every_field_of_a_profile_is_a_danger_or_known_to_be_none():
    harmless = {"id", "name", "description", "account", "reserve", "budgets", *BORN}
    assert {"env_vars", *PROFILE_DANGERS, *harmless} == set(Profile.model_fields)
    assert set(EnvVar.model_fields) == {"name", "source", "value", "config"}
    assert dangers.of_profile(profile()) == []


@pytest.mark.parametrize("name", PROFILE_DANGERS)
def test_what_a_profile_could_do_is_listed(name):
    assert len(dangers.of_profile(profile(**{name: PROFILE_DANGERS[name]}))) == 1


@pytest.mark.parametrize(
    ("name", "source"),
    [
        *(("X", "command"), ("X", "file"), ("LD_PRELOAD", "static"), ("PATH", "static")),
        *(("GIT_SSH_COMMAND", "static"), ("RUBYOPT", "env"), ("npm_config_x", "static")),
        *(("ANTHROPIC_BASE_URL", "static"), ("HTTPS_PROXY", "static"), ("https_proxy", "env")),
        *(("NODE_TLS_REJECT_UNAUTHORIZED", "static"), ("CLAUDE_CONFIG_DIR", "static")),
        *(("NODE_EXTRA_CA_CERTS", "static"), ("ANTHROPIC_CUSTOM_HEADERS", "static")),
    ],
)
def test_variables_that_lead_programs_or_requests_are_listed(name, source):
    variable = {"name": name, "source": source, "value": "x"}
    assert any(name in one for one in dangers.of_profile(profile(env_vars=[variable])))
    unset = {"name": name, "source": "unset"}
    assert dangers.of_profile(profile(env_vars=[unset])) == []
