"""Secrets on every way out: no file of the store and no output holds one, in whatever form."""

from __future__ import annotations

import base64
import json
import os
import sys
import zlib
from contextlib import suppress
from urllib.parse import quote

import pytest

VALUES = {
    "static": "canary-static/7f3a+91bc",
    "file": "canary-file\nof two lines 5521",
    "command": 'canary "quoted" 8812 \\ é',
}
# Nobody told ccs of these; their form tells.
FOUND = {
    "anthropic": "sk-" + "ant-api03-" + "cAnArY01" * 6,
    "github": "gh" + "p_" + "cAnArY02" * 5,
    "aws": "AK" + "IACANARY0345678XYZ",
    "slack": "xox" + "b-1234567890-cAnArY04",
    "pem": "-----BEGIN " + "PRIVATE KEY-----\ncAnArY05abcdefgh\nijklCanary06\n-----END "
    "PRIVATE KEY-----",
}
EVERYWHERE = [*VALUES.values(), *FOUND.values()]

CLIENT = """
import base64, json, os, sys
from urllib.parse import quote
values = json.load(open(os.environ["HOME"] + "/values.json"))
values += [base64.b64encode(one.encode()).decode() for one in values]
values += [base64.b64encode(("u:" + one).encode()).decode() for one in values]
values += [quote(one) for one in values]
print(json.dumps({"type": "system", "subtype": "init", "session_id": "s", "model": "sonnet"}))
for one in values:
    for text in (one, json.dumps({"a": one})):
        part = [{"type": "text", "text": text}]
        print(json.dumps({"type": "assistant", "message": {"id": "m", "content": part}}))
    tool = {"type": "tool_use", "id": "t", "name": "Bash", "input": {"command": "echo " + one}}
    print(json.dumps({"type": "assistant", "message": {"id": "m", "content": [tool]}}))
    print("no event: " + one)
    print("stderr: " + one, file=sys.stderr)
    sys.stdout.flush(), sys.stderr.flush()
denied = [{"tool_name": "Bash", "tool_use_id": "t", "tool_input": {"command": values[0]}}]
print(json.dumps({"type": "result", "subtype": "error_during_execution", "is_error": True,
                  "result": " ".join(values), "errors": values, "permission_denials": denied}))
sys.exit(1)
"""


def forms(value):
    """Pieces that give the value away, however it was written."""
    for line in value.splitlines():
        yield line
        yield json.dumps(line)[1:-1]
    if value in VALUES.values():
        yield from map(quote, value.splitlines())
        for content in (value, f"u:{value}"):
            yield base64.b64encode(content.encode()).decode()[4:-4]


@pytest.fixture
def ccs(ccs):
    client = ccs.root / "client"
    client.write_text(f"#!{sys.executable}\n{CLIENT}")
    client.chmod(0o755)
    (ccs.home / "values.json").write_text(json.dumps(EVERYWHERE))
    (ccs.home / "kept").write_text(VALUES["file"])
    (ccs.home / "told").write_text(VALUES["command"])
    ccs.settings(claude_path=str(client))
    ccs.ok(
        *("profiles", "create", "--name", "p", "--env", f"A={VALUES['static']}"),
        *("--env-from", f"B=file:{ccs.home}/kept", "--env-from", f"C=command:cat {ccs.home}/told"),
    )
    ccs.ok("notify", "add", "out", "command", "--on", "all", "--", "/bin/sh", "-c",
           f'env >> {ccs.root}/told; cat >> {ccs.root}/told')  # fmt: skip
    return ccs


def test_no_file_and_no_output_holds_a_secret(ccs):
    task = ccs.task("x", "--name", "deps", "--profile", "p", "--verify", "cat ~/values.json; env")
    run = ccs("tasks", "run", task, "--wait")
    assert run.code == 5, run.err
    run_id = run.json["id"]
    ccs.ok("tick")
    ccs.until(lambda: (ccs.root / "told").exists())
    outputs = [
        ccs(*words, "-o", form)
        for words in (["runs", "list"], ["runs", "get", run_id], ["profiles", "list"],
                      ["profiles", "get", "p"], ["debug", "all"], ["health"], ["doctor"],
                      ["debug", "runs"], ["debug", "run", run_id], ["debug", "profiles"],
                      ["debug", "env", "p"], ["settings", "list"])
        for form in ("json", "table")
    ]  # fmt: skip
    outputs += [ccs("state"), ccs("runs", "log", run_id), ccs("runs", "log", run_id, "--raw")]
    shown = "\n".join(one.out + one.err for one in [*outputs, run])
    kept = {name: text.decode("utf-8", "replace") for name, text in ccs.snapshot().items()}
    log = kept[f"logs/run_{run_id}.log"]
    assert log.count("********") > 50, "the client has spoken"
    kept["what was printed"] = shown
    kept["what the channel was told"] = (ccs.root / "told").read_text()
    for value in EVERYWHERE:
        for form in forms(value):
            at_rest = (
                {"profiles.json", "profiles.json.prev"} if value == VALUES["static"] else set()
            )
            leaks = [name for name, text in kept.items() if form in text and name not in at_rest]
            assert leaks == [], f"{form!r} stands in {leaks}"
    modes = {oct(path.stat().st_mode & 0o077) for path in ccs.store.rglob("*")}
    assert modes == {"0o0"}


def test_other_programs_get_no_secret(ccs):
    """git and its hooks, a setup, the task's check: by environment, argument or input."""
    program = ccs.root / "bin" / "git"
    program.parent.mkdir()
    seen = ccs.root / "seen"
    real = next(
        f"{one}/git" for one in os.environ["PATH"].split(":") if os.access(f"{one}/git", os.X_OK)
    )
    program.write_text(f'#!/bin/sh\n(env; echo "$@") >> {seen}\nexec {real} "$@"\n')
    program.chmod(0o755)
    (ccs.root / "client").write_text(
        f"#!{sys.executable}\nimport json, os, sys\n"
        f"json.dump(sys.argv, open({str(ccs.root / 'argv')!r}, 'w'))\n"
        "told = open(sys.argv[sys.argv.index('--append-system-prompt-file') + 1]).read()\n"
        "assert told == 'canary-system-77' and sys.stdin.read() == 'canary-prompt-99'\n"
        "open('made', 'w').write('x')\nassert os.environ['A'] and os.environ['B']\n"
        "print(json.dumps({'type': 'system', 'subtype': 'init', 'session_id': 's'}))\n"
        "print(json.dumps({'type': 'result', 'subtype': 'success', 'is_error': False,"
        " 'result': 'ok'}))\n"
    )
    ccs.env["PATH"] = f"{program.parent}:{ccs.env['PATH']}"
    ccs.env["ANTHROPIC_API_KEY"] = "canary-ambient-1234"
    for words in (
        ["init", "-q"],
        ["config", "user.email", "me@example.org"],
        ["config", "user.name", "me"],
        ["commit", "-q", "--allow-empty", "-m", "0"],
    ):
        assert os.spawnve(os.P_WAIT, real, ["git", "-C", str(ccs.work), *words], ccs.env) == 0
    ccs.ok("profiles", "update", "p", "--env", "PLAIN=seen", "--env", "API_KEY=canary-api-5678",
           "--env-from", f"A=file:{ccs.home}/kept")  # fmt: skip
    task = ccs.task("canary-prompt-99", "--profile", "p", "--verify", f"env >> {ccs.root}/checked",
                    "--append-system-prompt", "canary-system-77")  # fmt: skip
    run = ccs("tasks", "run", task, "--wait")
    assert run.code == 0, (run.err, ccs("runs", "log", run.json["id"]).out)
    assert run.json["commit"]
    assert "PLAIN=seen" in seen.read_text() and "PLAIN=seen" in (ccs.root / "checked").read_text()
    for path in (seen, ccs.root / "checked", ccs.root / "argv"):
        text = path.read_text()
        assert "canary" not in text.replace(str(ccs.root), ""), path


def test_a_variable_that_leads_programs_needs_leave_when_it_is_written_and_when_it_is_used(ccs):
    refused = ccs("profiles", "create", "--name", "q", "--env", "LD_PRELOAD=/tmp/x.so")
    assert (refused.code, "LD_PRELOAD" in refused.error["message"]) == (2, True)
    assert "--allow-loader-variables" in refused.error["hint"]
    assert ccs("profiles", "update", "p", "--env", "PYTHONPATH=/tmp").code == 2
    ccs.ok("profiles", "create", "--name", "q", "--env", "NODE_OPTIONS=-r x",
           "--allow-loader-variables")  # fmt: skip
    assert ccs("profiles", "update", "q", "--no-loader-variables").code == 2
    text = (ccs.store / "profiles.json").read_text()
    (ccs.store / "profiles.json").write_text(
        text.replace('"allow_loader_variables": true', '"allow_loader_variables": false')
    )
    run = ccs("tasks", "run", ccs.task("x", "--profile", "q"), "--wait")
    assert (run.code, run.json["reason"]) == (5, "env_failed")
    assert "NODE_OPTIONS" in run.json["message"]


PRINTS = 'printf "%s\\n" "$(cat $HOME/lines)"; printf "%s\\n" "$(cat $HOME/lines)" >&2'


def everything_below(place, *but):
    """What stands in each file, git's objects unpacked."""
    found = {}
    for path in place.rglob("*"):
        if path.is_file() and path.name not in but:
            content = path.read_bytes()
            if "objects" in path.parts and path.suffix != ".pack":
                with suppress(zlib.error):
                    content = zlib.decompress(content)
            found[str(path.relative_to(place))] = content.decode("utf-8", "replace")
    return found


def test_neither_a_commit_nor_what_hooks_setups_and_checks_print_gives_a_secret_away(ccs, git):
    """The prompt quotes secrets, its first line is the commit's text; keys come line by line."""
    (ccs.home / "lines").write_text("\n".join(FOUND.values()) + "\n" + VALUES["static"] + "\n")
    (ccs.root / "client").write_text(
        f"#!{sys.executable}\nimport json, os\nopen('made', 'w').write('x')\n"
        "print(json.dumps({'type': 'system', 'subtype': 'init', 'session_id': 's'}))\n"
        "print(json.dumps({'type': 'result', 'subtype': 'success', 'is_error': False,"
        " 'result': 'ok'}))\n"
    )
    for name in ("pre-commit", "post-commit"):
        hook = ccs.work / ".git" / "hooks" / name
        hook.write_text(f"#!/bin/sh\n{PRINTS}\n")
        hook.chmod(0o755)
    quoted = " and ".join((FOUND["anthropic"], FOUND["github"], VALUES["static"]))
    ccs.ok("jobs", "create", "--name", "j", "--use-worktree", "--worktree-setup", PRINTS)
    options = ("--profile", "p", "--name", "deps", "--verify", PRINTS)
    task = ccs.task(f"Use {quoted}", *options)
    run = ccs("tasks", "run", task, "--wait")
    assert run.json["commit"], ccs("runs", "log", run.json["id"]).out
    tree = ccs.task("Do it", "--job", "j", *options[:2], "--verify", f"{PRINTS}; false")
    other = ccs("tasks", "run", tree, "--wait")
    assert (other.json["status"], other.json["reason"]) == ("failed", "verify_failed")
    exported = ccs.root / "exported.json"
    ccs.ok("jobs", "export", "--all", "-o", str(exported))
    # These hold the task and the profile as the user wrote them.
    own = ("tasks.json", "tasks.json.prev", "profiles.json", "profiles.json.prev")
    kept = everything_below(ccs.store, *own, f"run_{run.json['id']}.task.json")
    kept |= everything_below(ccs.work / ".git") | {"export": exported.read_text()}
    kept |= {"printed": run.out + run.err + other.out + other.err}
    kept |= {"shown": "".join(ccs(*one).out for one in (["state"], ["tasks", "list"]))}
    assert "[verify]" in kept[f"logs/run_{other.json['id']}.log"]
    assert "git commit: " in kept[f"logs/run_{run.json['id']}.log"]
    for value in (*FOUND.values(), VALUES["static"]):
        for line in value.splitlines():
            # Of a value that only a profile knows nobody can tell what it is in another's text.
            told = {"export", "shown"} if value == VALUES["static"] else set()
            leaks = [name for name, text in kept.items() if line in text and name not in told]
            assert leaks == [], f"{line!r} stands in {leaks}"
