"""What stands in the store and is not ours alone: refused with exit 6, and the hint mends it."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime

import pytest

NOBODY = 65534
ROOT = os.geteuid() == 0

# Where it is placed, and a command that meets it there.
PLACES = {
    "tasks.json": ("tasks", "list", "-o", "json"),
    "settings.json": ("notify", "list", "-o", "json"),
    "profiles.json": ("profiles", "list", "-o", "json"),
    "jobs.json": ("jobs", "list", "-o", "json"),
    "runs.json": ("runs", "list", "-o", "json"),
    "cursors.json": ("health",),
    "usage.json": ("usage", "-o", "json"),
    "host": ("tasks", "create", "--prompt", "y", "-o", "json"),
    "locks/store.lock": ("tasks", "create", "--prompt", "y", "-o", "json"),
    "logs/run_{run}.log": ("runs", "log", "{run}"),
    "history/2026-10.jsonl": ("runs", "get", "ab000000-0000-4000-8000-000000000000", "-o", "json"),
}


def link(path, away):
    os.replace(path, away)
    os.symlink(away, path)


def second_name(path, away):
    os.link(path, away)


def writable(path, away):
    os.chmod(path, 0o620)


def by_all(path, away):
    os.chmod(path, 0o602)


def given_away(path, away):
    os.chown(path, NOBODY, NOBODY)


def pipe(path, away):
    os.replace(path, away)
    os.mkfifo(path, 0o600)


def directory(path, away):
    os.replace(path, away)
    os.mkdir(path, 0o700)


INJURIES = [link, second_name, writable, by_all, pipe, directory]
INJURIES += [given_away] if ROOT else []


@pytest.fixture(scope="module")
def filled(shared):
    """A store in which every kind of file stands."""
    task = shared.task("x", "--name", "deps")
    run = shared.start(task)
    shared.ended(run)
    shared.until(lambda: not list((shared.store / "runs").iterdir()))
    shared.ok("profiles", "create", "--name", "p")
    shared.ok("jobs", "create", "--name", "j")
    shared.ok("tick")
    old = '{"id": "ab000000-0000-4000-8000-000000000000", "scheduled_time": "2026-10-01T00:00:00Z"}'
    shared.files(
        {
            "store/history/2026-10.jsonl": old + "\n",
            "store/host": '{"format": 1, "machine": "x"}',
            "store/cursors.json": '{"format": 1, "cursors": []}',
            "store/usage.json": '{"format": 1, "accounts": []}',
        }
    )
    shared.run_id = run
    return shared


def findings(program, inside, path):
    done = inside(program, "doctor", "-o", "json")
    broken = [one for one in done.json["findings"] if one["level"] == "broken"]
    assert done.code == (6 if broken else 0)
    return [one for one in broken if one["where"] == str(path)]


def refused_and_mended(program, inside, path, words):
    """Exit 6 while it is so; after the hint's command nothing of it is left to complain of."""
    refused = inside(program, *(word.format(run=program.run_id) for word in words))
    (found,) = findings(program, inside, path)
    assert refused.code == 6
    told = refused.out if words == ("health",) else refused.err
    assert found["what"] in told
    if words != ("health",):
        assert found["mend"] in (told if "log" in words else refused.error["hint"])
    done = subprocess.run(["/bin/sh", "-c", found["mend"]], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert found not in findings(program, inside, path)


@pytest.mark.parametrize("injury", INJURIES, ids=lambda one: one.__name__)
@pytest.mark.parametrize("place", PLACES)
def test_a_file_that_is_not_ours_alone_is_refused_and_mended_by_the_hint(
    filled, inside, tmp_path, place, injury
):
    path = filled.store / place.format(run=filled.run_id)
    path.parent.mkdir(exist_ok=True, mode=0o700)
    if not path.exists():
        path.touch(0o600)
    before = path.read_bytes()
    away = tmp_path / "away"
    injury(path, away)
    try:
        refused_and_mended(filled, inside, path, PLACES[place])
        if injury not in (pipe, directory):
            assert path.read_bytes() == before, "the hint must not cost what was there"
    finally:
        for left in (path, path.with_name(path.name + ".away")):
            if left.is_dir():
                left.rmdir()
            else:
                left.unlink(missing_ok=True)
        path.write_bytes(before)
        path.chmod(0o600)


@pytest.mark.parametrize("injury", [link, writable, by_all, *([given_away] if ROOT else [])])
@pytest.mark.parametrize("name", ["", "runs", "logs", "locks", "history", "watch"])
def test_a_directory_that_is_not_ours_alone_is_refused_and_mended_by_the_hint(
    filled, inside, tmp_path, name, injury
):
    path = filled.store / name if name else filled.store
    if injury in (writable, by_all):
        path.chmod(0o720 if injury is writable else 0o702)
    else:
        injury(path, tmp_path / "away")
    try:
        refused_and_mended(filled, inside, path, ("tasks", "list", "-o", "json"))
        assert inside(filled, "tasks", "list", "-o", "json").json["tasks"]
        assert not path.is_symlink()
    finally:
        if path.is_symlink():
            path.unlink()
            os.replace(tmp_path / "away", path)
        path.chmod(0o700)
        if ROOT:
            os.chown(path, 0, 0)


def dangling(path, away):
    os.replace(path, away)
    os.symlink(away.with_name("nowhere"), path)


@pytest.mark.parametrize("injury", [dangling, pipe, directory], ids=lambda one: one.__name__)
def test_whatever_stands_in_the_place_of_any_file_is_found_and_mended_for_good(
    filled, inside, tmp_path, injury
):
    files = [one for one in filled.store.rglob("*") if one.is_file() and ".away" not in one.name]
    assert {"agenda", "tick.json"} <= {one.name for one in files}
    for number, path in enumerate(files):
        injury(path, tmp_path / f"away-{number}")
    try:
        done = inside(filled, "doctor", "-o", "json")
        found = {one["where"]: one["mend"] for one in done.json["findings"]}
        mends = [found[str(path)] for path in files]
        for mend in mends:
            subprocess.run(["/bin/sh", "-c", mend], check=True)
        left = inside(filled, "doctor", "-o", "json").json["findings"]
        assert not [one for one in left if one["mend"] in mends or ".away" in one["where"]]
    finally:
        for number, path in enumerate(files):
            os.replace(tmp_path / f"away-{number}", path)


def test_a_file_that_is_refused_hides_no_run_of_another_one(filled, inside):
    def listed(code):
        done = inside(filled, "runs", "list", "-o", "json")
        assert (done.code, filled.run_id in done.out) == (code, True)
        return done

    asked = filled.store / "logs" / f"run_{filled.run_id}.task.json"
    month = filled.store / "history" / "2026-10.jsonl"
    try:
        asked.chmod(0o620)
        listed(0)
        month.chmod(0o620)
        assert listed(6).error["hint"] == f"chmod go-w '{month}'"
    finally:
        asked.chmod(0o600)
        month.chmod(0o600)


def test_a_tick_that_could_not_do_all_says_what_mends_it(filled):
    month = filled.store / "history" / "2026-10.jsonl"
    task = filled.task("x", "--every", "1m", "--name", "due")
    saved = (filled.store / "tasks.json").read_text()
    try:
        month.chmod(0o620)
        filled.files({"store/tasks.json": saved.replace(month_now(), "2026-10")})
        done = filled("tick")
        assert (done.code, f"chmod go-w '{month}'" in done.err) == (6, True), done
        assert not [one for one in filled.recorded() if one["task_id"] == task]
    finally:
        month.chmod(0o600)
    filled.ok("tick")
    filled.until(lambda: [one for one in filled.recorded() if one["task_id"] == task])
    filled.ok("tasks", "delete", task, "--yes", "--force")


def month_now():
    return datetime.now(UTC).strftime("%Y-%m")
