"""A store that was edited, lost, locked or taken away: said in a line, and left as it was."""

from __future__ import annotations

import fcntl
import json
import os
import re
import resource
import shutil
import subprocess

import pytest

from ccs.store.home import Home

BIRTH = "2026-11-01T00:00:00.000Z"


def test_a_torn_file_is_reported_by_line_and_never_written_over(ccs):
    ccs.task("first")
    whole = (ccs.store / "tasks.json").read_text()
    (ccs.store / "tasks.json").write_text(whole[:-30])
    before = ccs.snapshot()
    for words in (["tasks", "list"], ["tasks", "create", "--prompt", "x"], ["state"]):
        refused = ccs(*words, "-o", "json")
        assert (refused.code, refused.error["code"]) == (6, "broken_store")
        assert "tasks.json cannot be read: line" in refused.error["message"]
        assert "mend it by hand" in refused.error["hint"]
    health = ccs("health")
    assert (health.code, health.json["status"]) == (6, "broken")
    assert "tasks.json" in health.json["problems"][0]
    assert ccs.ok("jobs", "list").json == {"jobs": []}
    assert ccs.ok("version").json["ccs"]
    assert ccs.snapshot() == before
    (ccs.store / "tasks.json").write_text(whole)
    assert len(ccs.ok("tasks", "list").json["tasks"]) == 1


def test_a_bad_record_is_named_by_file_line_and_field_while_the_others_go_on(ccs):
    ccs.task("x", "--name", "good")
    ccs.task("x", "--name", "bad", "--cron", "0 3 * * *")
    text = (ccs.store / "tasks.json").read_text().replace("0 3 * * *", "0 33 * * *")
    (ccs.store / "tasks.json").write_text(text)
    listed = ccs.ok("tasks", "list")
    assert [one["name"] for one in listed.json["tasks"]] == ["good"]
    named = re.search(r"tasks\.json:(\d+): task", listed.err)
    assert named
    assert ccs.saved("tasks")[1]["id"] in "".join(text.splitlines()[int(named[1]) - 1 :][:2])
    assert "hour '33'" in listed.err
    ccs.ok("tasks", "update", "good", "--name", "better")
    assert [one["name"] for one in ccs.saved("tasks")] == ["better", "bad"]


def test_a_kind_of_schedule_that_is_not_built_yet_is_a_bad_record(ccs):
    task = {"id": "7a5c0001-0000-4000-8000-000000000000", "name": "old", "prompt": "x"}
    times = {"created_at": BIRTH, "updated_at": BIRTH, "active_since": BIRTH}
    schedule = {"schedule_type": "interval", "interval_type": "simple"}
    ccs.save("tasks", {**task, **times, "schedule": schedule})
    assert "schedule" in ccs.ok("tasks", "list").err
    assert ccs("tasks", "run", "old").code in (3, 6)
    assert ccs.recorded() == []


def test_a_file_of_a_later_version_is_read_but_not_written(ccs):
    ccs.task("x", "--name", "kept")
    later = {**json.loads((ccs.store / "tasks.json").read_text()), "format": 99}
    ccs.files({"store/tasks.json": json.dumps(later)})
    before = ccs.snapshot()
    assert ccs.ok("tasks", "list").json["tasks"][0]["name"] == "kept"
    assert ccs("tasks", "update", "kept", "--name", "x").code == 6
    assert ccs.snapshot() == before


def test_wrong_settings_are_refused(ccs):
    ccs.settings(mock_mode=True, max_concurrent_tasks="many")
    refused = ccs("tasks", "run", ccs.task("x"))
    assert (refused.code, refused.error["code"]) == (6, "broken_store")
    assert "max_concurrent_tasks" in refused.error["message"]
    assert ccs.recorded() == []


def test_a_store_that_others_can_write_is_refused(ccs):
    ccs.store.chmod(0o777)
    refused = ccs("tasks", "create", "--prompt", "x")
    assert (refused.code, refused.error["hint"]) == (6, f"chmod go-w '{ccs.store}'")
    ccs.store.chmod(0o700)
    task = ccs.task("x")
    (ccs.store / "settings.json").chmod(0o666)
    assert ccs("tasks", "run", task).code == 6


def test_a_file_in_place_of_the_store_is_refused(ccs):
    assert ccs("jobs", "list", CCS_HOME=str(ccs.store / "settings.json")).code == 6


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a store away")
def test_a_store_of_another_user_is_refused(ccs):
    os.chown(ccs.store, 65534, 65534)
    refused = ccs("jobs", "list", "-o", "table")
    assert refused.code == 6
    assert refused.err.startswith(f"error: {ccs.store} belongs to another user\nhint: ")


def test_a_store_that_cannot_be_written_says_who_to_ask(ccs):
    ccs.task("x")
    before = ccs.snapshot()
    # Root passes every mode until it is without the capability to.
    drop = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []
    if drop and not shutil.which("setpriv"):
        pytest.skip("needs setpriv")
    ccs.store.chmod(0o500)
    process = subprocess.run(
        [*drop, ccs.program, "tasks", "create", "--prompt", "x", "-o", "table"],
        cwd=ccs.work, env=ccs.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    ccs.store.chmod(0o700)
    assert process.returncode == 6
    assert "error: " in process.stderr
    assert "Permission denied" in process.stderr
    assert "ls -ld" in process.stderr
    assert ccs.snapshot() == before


def test_a_disk_that_takes_no_byte_leaves_the_old_file(ccs):
    ccs.task("x")
    before = ccs.snapshot()
    process = ccs.popen(
        *("tasks", "create", "--prompt", "y" * 5000, "-o", "json"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
    )
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "File too large" in json.loads(err)["error"]["message"]
    assert ccs.snapshot() == before


def test_a_locked_store_names_its_holder(ccs):
    ccs.task("x")
    home = Home(str(ccs.store))
    with open(home.store_lock, "r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with open(f"{home.store_lock}.holder", "w", encoding="utf-8") as holder:
            holder.write("pid 1 (a test)")
        refused = ccs("tasks", "create", "--prompt", "y")
    assert (refused.code, refused.error["code"]) == (7, "lock_timeout")
    assert "a test" in refused.error["message"]
    assert len(ccs.saved("tasks")) == 1


def test_a_directory_that_is_gone_is_said_in_words(ccs):
    lost = ccs.root / "lost"
    lost.mkdir()
    run = 'cd "$1" && rmdir "$1" && exec "$2" tasks create --prompt x -o table'
    process = subprocess.run(
        ["/bin/sh", "-c", run, "sh", str(lost), ccs.program],
        env=ccs.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert process.returncode == 2
    assert "does not exist any more" in process.stderr
