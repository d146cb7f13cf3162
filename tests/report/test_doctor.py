"""ccs doctor's looks around the store: each fault is found, and each finding can be mended."""

from __future__ import annotations

import json
import os
import sys
from collections import namedtuple
from datetime import timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "store"))

from store_records import document, run_entry, task_entry

from ccs import instant
from ccs.engine import sight
from ccs.report import disk, doctor, scheduling, surroundings
from ccs.report.finding import BROKEN, NOTE, WARNING, Scene
from ccs.store import atomic
from ccs.store.home import COLLECTIONS
from ccs.store.lock import Lock
from ccs.usage import ledger

LINUX_LISTS_LOCKS = os.path.exists("/proc/locks")


@pytest.fixture(autouse=True)
def _no_entries(monkeypatch):
    """This machine's own crontab and units are none of the test's business."""
    monkeypatch.setattr(scheduling, "entries", lambda store, environment: ([], []))


@pytest.fixture
def bin(tmp_path):
    """A directory of programs that do nothing but say a word."""
    directory = tmp_path / "bin"
    directory.mkdir()

    def put(name, words="git version 2.47.1"):
        path = directory / name
        path.write_text(f"#!/bin/sh\necho '{words}'\n")
        path.chmod(0o755)
        return str(path)

    put("git")
    put("claude")
    put.path = str(directory)
    return put


@pytest.fixture
def look(store, bin, now, tmp_path):
    """`look(PATH=…)`: every finding as seen from such a shell."""

    def call(**environment):
        shell = {"HOME": str(tmp_path / "user"), "PATH": bin.path, **environment}
        found = doctor.examine(Scene(store, shell, now))["findings"]
        for one in found:
            assert one["mend"], f"no mend: {one}"
        return found

    return call


@pytest.fixture
def write(home):
    def put(name, text):
        path = Path(home.path, name)
        path.write_text(text)
        path.chmod(0o600)
        return path

    return put


@pytest.fixture
def timed(write):
    """A task that a tick would start."""
    cron = {"schedule_type": "cron", "cron": "0 3 * * *", "timezone": "UTC"}
    write("tasks.json", document("tasks", task_entry(1, schedule=cron)))


@pytest.fixture
def ticking(home, write, now):
    path = write("tick.json", '{"backend": "cron"}')
    os.utime(path, (now.timestamp() - 20, now.timestamp() - 20))
    return path


def of(found, words):
    return [one for one in found if words in one["what"]]


def levels(found, words):
    return [one["level"] for one in of(found, words)]


def seen(store, now, environment, login="logged in (oauth_token)"):
    told = {"format": 1, "backend": "cron", "at": instant.text(now - timedelta(hours=1))}
    told |= {**sight.around(store, environment), "login": login}
    Path(store.home.sight).write_text(json.dumps(told))
    os.chmod(store.home.sight, 0o600)


def test_where_all_is_well_nothing_is_broken_and_nothing_warned_of(look, timed, ticking):
    assert [one for one in look() if one["level"] in (BROKEN, WARNING)] == []


@pytest.mark.skipif(not LINUX_LISTS_LOCKS, reason="only Linux lists who holds a lock")
@pytest.mark.parametrize("name", ["store", "usage", "tick"])
def test_a_lock_is_a_finding_once_it_is_held_for_long(look, home, now, monkeypatch, name):
    monkeypatch.setattr(doctor.process, "age", lambda pid: 4000.0)
    path = os.path.join(home.file("locks"), f"{name}.lock")
    with Lock(path) as lock:
        lock.acquire_within(1, "a test")
        os.utime(path + ".holder", (now.timestamp() - 2, now.timestamp() - 2))
        assert of(look(), "held for") == []
        os.utime(path + ".holder", (now.timestamp() - 3600, now.timestamp() - 3600))
        (found,) = of(look(), "held for 1h")
        assert found["level"] == BROKEN
        assert str(os.getpid()) in found["mend"]
    assert of(look(), "held for") == []


def test_ticks_that_do_not_come_are_broken_only_where_something_waits_for_them(
    look, ticking, write, now
):
    assert of(look(), "tick came") == []
    os.utime(ticking, (now.timestamp() - 7200, now.timestamp() - 7200))
    assert levels(look(), "the last tick came 2h ago, called by cron") == [NOTE]


def test_late_and_absent_ticks_are_broken_for_a_task_with_times(look, timed, ticking, now):
    os.utime(ticking, (now.timestamp() - 7200, now.timestamp() - 7200))
    assert levels(look(), "the last tick came 2h ago") == [BROKEN]
    ticking.unlink()
    (found,) = of(look(), "nothing has called ccs tick")
    assert (found["level"], found["mend"]) == (BROKEN, "ccs install")


def test_an_entry_that_is_not_called_is_warned_of(look, timed, ticking, monkeypatch):
    entry = {"backend": "cron", "where": "crontab line 3", "by": "ccs install"}
    notes = ["no cron daemon runs"]
    monkeypatch.setattr(scheduling, "entries", lambda store, environment: ([entry], notes))
    (found,) = of(look(), "no cron daemon")
    assert (found["level"], found["where"]) == (WARNING, "crontab line 3")


def test_no_client_is_broken_for_a_task_with_times_and_else_a_warning(look, bin, write, tmp_path):
    os.unlink(os.path.join(bin.path, "claude"))
    away = "claude was not found"
    if levels(look(), away) == []:
        pytest.skip("this machine has a client in a usual place")
    assert levels(look(), away) == [WARNING]
    cron = {"schedule_type": "cron", "cron": "0 3 * * *", "timezone": "UTC"}
    write("tasks.json", document("tasks", task_entry(1, schedule=cron)))
    assert levels(look(), away) == [BROKEN]
    write("settings.json", '{"format": 1, "mock_mode": true}')
    assert levels(look(), away) == []


@pytest.mark.parametrize(("status", "level"), [("success", NOTE), ("failed", WARNING)])
def test_a_client_that_changed_since_the_last_success_is_told(look, bin, write, status, level):
    package = Path(bin.path, "package.json")
    package.write_text('{"version": "2.2.0"}')
    ended = {"end_time": "2026-11-20T09:00:00Z", "claude_version": "2.1.9"}
    later = {**ended, "end_time": "2026-11-20T09:30:00Z", "status": status}
    write("runs.json", document("runs", run_entry(1, **ended), run_entry(2, **later)))
    assert levels(look(), "it is 2.2.0 now; the last run that succeeded had 2.1.9") == [level]
    package.write_text('{"version": "2.1.9"}')
    assert of(look(), "that succeeded had") == []


def test_a_scheduler_without_client_or_login_is_broken(look, store, timed, ticking, now, bin):
    seen(store, now, {"PATH": bin.path, "HOME": "/h"}, login="not logged in")
    (found,) = of(look(), "was not logged in")
    assert found["level"] == BROKEN
    assert "claude auth login" in found["mend"]
    told = json.loads(Path(store.home.sight).read_text())
    told |= {"client": None, "problem": "claude was not found", "login": "unknown"}
    Path(store.home.sight).write_text(json.dumps(told))
    (found,) = of(look(), "does not find the client")
    assert found["level"] == BROKEN
    assert os.path.join(bin.path, "claude") in found["mend"]


def test_a_login_that_has_worked_since_is_not_complained_of(look, store, timed, write, now, bin):
    seen(store, now, {"PATH": bin.path}, login="not logged in")
    done = run_entry(1, end_time=instant.text(now), account=ledger.DEFAULT)
    write("runs.json", document("runs", done))
    assert of(look(), "was not logged in") == []


def test_a_login_that_nothing_needs_is_not_complained_of(look, store, write, now, bin):
    seen(store, now, {"PATH": bin.path}, login="not logged in")
    assert of(look(), "was not logged in") == []


def test_what_differs_between_the_shell_and_the_scheduler_is_told(look, store, now, bin, tmp_path):
    seen(store, now, {"PATH": "/elsewhere", "HOME": str(tmp_path / "user")})
    found = look(ANTHROPIC_API_KEY="sk-ant-not-shown-anywhere")
    assert levels(found, "PATH of this shell, not of the scheduler") == [NOTE]
    assert levels(found, "git: the scheduler sees none") == [WARNING]
    assert levels(found, "ANTHROPIC_API_KEY is set in this shell") == [WARNING]
    assert "not-shown" not in json.dumps(found)
    seen(store, now, {"PATH": bin.path, "HOME": str(tmp_path / "user")})
    assert of(look(), "scheduler") == []


def test_an_account_that_does_not_work_is_broken_a_limit_is_no_fault(look, store, now):
    store.ledger.update(
        "default", lambda known: ledger.break_down(known, "auth", "token expired", now)
    )
    (found,) = of(look(), "account default does not work (auth): token expired")
    assert found["level"] == BROKEN
    assert found["mend"] == "claude auth login, then: ccs usage clear 'default'"


def test_an_alarm_is_warned_of_while_it_is_news(look, store, now):
    old = now - timedelta(days=3)
    store.ledger.update("a", lambda known: ledger.alarm(known, "overage", "an old one", old))
    store.ledger.update("b", lambda known: ledger.alarm(known, "overage", "a new one", now))
    assert of(look(), "an old one") == []
    assert levels(look(), "a new one") == [WARNING]


@pytest.mark.parametrize(
    ("words", "count"), [("git version 2.30.2", 1), ("git version 2.33.0 (Apple)", 0), ("?", 1)]
)
def test_a_git_that_is_too_old_is_warned_of(look, bin, words, count):
    bin("git", words)
    assert levels(look(), "git") == [WARNING] * count


@pytest.mark.parametrize(
    ("free", "level"), [(10 << 20, [BROKEN]), (200 << 20, [WARNING]), (9 << 30, [])]
)
def test_a_disk_that_fills_up_is_told_before_it_is_full(look, monkeypatch, free, level):
    usage = namedtuple("usage", "total used free")(1 << 40, 0, free)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: usage)
    assert levels(look(), "are free on its disk") == level


def test_another_program_of_this_name_is_a_warning_where_it_hides_this_one(look, bin, tmp_path):
    bin("ccs", "another tool")
    ours = tmp_path / "ours"
    ours.mkdir()
    (ours / "ccs").write_text("#!/usr/bin/python3\nfrom ccs.__main__ import main\nmain()\n")
    (ours / "ccs").chmod(0o755)
    (found,) = of(look(PATH=f"{bin.path}:{ours}"), "another program called ccs")
    assert (found["level"], found["where"]) == (WARNING, os.path.join(bin.path, "ccs"))
    assert f"export PATH='{ours}':$PATH" in found["mend"]
    assert levels(look(PATH=f"{ours}:{bin.path}"), "another program called ccs") == [NOTE]


def test_files_of_others_in_the_store_are_named_and_its_own_are_not(look, home, write):
    write("config.yaml", "a: b\n")
    own = [*COLLECTIONS, "settings", "cursors", "usage", "notify", "tick", "sight", "tidied"]
    for name in own:
        write(f"{name}.json.prev", "{}")
        write(f"{name}.json.corrupt-20261120T100000Z", "x")
    found = of(look(), "not of ccs")
    assert [(one["level"], os.path.basename(one["where"])) for one in found] == [
        (NOTE, "config.yaml")
    ]


def test_modules_that_are_not_compiled_are_told_with_the_command(look, monkeypatch):
    monkeypatch.setattr(surroundings.program, "uncompiled", list)
    assert of(look(), "not compiled") == []
    found = ["/a/ccs/x.py", "/a/ccs/model/y.py", "/b/click/z.py"]
    monkeypatch.setattr(surroundings.program, "uncompiled", lambda: found)
    (told,) = of(look(), "3 modules not compiled")
    assert told["mend"].endswith("-m compileall -q '/a/ccs' '/b/click'")


def test_many_files_of_others_are_not_a_flood(look, write):
    for number in range(30):
        write(f"other-{number}", "")
    found = of(look(), "not of ccs")
    assert len(found) == 5
    assert "25 more" in found[-1]["what"]


@pytest.mark.parametrize("name", ["tasks", "runs", "usage", "profiles", "settings"])
def test_a_broken_file_is_one_finding_whatever_else_would_read_it(look, write, name):
    write(f"{name}.json", "{")
    assert len(of(look(), f"{name}.json")) == 1


def test_a_check_that_fails_as_nobody_foresaw_is_a_finding_and_hides_no_other(look, monkeypatch):
    def _odd(scene):
        raise RecursionError("a secret in its words")

    monkeypatch.setattr(doctor, "CHECKS", (_odd, *doctor.CHECKS))
    found = look()
    assert found[0]["what"] == "a check failed (odd: RecursionError)"
    assert len(found) > 1


@pytest.mark.parametrize("name", ["sight", "installed", "tick", "tidied"])
@pytest.mark.parametrize(
    "content", ["[" * 100_000, '{"at": "0001-01-01T00:00:00+14:00", "backend": "cron"}']
)
def test_a_derived_file_full_of_nonsense_is_as_good_as_absent(look, store, now, name, content):
    from ccs.report import inspection

    atomic.write(store.home.file(f"{name}.json"), content.encode())
    assert not [one for one in look() if "check failed" in one["what"]]
    told = inspection.everything(store, {"HOME": "/nowhere", "PATH": ""}, now)
    assert not [name for name, one in told.items() if isinstance(one, dict) and "error" in one]
