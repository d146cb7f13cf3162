"""Jobs that leave as files and come from them: what comes, what is asked, what is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import prior_files as files
import pytest
from hostile_exports import PACK
from terminal import Terminal

WORK = files.PROFILE


@pytest.fixture
def ccs(quick):
    return quick


def sent(ccs, document, name="sent.json"):
    path = ccs.root / name
    path.write_bytes(document if isinstance(document, bytes) else json.dumps(document).encode())
    return str(path)


def nightly(ccs):
    """A job with two tasks, one after the other, in an order of its own."""
    job = ccs.ok("jobs", "create", "--name", "nightly", "--max-parallel", "2", "-q").out.strip()
    first = ccs.task("one", "--job", job, "--name", "first", "--cron", "0 3 * * 1-5")
    second = ccs.task("two", "--job", job, "--name", "second", "--after", first, "--verify", "make")
    ccs.ok("jobs", "set-order", job, second, first)
    return job, first, second


# Out ------------------------------------------------------------------------------


def test_an_export_goes_to_a_private_file_or_to_standard_output(ccs):
    job, first, second = nightly(ccs)
    done = ccs.ok("jobs", "export", "nightly", "-o", str(ccs.root / "out.json"))
    path = ccs.root / "out.json"
    assert (done.out, oct(path.stat().st_mode)[-3:]) == ("", "600")
    written = json.loads(path.read_text())
    assert (
        [one["id"] for one in written["tasks"]] == [second, first] == written["job"]["task_order"]
    )
    printed = ccs.ok("jobs", "export", job[:8]).json
    assert printed | {"exported_at": 0} == written | {"exported_at": 0}
    assert ccs.ok("jobs", "export", job, "-o", "-").json.keys() == written.keys()
    assert ccs("jobs", "export", "nope").code == ccs("jobs", "export", "").code == 3
    for words in ((), ("nightly", "--all")):
        assert ccs("jobs", "export", *words).code == 2


def test_an_export_replaces_nothing_but_a_file(ccs):
    nightly(ccs)
    kept = ccs.root / "kept"
    kept.write_text("kept")
    link, pipe = ccs.root / "link", ccs.root / "pipe"
    link.symlink_to(kept)
    os.mkfifo(pipe)
    for path in (link, pipe, ccs.root, Path("/dev/null")):
        refused = ccs("jobs", "export", "nightly", "-o", str(path))
        assert (refused.code, "not a regular file" in refused.err) == (2, True)
    assert link.is_symlink() and kept.read_text() == "kept" and Path("/dev/null").is_char_device()
    assert ccs("jobs", "export", "nightly", "-o", str(ccs.root / "no" / "x")).code == 1


def test_an_export_replaces_a_file_only_by_force_and_never_one_of_the_store(ccs):
    nightly(ccs)
    kept, within = ccs.root / "kept", ccs.root / "within"
    kept.write_text("kept")
    within.symlink_to(ccs.store)
    before = ccs.snapshot()
    refused = ccs("jobs", "export", "nightly", "-o", str(kept))
    assert (refused.code, "--force" in refused.err, kept.read_text()) == (4, True, "kept")
    for path in (ccs.store / "jobs.json", within / "new.json", ccs.store / "logs" / "x"):
        refused = ccs("jobs", "export", "nightly", "-o", str(path), "--force")
        assert (refused.code, "the store itself" in refused.err) == (2, True)
    assert ccs.snapshot() == before
    ccs.ok("jobs", "export", "nightly", "-o", str(kept), "--force")
    assert json.loads(kept.read_text())["version"] == "1.0"
    assert oct(kept.stat().st_mode)[-3:] == "600"


def test_a_static_secret_does_not_leave_with_its_job(ccs):
    ccs.ok("profiles", "create", "--name", "work", "--env", "KEY=hunter2", "--account", "me")
    job = ccs.ok("jobs", "create", "--name", "j", "--profile", "work", "-q").out.strip()
    done = ccs.ok("jobs", "export", job)
    assert "hunter2" not in done.out
    (label,) = done.json["ccs"]["profiles"]
    assert (label["name"], label["account"]) == ("work", "me")
    assert label["env_vars"] == [{"name": "KEY", "source": "static"}]


def test_nothing_is_exported_beside_a_record_that_cannot_be_read(ccs):
    job, first, _ = nightly(ccs)
    tasks = ccs.saved("tasks")
    next(one for one in tasks if one["id"] == first)["timeout"] = "never"
    ccs.save("tasks", *tasks)
    for words in (("export", job), ("export", "--all")):
        assert ccs("jobs", *words).code == 6


# In -------------------------------------------------------------------------------


def test_a_copy_comes_disabled_under_ids_of_its_own_with_all_that_refers_to_them(ccs):
    job, first, second = nightly(ccs)
    path = str(ccs.root / "out.json")
    ccs.ok("jobs", "export", job, "-o", path)
    before = ccs.snapshot()
    shown = ccs.ok("jobs", "import", path, "--dry-run").json
    assert shown["dry_run"] and len(shown["tasks"]) == 2
    assert ccs.snapshot() == before
    done = ccs.ok("jobs", "import", path)
    assert "look at task 'second': verify runs: make" in done.err
    (copy,), tasks = done.json["jobs"], {one["name"]: one for one in done.json["tasks"]}
    ids = {copy["id"], *(one["id"] for one in tasks.values())}
    assert len(ids - {job, first, second}) == 3
    assert copy["task_order"] == [tasks["second"]["id"], tasks["first"]["id"]]
    assert tasks["second"]["after"] == [tasks["first"]["id"]]
    assert {one["job_id"] for one in tasks.values()} == {copy["id"]}
    assert [one["enabled"] for one in tasks.values()] == [False, False]
    assert (copy["max_parallel"], tasks["first"]["schedule"]["cron"]) == (2, "0 3 * * 1-5")
    assert all(one["approved"] for one in tasks.values())
    saved = {one["id"]: one for one in (*ccs.saved("jobs"), *ccs.saved("tasks"))}
    assert len(saved) == 6 and all(saved[one["id"]] == one for one in (copy, *tasks.values()))
    ccs.ok("tasks", "enable", tasks["first"]["id"])


def test_ids_are_kept_where_they_are_free_and_replaced_only_by_force(ccs):
    job, first, second = nightly(ccs)
    path = str(ccs.root / "out.json")
    ccs.ok("jobs", "export", job, "-o", path)
    extra = ccs.task("three", "--job", job, "--name", "third")
    ccs.ok("tasks", "update", first, "--prompt", "changed")
    before = ccs.snapshot()
    refused = ccs("jobs", "import", path, "--keep-ids", "-o", "json")
    assert (refused.code, set(refused.error["matches"])) == (4, {job, first, second})
    assert ccs("jobs", "import", path, "--force").code == 2
    assert ccs.snapshot() == before
    done = ccs.ok("jobs", "import", path, "--keep-ids", "--force")
    assert "'third' is not in the file: it stays with its job, in no order" in done.err
    saved = {one["id"]: one for one in ccs.saved("tasks")}
    assert (saved[first]["prompt"], saved[first]["enabled"]) == ("one", False)
    assert (saved[extra]["job_id"], saved[extra]["enabled"]) == (job, True)
    assert ccs.saved("jobs")[0]["task_order"] == [second, first]
    ccs.ok("jobs", "delete", job, "--yes")
    again = ccs.ok("jobs", "import", path, "--keep-ids").json
    assert (again["jobs"][0]["id"], len(again["tasks"])) == (job, 2)


def test_force_takes_no_task_from_another_job_and_nothing_that_runs(ccs):
    job, first, _ = nightly(ccs)
    document = ccs.ok("jobs", "export", job).json
    ccs.ok("jobs", "create", "--name", "other")
    ccs.ok("tasks", "update", first, "--job", "other")
    path = sent(ccs, document)
    refused = ccs("jobs", "import", path, "--keep-ids", "--force")
    assert (refused.code, "belongs to another job" in refused.err) == (4, True)
    ccs.ok("tasks", "update", first, "--job", "nightly")
    moment = "2026-01-01T00:00:00Z"
    waiting = {"id": files.RUN, "task_id": first, "trigger": "manual", "status": "upcoming"}
    ccs.save("runs", waiting | {"scheduled_time": moment, "held_reason": "limit"})
    before = ccs.snapshot()
    refused = ccs("jobs", "import", path, "--keep-ids", "--force")
    assert (refused.code, "runs or waits" in refused.err) == (4, True)
    assert ccs.snapshot() == before


def test_nothing_is_written_when_a_later_write_would_be_refused(ccs):
    job, first, _ = nightly(ccs)
    path = str(ccs.root / "out.json")
    ccs.ok("jobs", "export", job, "-o", path)
    tasks = ccs.saved("tasks")
    next(one for one in tasks if one["id"] == first)["timeout"] = "never"
    ccs.save("tasks", *tasks)
    before = ccs.snapshot()
    refused = ccs("jobs", "import", path, "--keep-ids", "--force")
    assert (refused.code, "timeout" in refused.err) == (6, True)
    ccs.files({"store/tasks.json": json.dumps({"format": 2, "tasks": []})})
    newer = ccs.snapshot()
    assert ccs("jobs", "import", path).code == 6
    assert ccs.snapshot() == newer
    assert {**newer, "tasks.json": b""} == {**before, "tasks.json": b""}


def test_only_what_was_enabled_is_enabled_and_only_when_that_is_said(ccs):
    _, first, _ = nightly(ccs)
    past = ccs.task("x", "--job", "nightly", "--name", "past", "--at", "+1h")
    ccs.ok("tasks", "disable", first)
    document = ccs.ok("jobs", "export", "nightly").json
    document["ccs"]["tasks"][past]["schedule"]["at"] = "2020-01-01T00:00:00.000Z"
    path = sent(ccs, document)
    before = ccs.snapshot()
    refused = ccs("jobs", "import", path, "--enable")
    assert (refused.code, "Enable 1 task?" in refused.err) == (2, True)
    assert ccs.snapshot() == before
    done = ccs.ok("jobs", "import", path, "--enable", "--yes")
    enabled = {one["name"]: one["enabled"] for one in done.json["tasks"]}
    assert enabled == {"first": False, "second": True, "past": False}
    assert "its time is past" in done.err


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1)])
def test_a_person_is_asked_before_anything_is_enabled(ccs, answer, code):
    path = sent(ccs, files.exported())
    terminal = Terminal(ccs, "jobs", "import", path, "--enable")
    terminal.until("Enable 1 task?")
    terminal.answer(answer)
    assert terminal.end() == code
    assert [one["enabled"] for one in ccs.saved("tasks")] == [True] * (code == 0)


def test_a_profile_that_is_not_here_is_never_another_one_by_default(ccs):
    profile = ccs.ok("profiles", "create", "--name", "work", "--env", "A=1", "-q").out.strip()
    job = ccs.ok("jobs", "create", "--name", "j", "-q").out.strip()
    ccs.task("x", "--job", job, "--profile", "work")
    path = str(ccs.root / "out.json")
    ccs.ok("jobs", "export", job, "-o", path)
    ccs.ok("profiles", "delete", profile, "--force")
    # One of the same name may well be of another account.
    other = ccs.ok("profiles", "create", "--name", "work", "-q").out.strip()
    before = ccs.snapshot()
    refused = ccs("jobs", "import", path, "-o", "json")
    assert (refused.code, refused.error["matches"]) == (3, [f"{profile} work"])
    assert "--profile OLD=NEW" in refused.error["hint"]
    for words in ("nope=work", "work=nope", "work"):
        assert ccs("jobs", "import", path, "--profile", words).code in (2, 3)
    for twice in ("work", profile):
        said = ("--profile", "work=none", "--profile", f"{twice}={other}")
        assert ccs("jobs", "import", path, *said).code == 2
    assert ccs.snapshot() == before
    for old, new, bound in (("work", "work", other), (profile[:8], "none", None)):
        done = ccs.ok("jobs", "import", path, "--profile", f"{old}={new}")
        assert done.json["tasks"][0]["profile"] == bound


def test_it_is_said_when_the_default_profile_would_be_used(ccs):
    profile = ccs.ok("profiles", "create", "--name", "mine", "-q").out.strip()
    ccs.settings(mock_mode=True, default_profile=profile)
    done = ccs.ok("jobs", "import", sent(ccs, files.exported()), "--dry-run")
    assert "runs with the default one here, 'mine'" in done.err


def test_all_jobs_and_tasks_of_none_travel_together(ccs):
    nightly(ccs)
    ccs.ok("jobs", "create", "--name", "empty")
    ccs.task("alone", "--name", "alone")
    path = str(ccs.root / "all.json")
    ccs.ok("jobs", "export", "--all", "-o", path)
    there = ccs.store.rename(ccs.root / "there")
    ccs.settings(mock_mode=True)
    ccs.store.chmod(0o700)
    ccs.ok("jobs", "import", "-i", path, "--keep-ids", "--enable", "--yes")
    for name in ("jobs", "tasks"):
        before = json.loads((there / f"{name}.json").read_text())[name]
        moments = ("created_at", "updated_at", "active_since")
        kept = [
            [{**one, **dict.fromkeys(moments)} for one in it] for it in (before, ccs.saved(name))
        ]
        assert sorted(kept[0], key=str) == sorted(kept[1], key=str)


def timeless(records):
    moments = dict.fromkeys(("created_at", "updated_at", "active_since"))
    return sorted(({**one, **moments} for one in records), key=lambda one: one["id"])


def test_an_empty_store_is_exported_and_imported_as_nothing(ccs):
    path = sent(ccs, ccs.ok("jobs", "export", "--all").json)
    done = ccs.ok("jobs", "import", path)
    assert (done.json["jobs"], done.json["tasks"]) == ([], [])


def test_an_export_comes_from_a_pipe_too(ccs):
    done = ccs.ok("jobs", "import", "-", "-q", stdin=json.dumps(files.exported()))
    assert [one["id"] for one in ccs.saved("jobs")] == [done.out.strip()]


# What is hostile ------------------------------------------------------------------


@pytest.mark.parametrize("name", PACK)
def test_a_hostile_file_is_refused_or_comes_without_harm(name, shared, inside, tmp_path):
    raw, code, words = PACK[name]
    path = tmp_path / "sent.json"
    path.write_bytes(raw)
    before = shared.snapshot()
    keep = ["--keep-ids"] if code else ["--dry-run"]
    done = inside(shared, "jobs", "import", str(path), *keep, "-o", "json")
    assert (done.code, words in done.err) == (code, True), done.err[:2000]
    assert "Traceback" not in done.err and "\x1b" not in done.err and "\x1b" not in done.out
    assert len(done.err) < 3_000
    assert shared.snapshot() == before
    if code == 0:
        (task,) = done.json["tasks"]
        assert (task["verify"], task["approved"], task["enabled"]) == (None, None, False)


@pytest.mark.parametrize(
    "kind", ["absent", "directory", "link", "pipe", "device", "huge", "secret"]
)
def test_what_is_no_plain_file_is_refused(kind, shared, inside, tmp_path):
    path = tmp_path / "sent.json"
    match kind:
        case "directory":
            path.mkdir()
        case "link":
            (tmp_path / "target").write_text(json.dumps(files.exported()))
            path.symlink_to(tmp_path / "target")
        case "pipe":
            os.mkfifo(path)
        case "device":
            path = Path("/dev/zero")
        case "huge":
            with path.open("wb") as file:
                file.truncate((64 << 20) + 1)
        case "secret":
            # What is in a file that is no export must not be shown.
            path.write_text("hunter2 = hunter3")
    before = shared.snapshot()
    done = inside(shared, "jobs", "import", str(path), "-o", "json")
    assert done.code == (3 if kind == "absent" else 2), done.err
    assert "Traceback" not in done.err and "hunter" not in done.err
    assert shared.snapshot() == before


# Cut off --------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from ccs.store import records
count, inner = int(sys.argv.pop(1)), records.Records.replace
def write(self, *words):
    global count
    count -= 1
    if count < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return inner(self, *words)
records.Records.replace = write
from ccs.cli.main import main
sys.argv[0] = "ccs"
main()
"""


def killed_after(ccs, writes, *words):
    """Whether it was killed before it could write so many files and one more."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", KILLED, str(writes), *words],
        **{"cwd": ccs.work, "env": ccs.env, "capture_output": True, "check": False},
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


def test_an_import_that_is_killed_leaves_nothing_that_refers_to_what_is_not_there(ccs):
    job, _, _ = nightly(ccs)
    path = str(ccs.root / "out.json")
    ccs.ok("jobs", "export", job, "-o", path)
    writes = 0
    while killed_after(ccs, writes, "jobs", "import", path, "--enable", "--yes"):
        jobs, tasks = ccs.saved("jobs"), ccs.saved("tasks")
        ids = {one["id"] for one in tasks}
        assert all(set(one["task_order"]) <= ids for one in jobs)
        assert {one["job_id"] for one in tasks} <= {one["id"] for one in jobs}
        assert ccs.ok("jobs", "export", "--all").json["jobs"]
        # The tasks come in one write, and what was there is as it was.
        assert (len(tasks), jobs[0]["id"], len(jobs[0]["task_order"])) in [(2, job, 2), (4, job, 2)]
        for one in jobs[1:]:
            ccs.ok("jobs", "delete", one["id"], "--yes")
        writes += 1
    assert writes == 3
    assert [len(one["task_order"]) for one in ccs.saved("jobs")] == [2, 2]


def test_two_imports_at_once_keep_ids_only_once(ccs):
    path = sent(ccs, files.exported())
    both = [ccs.popen("jobs", "import", path, "--keep-ids") for _ in range(2)]
    for one in both:
        one.communicate(timeout=60)
    assert sorted(one.returncode for one in both) == [0, 4]
    assert (len(ccs.saved("jobs")), len(ccs.saved("tasks"))) == (1, 1)
