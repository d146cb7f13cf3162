"""The words of the prior system, as it wrote and as it meant them."""

from __future__ import annotations

from datetime import UTC, datetime

import prior_files as files
import pytest

from ccs.errors import InvalidInput
from ccs.exchange import prior, reading
from ccs.exchange.notes import Here
from ccs.exchange.schedules import heard
from ccs.model.run import Run
from ccs.model.task import Task

NOW = datetime(2026, 11, 20, 10, 0, 30, tzinfo=UTC)
BORN = "2026-11-20T10:00:30.000Z"
HERE = Here("America/New_York", "/home/me")
EVERY = {"schedule_type": "interval", "start": BORN}


def test_an_export_of_the_prior_system_is_read_as_it_is():
    (parcel,) = reading.read(files.exported(), HERE, NOW)
    job, (task,) = parcel.job, parcel.tasks
    assert job is not None and (job.id, job.name, job.status) == (files.JOB, "J1", "completed")
    place = job.working_directory
    assert (place.path, place.worktree_name) == ("/home/me/code/app", "feature-x")
    assert (place.use_git_worktree, place.worktree_branch) == (True, "main")
    assert job.task_order == [task.id] == [files.TASK]
    assert (task.name, task.prompt, task.job_id) == ("T1", "hi", files.JOB)
    assert (task.enabled, task.permissions, task.commit_on_success) == (True, "bypass", True)
    told = task.notifications
    assert (told.on_start, told.on_success, told.on_failure) == ([], None, None)
    assert task.schedule.record() == {
        "schedule_type": "calendar",
        "timezone": "America/New_York",
        "calendar_frequency": "weekly",
        "calendar_time": "09:00",
        "calendar_days_of_week": [0, 2],
        "calendar_day_of_month": 1,
    }
    (note,) = parcel.notes
    assert "schedule.timezone: Europe/Amsterdam was written for everybody" in note


@pytest.mark.parametrize(
    ("written", "meant", "told"),
    [
        ({}, {"schedule_type": "manual"}, ""),
        ({"schedule_type": "startup"}, {"schedule_type": "startup"}, ""),
        (
            {"schedule_type": "interval", "interval_type": "custom", "interval_value": 2},
            {**EVERY, "every": "2m"},
            "",
        ),
        (
            {"schedule_type": "interval", "interval_value": 3, "interval_unit": "days"},
            {**EVERY, "every": "3d"},
            "",
        ),
        (
            {"schedule_type": "interval", "interval_type": "simple", "interval_preset": "12hours"},
            {**EVERY, "every": "12h"},
            "was run each five minutes",
        ),
        (
            {"schedule_type": "interval", "interval_type": "simple", "interval_preset": "4 hours"},
            {**EVERY, "every": "4h"},
            "",
        ),
        (
            {"schedule_type": "interval", "interval_type": "simple", "interval_preset": "often"},
            {**EVERY, "every": "5m"},
            "as it was taken",
        ),
        (
            {"schedule_type": "interval", "interval_type": "cron", "interval_cron": "0 9 * * mon"},
            {"schedule_type": "cron", "cron": "0 9 * * mon"},
            "",
        ),
        (
            {"schedule_type": "interval", "interval_type": "cron", "interval_cron": "0 9 * * 1-5"},
            {"schedule_type": "cron", "cron": "0 9 * * 1-5"},
            "it was taken for Monday",
        ),
        # It ran this each minute.
        (
            {"schedule_type": "interval", "interval_type": "cron", "interval_cron": None},
            {"schedule_type": "manual"},
            "only when asked",
        ),
        (
            {"schedule_type": "calendar", "calendar_time": "09:30"},
            {"schedule_type": "calendar", "calendar_time": "09:30"},
            "",
        ),
        (
            {"schedule_type": "calendar", "calendar_time": "09:30:15"},
            {"schedule_type": "calendar", "calendar_time": "09:30"},
            "seconds",
        ),
        # It watched all of the home directory.
        ({"schedule_type": "file_watch"}, {"schedule_type": "manual"}, "home directory"),
        (
            {
                "schedule_type": "file_watch",
                "watch_directory": "~/in",
                "watch_debounce_seconds": 0,
            },
            {
                "schedule_type": "file_watch",
                "watch_directory": "/home/me/in",
                "watch_recursive": True,
                "watch_debounce": 5,
            },
            "",
        ),
    ],
)
def test_a_schedule_means_what_it_says(written, meant, told):
    fields, notes = heard({"timezone": "America/New_York", **written}, HERE, BORN)
    assert fields == {**meant, "timezone": "America/New_York"}
    words = "; ".join(map(str, notes))
    assert (told in words) if told else not notes


def test_a_zone_that_somebody_chose_is_kept():
    chosen = heard({**files.weekly(), "timezone": "Asia/Tokyo"}, HERE, BORN)
    assert (chosen[0]["timezone"], chosen[1]) == ("Asia/Tokyo", [])


@pytest.mark.parametrize(
    ("written", "meant", "told"),
    [
        ({"permissions": ["bypass"]}, {"permissions": "bypass"}, ""),
        ({"permissions": "['plan']"}, {"permissions": "plan"}, ""),
        ({"permissions": "whatever"}, {"permissions": "default"}, "taken for default"),
        ({"permissions": ["bypass", "plan"]}, {"permissions": "default"}, "permissions"),
        ({"permissions": None}, {"permissions": "bypass"}, ""),
        ({"session_mode": "odd"}, {"session_mode": "new"}, "session_mode"),
        ({"prompt": "", "name": "do it"}, {"prompt": "do it", "name": "do it"}, "name is"),
        ({"name": ""}, {"name": "Untitled Task"}, ""),
        ({"name": "x" * 201}, {"name": "x" * 199 + "…"}, "shortened"),
        ({"last_session_id": files.RUN}, {}, "a session of its own"),
        ({"colour": "red"}, {}, "colour: not known here"),
        ({"verify": "rm -rf ~"}, {"verify": None}, "verify: not known here"),
        ({"model": None}, {"model": "sonnet"}, ""),
    ],
)
def test_words_of_a_task(written, meant, told):
    (parcel,) = reading.read(files.exported(tasks=[files.task(**written)]), HERE, NOW)
    (task,) = parcel.tasks
    shown = task.record()
    assert {name: shown[name] for name in meant} == meant
    assert told in "; ".join(parcel.notes)


def test_the_oldest_words_for_a_prompt():
    entry = files.task(command="/review", command_type="slash_command")
    del entry["prompt"], entry["prompt_type"]
    (parcel,) = reading.read(files.exported(tasks=[entry]), HERE, NOW)
    assert (parcel.tasks[0].prompt, parcel.tasks[0].prompt_type) == ("/review", "slash_command")


@pytest.mark.parametrize(("enabled", "attempts"), [(False, 1), (True, 4), (None, 1)])
def test_its_retries_are_those_after_the_first(enabled, attempts):
    retry = {"enabled": enabled, "max_attempts": 3, "delay_seconds": 7}
    (parcel,) = reading.read(files.exported(tasks=[files.task(retry=retry)]), HERE, NOW)
    found = parcel.tasks[0].retry
    assert (found.max_attempts, found.delay.total_seconds()) == (attempts, 7)


def test_a_task_without_a_job_runs_where_it_ran():
    fields, _ = prior.task(files.task(job_id=None), HERE, BORN)
    stamps = {"created_at": NOW, "updated_at": NOW, "active_since": NOW}
    assert Task.checked({**fields, **stamps}).working_directory == "/home/me/projects"


@pytest.mark.parametrize(
    ("status", "ours", "reason"),
    [
        ("success", "success", None),
        ("failed", "failed", "error"),
        ("cancelled", "cancelled", "stopped"),
        ("running", "lost", "crash"),
        ("upcoming", "lost", "crash"),
    ],
)
def test_a_run_ends_as_it_ended(status, ours, reason):
    fields, notes = prior.run(files.run(status=status, errors="no \x1b[31mroom"))
    found = Run.checked(fields)
    assert (found.status, found.reason, found.trigger) == (ours, reason, "manual")
    assert bool(notes) == (ours == "lost")
    assert (found.message == "no room") == (ours != "lost")
    assert found.model_extra == {}


@pytest.mark.parametrize("entry", [{"schedule_type": "sometimes"}, {"interval_value": 0}])
def test_a_schedule_that_makes_no_sense_is_refused(entry):
    with pytest.raises(InvalidInput):
        heard({"schedule_type": "interval", **entry}, HERE, BORN)
