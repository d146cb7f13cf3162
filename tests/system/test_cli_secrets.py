"""Profiles whose secrets other programs keep: how they are written, and what runs make of them."""

from __future__ import annotations

import json
import os
import signal
import sys

import pytest

SECRET = "canary-7f3a91bc-secret"
PIECE = SECRET[:9]

# Tells what it was given, to the test and to whoever reads its output.
CLIENT = """
import json, os
with open(os.environ["HOME"] + "/environment.json", "w") as file:
    json.dump(dict(os.environ), file)
print(json.dumps({"type": "system", "subtype": "init", "session_id": "s"}))
text = {"type": "text", "text": "the key is " + os.environ["KEY"]}
print(json.dumps({"type": "assistant", "message": {"id": "m", "content": [text]}}))
print(json.dumps({"type": "result", "subtype": "success", "is_error": False, "result": "ok"}))
"""
AWS = f"""
import json, sys
words = sys.argv[1:]
if "absent" in words:
    sys.stderr.write("An error occurred (ParameterNotFound) when calling it: {SECRET}")
    sys.exit(254)
print(json.dumps({{"api_key": "{SECRET}", "region": words[words.index("--region") + 1],
                   "profile": words[words.index("--profile") + 1]}}))
"""
SECURITY = f"print('{SECRET}')"
KEYRING = f"""
def get_password(service, account):
    return "{SECRET}" if (service, account) == ("claude", "work") else None
"""
# A login that asks for somebody, with what it opened for them in a session of its own.
WAITS = """
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
open(os.environ["HOME"] + "/waiting", "w").close()
time.sleep(600)
"""


@pytest.fixture
def ccs(ccs):
    (ccs.root / "bin").mkdir()
    (ccs.root / "packages").mkdir()
    ccs.env["PATH"] = f"{ccs.root}/bin{os.pathsep}{ccs.env['PATH']}"
    ccs.env["PYTHONPATH"] = str(ccs.root / "packages")
    (ccs.root / "packages" / "keyring.py").write_text(KEYRING)
    for name, code in {"claude": CLIENT, "aws": AWS, "security": SECURITY, "waits": WAITS}.items():
        path = ccs.root / "bin" / name
        path.write_text(f"#!{sys.executable}\n{code}")
        path.chmod(0o755)
    ccs.settings(claude_path=str(ccs.root / "bin" / "claude"))
    return ccs


def create(ccs, *options, **kwargs):
    return ccs.ok("profiles", "create", "--name", "work", *options, **kwargs)


def run(ccs):
    return ccs("tasks", "run", ccs.task("x", "--profile", "work"), "--wait")


def kept(ccs):
    (variable,) = ccs.saved("profiles")[0]["env_vars"]
    return variable


# How they are written -------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "source", "value", "config"),
    [
        ("aws_sm:prod/claude", "aws_sm", "prod/claude", None),
        (
            *("aws-sm:prod/claude,region=eu-central-1,json-key=api_key", "aws_sm", "prod/claude"),
            {"region": "eu-central-1", "json_key": "api_key"},
        ),
        (
            *("aws_ssm:/prod/key:3,profile=prod,decrypt=false", "aws_ssm", "/prod/key:3"),
            {"profile": "prod", "decrypt": False},
        ),
        ("keychain:claude/me,too", "keychain", "claude/me,too", None),
        ("keyring:claude/work", "keyring", "claude/work", None),
    ],
)
def test_an_option_says_where_and_how(ccs, words, source, value, config):
    assert "warning" not in create(ccs, "--env-from", f"KEY={words}").err
    variable = kept(ccs)
    assert (variable["source"], variable["value"]) == (source, value)
    assert variable["config"] == config


@pytest.mark.parametrize(
    "words",
    [
        *("aws_sm:x,canary", "aws_sm:x,canary=1", "aws_sm:x,region=", "aws_sm:x,decrypt=true"),
        *("aws_ssm:x,decrypt=canary", "vault:canary", "canary"),
    ],
)
def test_what_makes_no_sense_is_refused_and_not_repeated(ccs, inside, words):
    done = inside(ccs, "profiles", "create", "--name", "work", "--env-from", f"KEY={words}")
    assert done.code == 2
    assert "KEY" in done.err or "number 1" in done.err
    assert "canary" not in done.out + done.err
    assert ccs.saved("profiles") == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("keychain:claude", "macOS only"),
        ("aws_sm:x", "no aws command"),
        ("keychain:", "is empty"),
    ],
)
def test_what_this_machine_lacks_is_a_warning_when_it_is_written(ccs, words, told):
    """No refusal: the profile may be written here for another machine."""
    done = create(ccs, "--env-from", f"KEY={words}", PATH="/nonexistent")
    (warning,) = [line for line in done.err.splitlines() if line.startswith("warning: ")]
    assert "KEY" in warning and told in warning
    silent = ccs.ok("profiles", "update", "work", "--description", "x", PATH="/nonexistent")
    assert "warning" not in silent.err


def test_a_config_of_the_wrong_type_is_reported_by_field(ccs):
    create(ccs, "--env-from", "KEY=aws_sm:x")
    (profile,) = ccs.saved("profiles")
    profile["env_vars"][0]["config"] = {"region": 5}
    ccs.save("profiles", profile)
    told = ccs("health")
    assert told.code == 6
    assert "region in the config of KEY must be text" in told.out + told.err


# What runs make of them -----------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        "keychain:claude/work",
        "keyring:claude/work",
        "aws_sm:doc,region=eu-central-1,profile=prod,json_key=api_key",
        "aws_ssm:/doc,region=eu-central-1,profile=prod,json_key=api_key",
    ],
)
def test_a_run_gets_the_secret_and_nobody_else_sees_it(ccs, words):
    create(ccs, "--env-from", f"KEY={words}")
    done = run(ccs)
    assert (done.code, done.json["status"]) == (0, "success"), done.err
    assert json.loads((ccs.home / "environment.json").read_text())["KEY"] == SECRET
    log = ccs.ok("runs", "log", done.json["id"])
    assert "the key is ********" in log.out
    assert PIECE not in done.out + done.err + log.out + log.err
    assert not [name for name, content in ccs.snapshot().items() if PIECE.encode() in content]


@pytest.mark.parametrize(
    ("words", "source", "told"),
    [
        ("keyring:claude/other", "keyring", "no password"),
        ("aws_sm:absent", "aws_sm", "ParameterNotFound"),
        ("aws_ssm:absent", "aws_ssm", "ParameterNotFound"),
        ("keychain:claude", "keychain", "macOS only"),
    ],
)
def test_what_cannot_be_had_fails_the_run_and_names_variable_and_source(ccs, words, source, told):
    if source == "keychain":
        (ccs.root / "bin" / "security").unlink()
    create(ccs, "--env-from", f"KEY={words}")
    ccs.env["KEY"] = "ambient"
    done = run(ccs)
    assert (done.code, done.json["reason"]) == (5, "env_failed")
    assert f"KEY: source {source} failed" in done.json["message"]
    assert told in done.json["message"]
    assert PIECE not in done.out + done.err
    assert not (ccs.home / "environment.json").exists()


def test_profiles_of_the_prior_system_run_as_they_are(ccs):
    """A bare list, with the shapes of `config` that it wrote."""
    born = "2026-11-20T21:55:39.998179"
    aws = {"region": "eu-central-1", "profile": "prod", "decrypt": True}
    profile = {
        "id": "b778007c-fd5e-48ba-8959-2b6fadf6dabb",
        "name": "work",
        "description": "",
        "env_vars": [
            {"name": "KEY", "source": "keychain", "value": "zai-api-key", "config": None},
            {"name": "DOC", "source": "aws_ssm", "value": "/prod/key", "config": aws},
            {"name": "SAME", "source": "aws_secrets_manager", "value": "prod", "config": aws},
            {"name": "GONE", "source": "unset", "value": "", "config": None},
        ],
        **{"created_at": born, "updated_at": born},
    }
    ccs.files({"store/profiles.json": json.dumps([profile])})
    done = run(ccs)
    assert (done.code, done.json["status"]) == (0, "success"), done.out
    given = json.loads((ccs.home / "environment.json").read_text())
    assert given["KEY"] == SECRET
    expected = {"api_key": SECRET, "region": "eu-central-1", "profile": "prod"}
    assert [json.loads(given[name]) for name in ("DOC", "SAME")] == [expected, expected]


# While one is awaited -------------------------------------------------------


@pytest.fixture
def waiting(ccs):
    """A run that waits for its secret."""
    create(ccs, "--env-from", "KEY=command:waits")
    run_id = ccs.start(ccs.task("x", "--profile", "work"))
    ccs.until((ccs.home / "waiting").exists)
    return run_id


def test_a_stop_does_not_wait_for_a_slow_secret(ccs, waiting):
    assert ccs.carriers(waiting) != []
    ccs.ok("runs", "stop", waiting)
    ended = ccs.ended(waiting)
    assert (ended["status"], ended["reason"]) == ("cancelled", "stopped")
    assert ccs.carriers(waiting) == []
    assert not (ccs.home / "environment.json").exists()


def test_what_looked_for_a_secret_ends_with_a_killed_supervisor(ccs, waiting):
    owner = json.loads((ccs.store / "runs" / waiting / "owner").read_text())
    os.kill(owner["pid"], signal.SIGKILL)

    def lost():
        ccs.ok("tick")
        return ccs.run(waiting)["status"] == "lost"

    ccs.until(lost)
    assert ccs.carriers(waiting) == []
