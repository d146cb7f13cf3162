"""Profiles: where variables come from, that none is replaced in silence, and that none is shown."""

from __future__ import annotations

import json

import pytest

SECRET = "canary-7f3a91bc-secret"
# Masked in parts too, so a text that was cut in the middle of the secret is found.
PIECE = SECRET[:9]
ZAI = "5270805b-3731-41da-8710-fe765f2e58be"
BEDROCK = "9e4eaa7d-ba4e-44c0-861a-712aa75382d1"

# A client that tells everything it can in every way it can, and fails.
BLAB = """#!/usr/bin/env python3
import json, os, sys
secret = os.environ.get("KEY", "")
def say(**event):
    print(json.dumps({"session_id": "11111111-1111-4111-8111-111111111111", **event}), flush=True)
say(type="system", subtype="init", model="m", cwd=secret)
sys.stdout.write("not json " + secret + "\\n")
sys.stderr.write("x" * 1990 + " " + secret + "\\n" + secret + "\\n")
tool = {"type": "tool_use", "name": "Bash", "input": {"command": "e" * 190 + " " + secret}}
text = {"type": "text", "text": "the key is " + secret}
say(type="assistant", message={"id": "m", "content": [text, tool]})
denied = {"tool_name": "Bash", "tool_use_id": "t", "tool_input": {"command": secret}}
say(type="result", subtype="success", is_error=True, num_turns=1, permission_denials=[denied],
    result="y" * 490 + " " + secret, errors=[secret], environment=dict(os.environ))
sys.exit(1)
"""
# The same before it begins: its stderr is all there is to tell.
MUTE = """#!/usr/bin/env python3
import os, sys
sys.stderr.write("z" * 490 + " " + os.environ["KEY"] + "\\n")
sys.exit(1)
"""
# Writes what it was given where the test may look.
ECHO = """#!/usr/bin/env python3
import json, os
with open(os.environ["HOME"] + "/environment.json", "w") as file:
    json.dump(dict(os.environ), file)
print(json.dumps({"type": "system", "subtype": "init", "session_id": "s"}))
print(json.dumps({"type": "result", "subtype": "success", "is_error": False, "result": "ok"}))
"""


@pytest.fixture
def ccs(quick):
    return quick


@pytest.fixture
def client(ccs):
    """Makes a script the client of real, unmocked runs."""

    def install(script):
        path = ccs.root / "claude"
        path.write_text(script)
        path.chmod(0o755)
        ccs.settings(claude_path=str(path))

    return install


def create(ccs, name, *options, **kwargs):
    return ccs.ok("profiles", "create", "--name", name, *options, **kwargs).json["id"]


# Masking --------------------------------------------------------------------


def test_a_static_value_is_hidden_in_every_form(ccs, inside):
    variables = ("--env", f"KEY={SECRET}", "--env-from", "REF=env:OTHER")
    shown = [ccs.ok("profiles", "create", "--name", "work", *variables)]
    for words in (
        *(("create", "--name", form, *variables, "-o", form) for form in ("table", "jsonl")),
        *(("update", "work", "--env", f"KEY={SECRET}", "-o", form) for form in ("table", "json")),
        *(("get", "work", "-o", form) for form in ("table", "json", "jsonl", "env", "ids")),
        *(("list", "-o", form) for form in ("table", "json", "jsonl", "ids")),
        *(("delete", name, "--yes", "-o", name) for name in ("table", "jsonl")),
    ):
        shown.append(inside(ccs, "profiles", *words))
        assert shown[-1].code == 0, shown[-1].err
    shown += [inside(ccs, "state"), inside(ccs, "health")]
    shown += [inside(ccs, "profiles", "delete", "work")]
    assert SECRET in (ccs.store / "profiles.json").read_text()
    for done in shown:
        assert PIECE not in done.out + done.err
    listed = inside(ccs, "profiles", "get", "work", "-o", "env").out
    assert listed == "KEY=********\nREF=OTHER\n"


@pytest.mark.parametrize("source", ["static", "env", "file", "command"])
def test_a_secret_the_client_tells_stands_nowhere(ccs, client, source):
    client(BLAB)
    ccs.files({"key": f"{SECRET}\n"})
    ambient = {"ELSEWHERE": SECRET} if source == "env" else {}
    value = {
        "static": SECRET,
        "env": "ELSEWHERE",
        "file": str(ccs.root / "key"),
        "command": f"cat {ccs.root}/key",
    }[source]
    create(ccs, "work", "--env-from", f"KEY={source}:{value}")
    done = ccs("tasks", "run", ccs.task("x", "--profile", "work"), "--wait", **ambient)
    assert (done.code, done.json["reason"]) == (5, "error")
    assert "********" in done.json["permission_denials"][0]["tool_input"]["command"]
    log = ccs.ok("runs", "log", done.json["id"])
    raw = ccs.ok("runs", "log", done.json["id"], "--raw")
    assert "the key is ********" in log.out
    assert "the key is ********" in raw.out
    for shown in (done, log, raw):
        assert PIECE not in shown.out + shown.err
    assert _holding(ccs, PIECE) <= {"profiles.json", "profiles.json.prev"}


def test_a_secret_told_by_a_client_that_never_began_is_hidden_too(ccs, client):
    client(MUTE)
    create(ccs, "work", "--env", f"KEY={SECRET}")
    done = ccs("tasks", "run", ccs.task("x", "--profile", "work"), "--wait")
    assert (done.code, done.json["reason"]) == (5, "start_failed")
    assert PIECE not in done.out + done.err
    assert _holding(ccs, PIECE) <= {"profiles.json", "profiles.json.prev"}


def _holding(ccs, words):
    """The files of the store in which `words` stand."""
    return {name for name, content in ccs.snapshot().items() if words.encode() in content}


# Sources --------------------------------------------------------------------


def test_each_source_gives_its_variable_and_unset_takes_one_away(ccs, client):
    client(ECHO)
    ccs.files({"key": "from-file\n"})
    create(
        ccs, "work",
        *("--env", "STATIC=a=b", "--env-from", "AMBIENT=env:OTHER"),
        *("--env-from", f"FILE=file:{ccs.root}/key"),
        *("--env-from", "COMMAND=command:echo from-$OTHER"),
        *("--unset-env", "ANTHROPIC_API_KEY", "--config-dir", str(ccs.home)),
    )  # fmt: skip
    ambient = {"OTHER": "there", "ANTHROPIC_API_KEY": "ambient", "STATIC": "ambient"}
    ccs.ok("tasks", "run", ccs.task("x", "--profile", "work"), "--wait", **ambient)
    given = json.loads((ccs.home / "environment.json").read_text())
    assert (given["STATIC"], given["AMBIENT"], given["FILE"]) == ("a=b", "there", "from-file")
    assert (given["COMMAND"], given["CLAUDE_CONFIG_DIR"]) == ("from-there", str(ccs.home))
    assert "ANTHROPIC_API_KEY" not in given


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--env", "KEY="), "empty"),
        (("--env-from", "KEY=env:ABSENT"), "ABSENT is not set"),
        (("--env-from", "KEY=file:/nonexistent/key"), "No such file"),
        (("--env-from", "KEY=command:echo canary; exit 3"), "ended with 3"),
    ],
    ids=["empty", "env", "file", "command"],
)
def test_what_cannot_be_had_fails_the_run_and_nothing_ambient_takes_its_place(ccs, options, told):
    made = ccs.ok("profiles", "create", "--name", "work", *options)
    assert ("warning: KEY is empty" in made.err) == (options == ("--env", "KEY="))
    task = ccs.task("x", "--profile", "work")
    failed = ccs("tasks", "run", task, "--wait", KEY="the-ambient-value")
    assert (failed.code, failed.json["reason"]) == (5, "env_failed")
    assert "KEY" in failed.json["message"]
    assert told in failed.json["message"]
    assert "canary" not in failed.json["message"]
    assert ccs.launches() == []


# Keeping --------------------------------------------------------------------


def test_the_shortcuts_stand_for_the_profiles_their_templates_make(ccs):
    zai = ccs.ok("profiles", "create", "--template", "zai")
    assert zai.json["id"] == ZAI
    assert {one["name"]: one["source"] for one in zai.json["env_vars"]} == {
        "ANTHROPIC_AUTH_TOKEN": "env",
        "ANTHROPIC_BASE_URL": "static",
        "CLAUDE_CODE_USE_BEDROCK": "static",
    }
    values = {one["name"]: one["value"] for one in ccs.saved("profiles")[0]["env_vars"]}
    assert values["ANTHROPIC_BASE_URL"] == "https://api.z.ai/api/anthropic"
    assert values["CLAUDE_CODE_USE_BEDROCK"] == "0"
    bedrock = ccs.ok(
        *("profiles", "create", "--template", "bedrock", "--name", "aws"),
        *("--env", "AWS_REGION=eu-central-1"),
    )
    assert (bedrock.json["id"], bedrock.json["name"]) == (BEDROCK, "aws")
    again = ccs("profiles", "create", "--template", "zai")
    assert (again.code, again.error["hint"]) == (4, "change it: ccs profiles update 5270805b")
    assert ccs.ok("tasks", "create", "--prompt", "x", "--zai").json["profile"] == ZAI
    assert ccs.ok("tasks", "create", "--prompt", "x", "--bedrock").json["profile"] == BEDROCK


def test_variables_are_replaced_added_and_removed_one_by_one(ccs):
    create(ccs, "work", "--env", "A=1", "--env", "B=2", "--env", "C=3")
    ccs.ok(
        *("profiles", "update", "work", "--env", "B=two", "--env-from", "D=file:~/key"),
        *("--remove-env", "A", "--unset-env", "C"),
    )
    kept = {
        one["name"]: (one["source"], one["value"]) for one in ccs.saved("profiles")[0]["env_vars"]
    }
    assert kept == {"B": ("static", "two"), "C": ("unset", ""), "D": ("file", "~/key")}
    assert (ccs.store / "profiles.json").stat().st_mode & 0o777 == 0o600
    assert (ccs.store / "profiles.json.prev").stat().st_mode & 0o777 == 0o600


def test_a_profile_in_use_is_deleted_only_by_force_and_then_missed(ccs):
    create(ccs, "work")
    ccs.ok("jobs", "create", "--name", "j", "--profile", "work", "-q")
    task = ccs.task("x", "--job", "j")
    refused = ccs("profiles", "delete", "work")
    assert (refused.code, "job 'j'" in refused.error["message"]) == (4, True)
    ccs.ok("profiles", "delete", "work", "--force")
    failed = ccs("tasks", "run", task, "--wait")
    assert (failed.code, failed.error["code"]) == (3, "not_found")
    assert "does not exist" in failed.error["message"]
    assert (ccs.launches(), ccs.recorded()) == ([], [])
