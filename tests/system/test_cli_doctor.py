"""ccs doctor: what is wrong, where, and a command that mends it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from ccs.store import machine, mounts

NAMES = ("first", "second", "third")


@pytest.fixture
def three(quick):
    """A store with three tasks, two of them in the previous copy of the file."""
    for name in NAMES:
        quick.task("x", "--name", name)
    return quick


def corrupt(program):
    """The files set aside, by the name they had."""
    found = {}
    for path in sorted(program.store.glob("[a-z]*.corrupt-*")):
        found.setdefault(path.name.partition(".corrupt-")[0], []).append(path.read_bytes())
    return found


def broken(done):
    return [one for one in done.json["findings"] if one["level"] == "broken"]


def names(program):
    return [one["name"] for one in program.saved("tasks")]


def test_a_sound_store_is_well_and_there_is_nothing_to_repair(three):
    done = three("doctor")
    assert (done.code, broken(done)) == (0, [])
    assert done.json["status"] in ("ok", "warning")
    before = three.snapshot()
    done = three("doctor", "--repair")
    assert (done.code, done.json["set_aside"]) == (0, [])
    assert three.snapshot() == before


def test_what_ccs_itself_leaves_in_the_store_is_not_foreign(ccs):
    ccs.start(ccs.task("x"), "--wait")
    ccs.ok("tick", "--backend", "cron")
    ccs.ok("notify", "add", "log", "command", "--on", "success", "--", "true")
    assert [one for one in ccs("doctor").json["findings"] if "not of ccs" in one["what"]] == []


def test_json_is_another_word_for_the_output_of_that_name(three):
    (three.store / "tasks.json").write_text("{")
    done = three("doctor", "--json", "-o", "table")
    assert (done.code, done.json["status"]) == (6, "broken")
    assert done.json == three("doctor", "-o", "json").json


def test_a_store_that_is_not_there_yet_is_well(quick):
    quick.env["CCS_HOME"] = str(quick.root / "none")
    assert quick("doctor").code == 0
    assert not (quick.root / "none").exists()


def test_a_bad_record_is_found_by_line_and_field_and_mended_from_the_previous_copy(three):
    text = (three.store / "tasks.json").read_text().replace('"second"', '""')
    (three.store / "tasks.json").write_text(text)
    done = three("doctor")
    (found,) = broken(done)
    assert done.code == 6
    assert "name: must not be empty" in found["what"]
    path, _, line = found["where"].rpartition(":")
    assert path == str(three.store / "tasks.json")
    assert three.saved("tasks")[1]["id"] in "".join(text.splitlines()[int(line) - 1 :][:2])
    assert found["mend"] == "ccs doctor --repair"
    assert three(*found["mend"].split()[1:], "--yes").code == 0
    assert names(three) == list(NAMES)
    assert corrupt(three) == {"tasks.json": [text.encode()]}
    assert three("doctor").code == 0


@pytest.mark.parametrize("share", [0.0, 0.4, 0.95])
def test_a_torn_file_is_set_aside_byte_for_byte_and_its_records_are_saved(three, share):
    whole = (three.store / "tasks.json").read_bytes()
    torn = whole[: int(len(whole) * share)]
    (three.store / "tasks.json").write_bytes(torn)
    assert three("tasks", "list").code == 6
    done = three("doctor", "--repair", "--yes")
    assert done.code == 0
    assert names(three)[:2] == list(NAMES[:2])
    assert corrupt(three) == ({"tasks.json": [torn]} if torn else {})
    three.task("x", "--name", "fourth")


def test_without_a_yes_nothing_is_touched(three):
    (three.store / "tasks.json").write_text("{")
    before = three.snapshot()
    done = three("doctor", "--repair")
    assert done.code == 2
    assert "comes back from the previous copy" in done.err
    assert done.error["hint"] == "add --yes"
    assert three.snapshot() == before


def test_a_file_that_vanished_comes_back(three):
    (three.store / "tasks.json").unlink()
    assert three("doctor").code == 6
    assert three("doctor", "--repair", "--yes").code == 0
    assert names(three) == list(NAMES[:2])


def test_each_file_is_looked_at_and_mended_on_its_own(three):
    three.files(
        {
            "store/jobs.json": '{"format": 1, "jobs": [5]}',
            "store/cursors.json": '{"format": 1, "cursors": [{"id": "a", "slot": "x"}, {}]}',
            "store/usage.json": '{"format": 1, "accounts": [{"id": "a", "windows": {}}, "odd"]}',
            "store/notify.json": '{"format": 1, "told": ["t"], "owed": [{"id": "a"',
            "store/runs.json": "",
            "store/settings.json": '{\n "format": 1,\n "max_concurrent_tasks": "many"\n}',
        }
    )
    done = three("doctor")
    assert done.code == 6
    files = {os.path.basename(one["where"].partition(":")[0]) for one in broken(done)}
    wanted = {"jobs.json", "cursors.json", "usage.json", "notify.json", "runs.json"}
    assert files == wanted | {"settings.json"}
    (settings,) = [one for one in broken(done) if "settings" in one["where"]]
    assert "settings.json:3: max_concurrent_tasks" in settings["what"]
    done = three("doctor", "--repair", "--yes")
    assert {os.path.basename(one["where"]) for one in broken(done)} == {"settings.json"}
    assert set(corrupt(three)) == wanted - {"runs.json"}  # an empty one has no byte to keep
    assert json.loads((three.store / "cursors.json").read_text())["cursors"] == [
        {"id": "a", "slot": "x"}
    ]
    assert three.saved("jobs") == three.saved("runs") == []


def test_settings_come_back_as_a_whole_from_their_previous_copy(three):
    three.ok("notify", "add", "desk", "desktop")
    three.ok("notify", "add", "more", "desktop")
    text = (three.store / "settings.json").read_text()[:-20]
    (three.store / "settings.json").write_text(text)
    assert three("doctor", "--repair", "--yes").code == 0
    kept = json.loads((three.store / "settings.json").read_text())["notifications"]["channels"]
    assert [one["name"] for one in kept] == ["desk"]
    assert corrupt(three) == {"settings.json": [text.encode()]}


def test_a_run_that_was_launched_since_the_copy_was_made_is_not_launched_again(ccs):
    task = ccs.task("x", "--name", "deps")
    first = ccs.start(task)
    ccs.ended(first)
    other = ccs.start(task)
    ccs.ended(other)
    ccs.until(lambda: not list((ccs.store / "runs").iterdir()))
    waiting = [{**one, "status": "upcoming", "start_time": None} for one in ccs.recorded()]
    ccs.files({"store/runs.json.prev": json.dumps({"format": 1, "runs": waiting})})
    (ccs.store / "runs.json").write_text("")
    ccs.ok("doctor", "--repair", "--yes")
    ccs.ok("tick")
    assert {one["id"]: one["status"] for one in ccs.recorded()} == {first: "lost", other: "lost"}
    assert len(ccs.launches()) == 2


def test_a_later_version_makes_the_whole_store_read_only(three):
    for name in ("tasks", "jobs", "profiles", "runs"):
        path = three.store / f"{name}.json"
        three.save(name, *three.saved(name))
        path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
        before = three.snapshot()
        for words in (
            ["tasks", "create", "--prompt", "x"],
            ["tasks", "update", "first", "--name", "x"],
            ["tasks", "disable", "first"],
            ["tasks", "delete", "first", "--yes"],
            ["tasks", "run", "first"],
            ["jobs", "create", "--name", "x"],
            ["profiles", "create", "--name", "x"],
            ["notify", "add", "x", "desktop"],
            ["tick"],
            ["doctor", "--repair", "--yes"],
        ):
            done = three(*words)
            assert done.code == 6, (name, words, done)
        for words in (["tasks", "list"], ["jobs", "list"], ["runs", "list"], ["state"]):
            three.ok(*words)
        assert "later version" in broken(three("doctor"))[0]["what"]
        assert three.snapshot() == before
        path.write_text(path.read_text().replace('"format": 2', '"format": 1'))


def test_a_store_of_another_machine_is_read_only_until_it_is_taken_over(three, monkeypatch):
    monkeypatch.setattr(machine, "identity", lambda: "this machine")
    three.task("x", "--name", "fourth")
    assert three("doctor").code == 0
    kept = {"format": 1, "machine": "another", "name": "old-laptop"}
    three.files({"store/host": json.dumps(kept)})
    refused = three("tasks", "create", "--prompt", "x", "-o", "json")
    assert (refused.code, refused.error["code"]) == (6, "broken_store")
    assert "another machine (old-laptop)" in refused.error["message"]
    assert len(three.ok("tasks", "list").json["tasks"]) == 4
    assert broken(three("doctor"))[0]["mend"] == refused.error["hint"]
    command = refused.error["hint"].partition(": ")[2]
    assert three(*command.split()[1:]).code == 2
    assert three(*command.split()[1:], "--yes").code == 0
    three.task("x", "--name", "fifth")


def test_a_store_that_others_reach_is_warned_about(three, monkeypatch):
    monkeypatch.setattr(mounts, "kind_of", lambda path, text: "nfs4")
    done = three("doctor")
    assert (done.code, done.json["status"]) == (0, "warning")
    (found,) = [one for one in done.json["findings"] if one["level"] == "warning"]
    assert "nfs4" in found["what"] and "CCS_HOME" in found["mend"]


def test_a_torn_line_of_the_history_is_told_with_its_number(three):
    run = {"id": "ab000000-0000-4000-8000-000000000000", "scheduled_time": "2026-11-01T00:00:00Z"}
    path = three.store / "history" / "2026-11.jsonl"
    three.files({"store/history/2026-11.jsonl": json.dumps(run) + '\n{"id": "ab\n'})
    done = three("doctor")
    (found,) = [one for one in done.json["findings"] if one["level"] == "warning"]
    assert (done.code, found["where"]) == (0, f"{path}:2")


def test_a_repair_that_is_killed_leaves_the_damaged_file_or_the_mended_one(three):
    """Cut off at every write it makes."""
    damaged = (three.store / "tasks.json").read_bytes()[:-40]
    script = (
        "import os, sys\n"
        "from ccs.store import atomic\n"
        "real, left = os.replace, [int(sys.argv.pop(1))]\n"
        "def replace(*words):\n"
        "    left[0] -= 1\n"
        "    if left[0] < 0: os.kill(os.getpid(), 9)\n"
        "    return real(*words)\n"
        "os.replace = replace\n"
        "from ccs.cli.main import main\n"
        "main()\n"
    )
    for kills in range(3):
        (three.store / "tasks.json").write_bytes(damaged)
        subprocess.run(
            [sys.executable, "-c", script, str(kills), "doctor", "--repair", "--yes"],
            env=three.env,
            capture_output=True,
            check=False,
        )
        now = (three.store / "tasks.json").read_bytes()
        assert now == damaged or names(three)[:2] == list(NAMES[:2])
        assert not corrupt(three) or set(corrupt(three)["tasks.json"]) == {damaged}
    assert three("doctor", "--repair", "--yes").code == 0
    assert names(three)[:2] == list(NAMES[:2])


def test_lost_settings_are_never_taken_for_the_defaults(three):
    """By themselves settings run real clients and know no budget."""
    three.ok("notify", "add", "desk", "desktop")
    before = (three.store / "settings.json.prev").read_bytes()
    (three.store / "settings.json").unlink()
    for words in (["settings", "list"], ["tick"], ["settings", "set", "runs_kept", "300"]):
        refused = three(*words)
        assert (refused.code, "settings.json is gone" in refused.err) == (6, True), refused
    assert not (three.store / "settings.json").exists()
    (found,) = broken(three("doctor"))
    assert found["mend"] == "ccs doctor --repair"
    assert three("doctor", "--repair", "--yes").code == 0
    assert (three.store / "settings.json").read_bytes() == before


def test_what_no_repair_can_mend_is_not_said_to_be_mended_by_it(three):
    three.files({"store/limit-texts.json": "{", "store/settings.json": "{"})
    three.files({"store/settings.json.prev": "{"})
    mends = {one["mend"] for one in broken(three("doctor"))}
    assert mends == {"mend it by hand", "mend it by hand (man ccs-usage)"}
