"""What is plainly right is what the judge would have made of it, and ccs writes nothing else."""

import subprocess
import sys
from copy import deepcopy
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ccs.errors import InvalidInput
from ccs.model import judge, shape
from ccs.model.job import Job
from ccs.model.profile import Profile
from ccs.model.run import Run
from ccs.model.settings import Settings
from ccs.model.task import Task

AN_ID = "0d9e4b5c-1f6b-4d0b-8f6e-6a3c1b2d4e5f"
MOMENT = "2026-11-20T10:00:00.000Z"
BORN = {"created_at": MOMENT, "updated_at": MOMENT}
BUDGETS = [{"per": "seven_day", "usd": 3.5}, {"tokens": 10}]
TASK = {"id": AN_ID, "name": "night", "prompt": "go", "active_since": MOMENT, **BORN}
SCHEDULES = [
    {"schedule_type": "manual"},
    {"schedule_type": "cron", "cron": "0 3 L * *", "timezone": "Europe/Berlin"},
    {"schedule_type": "calendar", "calendar_frequency": "monthly", "calendar_day_of_month": "last"},
    {"schedule_type": "interval", "every": "15m", "start": MOMENT},
    {"schedule_type": "once", "at": MOMENT},
    {"schedule_type": "startup"},
    {"schedule_type": "file_watch", "watch_directory": "/tmp", "watch_debounce": "5s"},
    {"schedule_type": "usage_reset", "offset": "1m"},
    {"schedule_type": "when_available", "headroom": 30},
    {"schedule_type": "before_reset", "window": "seven_day_opus"},
    {"schedule_type": "anchor", "anchor_time": "06:00"},
]
RICH = {
    "job_id": AN_ID,
    "budgets": BUDGETS,
    "between": "09:00-18:00",
    "days": ["mon", "fri"],
    "retry": {"max_attempts": 3, "delay": "1m30s", "on": ["timeout"]},
    "verify": ["make", "test"],
    "notifications": {"on_success": ["me"]},
    "idle_timeout": "10m",
    "until": "2027-01-01T00:00:00.000Z",
    "unknown": {"kept": [1, None]},
}
RUN = {"id": AN_ID, "task_id": AN_ID, "trigger": "schedule", "scheduled_time": MOMENT}
ENTRIES = [
    *((Task, {**TASK, "schedule": schedule}) for schedule in SCHEDULES),
    (Task, {**TASK, **RICH}),
    (Run, RUN),
    (Run, {**RUN, "usage": {"input": 3}, "cost_usd": 1, "quota": {"before": {"five_hour": 0.2}}}),
    (
        Job,
        {"id": AN_ID, "name": "j", "working_directory": {"path": "/"}, "budgets": BUDGETS, **BORN},
    ),
    (
        Profile,
        {
            **{"id": AN_ID, "name": "p", "reserve": {"five_hour": 80, "between": "09:00-18:00"}},
            "env_vars": [
                {"name": "A", "source": "aws_sm", "value": "x", "config": {"decrypt": True}}
            ],
            **BORN,
        },
    ),
    (Settings, {"notifications": {"channels": [{"name": "me", "kind": "desktop"}]}}),
]


def plainly(cls, entry):
    try:
        return shape.plain(cls, entry)
    except Exception:
        return None


@pytest.mark.parametrize(("cls", "entry"), ENTRIES)
def test_what_ccs_writes_is_plainly_right_and_comes_back_as_it_was(cls, entry):
    written = cls.checked(entry).record()
    assert shape.plain(cls, written).record() == written
    assert shape.plain(cls, written) == judge.judged(cls, written)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(
        [
            *(
                "\ud800",
                "five_hour\n",
                "five_hour",
                "1h",
                "90",
                "09:00",
                "9:00",
                "UTC",
                "Nowhere/At",
            ),
            *(MOMENT, "2026-11-20T10:00:00Z", "2026-11-20 10:00:00.000Z", "2026-11-20T10:00:00"),
            *("9999-12-31T23:59:59.999Z", "1960-01-01T00:00:00.000Z", AN_ID, AN_ID.upper(), "{}"),
            *("success", "stop", "last", "30%", "mon", "* * * * *", "0 0 31 2 *", 1 << 60, -1, 0),
        ]
    )
)
names = st.sampled_from(
    sorted({"command", "on_end", *(name for cls, _ in ENTRIES for name in cls.model_fields)})
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(names | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def altered(draw):
    """A record, some of whose values, at any depth, are others."""
    cls, entry = draw(st.sampled_from(ENTRIES))
    entry = cls.checked(entry).record() if draw(st.booleans()) else deepcopy(entry)
    for _ in range(draw(st.integers(1, 3))):
        inside = entry
        while nested := [one for one in inside.values() if isinstance(one, dict) and one]:
            if draw(st.booleans()):
                break
            inside = draw(st.sampled_from(nested))
        name = draw(st.sampled_from(sorted(inside)) | names)
        inside[name] = draw(values)
    return cls, entry


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(altered())
def test_what_is_taken_as_it_stands_the_judge_would_take_the_same(changed):
    cls, entry = changed
    taken = plainly(cls, entry)
    if taken is not None:
        judged = judge.judged(cls, entry)
        assert taken == judged
        assert {n: type(v) for n, v in vars(taken).items()} == {
            n: type(v) for n, v in vars(judged).items()
        }
        assert taken.record() == judged.record()


def test_a_record_that_is_not_plainly_right_is_coerced_or_refused_in_words():
    loose = Task.checked(
        {**TASK, "timeout": 90, "enabled": "yes", "created_at": "2026-11-20T11:00+01:00"}
    )
    assert (loose.timeout, loose.enabled) == (timedelta(seconds=90), True)
    with pytest.raises(InvalidInput, match=r"max_turns: .*1 or more"):
        Task.checked({**TASK, "max_turns": 0})
    with pytest.raises(InvalidInput, match=r"schedule\.cron: "):
        Task.checked({**TASK, "schedule": {"schedule_type": "cron", "cron": "61 * * * *"}})
    assert Task.checked({"command": "go", **{k: v for k, v in TASK.items() if k != "prompt"}})


def test_no_two_records_share_a_default():
    one, other = Task.checked(TASK), Task.checked(TASK)
    one.tags.append("x")
    one.retry.on.append("crash")
    assert (other.tags, Task.checked(TASK).retry.on) == ([], other.retry.on)
    assert "crash" not in other.retry.on
    shown = one.record()
    shown["tags"].append("y")
    assert one.tags == ["x"]


def test_secrets_are_out_of_repr():
    told = {"name": "me", "kind": "webhook", "url": "https://secret.example"}
    assert "secret" not in repr(Settings.checked({"notifications": {"channels": [told]}}))


def test_records_that_are_plainly_right_need_no_pydantic():
    code = f"""
import sys
from ccs.model.task import Task
from ccs.model.run import Run
Run.checked({RUN!r})
Task.checked({ {**TASK, **RICH}!r}).changed(name="x").record()
print("pydantic" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
