"""Many writers of the same two files at once: no change is lost, none is half made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from size import FULL


def test_every_change_of_every_writer_is_there(world, record_property):
    writers, changes = (16, 1000) if FULL else (8, 40)
    script = str(Path(__file__).with_name("writer.py"))
    argv = [sys.executable, script, str(world.store), world.ids["job"], str(changes)]
    before = set(world.ids.values())
    crowd = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(writers)]
    said = [one.communicate()[0].split() for one in crowd]
    assert [one.returncode for one in crowd] == [0] * writers
    refused, left = (
        sum(int(words[0]) for words in said),
        {one for words in said for one in words[1:]},
    )
    record_property("changes", writers * changes)
    record_property("refused", refused)
    world.assert_whole()
    assert {one["id"] for one in world.saved("tasks")} - before == left
    (job,) = [one for one in world.saved("jobs") if one["name"] == "job"]
    steps = [world.ids["first"], world.ids["second"]]
    assert sorted(job["task_order"]) == sorted([*steps, *left])
