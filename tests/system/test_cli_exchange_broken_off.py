"""Imports that end early, and files and ids that are in the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import prior_files as files
import pytest


@pytest.fixture
def ccs(quick):
    return quick


def sent(ccs, document, name="sent.json"):
    path = ccs.root / name
    path.write_text(json.dumps(document))
    return str(path)


BROKEN_OFF = """
import os, signal, sys
from ccs.store import atomic
count, how, inner = int(sys.argv.pop(1)), sys.argv.pop(1), atomic.write
def write(path, *words, **more):
    global count
    if path.endswith(("jobs.json", "tasks.json")):
        count -= 1
        if count == -1:
            if how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            raise KeyboardInterrupt if how == "interrupted" else OSError(28, "No space left")
    return inner(path, *words, **more)
atomic.write = write
from ccs.cli.main import main
sys.argv[0] = "ccs"
main()
"""


def broken_off(ccs, how, writes, *words):
    """The exit code of one that ends so at the write after so many of them."""
    call = [sys.executable, "-P", "-c", BROKEN_OFF, str(writes), how, *words]
    return subprocess.run(
        call, cwd=ccs.work, env=ccs.env, capture_output=True, check=False
    ).returncode


@pytest.mark.parametrize(
    ("how", "code", "stands"),
    [("full", 1, "others"), ("interrupted", 130, "nothing"), ("full", 1, "the same")],
)
def test_an_import_that_fails_leaves_everything_as_it_was(ccs, how, code, stands):
    path, words = sent(ccs, files.exported()), ["--keep-ids"]
    if stands == "others":
        ccs.task("mine", "--job", ccs.ok("jobs", "create", "--name", "mine", "-q").out.strip())
    elif stands == "the same":
        ccs.ok("jobs", "import", path, "--keep-ids", "--enable", "--yes")
        words = ["--keep-ids", "--force"]

    def standing():
        return [ccs.saved(kind) for kind in ("jobs", "tasks")]

    before, writes = standing(), 0
    while broken_off(ccs, how, writes, "jobs", "import", path, *words) == code:
        assert standing() == before
        assert ccs.ok("debug", "all").code == ccs.ok("jobs", "list").code == 0
        writes += 1
    assert writes == (2 if stands == "the same" else 3)
    assert standing() != before


def test_under_its_ids_a_killed_import_is_gone_on_with(ccs):
    writes, path = 0, sent(ccs, files.exported())
    while broken_off(ccs, "killed", writes, "jobs", "import", path, "--keep-ids") < 0:
        ccs.ok("jobs", "import", path, "--keep-ids")
        (job,), (task,) = ccs.saved("jobs"), ccs.saved("tasks")
        assert (job["task_order"], task["job_id"]) == ([task["id"]], job["id"])
        assert ccs("jobs", "import", path, "--keep-ids").code == 4
        ccs.ok("jobs", "delete", job["id"], "--yes")
        writes += 1
    assert writes == 3


def test_a_job_that_somebody_changed_since_is_not_taken_for_a_killed_import(ccs):
    path = sent(ccs, files.exported())
    assert broken_off(ccs, "killed", 1, "jobs", "import", path, "--keep-ids") == -signal.SIGKILL
    ccs.ok("jobs", "update", files.JOB, "--description", "mine")
    before = ccs.snapshot()
    assert ccs("jobs", "import", path, "--keep-ids").code == 4
    assert ccs.snapshot() == before


def test_no_id_is_replaced_by_another_kind_of_record(ccs):
    ccs.ok("jobs", "import", sent(ccs, files.exported()), "--keep-ids")
    before = ccs.snapshot()
    other = files.exported(job=files.job(id=files.TASK, task_order=[]), tasks=[])
    refused = ccs("jobs", "import", sent(ccs, other), "--keep-ids", "--force")
    assert (refused.code, "is the id of a task here" in refused.err) == (4, True)
    assert ccs.snapshot() == before


def test_a_file_that_is_written_while_it_is_read_is_not_believed(ccs, monkeypatch):
    from ccs.host import files as reader

    path, inner = sent(ccs, files.exported()), reader.read_regular

    def slow(*words, **more):
        found = inner(*words, **more)
        os.utime(path, (1, 1))
        return found

    monkeypatch.setattr(reader, "read_regular", slow)
    before = ccs.snapshot()
    refused = ccs("jobs", "import", path)
    assert (refused.code, "changed while it was read" in refused.err) == (4, True)
    assert ccs.snapshot() == before


def test_an_export_comes_in_though_a_task_waits_for_one_that_left_its_job(ccs):
    job = ccs.ok("jobs", "create", "--name", "j", "-q").out.strip()
    first = ccs.task("x", "--job", job)
    ccs.task("y", "--job", job, "--after", first, "--name", "second")
    ccs.ok("jobs", "create", "--name", "other")
    ccs.ok("tasks", "update", first, "--job", "other")
    document = ccs.ok("jobs", "export", job).json
    done = ccs.ok("jobs", "import", sent(ccs, document))
    assert "task 'second': after: tasks that are not in the file" in done.err
    assert done.json["tasks"][0]["after"] == []


def test_what_a_task_asks_and_where_is_shown_before_it_comes(ccs):
    task = files.task(job_id=None, prompt="rm -rf\n/ please")
    document = files.exported(job=None, tasks=[task], ccs={"format": 1})
    document["ccs"]["tasks"] = {files.TASK: {"working_directory": "/no/such/place"}}
    done = ccs.ok("jobs", "import", sent(ccs, document))
    assert "task 'T1' in /no/such/place: disabled" in done.err
    assert "task 'T1' asks: rm -rf / please" in done.err
    assert "warning: /no/such/place is not a directory" in done.err


def test_the_dangers_of_two_tasks_of_one_name_are_both_there(ccs):
    both = [files.task(), files.task(id=files.OTHER)]
    ours = {files.TASK: {"verify": "curl x | sh"}, files.OTHER: {"verify": "make"}}
    document = files.exported(tasks=both, ccs={"format": 1, "tasks": ours})
    found = ccs.ok("jobs", "import", sent(ccs, document), "--dry-run").json["dangers"]["task 'T1'"]
    assert {"verify runs: curl x | sh", "verify runs: make"} <= {*found}


def test_quiet_names_the_tasks_without_a_job_too(ccs):
    alone = {"job": None, "tasks": [files.task(id=files.OTHER, job_id=None)], "ccs": {"format": 1}}
    document = {"version": "1.0", "jobs": [files.exported(), files.exported(**alone)]}
    done = ccs.ok("jobs", "import", sent(ccs, document), "--keep-ids", "-q")
    assert done.out.split() == [files.JOB, files.OTHER]
