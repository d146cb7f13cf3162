"""Secrets that other programs keep, asked of stand-ins on PATH: what they are asked, what becomes
of the answer, and that neither a secret nor a process is left where it does not belong.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace
from uuid import uuid4

import pytest

from ccs.host import asking, environ, process, secrets

SECRET = "canary-7f3a91bc-secret"

# Answers as version 2 of the real one does with `--output text`, and keeps what it was asked.
AWS = """
import json, os, sys
here = os.path.dirname(sys.argv[0])
words = sys.argv[1:]
with open(here + "/asked", "a") as file:
    file.write(json.dumps({"words": words, "pager": os.environ.get("AWS_PAGER")}) + "\\n")
name = words[words.index("--secret-id" if words[0] == "secretsmanager" else "--name") + 1]
with open(here + "/kept.json") as file:
    kept = json.load(file)
if name not in kept:
    sys.stderr.write("\\nAn error occurred (ResourceNotFoundException) when calling the "
                     "GetSecretValue operation: canary-7f3a91bc-secret\\n")
    sys.exit(254)
print(kept[name])
"""
SECURITY = """
import json, os, sys
here = os.path.dirname(sys.argv[0])
with open(here + "/asked", "a") as file:
    file.write(json.dumps({"words": sys.argv[1:]}) + "\\n")
print(os.environ.get("KEPT", "canary-7f3a91bc-secret"))
sys.stderr.write("canary-7f3a91bc-secret\\n")
if "-g" in sys.argv:
    sys.stderr.write("password: " + os.environ["TOLD"] + "\\n")
sys.exit(int(os.environ.get("EXIT", "0")))
"""
# Starts a tool in a session of its own with what it holds open, says so, and waits for ever.
STUBBORN = """
import os, subprocess, sys, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
code = "import time; time.sleep(600)"
subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
subprocess.Popen([sys.executable, "-c", code])
open(os.environ["HOME"] + "/waiting", "w").close()
time.sleep(600)
"""
KEYRING = """
import os, sys
from keyring import errors
def get_password(service, account):
    print("a backend that talks")
    if os.environ.get("RAISES"):
        raise getattr(errors, os.environ["RAISES"], RuntimeError)("canary-7f3a91bc-secret")
    return {("claude", "work"): "canary-7f3a91bc-secret", ("solo", "solo"): "of-solo"}.get(
        (service, account))
"""
KEYRING_ERRORS = """
class KeyringError(Exception): pass
class NoKeyringError(KeyringError, RuntimeError): pass
class KeyringLocked(KeyringError): pass
"""


class Machine:
    def __init__(self, root):
        self.bin = root / "bin"
        self.bin.mkdir()
        self.home = root / "home"
        self.home.mkdir()
        self.environ = {"PATH": str(self.bin), "HOME": str(self.home)}

    def install(self, name, code):
        path = self.bin / name
        path.write_text(f"#!{sys.executable}\n{code}")
        path.chmod(0o755)

    def resolve(self, source, value, config=None, **kwargs):
        variable = {"name": "KEY", "source": source, "value": value, "config": config}
        return environ.resolve({"env_vars": [variable]}, self.environ, **kwargs)

    def value(self, source, value, config=None):
        return self.resolve(source, value, config).variables["KEY"]

    def fault(self, source, value, config=None, **kwargs):
        """Why KEY could not be had; in words that name it and hold no secret."""
        with pytest.raises(environ.EnvFailed) as failed:
            self.resolve(source, value, config, **kwargs)
        message = failed.value.message
        assert message.startswith(f"KEY: source {source} ")
        assert "canary" not in message + failed.value.hint
        return message

    def asked(self):
        lines = (self.bin / "asked").read_text().splitlines()
        return [json.loads(line)["words"] for line in lines]


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


@pytest.fixture
def aws(machine):
    machine.install("aws", AWS)
    kept = {
        "plain": SECRET,
        "doc": json.dumps({"api_key": SECRET, "port": 5432, "on": True, "more": {"a": "b"}}),
        "lines": "one\ntwo\n",
        "binary": "None",
        "/prod/key": SECRET,
        "arn:aws:secretsmanager:eu-north-1:123456789012:secret:x-AbCdEf": SECRET,
    }
    (machine.bin / "kept.json").write_text(json.dumps(kept))
    return machine


# Keychain and keyring -------------------------------------------------------


@pytest.mark.parametrize(
    ("reference", "service", "account"),
    [
        ("zai-api-key", "zai-api-key", "zai-api-key"),
        ("claude/me@example.com", "claude", "me@example.com"),
        ("claude/a/b", "claude", "a/b"),
    ],
)
def test_the_keychain_is_asked_for_a_service_and_an_account(machine, reference, service, account):
    machine.install("security", SECURITY)
    assert machine.value("keychain", reference) == SECRET
    (asked,) = machine.asked()
    assert asked == ["find-generic-password", "-s", service, "-a", account, "-w"]


@pytest.mark.parametrize(
    ("code", "told"), [(44, "no item"), (36, "locked"), (128, "refused"), (9, "ended with 9")]
)
def test_what_the_keychain_answers_is_told_in_words(machine, code, told):
    machine.install("security", SECURITY)
    machine.environ["EXIT"] = str(code)
    message = machine.fault("keychain", "claude/work")
    assert told in message
    assert "'claude', 'work'" in message


@pytest.mark.parametrize(
    ("kept", "told", "value"),
    [
        ("5ac3b6", '0x5AC3B6  "Z\\303\\266"', "Zö"),
        ("deadbeef", '"deadbeef"', "deadbeef"),
        ("12345", "", "12345"),
    ],
)
def test_what_the_keychain_tells_in_hex_is_read_so_if_it_says_so(machine, kept, told, value):
    machine.install("security", SECURITY)
    machine.environ |= {"KEPT": kept, "TOLD": told}
    assert machine.value("keychain", "claude") == value


def test_without_its_command_the_keychain_is_said_to_be_of_macos(machine):
    assert "macOS only" in machine.fault("keychain", "claude")
    assert "macOS only" in secrets.lacking("keychain", machine.environ)
    machine.install("security", SECURITY)
    assert secrets.lacking("keychain", machine.environ) == ""


class TestKeyring:
    @pytest.fixture(autouse=True)
    def _package(self, machine):
        package = machine.home / "packages" / "keyring"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(KEYRING)
        (package / "errors.py").write_text(KEYRING_ERRORS)
        machine.environ["PYTHONPATH"] = str(package.parent)

    def test_it_is_asked_in_a_process_of_its_own(self, machine):
        assert machine.value("keyring", "claude/work") == SECRET
        assert machine.value("keyring", "solo") == "of-solo"
        assert "keyring" not in sys.modules

    @pytest.mark.parametrize(
        ("raises", "told"),
        [
            ("", "no password for 'other', 'other'"),
            ("NoKeyringError", "there is no keyring here"),
            ("KeyringLocked", "locked"),
            ("OfSomeLibrary", "RuntimeError"),
        ],
    )
    def test_what_goes_wrong_is_told_by_its_name(self, machine, raises, told):
        machine.environ["RAISES"] = raises
        assert told in machine.fault("keyring", "other")

    @pytest.mark.parametrize("said", ["1", "null", '"ab"', '[7, ""]', "[1, 2, 3]", "{}", "bye"])
    def test_a_backend_that_has_the_last_word_is_no_value(self, machine, said):
        place = machine.home / "packages/keyring/__init__.py"
        place.write_text(f"{KEYRING}\nimport atexit\natexit.register(print, {said!r})\n")
        assert "the keyring could not be asked" in machine.fault("keyring", "solo")


def test_without_the_package_the_extra_is_named(machine):
    broken = machine.home / "keyring.py"
    broken.write_text("raise ModuleNotFoundError('No module named keyring', name='keyring')")
    machine.environ["PYTHONPATH"] = str(machine.home)
    assert "claude-code-scheduler[keyring]" in machine.fault("keyring", "claude/work")


# AWS ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "name", "config", "asked"),
    [
        ("aws_sm", "plain", None, "secretsmanager get-secret-value --secret-id plain"),
        (
            *("aws_secrets_manager", "plain", {"region": "eu-central-1", "profile": "prod"}),
            "secretsmanager get-secret-value --secret-id plain"
            " --region eu-central-1 --profile prod",
        ),
        (
            *("aws_ssm", "/prod/key", {"region": "eu-central-1", "profile": None}),
            "ssm get-parameter --name /prod/key --with-decryption --region eu-central-1",
        ),
        (
            *("aws_ssm", "/prod/key", {"region": "", "decrypt": False}),
            "ssm get-parameter --name /prod/key",
        ),
        (
            *("aws_sm", "arn:aws:secretsmanager:eu-north-1:123456789012:secret:x-AbCdEf", {}),
            "secretsmanager get-secret-value --secret-id"
            " arn:aws:secretsmanager:eu-north-1:123456789012:secret:x-AbCdEf --region eu-north-1",
        ),
    ],
)
def test_aws_is_asked_as_the_config_says(aws, source, name, config, asked):
    assert aws.value(source, name, config) == SECRET
    (words,) = aws.asked()
    query = words.index("--query")
    assert words[query + 2 : query + 4] == ["--output", "text"]
    assert " ".join(words[:query] + words[query + 4 :]) == asked


def test_a_secret_of_several_lines_stays_whole(aws):
    assert aws.value("aws_sm", "lines") == "one\ntwo"


@pytest.mark.parametrize(("key", "value"), [("api_key", SECRET), ("port", "5432"), ("on", "true")])
def test_a_key_takes_its_part_of_a_document(aws, key, value):
    assert aws.value("aws_sm", "doc", {"json_key": key}) == value


@pytest.mark.parametrize(
    ("name", "key", "told"),
    [
        ("doc", "other", "no key 'other'"),
        ("doc", "more", "no single value"),
        ("plain", "api_key", "no JSON object"),
        ("binary", None, "only bytes"),
        ("absent", None, "AWS answered ResourceNotFoundException"),
    ],
)
def test_what_a_secret_lacks_is_told_without_it(aws, name, key, told):
    assert told in aws.fault("aws_sm", name, {"json_key": key})


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("Unable to locate credentials. You can configure", "no credentials"),
        ("You must specify a region. You can also", "no region"),
        ("The config profile (canary-7f3a91bc-secret) could not be found", "no such profile"),
        ("The SSO session associated with this profile has expired or is", "has expired"),
        ('Could not connect to the endpoint URL: "https://canary', "not be reached"),
        ("An error occurred (canary-7f3a91bc-secret) when", "ended with 255"),
        ("canary-7f3a91bc-secret", "ended with 255"),
    ],
)
def test_what_aws_complains_of_is_recognised_and_never_repeated(machine, words, told):
    machine.install("aws", f"import sys\nsys.stderr.write({words!r})\nsys.exit(255)")
    assert told in machine.fault("aws_sm", "plain")


def test_without_the_aws_command_that_is_said(machine):
    assert "no aws command on PATH" in machine.fault("aws_ssm", "/prod/key")


# Any answer -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        ("b''", "empty"),
        ("b'\\n'", "empty"),
        ("b'\\xffcanary'", "no UTF-8"),
        ("b'a\\x00canary'", "NUL"),
        ("b'x' * 131072", "more than a variable can hold"),
        ("b'x' * (5 << 20)", "without end"),
    ],
)
@pytest.mark.parametrize("source", ["aws_sm", "keychain"])
def test_an_answer_that_is_no_value_fails(machine, source, printed, told):
    program = {"aws_sm": "aws", "keychain": "security"}[source]
    machine.install(program, f"import sys\nsys.stdout.buffer.write({printed})")
    assert told in machine.fault(source, "x")


def test_a_source_nobody_knows_is_refused_by_its_name(machine):
    assert "vault is not supported" in machine.fault("vault", "prod/key")


def test_a_damaged_config_is_refused(machine):
    with pytest.raises(environ.EnvFailed, match="damaged"):
        machine.resolve("aws_sm", "x", ["region"])


def test_secrets_are_masked_and_the_parts_of_a_document_too(aws):
    for resolved in (aws.resolve("aws_sm", "plain"), aws.resolve("aws_sm", "doc")):
        assert resolved.mask(f"it is {SECRET}.".encode()) == b"it is ********."
    assert resolved.mask(json.dumps({"said": f"-{SECRET}-"}).encode()) == b'{"said": "-********-"}'


def test_a_profile_without_such_sources_loads_nothing_for_them():
    code = (
        "import sys; from ccs.host import environ; "
        "environ.resolve({'env_vars': [{'name': 'A', 'source': 'static', 'value': 'b'}]}, {}); "
        "print([name for name in ('ccs.host.secrets', 'ccs.host.asking', 'keyring') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


# Their end ------------------------------------------------------------------


def _install_stubborn(machine, source):
    """The words that make this source wait for ever."""
    if source == "command":
        machine.install("stubborn", STUBBORN)
        return f"{machine.bin}/stubborn; echo canary"
    if source == "keyring":
        (machine.home / "keyring.py").write_text(f"def get_password(*_):{_indented(STUBBORN)}")
        machine.environ["PYTHONPATH"] = str(machine.home)
    else:
        machine.install({"keychain": "security", "aws_sm": "aws"}[source], STUBBORN)
    return "x"


def _indented(code):
    return code.replace("\n", "\n    ")


@pytest.fixture
def run_id():
    """A marker of this test's own; nothing that carries it stays."""
    marker = str(uuid4())
    yield marker
    process.signal_carriers(marker, signal.SIGKILL)


@pytest.mark.parametrize("source", ["command", "keychain", "keyring", "aws_sm"])
def test_when_its_time_is_up_it_ends_with_all_it_started(machine, source, run_id, monkeypatch):
    words = _install_stubborn(machine, source)
    waiting = machine.home / "waiting"
    clock = SimpleNamespace(
        monotonic=lambda: time.monotonic() + (3600 if waiting.exists() else 0), sleep=time.sleep
    )
    monkeypatch.setattr(asking, "time", clock)
    # Nobody gives up; but with somebody who might, the clock is looked at all the time.
    message = machine.fault(source, words, run_id=run_id, given_up=lambda: None)
    assert "did not end within 30 s" in message
    assert waiting.exists()
    assert process.carriers(run_id) == []


@pytest.mark.parametrize("source", ["command", "aws_sm"])
def test_when_nobody_waits_any_more_it_ends_with_all_it_started(machine, source, run_id):
    words = _install_stubborn(machine, source)
    waiting = machine.home / "waiting"
    assert "given up" in machine.fault(source, words, run_id=run_id, given_up=waiting.exists)
    assert process.carriers(run_id) == []


def test_what_a_command_detached_outlives_its_normal_end(machine, run_id):
    """An agent that keeps a passphrase, for one."""
    line = f"{sys.executable} -c 'import time; time.sleep(600)' >/dev/null 2>&1 & echo {SECRET}"
    assert machine.resolve("command", line, run_id=run_id).variables["KEY"] == SECRET
    assert process.carriers(run_id) != []


def test_the_marker_is_not_passed_on_to_the_client(machine, run_id):
    resolved = machine.resolve("command", "echo $CCS_RUN_ID", run_id=run_id)
    assert resolved.variables["KEY"] == run_id
    assert process.MARKER not in resolved.variables
    assert os.environ.get(process.MARKER) is None
