"""A disk that fills up while a run goes on: nothing is lost, and it goes on when there is room."""

from __future__ import annotations

import os
import subprocess

import pytest


@pytest.fixture
def small_disk(ccs):
    """The store on a file system of its own, of one megabyte."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    place = ccs.root / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", place],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    ccs.store = place / "store"
    ccs.env["CCS_HOME"] = str(ccs.store)
    ccs.files({"disk/store/settings.json": '{"format": 1, "mock_mode": true}'})
    yield ccs
    subprocess.run(["umount", "--lazy", place], check=True)


def fill(ccs):
    ballast = ccs.store.parent / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass
    return ballast


def test_a_run_that_ends_on_a_full_disk_is_recorded_all_the_same(small_disk):
    ccs = small_disk
    run_id = ccs.start(ccs.task("[[mock: slow seconds=2]]"))
    ccs.running(run_id)
    fill(ccs)
    # The room reserved with the start mark takes the outcome; what it leaves over, the record.
    assert ccs.ended(run_id)["status"] == "success"


def test_a_full_disk_refuses_a_new_task_and_keeps_the_old_ones(small_disk):
    ccs = small_disk
    kept = ccs.task("[[mock: success]]")
    before = (ccs.store / "tasks.json").read_bytes()
    ballast = fill(ccs)
    refused = ccs("tasks", "create", "--prompt", "x")
    assert refused.code == 1
    assert "No space left" in refused.err
    assert (ccs.store / "tasks.json").read_bytes() == before
    assert [path.name for path in ccs.store.glob(".*.tmp")] == []
    ballast.unlink()
    assert ccs.ok("tasks", "list", "-q").out.split() == [kept]


def test_a_run_that_finds_no_room_to_start_waits_instead_of_failing(small_disk):
    ccs = small_disk
    task = ccs.task("[[mock: success]]")
    ballast = fill(ccs)
    assert ccs("tasks", "run", task).code == 1
    ballast.unlink()
    run_id = ccs.start(task)
    assert ccs.ended(run_id)["status"] == "success"
