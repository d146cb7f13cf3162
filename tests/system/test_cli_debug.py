"""ccs debug: what can be read is shown, whatever is locked or damaged, and no secret with it."""

from __future__ import annotations

import json
import uuid

import pytest
from terminal import Terminal

from ccs.store.home import Home
from ccs.store.lock import Lock

SECRET = "hush-hush-9f8e7d"
EVERY = ["all", "tasks", "runs", "logs", "profiles", "settings", "options", "task named"]


@pytest.fixture
def named(quick):
    """A store with a task that is called so."""
    quick.task("x", "--name", "named")
    return quick


@pytest.mark.parametrize("words", EVERY)
def test_everything_is_told_while_another_holds_every_lock(named, words):
    home = Home(str(named.store))
    with Lock(home.store_lock) as store, Lock(home.usage_lock) as usage, Lock(home.tick_lock) as t:
        assert store.acquire()
        assert usage.acquire()
        assert t.acquire()
        named.ok("debug", *words.split())


@pytest.mark.parametrize("words", [*EVERY, "env nobody"])
@pytest.mark.parametrize(
    "file", ["tasks", "runs", "profiles", "jobs", "usage", "cursors", "settings"]
)
def test_a_damaged_file_hides_nothing_but_itself(named, words, file):
    named.files({f"store/{file}.json": '{"format": 1, "'})
    before = named.snapshot()
    done = named("debug", *words.split())
    lost = words == "env nobody" or (words, file) == ("task named", "tasks")
    assert done.code == (3 if lost else 0), done.err
    assert named.snapshot() == before


def test_the_previous_copy_stands_in_for_a_damaged_file_and_it_says_so(named):
    named.task("x", "--name", "second")
    named.files({"store/tasks.json": "{"})
    done = named.ok("debug", "tasks", "-o", "table")
    assert "named" in done.out
    assert "its previous copy is shown in its place" in done.err


def test_settings_that_cannot_be_read_are_stood_in_for_too(named):
    named.ok("settings", "set", "runs_kept", "50")
    named.ok("settings", "set", "runs_kept", "60")
    named.files({"store/settings.json": "{"})
    done = named.ok("debug", "settings")
    assert {one["key"]: one["value"] for one in done.json["settings"]}["runs_kept"] == 50
    assert "its previous copy is shown in its place" in done.err
    assert "previous copy" in named.ok("debug", "all").json["settings"]["notes"][0]
    (named.store / "settings.json.prev").unlink()
    assert "the defaults are shown in its place" in named.ok("debug", "settings").err


def test_without_a_store_it_tells_so_and_makes_none(quick):
    quick.env["CCS_HOME"] = str(quick.root / "none")
    for words in EVERY[:-1]:
        quick.ok("debug", *words.split())
    assert not (quick.root / "none").exists()


def test_a_run_is_told_with_its_files(ccs):
    run = ccs.start(ccs.task("x"), "--wait")
    told = ccs.ok("debug", "run", run[:8]).json
    assert told["run"]["id"] == run
    assert {one["path"].rpartition(".")[2] for one in told["files"]} >= {"log", "jsonl"}
    log = ccs.ok("debug", "log", run).out
    assert log
    ccs.save("runs")
    assert ccs.ok("debug", "log", run[:8]).out == log
    assert [one["id"] for one in ccs.ok("debug", "logs").json["logs"]] == [run]
    assert ccs("debug", "log", str(uuid.uuid4())).code == 3


def test_a_log_without_a_record_is_named_clearly_or_not_at_all(quick):
    quick.files({f"store/logs/run_{'a' * 8}-{n}.log": "text\n" for n in (1, 2)})
    assert quick("debug", "log", "aaaa").code == 4


def variables(program, **env):
    return {one["name"]: one for one in program("debug", "env", "work", **env).json["variables"]}


def profile(program, *options):
    program.ok("profiles", "create", "--name", "work", *options)


def test_each_variable_is_tried_and_its_value_hidden(quick):
    (quick.root / "key").write_text(SECRET)
    profile(
        quick,
        *("--env", f"A={SECRET}"),
        *("--env-from", f"B=file:{quick.root / 'key'}"),
        *("--env-from", "C=command:exit 3"),
        *("--env-from", "D=env:NOT_SET_ANYWHERE"),
        *("--unset-env", "E"),
    )
    done = quick("debug", "env", "work")
    assert done.code == 5
    assert SECRET not in done.out + done.err
    status = {one["name"]: one["status"] for one in done.json["variables"]}
    wanted = {"A": "ok", "B": "ok", "C": "failed", "D": "failed", "E": "unset"}
    assert status == wanted
    assert "NOT_SET_ANYWHERE is not set" in done.json["variables"][3]["error"]


def test_values_are_shown_on_a_terminal_only(quick):
    profile(quick, "--env", f"A={SECRET}")
    done = quick("debug", "env", "work", "--unmask")
    assert done.code == 2
    assert SECRET not in done.out + done.err
    terminal = Terminal(quick, "debug", "env", "work", "--unmask")
    terminal.until(f"A={SECRET}")
    terminal.end()


def test_a_report_holds_no_secret_no_name_and_no_home(quick):
    quick.ok("notify", "add", "phone", "ntfy", "--url", f"https://ntfy.example/{SECRET}")
    profile(quick, "--env", f"A={SECRET}")
    quick.task(f"prompt {SECRET}", "--name", f"task {SECRET}", "--cron", "* * * * *")
    quick.env["CCS_HOME"] = str(quick.home / "store")
    quick.store.rename(quick.home / "store")
    for form in ("json", "table"):
        report = quick.ok("debug", "all", "-o", form).out
        assert SECRET not in report
        assert str(quick.home) not in report
        assert "~/store" in report
    told = json.loads(quick.ok("debug", "all", "-o", "json").out)
    assert not [part for part in told.values() if isinstance(part, dict) and "error" in part]
    assert told["counts"]["tasks"]["good"] == 1
    assert told["settings"]["notifications"] == ["ntfy"]
