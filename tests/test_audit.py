"""contrib/audit.sh: what was not looked at never passes for clean. Its tools are stand-ins here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "contrib" / "audit.sh"
KEY = "sk-" + "ant-api03-" + "a1B2" * 8


@pytest.fixture
def tools(tmp_path):
    """A repository of one file, and a directory of tools that say what they are told to."""
    made = tmp_path / "bin"
    made.mkdir()
    (made / "python").symlink_to(sys.executable)

    def say(name, text, code=0):
        path = made / name
        path.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\nexit {code}\n")
        path.chmod(0o755)

    say("detect-secrets", '{"results": {}}')
    return say


def audit(what, tmp_path, text="nothing"):
    work = tmp_path / "work"
    work.mkdir()
    (work / "file.txt").write_text(text)
    env = {**os.environ, "PATH": f"{tmp_path}/bin:/usr/bin:/bin", "HOME": str(tmp_path)}
    for words in (["init", "-q"], ["add", "file.txt"]):
        subprocess.run(["git", *words], cwd=work, env=env, check=True)
    done = subprocess.run(
        ["/bin/sh", SCRIPT, what, tmp_path / "bin"],
        cwd=work, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("said", "code", "told", "ended"),
    [
        ("No known vulnerabilities found", 0, "pip-audit: nothing known", 0),
        ("Found 2 known vulnerabilities in 1 package", 1, "Found 2 known", 1),
        ("Temporary failure in name resolution", 1, "pip-audit: SKIPPED", 0),
        ("ERROR: x could not be audited", 1, "pip-audit: SKIPPED", 0),
        ("No known vulnerabilities found\nx: could not be audited", 0, "pip-audit: SKIPPED", 0),
    ],
)
def test_an_audit_that_nobody_answered_is_skipped_not_passed(
    tools, tmp_path, said, code, told, ended
):
    tools("pip-audit", said, code)
    done = audit("packages", tmp_path)
    assert done[0] == ended
    assert told in done[1]


def test_without_pip_audit_it_is_skipped(tools, tmp_path):
    assert audit("packages", tmp_path)[1].startswith("pip-audit: SKIPPED")


def test_no_secret_is_clean(tools, tmp_path):
    assert audit("secrets", tmp_path) == (0, audit_words())


def audit_words():
    return "secrets: none found (gitleaks is not installed: detect-secrets and own patterns)\n"


def test_a_key_is_found_by_its_form_and_not_repeated(tools, tmp_path):
    code, told = audit("secrets", tmp_path, f"a\nkey = {KEY}\n")
    assert code == 1
    assert "file.txt:2" in told
    assert KEY not in told


def test_what_detect_secrets_finds_counts(tools, tmp_path):
    tools("detect-secrets", '{"results": {"a.py": [{"line_number": 3, "type": "AWS"}]}}')
    code, told = audit("secrets", tmp_path)
    assert (code, "a.py 3 AWS" in told) == (1, True)


def test_without_detect_secrets_it_is_skipped(tools, tmp_path):
    (tmp_path / "bin" / "detect-secrets").unlink()
    assert audit("secrets", tmp_path)[1].startswith("secrets: SKIPPED")


@pytest.mark.parametrize("code", [0, 1])
def test_gitleaks_decides_where_it_is(tools, tmp_path, code):
    tools("gitleaks", "looked", code)
    assert audit("secrets", tmp_path, f"key = {KEY}\n") == (code, "looked\n")
