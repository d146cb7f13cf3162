"""What leaves comes back as it was, and the prior system reads it as it is meant."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import get_args, get_type_hints
from zoneinfo import ZoneInfo

import prior_files as files
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prior_reader import SCHEDULE_KEYS, fires, import_file
from random_records import JOB, NOW, PLACE, TASK, crons, families, names, schedules

from ccs import instant
from ccs.exchange import document, reading
from ccs.exchange.document import NOT_OF_A_JOB, NOT_OF_A_TASK
from ccs.exchange.notes import Here
from ccs.exchange.schedules import heard, told
from ccs.model.job import Job, WorkingDirectory
from ccs.model.profile import Profile
from ccs.model.schedule import Calendar, CronSchedule, Interval
from ccs.model.task import Task
from ccs.schedule.cron import Cron

SECRET = "hunter2-static-value"  # pragma: allowlist secret
WORK = "b778007c-fd5e-48ba-8959-2b6fadf6dabb"
HERE = Here("Asia/Tokyo", "/home/me")
UTC_ZONE = ZoneInfo("UTC")


def profile(**fields):
    variables = [
        {"name": "ANTHROPIC_API_KEY", "source": "static", "value": SECRET},
        {"name": "OTHER", "source": "command", "value": f"echo {SECRET}"},
    ]
    born = {"created_at": NOW, "updated_at": NOW}
    return Profile.checked({"id": WORK, "name": "work", "env_vars": variables, **born, **fields})


def there_and_back(job, tasks, profiles=()):
    """Through a file, as bytes."""
    text = json.dumps(document.build(job, tasks, profiles, NOW))
    (parcel,) = reading.read(json.loads(text), HERE, NOW + timedelta(days=1))
    return parcel


def without(record, names):
    return {name: value for name, value in record.record().items() if name not in names}


def test_the_random_records_have_every_field_there_is():
    assert set(TASK) == set(Task.model_fields)
    assert (set(JOB), set(PLACE)) == (set(Job.model_fields), set(WorkingDirectory.model_fields))
    kinds = {get_args(get_type_hints(one)["schedule_type"])[0] for one in _kinds()}
    assert len(kinds) == 12  # more of them: add them to `schedules`


def _kinds():
    from ccs.model.schedule import Schedule

    return get_args(get_args(Schedule)[0])


@given(families(profiles=[WORK]))
@settings(max_examples=50, deadline=None)
def test_what_is_exported_is_imported_as_it_was(family):
    job, tasks = family
    parcel = there_and_back(job, tasks, [profile()])
    if job is not None:
        assert parcel.job is not None and parcel.job.id == job.id
        assert without(parcel.job, NOT_OF_A_JOB) == without(job, NOT_OF_A_JOB)
    assert [one.id for one in parcel.tasks] == [one.id for one in tasks]
    for before, after in zip(tasks, parcel.tasks, strict=True):
        assert without(after, NOT_OF_A_TASK) == without(before, NOT_OF_A_TASK)
        assert after.job_id == before.job_id
        assert (after.approved, after.disabled_why) == (None, None)


@given(families(profiles=[WORK]))
@settings(max_examples=30, deadline=None)
def test_the_prior_system_reads_what_is_exported(family):
    job, tasks = family
    if job is None:
        return
    found = document.build(job, tasks, [profile()], NOW)
    assert set(found) == {"version", "exported_at", "job", "tasks", "profiles_referenced", "ccs"}
    theirs, theirs_tasks, warnings = import_file(json.dumps(found), profiles=[WORK])
    assert (str(theirs["id"]), theirs["name"], theirs["task_order"]) == (
        *(job.id, job.name),
        job.task_order,
    )
    assert theirs["path"] == job.working_directory.path
    assert len(warnings) == len(tasks) - len(job.task_order)
    used = {one.profile for one in (job, *tasks)} - {None}
    assert set(found["profiles_referenced"]) == used
    for ours, read in zip(tasks, theirs_tasks, strict=True):
        assert (str(read["id"]), str(read["job_id"]), read["name"]) == (ours.id, job.id, ours.name)
        assert read["argv"][-1] == ours.prompt
        assert (read["enabled"], read["profile"]) == (ours.enabled, ours.profile)
        assert read["executions"] == ours.retry.max_attempts
        assert read["schedule"].keys() == SCHEDULE_KEYS
        if "bypassPermissions" in read["argv"][:4]:
            assert ours.permissions == "bypass"
        assert read["told"][1] == (ours.notifications.on_success != [])


def ours_fires(cron, wall):
    moment = wall.replace(tzinfo=UTC)
    return cron.next(moment - timedelta(microseconds=1), UTC_ZONE) == moment


def near(cron, begin):
    """Minutes at which it fires, and others close to them, in hour, in day and in week."""
    found, moment = set(), begin.replace(tzinfo=UTC)
    for _ in range(8):
        moment = cron.next(moment, UTC_ZONE)
        if moment is None:
            break
        wall = moment.replace(tzinfo=None)
        for away in (0, 1, 7, 60, 1440, 7 * 1440, 31 * 1440):
            found |= {wall - timedelta(minutes=away), wall + timedelta(minutes=away)}
    return found


@given(crons, st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 1)))
@settings(max_examples=120, deadline=None)
def test_the_prior_system_fires_a_cron_when_it_is_meant_or_not_by_itself(expression, begin):
    theirs = told(CronSchedule(cron=expression))
    if theirs["schedule_type"] == "manual":
        return
    cron = Cron(expression)
    for wall in near(cron, begin.replace(second=0, microsecond=0)):
        assert fires(theirs, wall) == ours_fires(cron, wall), (theirs["interval_cron"], wall)


@pytest.mark.parametrize(
    ("expression", "theirs"),
    [
        ("0 9 * * 1-5", "0 9 * * mon,tue,wed,thu,fri"),
        ("0 9 * * 7", "0 9 * * sun"),
        ("@weekly", "0 0 * * sun"),
        ("*/15 0-6 1,15 jan *", "*/15 0-6 1,15 jan *"),
        ("0 9 */2 * mon", "0 9 */2 * mon"),
        # To ccs these are "or": every day.
        ("0 9 15 * 0-6", "0 9 * * *"),
        ("0 9 15 * mon", None),
        ("0 9 L * *", None),
        ("0 9 * * 5#3", None),
    ],
)
def test_a_cron_in_the_words_of_the_prior_system(expression, theirs):
    assert told(CronSchedule(cron=expression))["interval_cron"] == theirs


def test_other_schedules_in_its_words():
    every = [("45m", 45, "minutes"), ("2h", 2, "hours"), ("3d", 3, "days"), ("90m", 90, "minutes")]
    for span, value, unit in every:
        theirs = told(Interval(every=span, start=NOW))
        assert theirs["interval_type"] == "custom"
        assert (theirs["interval_value"], theirs["interval_unit"]) == (value, unit)
    theirs = told(
        Calendar(calendar_frequency="weekly", calendar_time="9:05", timezone="Asia/Tokyo")
    )
    assert (theirs["calendar_time"], theirs["timezone"]) == ("09:05:00", "Asia/Tokyo")
    assert fires(theirs, datetime(2026, 11, 23, 9, 5)) and not fires(
        theirs, datetime(2026, 11, 24, 9, 5)
    )
    last = Calendar(calendar_frequency="monthly", calendar_day_of_month="last")
    assert told(last)["schedule_type"] == "manual"


@given(schedules)
@settings(max_examples=50, deadline=None)
def test_any_schedule_has_its_sixteen_keys(schedule):
    job_id = WORK
    fields = {"id": WORK, "name": "x", "prompt": "x", "job_id": job_id, "schedule": schedule}
    stamps = dict.fromkeys(("created_at", "updated_at", "active_since"), NOW)
    theirs = told(Task.checked({**fields, **stamps}).schedule)
    assert theirs.keys() == SCHEDULE_KEYS
    heard(theirs, HERE, instant.text(NOW))


@given(families(profiles=[WORK]))
@settings(max_examples=20, deadline=None)
def test_nothing_that_a_profile_holds_goes_into_a_file(family):
    job, tasks = family
    text = json.dumps(document.build(job, tasks, [profile(account="me")], NOW))
    assert SECRET not in text
    found = json.loads(text)["ccs"]["profiles"]
    variables = [
        {"name": "ANTHROPIC_API_KEY", "source": "static"},
        {"name": "OTHER", "source": "command"},
    ]
    used = WORK in [one.profile for one in (*tasks, *([job] if job else []))]
    label = {"id": WORK, "name": "work", "account": "me", "env_vars": variables}
    assert found == ([label] if used else [])


@given(names, names)
@settings(max_examples=20, deadline=None)
def test_what_is_changed_by_hand_in_the_common_keys_counts(name, prompt):
    stamps = dict.fromkeys(("created_at", "updated_at", "active_since"), NOW)
    task = Task.checked({"id": WORK, "name": "x", "prompt": "x", "verify": "make", **stamps})
    found = document.build(None, [task], [], NOW)
    found["tasks"][0] |= {"name": name, "prompt": prompt}
    (parcel,) = reading.read(found, HERE, NOW)
    (read,) = parcel.tasks
    assert (read.name, read.prompt, read.verify) == (name, prompt, "make")


@pytest.mark.parametrize("name", ["夜　間", "nuit\xa0blanche", "👨\u200d👩\u200d👧", "naïve"])
def test_a_name_of_any_script_comes_as_it_is(name):
    (parcel,) = reading.read(files.exported(job=files.job(name=name)), HERE, NOW)
    assert parcel.job.name == name


def test_a_directory_that_is_changed_by_hand_counts_beside_what_only_ccs_knows_of_it():
    place = {"path": "/old", "worktree_setup": "make"}
    stamps = {"created_at": NOW, "updated_at": NOW}
    job = Job.checked({"id": WORK, "name": "x", "working_directory": place, **stamps})
    found = document.build(job, [], [], NOW)
    assert found["ccs"]["job"] == {"working_directory": {"worktree_setup": "make"}}
    found["job"]["working_directory"]["path"] = "~/new"
    (parcel,) = reading.read(found, HERE, NOW)
    place = parcel.job.working_directory
    assert (place.path, place.worktree_setup) == ("/home/me/new", "make")
