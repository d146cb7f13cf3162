"""What the prior system made of a file, modelled on its recorded behaviour and not on our code.

It reads with defaults for what is absent, ignores keys it does not know, trips over words that are
none of its enums, and runs cron by rules of its own: days of the week from Monday, day of month
and day of week together.
"""

from __future__ import annotations

import json
from datetime import datetime, time
from uuid import UUID

KINDS = {"manual", "interval", "calendar", "startup", "file_watch", "sequential"}
INTERVALS = {"simple", "custom", "cron"}
STATES = {"pending", "in_progress", "completed", "failed"}
DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
SCHEDULE_KEYS = {
    *("schedule_type", "timezone", "calendar_frequency", "calendar_time"),
    *("calendar_days_of_week", "calendar_day_of_month", "interval_type", "interval_preset"),
    *("interval_value", "interval_unit", "interval_cron", "watch_directory"),
    *("watch_recursive", "watch_debounce_seconds", "seq_max_retries", "seq_retry_delay_seconds"),
}


class Refused(Exception):
    pass


def import_file(text, profiles=(), jobs=(), tasks=(), force=False):
    """The job, the tasks and the warnings; or Refused."""
    document = json.loads(text)
    if document.get("version") != "1.0":
        raise Refused("version")
    if not document["job"].get("id") or not document["job"].get("name"):
        raise Refused("job")
    job = read_job(document["job"])
    found = [read_task(one) for one in document["tasks"]]
    for one in found:
        if not force and one["id"] in tasks:
            raise Refused("task exists")
        if one["profile"] and "-" in one["profile"] and one["profile"] not in profiles:
            raise Refused("profile")
        if one["job_id"] is None:
            one["job_id"] = job["id"]
    if not force and job["id"] in jobs:
        raise Refused("job exists")
    ids = {str(one["id"]) for one in found}
    warnings = [one for one in job["task_order"] if one not in ids]
    warnings += [one for one in ids if one not in job["task_order"]]
    return job, found, warnings


def read_job(entry):
    place = entry.get("working_directory", {})
    status = entry.get("status", "pending")
    assert status in STATES, status
    born = naive(entry.get("created_at"))
    assert born <= naive(entry.get("updated_at"))
    return {
        "id": UUID(entry["id"]),
        "name": entry["name"],
        "description": entry.get("description", ""),
        "status": status,
        "profile": entry.get("profile"),
        "path": place.get("path", "~/projects"),
        "worktree": place.get("use_git_worktree", False),
        "worktree_name": place.get("worktree_name"),
        "worktree_branch": place.get("worktree_branch"),
        "task_order": [str(UUID(one)) for one in entry.get("task_order", [])],
    }


def read_task(entry):
    if not entry.get("id") or not entry.get("name"):
        raise Refused("task")
    naive(entry["created_at"]), naive(entry["updated_at"])
    retry = entry.get("retry", {})
    told = entry.get("notifications", {})
    executions = 1 + retry.get("max_attempts", 3) if retry.get("enabled", False) else 1
    return {
        "id": UUID(entry["id"]),
        "job_id": UUID(entry["job_id"]) if entry.get("job_id") else None,
        "name": entry["name"],
        "enabled": entry.get("enabled", True),
        "commit_on_success": entry.get("commit_on_success", True),
        "argv": argv(entry),
        "profile": entry.get("profile"),
        "schedule": read_schedule(entry.get("schedule", {})),
        "executions": executions,
        "delay": retry.get("delay_seconds", 60),
        "told": (
            told.get("on_start", False),
            told.get("on_end", True),
            told.get("on_failure", True),
        ),
    }


def argv(entry):
    """As its executor built it."""
    permissions = {"bypass": "bypassPermissions", "acceptEdits": "acceptEdits", "plan": "plan"}
    words = ["--model", entry.get("model", "sonnet")]
    words += ["--permission-mode", permissions.get(entry.get("permissions", "bypass"), "default")]
    mode = entry.get("session_mode", "new")
    words += {"reuse": ["--continue"], "fork": ["--continue", "--fork-session"]}.get(mode, [])
    if allowed := entry.get("allowed_tools", []):
        words += ["--allowed-tools", ",".join(allowed)]
    if disallowed := entry.get("disallowed_tools", []):
        words += ["--disallowed-tools", ",".join(disallowed)]
    assert all(isinstance(one, str) for one in words)
    return [*words, entry.get("prompt") or entry["name"]]


def read_schedule(entry):
    assert entry.get("schedule_type", "manual") in KINDS
    assert entry.get("interval_type") in {None, *INTERVALS}
    assert entry.get("interval_unit") in {None, "minutes", "hours", "days"}
    if entry.get("calendar_time"):
        time.fromisoformat(entry["calendar_time"])
    return entry


def naive(text):
    moment = datetime.fromisoformat(text)
    assert moment.tzinfo is None, "it compares with times that have no offset"
    return moment


def fires(schedule, wall):
    """Whether a timed schedule of it fires in the minute that begins at `wall`."""
    if schedule["schedule_type"] == "calendar":
        return _calendar_fires(schedule, wall)
    assert (schedule["schedule_type"], schedule["interval_type"]) == ("interval", "cron")
    minute, hour, day, month, weekday = schedule["interval_cron"].split()
    return (
        _in(minute, wall.minute, 0, 59)
        and _in(hour, wall.hour, 0, 23)
        and _in(day, wall.day, 1, 31)
        and _in(month, wall.month, 1, 12, MONTHS)
        and _in(weekday, wall.weekday(), 0, 6, DAYS)
    )


def _calendar_fires(schedule, wall):
    at = time.fromisoformat(schedule["calendar_time"] or "00:00")
    if (wall.hour, wall.minute) != (at.hour, at.minute):
        return False
    frequency = schedule["calendar_frequency"] or "daily"
    if frequency == "weekly":
        return wall.weekday() in (schedule["calendar_days_of_week"] or [0])
    return frequency == "daily" or wall.day == (schedule["calendar_day_of_month"] or 1)


def _in(field, value, low, high, names=()):
    for place in field.split(","):
        words, _, step = place.partition("/")
        first, dash, last = words.partition("-")
        if words == "*":
            start, end = low, high
        else:
            start = _number(first, low, names)
            end = _number(last, low, names) if dash else high if step else start
        if start <= value <= end and (value - start) % int(step or 1) == 0:
            return True
    return False


def _number(word, low, names):
    return names.index(word.lower()) + low if word.lower() in names else int(word)
