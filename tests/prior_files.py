"""Files as the prior system wrote them, field for field."""

from __future__ import annotations

import copy
from typing import Any

JOB = "506d118e-2bc5-4068-853d-8b1c5df9e259"
TASK = "271a4a9d-1ad5-4f3a-8b53-a408aa7ee506"
OTHER = "0b1f7a51-9f55-4b0e-9c57-3d0c1f2e4a5b"
RUN = "9f77dee4-732d-49e1-9d25-e5a950b12177"
PROFILE = "b778007c-fd5e-48ba-8959-2b6fadf6dabb"
BORN = "2026-10-20T21:52:46.947405"
STAMPS = {"created_at": BORN, "updated_at": BORN}


def schedule(kind: str = "manual", **fields: Any) -> dict[str, Any]:
    empty = dict.fromkeys(
        (
            *("calendar_frequency", "calendar_time", "calendar_days_of_week"),
            *("calendar_day_of_month", "interval_type", "interval_preset", "interval_value"),
            *("interval_unit", "interval_cron", "watch_directory"),
        )
    )
    rest = {"watch_recursive": True, "watch_debounce_seconds": 5}
    dead = {"seq_max_retries": 0, "seq_retry_delay_seconds": 60}
    return {
        "schedule_type": kind,
        "timezone": "Europe/Amsterdam",
        **empty,
        **rest,
        **dead,
        **fields,
    }


def weekly() -> dict[str, Any]:
    at = {"calendar_time": "09:00:00", "calendar_days_of_week": [0, 2]}
    return schedule("calendar", calendar_frequency="weekly", **at)


def job(**fields: Any) -> dict[str, Any]:
    place = {"path": "~/code/app", "use_git_worktree": True}
    place |= {"worktree_name": "feature-x", "worktree_branch": "main"}
    return {
        **{"id": JOB, "name": "J1", "description": "", "status": "completed", **STAMPS},
        **{"profile": None, "working_directory": place, "task_order": [TASK], **fields},
    }


def task(**fields: Any) -> dict[str, Any]:
    retry = {"enabled": False, "max_attempts": 3, "delay_seconds": 60, "backoff_multiplier": 2.0}
    return {
        **{"id": TASK, "job_id": JOB, "name": "T1", "enabled": True, "commit_on_success": True},
        **{"model": "sonnet", "profile": None, "schedule": weekly(), "prompt_type": "prompt"},
        **{"prompt": "hi", "permissions": "bypass", "session_mode": "new"},
        **{"last_session_id": None, "allowed_tools": [], "disallowed_tools": []},
        "retry": retry,
        "notifications": {"on_start": False, "on_end": True, "on_failure": True},
        **{**STAMPS, "last_run_status": None, **fields},
    }


def run(**fields: Any) -> dict[str, Any]:
    times = {"scheduled_time": "2026-10-20T21:53:03.982094"}
    times |= {"start_time": "2026-10-20T21:53:03.982094", "end_time": "2026-10-20T21:53:05.889821"}
    return {
        **{"id": RUN, "task_id": TASK, "task_name": "T1", "status": "success", **times},
        **{"duration": 1.907727, "session_id": "178f3501-330e-431b-b6a8-f10a7571f5e7"},
        **{"output": "…", "raw_output": '{"a": 1}\n{"b": 2}', "errors": "", "exit_code": 0},
        **fields,
    }


def profile(**fields: Any) -> dict[str, Any]:
    variables = [
        {"name": "ANTHROPIC_AUTH_TOKEN", "source": "keychain", "value": "zai-key", "config": None},
        {"name": "CLAUDE_CODE_USE_BEDROCK", "source": "unset", "value": "", "config": None},
    ]
    named = {"id": PROFILE, "name": "S", "description": ""}
    return {**named, "env_vars": variables, **STAMPS, **fields}


def exported(**fields: Any) -> dict[str, Any]:
    return copy.deepcopy(
        {
            "version": "1.0",
            "exported_at": "2026-11-20T21:55:46.284817+00:00",
            "job": job(),
            "tasks": [task()],
            "profiles_referenced": [],
            **fields,
        }
    )
