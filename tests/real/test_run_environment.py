"""What reaches the client of a run from outside, and what must not come out of it."""

import json
import os

import pytest
from messages_api import MessagesApi
from real_program import verdict

CANARY = "c4n4ry"


def run_with_secret(ccs, secret, command, *options):
    """A run whose prompt has the client call `command`; only a file outside the store names it."""
    ccs.files({"secret": f"{secret}\n"})
    ccs.files({"work/prompt.md": f"[[stub: tool command={json.dumps(command)}]]"})
    ccs.files({"work/show.py": "import json, os; print(json.dumps(os.environ['CANARY']))"})
    ccs.profile("secret", "--env-from", f"CANARY=file:{ccs.root / 'secret'}")
    run_id = ccs.launch("prompt.md", "--prompt-type", "file", "--profile", "secret", *options)
    assert ccs.ended(run_id)["status"] == "success"
    return run_id


def test_a_profile_decides_where_and_as_whom(ccs, api):
    """Neither the address nor the token of whoever started the run goes along."""
    token = "sk-ant-oat01-of-the-profile"  # pragma: allowlist secret
    with MessagesApi() as other:
        ccs.profile(
            *("other", "--env", f"ANTHROPIC_BASE_URL={other.url}"),
            *("--env-from", f"CLAUDE_CODE_OAUTH_TOKEN=command:echo {token}"),
        )
        run_id = ccs.launch("hello", "--profile", "other")
        assert verdict(ccs.ended(run_id)) == ("success", None)
        assert [each.authorization for each in other.requests] == [f"Bearer {token}"]
    assert api.requests == []
    assert ccs.files_with(token.encode()) == ["profiles.json"]  # the command that names it


@pytest.mark.parametrize(
    ("secret", "command"),
    [
        (f'{CANARY} "é\\', 'printf %s "$CANARY"; echo "$CANARY" >&2; exit 3'),
        (f'{CANARY} "é\\', "python3 show.py"),
        (f"first line\n{CANARY} second line", 'echo "$CANARY" | tail -n 1; exit 3'),
    ],
    ids=["as it is", "inside JSON", "one line of it"],
)
def test_a_secret_reaches_the_tool_and_no_file_of_the_store(ccs, api, secret, command):
    run_id = run_with_secret(ccs, secret, command)
    assert CANARY in json.dumps(api.requests[1].body)
    assert "********" in (ccs.store / f"logs/run_{run_id}.jsonl").read_text()
    assert ccs.files_with(CANARY.encode()) == []


def test_a_secret_is_not_left_in_part(ccs):
    run_with_secret(ccs, CANARY + "0123456789" * 20, 'echo "$CANARY"; exit 3')
    assert ccs.files_with(CANARY.encode()) == []


def test_a_secret_is_not_in_the_record_of_a_refused_tool(ccs):
    options = ("--permissions", "default")
    run_id = run_with_secret(ccs, f"{CANARY} secret", f"echo '{CANARY} secret' > file", *options)
    assert ccs.run(run_id)["permission_denials"] != []
    assert ccs.files_with(CANARY.encode()) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root is refused")
def test_bypass_is_refused_to_root_outside_a_sandbox(ccs, api):
    ccs.profile("open", "--unset-env", "IS_SANDBOX")
    ccs.profile("sandbox", "--env", "IS_SANDBOX=1")
    del ccs.env["IS_SANDBOX"]
    refused = [ccs.launch("hello"), ccs.launch("hello", "--profile", "open")]
    lifted = ccs.launch("hello", "--profile", "sandbox")
    for run_id in refused:
        done = ccs.ended(run_id)
        assert verdict(done) == ("failed", "start_failed")
        assert "cannot be used with root/sudo privileges" in done["message"]
        assert "IS_SANDBOX=1" in done["message"]
    assert verdict(ccs.ended(lifted)) == ("success", None)
    assert [request.session for request in api.requests] == [lifted]
