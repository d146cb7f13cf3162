"""What a task says does not stand on the client's command line, where anybody may read it."""

from __future__ import annotations

import os

import pytest

from ccs.engine.unseen import unseen

SERVERS = '{"mcpServers": {"a": {"env": {"TOKEN": "canary"}}}}'


RUN = "5d0c2f1e-0000-4000-8000-000000000000"


@pytest.fixture
def rundir(store):
    made = store.rundir(RUN)
    made.make()
    return made


@pytest.fixture
def hidden(rundir):
    def of(options, extra=()):
        return unseen(options, {"task": {"extra_args": list(extra)}}, rundir.path)

    return of


def content(path):
    assert oct(os.stat(path).st_mode)[-3:] == "600"
    with open(path) as file:
        return file.read()


def test_texts_go_by_private_files_and_the_rest_stays(hidden):
    options = ["-p", "--append-system-prompt", "--mcp-config", "--max-turns", "3"]
    options += ["--mcp-config", SERVERS, "--mcp-config", "servers.json"]
    shown = hidden(options)
    assert shown[:2] == ["-p", "--append-system-prompt-file"]
    assert content(shown[2]) == "--mcp-config"
    assert shown[3:6] == ["--max-turns", "3", "--mcp-config"]
    assert content(shown[6]) == SERVERS
    assert shown[7:] == ["--mcp-config", "servers.json"]


def test_what_the_user_added_stays_as_it_was_written(hidden):
    extra = ["--append-system-prompt", "mine"]
    assert hidden(["-p", *extra], extra) == ["-p", *extra]


def test_the_files_go_with_the_run(rundir, hidden):
    path = hidden(["--append-system-prompt", "x"])[1]
    with rundir.lock() as lock:
        assert lock.acquire()
        rundir.remove()
    assert not os.path.exists(path)
