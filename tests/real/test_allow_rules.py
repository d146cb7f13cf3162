"""The client lets pass what the rules allow that `runs get` tells after a denial."""

import pytest

COMMANDS = (
    "git push origin main",
    "git commit -m 'a, (b) c' && git push",
    "make test > log.txt 2>&1",
    "echo hi > made.txt",
    "FOO=1 make test",
    "touch a && mkdir b",
    "touch $(echo x)",
    "cd sub && touch q",
    "rm -rf sub",
    "echo hi >> ../x.txt",
    "touch ../beside",
    "touch  dd",
    "uv run pytest",
    "echo hi >| made.txt",
    "echo hi &> made.txt",
    "touch a & touch b",
    "if true; then touch a; fi",
    "cat ../../outside",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_denied_command_passes_with_its_rules(ccs, command):
    (ccs.root.parent / "outside").write_text("x")
    quoted = command.replace("\\", "\\\\").replace('"', '\\"')
    told = f'[[stub: tool command="{quoted}" text=done]]'
    task = ccs.task(told, "--permissions", "default", "--model", "default")
    denied = ccs.ok("tasks", "run", task, "--wait").json
    assert denied["reason"] == "denied"
    shown = ccs.ok("runs", "get", denied["id"])
    [denial] = shown.json["permission_denials"]
    assert f"ccs tasks update {task[:8]} --allowed-tools" in shown.err
    ccs.ok("tasks", "update", task, "--allowed-tools", ",".join(denial["allow"]))
    allowed = ccs.ok("tasks", "run", task, "--wait").json
    assert (allowed["status"], allowed["reason"]) == ("success", None)


def test_a_denied_write_through_a_link_passes_with_its_rules(ccs):
    (ccs.root / "real").mkdir()
    link = ccs.root / "link"
    link.symlink_to(ccs.root / "real")
    told = f"[[stub: write path={link}/made.txt content=hi text=done]]"
    task = ccs.task(told, "--permissions", "default", "--model", "default")
    denied = ccs.ok("tasks", "run", task, "--wait").json
    [denial] = ccs.ok("runs", "get", denied["id"]).json["permission_denials"]
    ccs.ok("tasks", "update", task, "--allowed-tools", ",".join(denial["allow"]))
    assert ccs.ok("tasks", "run", task, "--wait").json["reason"] is None


def test_a_denied_write_passes_with_its_rule(ccs):
    place = ccs.work / "made.txt"
    told = f"[[stub: write path={place} content=hi text=done]]"
    task = ccs.task(told, "--permissions", "default", "--model", "default")
    denied = ccs.ok("tasks", "run", task, "--wait").json
    [denial] = ccs.run(denied["id"])["permission_denials"]
    assert denial["allow"] == [f"Edit(/{place})"]
    ccs.ok("tasks", "update", task, "--allowed-tools", denial["allow"][0])
    assert ccs.ok("tasks", "run", task, "--wait").json["reason"] is None
    assert place.read_text() == "hi"


def test_what_the_task_itself_forbids_has_no_rule(ccs):
    told = '[[stub: tool command="touch no" text=done]]'
    forbidden = ("--disallowed-tools", "Bash(touch:*)", "--permissions", "acceptEdits")
    task = ccs.task(told, *forbidden, "--model", "default")
    denied = ccs.ok("tasks", "run", task, "--wait").json
    shown = ccs.ok("runs", "get", denied["id"])
    assert [one["allow"] for one in shown.json["permission_denials"]] == [[]]
    assert shown.err.startswith("no rule lets that pass")
