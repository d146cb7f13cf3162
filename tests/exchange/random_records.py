"""Any job with any tasks that ccs takes."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import strategies as st

from ccs.model.job import Job
from ccs.model.task import RETRIABLE, Task
from ccs.text import plain

NOW = datetime(2026, 11, 20, 10, 0, 30, tzinfo=UTC)
WINDOWS = ["five_hour", "seven_day"]

ids = st.uuids(version=4).map(str)
words = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=12)
names = words.map(plain).filter(str.strip)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(
    lambda one: one.replace(tzinfo=UTC, microsecond=0)
)
seconds = st.integers(1, 10**6).map(lambda one: f"{one}s")
lists = st.lists(names, max_size=3)
optional = st.none()
zones = st.sampled_from(["UTC", "Europe/Amsterdam", "America/New_York"])
clocks = st.tuples(st.integers(0, 23), st.integers(0, 59)).map(lambda it: f"{it[0]:02}:{it[1]:02}")


def cron_field(low, high, spelt=()):
    numbers = st.integers(low, high)
    ranges = st.tuples(numbers, numbers).map(lambda it: f"{min(it)}-{max(it)}")
    stepped = st.tuples(ranges, st.integers(1, 5)).map(lambda it: f"{it[0]}/{it[1]}")
    star = st.one_of(st.just("*"), st.just("*"), st.integers(1, 9).map(lambda one: f"*/{one}"))
    place = st.one_of(numbers.map(str), ranges, stepped, *([st.sampled_from(spelt)] * bool(spelt)))
    return st.one_of(star, st.lists(place, min_size=1, max_size=3).map(",".join))


crons = st.tuples(
    cron_field(0, 59),
    cron_field(0, 23),
    cron_field(1, 28),
    cron_field(1, 12, ("jan", "DEC")),
    cron_field(0, 7, ("sun", "MON", "fri")),
).map(" ".join) | st.sampled_from(
    ["@daily", "0 9 L * *", "0 9 15W * *", "0 9 * * 5#3", "0 9 1 * mon"]
)


def _kind(kind, **fields):
    return st.fixed_dictionaries({"schedule_type": st.just(kind), "timezone": zones, **fields})


schedules = st.one_of(
    *(_kind(kind) for kind in ("manual", "startup", "sequential")),
    _kind("cron", cron=crons),
    _kind(
        "calendar",
        calendar_frequency=st.sampled_from(["daily", "weekly", "monthly"]),
        calendar_time=clocks,
        calendar_days_of_week=st.lists(st.integers(0, 6), min_size=1, max_size=7),
        calendar_day_of_month=st.integers(1, 31) | st.just("last"),
    ),
    _kind("interval", every=st.integers(1, 10**5).map(lambda one: f"{one}m"), start=moments),
    _kind("once", at=moments),
    _kind(
        "file_watch",
        watch_directory=names.map(lambda one: f"/{one}"),
        watch_patterns=lists,
        watch_ignore=lists,
        watch_recursive=st.booleans(),
        watch_debounce=seconds | st.just("0s") | st.just("1.5s"),
        own_changes=st.sampled_from(["baseline", "fire"]),
    ),
    _kind("usage_reset", window=st.sampled_from(WINDOWS), offset=seconds),
    _kind("when_available", window=st.sampled_from(WINDOWS), headroom=st.floats(1, 100)),
    _kind("before_reset", window=st.sampled_from(WINDOWS), lead=seconds, below=st.floats(1, 100)),
    _kind("anchor", window=st.sampled_from(WINDOWS), anchor_time=clocks),
)
budgets = st.lists(
    st.fixed_dictionaries({"per": st.sampled_from(["day", *WINDOWS]), "usd": st.floats(0.1, 99)}),
    max_size=2,
)
channels = optional | st.lists(st.sampled_from(["phone", "team"]), max_size=2)
RETRY = st.fixed_dictionaries(
    {
        "max_attempts": st.integers(1, 100),
        "delay": seconds | st.just("0.5s"),
        "backoff_multiplier": st.floats(1, 10),
        "on": st.lists(st.sampled_from(RETRIABLE), max_size=3),
        "client": optional | st.integers(0, 100),
    }
)
TASK = {
    "id": ids,
    "name": names,
    "job_id": optional,
    "working_directory": optional | names.map(lambda one: f"/{one}"),
    "enabled": st.booleans(),
    "prompt": texts.filter(str.strip),
    "prompt_type": st.sampled_from(["prompt", "slash_command", "file"]),
    "schedule": schedules,
    "model": optional | names,
    "profile": optional,
    "permissions": st.sampled_from(
        ["default", "bypass", "acceptEdits", "plan", "auto", "dontAsk", "manual"]
    ),
    "session_mode": st.sampled_from(["new", "reuse", "fork"]),
    "allowed_tools": lists,
    "disallowed_tools": lists,
    "append_system_prompt": optional | texts,
    "mcp_config": lists,
    "add_dirs": lists,
    "extra_args": st.lists(st.sampled_from(["--debug", "--settings", "{}"]), max_size=3),
    "max_turns": optional | st.integers(1, 99),
    "max_budget_usd": optional | st.floats(0.01, 99),
    "budgets": budgets,
    "fallback_model": optional | names,
    "timeout": seconds,
    "first_output_timeout": optional | seconds,
    "idle_timeout": optional | seconds,
    "retry": RETRY,
    "catch_up": st.sampled_from(["one", "none", "all"]),
    "grace": optional | seconds,
    "overlap": st.sampled_from(["skip", "queue", "replace", "allow"]),
    "priority": st.integers(-9, 9),
    "between": optional | st.just("22:00-06:00"),
    "days": st.lists(st.sampled_from(["mon", "sat"]), max_size=2, unique=True),
    "not_before": optional | st.just("2026-01-01T00:00:00Z"),
    "until": optional | st.just("2099-01-01T00:00:00Z"),
    "max_runs": optional | st.integers(1, 99),
    "after": st.just([]),
    "verify": optional | names | lists,
    "verify_timeout": seconds,
    "until_green": st.integers(0, 100),
    "commit_on_success": st.booleans(),
    "isolation": st.sampled_from(["none", "worktree", "tmux"]),
    "on_limit": st.sampled_from(["park", "fail", "hold"]),
    "disable_after": optional | st.integers(0, 100),
    "approved": optional | names,
    "disabled_why": optional | names,
    "notifications": st.fixed_dictionaries(
        {f"on_{one}": channels for one in ("start", "success", "failure", "limit", "resume")}
    ),
    "tags": lists,
    "active_since": moments,
    "created_at": moments,
    "updated_at": st.just(datetime(2100, 1, 2, tzinfo=UTC)),
}
PLACE = {
    "path": names.map(lambda one: f"/{one}"),
    "use_git_worktree": st.booleans(),
    "worktree_name": optional | st.just("feature-x"),
    "worktree_branch": optional | st.just("main"),
    "worktree_setup": optional | names,
}
JOB = {
    "id": ids,
    "name": names,
    "description": texts,
    "status": st.sampled_from(["pending", "completed", "failed", "cancelled"]),
    "profile": optional,
    "working_directory": st.fixed_dictionaries(PLACE),
    "task_order": st.just([]),
    "max_parallel": st.integers(1, 100),
    "on_failure": st.sampled_from(["stop", "continue"]),
    "budgets": budgets,
    "run": optional,
    "created_at": moments,
    "updated_at": st.just(datetime(2100, 1, 2, tzinfo=UTC)),
}


@st.composite
def families(draw, profiles=()):
    """A job, and its tasks in an order, some after others; now and then tasks without a job."""
    job = Job.model_validate(draw(st.fixed_dictionaries(JOB)))
    mine = st.sampled_from([None, *profiles]) if profiles else optional
    alone = draw(st.integers(0, 9)) == 0
    tasks = []
    for fields in draw(st.lists(st.fixed_dictionaries(TASK), max_size=3)):
        fields |= {"job_id": None if alone else job.id, "profile": draw(mine)}
        if alone and fields["schedule"]["schedule_type"] == "sequential":
            continue
        if tasks and not alone:
            before = [one.id for one in tasks]
            fields["after"] = draw(st.lists(st.sampled_from(before), unique=True))
        tasks.append(Task.model_validate(fields))
    if alone:
        return None, tasks
    order = draw(st.permutations([one.id for one in tasks]))
    left_out = draw(st.integers(0, 1))
    named = {"task_order": order[left_out:], "profile": draw(mine)}
    return job.changed(**named), tasks
