"""Each command line of the prior system's documents runs as it is written there."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

LINES = [
    line
    for line in Path(__file__).with_name("prior-commands.txt").read_text().splitlines()
    if not line.startswith("#")
]
NAME = "claude-code-scheduler"
# (what the line looks like, its exit, why that is right here)
EXPECTED = [
    (r"(cli )?(gui|server|daemon|node|nodes|stats)\b", 8, "a part that comes later"),
    (r"cli \w+ delete <[\w-]+>$", 2, "it would ask, and there is nobody to answer"),
]
WORDS = {
    "<url>": "https://queue.example",
    "<arn>": "arn:aws:sns:1",
    "<bucket>": "logs",
    "<options>": "--queue-url https://queue.example",
    "<name>": "login",
    "<repo>": "my-app",
    "<issue>": "17",
    "<issue description>": "the login",
    "...": '--name "My Task" --prompt "your prompt here"',
}


@pytest.fixture(scope="module")
def furnished(tmp_path_factory, shared):
    """A store with one of each, as somebody has it who came from the prior system; and the ids."""
    program = type(shared)(tmp_path_factory.mktemp("prior"))
    program.settings(mock_mode=True)
    program.store.chmod(0o700)
    job = program.ok("jobs", "create", "--name", "app", "-q").out.strip()
    task = program.task("do it", "--name", "work", "--job", job)
    for template in ("zai", "bedrock"):
        program.ok("profiles", "create", "--template", template)
    profile = program.ok("profiles", "create", "--name", "mine", "-q").out.strip()
    run = program.ok("tasks", "run", task, "--wait").json
    program.ok("tick")  # before there is something for it to start
    waiting = {
        **{"task_id": program.task("wait", "--name", "other"), "task_name": "other"},
        **{"id": str(uuid.uuid4()), "status": "upcoming", "held_reason": "overlap"},
        **{"trigger": "manual", "scheduled_time": "2026-11-21T00:00:00Z"},
    }
    program.save("runs", *program.recorded(), waiting)
    program.ok("jobs", "export", job, "-o", "my-job.json")
    yield (
        program,
        {
            **{"jobs": job, "tasks": task, "profiles": profile},
            **{"runs": run["id"], "waiting": waiting["id"]},
        },
    )
    program.end_everything()


@pytest.fixture
def used(furnished, tmp_path):
    """One's own copy of it."""
    furnished_program, ids = furnished
    program = type(furnished_program)(tmp_path)
    shutil.copytree(furnished_program.store, program.store)
    shutil.copy(furnished_program.work / "my-job.json", program.work)
    os.utime(program.store / "tick.json")
    yield program, ids
    program.end_everything()


def filled(line, ids):
    """The line with ids and words where the documents have placeholders."""
    group = re.search(r"\b(jobs|tasks|runs|profiles|task|run|log)\b", line.partition("--")[0])
    noun = group[1] if group else ""
    noun = {"task": "tasks", "run": "runs", "log": "runs"}.get(noun, noun)
    ids = {**ids, "runs": ids["waiting" if "runs stop" in line else "runs"]}
    known = {
        **WORDS,
        **{"<id>": ids.get(noun, ""), "<profile>": ids["profiles"]},
        **{f"<{one}-id>": ids[f"{one}s"] for one in ("job", "task", "run")},
    }
    for placeholder in sorted(known, key=len, reverse=True):
        line = line.replace(placeholder, known[placeholder])
    assert not re.search(r"<[\w -]+>", line), line
    return line


def expected(words):
    return next((code for form, code, _ in EXPECTED if re.match(form, words)), 0)


def in_a_shell(program, line):
    """Under the name that stands in the line; `| source` is fish's, who reads what is printed."""
    (program.home / ".config/fish/completions").mkdir(parents=True)
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line.removesuffix("| source")],
        cwd=program.work,
        env={**program.env, "PATH": f"{Path(sys.executable).parent}:{program.env['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


PIPED = [line for line in LINES if "|" in line or " > " in line]
PLAIN = [line.removeprefix(NAME).strip() for line in LINES if line not in PIPED]


@pytest.mark.parametrize("words", PLAIN)
def test_a_line_of_the_documents_runs_as_written(words, used, inside):
    program, ids = used
    if "export" in words:
        (program.work / "my-job.json").unlink()  # what is there already is not replaced
    done = inside(program, *shlex.split(filled(words, ids)))
    assert done.code == expected(words), done.err
    assert "Traceback" not in done.err
    if done.code == 8:
        assert "comes later" in done.err


@pytest.mark.parametrize("name", ["ccs", NAME])
@pytest.mark.parametrize("line", PIPED)
def test_a_pipeline_of_the_documents_runs_as_written(line, name, used):
    if "jq" in line and not shutil.which("jq"):
        pytest.skip("no jq")
    program, ids = used
    done = in_a_shell(program, filled(line, ids).replace(f"{NAME} c", f"{name} c"))
    assert done.returncode == 0, done.stderr
    if "jobs delete" in line:
        assert program.saved("jobs") == []
    elif "tasks disable" in line:
        enabled = {task["id"]: task["enabled"] for task in program.saved("tasks")}
        assert enabled.pop(ids["tasks"]) is False and all(enabled.values())
    elif "jq" in line:
        assert done.stdout.strip() in (ids["jobs"], ids["tasks"])


def test_the_word_cli_may_stand_once_and_has_the_same_commands(shared, inside):
    plain, between = (inside(shared, *words, "tasks", "list") for words in ([], ["cli"]))
    assert (plain.code, plain.out) == (between.code, between.out)
    assert inside(shared, "cli", "cli", "tasks", "list").code == 2
    assert "jobs" in inside(shared, "cli").out


@pytest.mark.parametrize(
    "words",
    [
        ["--api-url", "http://127.0.0.1:5679", "tasks", "list"],
        ["cli", "--api-url", "http://127.0.0.1:5679", "tasks", "list"],
        ["cli", "tasks", "--api-url", "http://127.0.0.1:5679", "list"],
        ["tasks", "list", "--api-url=http://127.0.0.1:5679"],
    ],
)
def test_a_server_that_is_named_is_not_asked_and_ccs_says_so(words, shared, inside):
    done = inside(shared, *words)
    assert done.code == 0
    assert json.loads(done.out) == {"tasks": []}
    assert "no server is asked" in done.err


@pytest.mark.parametrize(
    ("words", "level"),
    [
        (["-v", "tasks", "list"], 1),
        (["cli", "tasks", "-vv", "list"], 2),
        (["tasks", "list", "-v"], 1),
        (["-v", "cli", "tasks", "list", "-v"], 2),
    ],
)
def test_verbose_on_any_level_speaks_on_stderr_and_adds_up(words, level, shared, inside):
    done = inside(shared, *words)
    assert json.loads(done.out) == {"tasks": []}
    assert f"store {shared.store}" in done.err and "took" in done.err
    assert ("DEBUG" in done.err) == (level > 1)


def test_very_verbose_shows_where_an_error_comes_from_but_no_argument(shared, inside):
    quiet, loud = (
        inside(shared, *words, "tasks", "create", "--prompt", "x", "--profile", "none-such")
        for words in ([], ["-vvv"])
    )
    assert loud.code == quiet.code == 3
    assert "Traceback" in loud.err and "Traceback" not in quiet.err
    said = inside(shared, "-vvv", "profiles", "create", "--env", "KEY=sk-very-secret-value")
    assert said.code == 2
    assert "very-secret" not in said.err


def test_verbose_belongs_to_a_command_that_is_only_passed_on(ccs, inside):
    """`-v` there is a word of the command, or nothing we know."""
    done = inside(ccs, "notify", "add", "log", "command", "told", "-v")
    assert done.code == 2


def test_what_comes_later_is_not_offered_but_explained(shared, inside):
    assert "gui" not in inside(shared, "--help").out
    assert "Comes later" in inside(shared, "gui", "--help").out
    done = inside(shared, "server", "--port", "1", "-w", "2", "-o", "json")
    assert (done.code, done.error["code"]) == (8, "missing_dependency")
    assert "ccs install" in done.error["hint"]


def test_very_verbose_takes_no_exit_code_for_an_error(shared, inside):
    done = inside(shared, "-vvv", "health", "-o", "json")
    assert done.code == 6  # there was no tick
    assert "took" in done.err and "Traceback" not in done.err
