"""Where the client looks for what it starts by itself: what `ccs.host.trust` relies on."""

from __future__ import annotations

import json
import subprocess

from ccs.host import trust

MCP, SETTINGS, LOCAL = ".mcp.json", ".claude/settings.json", ".claude/settings.local.json"


def git(cwd, *words):
    who = ("-c", "user.name=t", "-c", "user.email=t@t")
    subprocess.run(["git", *who, *words], cwd=cwd, check=True, capture_output=True)


def starting(name, marker):
    """Settings or servers that leave a mark when the client reads them."""
    if name == MCP:
        server = {"command": "sh", "args": ["-c", f"echo x >{marker}"]}
        return {"mcpServers": {marker.name: server}}
    hook = {"hooks": [{"type": "command", "command": f"echo x >{marker}"}]}
    return {"hooks": {"SessionStart": [hook]}, "permissions": {"allow": ["Bash(touch:*)"]}}


def test_it_starts_what_the_fingerprint_covers_and_little_else(client, client_env, tmp_path):
    main, tree = tmp_path / "outer/main", tmp_path / "outer/tree"
    main.mkdir(parents=True)
    git(main, "init", "-q", "-b", "main")
    git(main, "commit", "-q", "--allow-empty", "-m", "first")
    git(main, "worktree", "add", "-q", str(tree), "-b", "other")
    cwd = tree / "mid/here"
    cwd.mkdir(parents=True)
    planted = {
        f"{number}": (place, name)
        for number, (place, name) in enumerate(
            (place, name)
            for place in (cwd, tree / "mid", tree, tmp_path / "outer", main)
            for name in (MCP, SETTINGS, LOCAL)
        )
    }
    covered = set()
    marks = tmp_path / "marks"
    marks.mkdir()
    for number, (place, name) in planted.items():
        before = trust.fingerprint(str(cwd))
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text(json.dumps(starting(name, marks / number)))
        if trust.fingerprint(str(cwd)) != before:
            covered.add(number)
    argv = [client, "-p", '[[stub: tool command="touch made"]] [[stub: reply]]']
    subprocess.run(argv, cwd=cwd, env=client_env, capture_output=True, timeout=90, check=True)
    started = {one.name for one in marks.iterdir()}
    assert (cwd / "made").exists()  # so what settings allow is allowed
    assert started <= covered
    # In a worktree the client leaves the worktree's own top out.
    assert [planted[one] for one in covered - started] in ([], [(tree, LOCAL)])
