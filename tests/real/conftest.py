"""Fixtures for tests that drive the real client; nothing leaves 127.0.0.1 or a temp dir."""

import os
import subprocess
from pathlib import Path

import pytest
from messages_api import MessagesApi
from real_program import RealProgram

HERE = Path(__file__).parent
ENVIRONMENT = dict(os.environ)  # as at the start, before any fixture moves HOME
TOKEN = "sk-ant-oat01-test"  # only the stand-in ever sees it  # pragma: allowlist secret


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.real)


@pytest.fixture(scope="session")
def client():
    """The path of the real client; CCS_TEST_CLAUDE names another one than the fetched."""
    told = ENVIRONMENT.get("CCS_TEST_CLAUDE")
    if told:
        if not os.access(told, os.X_OK):
            pytest.fail(f"CCS_TEST_CLAUDE is not a program: {told}", pytrace=False)
        return str(Path(told).absolute())
    argv = ["sh", HERE / "fetch_client.sh", "--where"]
    where = subprocess.run(argv, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if where.returncode:
        pytest.skip("the real client is not here; get it: sh tests/real/fetch_client.sh")
    return where.stdout.strip()


@pytest.fixture
def api():
    with MessagesApi() as running:
        yield running


@pytest.fixture
def client_env(api, tmp_path):
    """The client's whole environment: its own HOME, and the stand-in as the only API."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".claude.json").write_text("{}\n")  # clients that create it side by side may complain
    (tmp_path / "tmp").mkdir()
    return {
        "PATH": ENVIRONMENT.get("PATH", os.defpath),
        "HOME": str(home),
        "TMPDIR": str(tmp_path / "tmp"),  # each run leaves a directory there
        "ANTHROPIC_BASE_URL": api.url,
        "CLAUDE_CODE_OAUTH_TOKEN": TOKEN,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_MAX_RETRIES": "0",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_TELEMETRY": "1",
        "DISABLE_ERROR_REPORTING": "1",
        "IS_SANDBOX": "1",  # or bypass permissions are refused to root
    }


@pytest.fixture
def ccs(client, client_env, tmp_path):
    """The installed ccs with a store of its own, which runs the real client."""
    if not os.path.isdir("/proc/self"):
        pytest.skip("what a run started is looked up in /proc")
    program = RealProgram(tmp_path / "ccs", client, client_env)
    yield program
    program.end_everything()
