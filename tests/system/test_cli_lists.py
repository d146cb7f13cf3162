"""A list of what has not changed is read back, not made anew; nobody can tell but by the time."""

from __future__ import annotations

import subprocess
import sys
from uuid import uuid4

import pytest

from ccs.model.run import Run

FORMS = ("json", "jsonl", "table", "ids")


@pytest.fixture
def filled(quick):
    task = quick.task("look", "--name", "first", "--cron", "0 3 * * *")
    quick.task("look", "--name", "日本 \x1b[31mred", "--at", "2031-12-24T18:00")
    slots = ("2026-11-20T10:15:00.000Z", "2026-11-20T10:30:00.000Z")
    ids = [str(uuid4()) for _ in slots]
    runs = [
        Run.checked({"id": one, "task_id": task, "trigger": "manual", "scheduled_time": slot})
        for one, slot in zip(ids, slots, strict=True)
    ]
    quick.save("runs", *(run.record() for run in runs))
    return quick


@pytest.mark.parametrize("what", ["tasks", "runs"])
def test_a_list_says_the_same_again(filled, what):
    first = {form: filled.ok(what, "list", "-o", form).out for form in FORMS}
    for form in FORMS * 2:
        again = filled.ok(what, "list", "-o", form)
        assert (again.out, again.err) == (first[form], "")


def test_a_change_by_command_and_by_hand_is_seen_at_once(filled):
    for _ in range(2):
        assert "first" in filled.ok("tasks", "list", "-o", "table").out
    filled.ok("tasks", "update", "first", "--name", "second")
    assert "second" in filled.ok("tasks", "list", "-o", "table").out
    path = filled.store / "tasks.json"
    path.write_text(path.read_text().replace('"second"', '"THIRD!"'))
    for form in ("table", "json"):
        assert "THIRD!" in filled.ok("tasks", "list", "-o", form).out


def test_a_bad_record_is_reported_by_every_list(filled):
    filled.ok("tasks", "list")
    path = filled.store / "tasks.json"
    path.write_text(path.read_text().replace('"overlap": "skip"', '"overlap": "no"', 1))
    for form in (*FORMS, *FORMS):
        assert "overlap" in filled.ok("tasks", "list", "-o", form).err


def test_a_moment_is_told_in_the_zone_of_who_asks(filled):
    assert "once 2031-12-24 18:00:00 UTC" in filled.ok("tasks", "list", "-o", "table").out
    tokyo = filled("tasks", "list", "-o", "table", TZ="Asia/Tokyo").out
    assert "once 2031-12-25 03:00:00 JST" in tokyo


def test_a_key_in_a_prompt_is_shown_by_no_list(filled):
    key = "sk-ant-" + "api03-0123456789abcdef"
    filled.task(f"use {key}")
    for form in (*FORMS, *FORMS):
        assert key not in filled.ok("tasks", "list", "-o", form).out


@pytest.mark.parametrize("words", [("tasks", "list"), ("runs", "list"), ("tasks", "list", "-q")])
def test_a_list_that_is_known_loads_no_models_and_no_engine(filled, words):
    probe = (
        "import sys; sys.argv = ['ccs', *sys.argv[1:]]\n"
        "from ccs.entry import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([one for one in sys.modules if one.startswith(('ccs.model', 'ccs.engine'))\n"
        "       or one in ('zoneinfo', 'shutil', 'pydantic')], file=sys.stderr)"
    )
    loaded = [
        subprocess.run(
            [sys.executable, "-c", probe, *words],
            env=filled.env, capture_output=True, text=True, check=True,
        ).stderr
        for _ in range(2)
    ]  # fmt: skip
    assert "ccs.model" in loaded[0]
    assert loaded[1] == "[]\n"
