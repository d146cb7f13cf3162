"""What a run's environment is made of, who gets which part of it, and what of it is masked."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccs.host import environ
from ccs.host.environ import EnvFailed

SECRET = "canary/7f3a+91bc secret?"


def profile(*variables, **fields):
    named = [dict(zip(("name", "source", "value"), one, strict=True)) for one in variables]
    return {"env_vars": named, **fields}


def resolved(secret=SECRET):
    return environ.resolve(profile(("KEY", "static", secret)), {})


# Masks ---------------------------------------------------------------------------


@given(before=st.binary(max_size=7), after=st.binary(max_size=7), secret=st.text(min_size=6))
def test_a_known_value_is_masked_in_base64_whatever_stands_around_it(before, after, secret):
    if "\0" in secret:
        return
    try:
        content = secret.encode()
    except UnicodeEncodeError:
        return
    mask = resolved(secret).mask
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(before + content + after)
        at = 8 * len(before)
        core = whole[-(-at // 6) : (at + 8 * len(content)) // 6]
        assert core not in mask(b'{"data": "' + whole + b'"}')


@pytest.mark.parametrize(
    "form",
    [
        *(lambda text: text, lambda text: json.dumps(text), lambda text: json.dumps([text])),
        *(lambda text: json.dumps(json.dumps(text)), quote, quote_plus),
        *(lambda text: quote(text, safe=""), lambda text: quote(text, safe="").lower()),
        lambda text: base64.b64encode(f"user:{text}".encode()).decode().replace("/", "\\/"),
    ],
)
def test_a_known_value_is_masked_in_every_form(form):
    shown = resolved().mask_text(f"it is {form(SECRET)}, you see")
    assert environ.MASK in shown
    assert not any(piece in shown for piece in ("7f3a", "91bc", "y83ZjNh", "N2YzYSs5MWJj"))


def test_what_is_ambient_and_called_a_secret_is_masked_too():
    ambient = {"MY_SERVICE_TOKEN": "ambient-canary-1", "PLAIN": "ambient-plain-1", "A_KEY": "yes"}
    mask = environ.resolve(None, ambient).mask_text
    assert mask("ambient-canary-1 ambient-plain-1 yes") == "******** ambient-plain-1 yes"


# Who gets what -------------------------------------------------------------------


def test_only_the_client_gets_the_secrets_of_a_profile(tmp_path):
    kept = tmp_path / "key"
    kept.write_text(SECRET)
    made = environ.resolve(
        profile(
            *(("ANSWER", "static", "42"), ("API_KEY", "static", SECRET)),
            *(("OTHER", "file", str(kept)), ("PATH", "static", "/opt/bin"), ("GONE", "unset", "")),
        ),
        {"GONE": "1", "ANTHROPIC_API_KEY": "ambient", "GITHUB_TOKEN": "theirs", "PATH": "/bin"},
    )
    assert made.variables["API_KEY"] == made.variables["OTHER"] == SECRET
    assert made.variables["ANTHROPIC_API_KEY"] == "ambient"
    assert made.others == {
        "ANSWER": "42", "PATH": "/opt/bin", "GITHUB_TOKEN": "theirs", "LANG": "C.UTF-8",
    }  # fmt: skip


def test_a_surrounding_repository_does_not_lead_the_agent_elsewhere():
    ambient = {
        **{"GIT_DIR": "/a", "GIT_INDEX_FILE": "/b", "GIT_WORK_TREE": "/c", "GIT_PREFIX": "d"},
        **{"GIT_AUTHOR_NAME": "me", "GIT_SSH_COMMAND": "ssh -i key", "LANG": "C"},
    }
    kept = {"GIT_AUTHOR_NAME": "me", "GIT_SSH_COMMAND": "ssh -i key", "LANG": "C"}
    assert environ.inherited(ambient) == kept


# Loaders --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "PYTHONPATH"),
        *("PYTHONSTARTUP", "NODE_OPTIONS", "BASH_ENV", "ENV", "PERL5OPT", "RUBYOPT"),
        *("GIT_SSH_COMMAND", "GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_0", "BASH_FUNC_ls%%"),
    ],
)
def test_what_makes_programs_run_other_code_needs_leave(name):
    with pytest.raises(EnvFailed, match="other code"):
        environ.resolve(profile((name, "static", "/tmp/x")), {})
    for said in ("true", 1, None):
        with pytest.raises(EnvFailed):
            environ.resolve(profile((name, "env", "X"), allow_loader_variables=said), {"X": "1"})
    made = environ.resolve(profile((name, "static", "x"), allow_loader_variables=True), {})
    assert made.variables[name] == "x"
    assert name not in environ.resolve(profile((name, "unset", "")), {name: "x"}).variables


def test_what_the_caller_has_set_is_the_callers_own():
    assert environ.resolve(None, {"LD_LIBRARY_PATH": "/opt/lib"}).variables["LD_LIBRARY_PATH"]
