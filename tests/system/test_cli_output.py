"""What comes out: records on stdout in the form asked for, words and errors on stderr."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner
from commands import commands, parse

from ccs.cli.main import ccs as command_line

BIRTH = "2026-11-01T09:30:00.000Z"
NUMBER_LIKE = "7e500000-0000-4000-8000-000000000000"
ZEROS = "00012345-0000-4000-8000-000000000000"
EVIL = "a\x1b]0;title\x07b\x1b[31mred\x9b1m\u202ecip\x00\rhidden\nerror: forged"


def task(record_id, name, **fields):
    times = {"created_at": BIRTH, "updated_at": BIRTH, "active_since": BIRTH}
    return {"id": record_id, "name": name, "prompt": "x", **times, **fields}


def run(number, **fields):
    run_id = f"4c10{number:04d}-0000-4000-8000-000000000000"
    slot = f"2026-11-01T09:{number // 60:02d}:{number % 60:02d}.000Z"
    ended = {"status": "success", "trigger": "manual", "scheduled_time": slot}
    return {"id": run_id, "task_id": NUMBER_LIKE, "task_name": "x", **ended, **fields}


def job(record_id, name, **fields):
    place = {"path": "/tmp"}
    times = {"created_at": BIRTH, "updated_at": BIRTH}
    return {"id": record_id, "name": name, "working_directory": place, **times, **fields}


# Shapes ---------------------------------------------------------------------


def test_lists_are_objects_under_their_name_and_empty_at_first(ccs, inside):
    for name in ("jobs", "tasks", "runs", "profiles"):
        assert inside(ccs, name, "list").json == {name: []}
    assert inside(ccs, "tasks", "list", "-o", "table").err == "no tasks\n"
    assert inside(ccs, "tasks", "list", "-q").out == ""


def test_create_update_and_get_print_the_object_and_words_go_to_stderr(ccs):
    created = ccs.ok("jobs", "create", "--name", "nightly")
    job_id = created.json["id"]
    assert created.json["name"] == "nightly"
    assert created.json["status"] == "pending"
    assert "created job 'nightly'" in created.err
    assert ccs.ok("jobs", "update", "nightly", "--name", "daily").json["id"] == job_id
    assert ccs.ok("jobs", "get", "daily", "-q").out == f"{job_id}\n"
    assert ccs.ok("tasks", "create", "--job", "daily", "--prompt", "x").json["job_id"] == job_id
    listed = ccs.ok("jobs", "tasks", "daily").json
    assert [one["name"] for one in listed] == ["x"]
    gone = ccs.ok("jobs", "delete", "daily", "--yes")
    counts = {"tasks_deleted": 1, "runs_deleted": 0}
    assert gone.json == {"id": job_id, "name": "daily", **counts}
    assert gone.err == "deleted job 'daily' with 1 task and 0 runs\n"


def test_state_health_scheduler_and_version_are_objects(ccs):
    ccs.task("x", "--name", "nightly", "--cron", "0 3 * * *")
    state = ccs.ok("state").json
    assert set(state) == {"jobs", "tasks", "runs", "profiles", "settings"}
    assert state["tasks"][0]["name"] == "nightly"
    never = ccs("health")
    assert (never.code, never.json["status"]) == (6, "no_tick")
    assert "ccs install" in never.err
    ccs.ok("tick")
    assert ccs.ok("health").json["status"] == "ok"
    scheduler = ccs.ok("scheduler").json
    assert scheduler["scheduled_tasks"][0]["task_name"] == "nightly"
    assert scheduler["last_tick"]["at"].endswith("Z")
    assert {"ccs", "python", "claude"} == set(ccs.ok("version").json)


@pytest.fixture(scope="module")
def furnished(shared):
    shared.save("jobs", job(ZEROS, EVIL))
    shared.save(
        "tasks",
        task(NUMBER_LIKE, EVIL, schedule={"schedule_type": "once", "at": BIRTH}, prompt=EVIL),
        task(ZEROS, "日本語 émile 🚀", job_id=ZEROS),
    )
    shared.save(
        "profiles",
        {"id": ZEROS, "name": EVIL, "description": EVIL, "created_at": BIRTH, "updated_at": BIRTH},
    )
    shared.save("runs", *(run(number, message=EVIL, task_name=EVIL) for number in range(400)))
    shared.files({f"store/logs/run_{run(0)['id']}.log": f"one\n{EVIL}\n"})
    return shared


def test_one_record_a_line_and_one_id_a_line(furnished, inside):
    lines = inside(furnished, "tasks", "list", "-o", "jsonl").out.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [NUMBER_LIKE, ZEROS]
    ids = f"{NUMBER_LIKE}\n{ZEROS}\n"
    assert inside(furnished, "tasks", "list", "-o", "ids").out == ids
    assert inside(furnished, "tasks", "list", "-q", "-o", "json").out == ids


def test_runs_are_listed_newest_first_and_counted(furnished, inside):
    listed = inside(furnished, "runs", "list").json["runs"]
    assert [one["id"] for one in listed] == [run(399 - number)["id"] for number in range(10)]
    assert inside(furnished, "runs", "list", "-n", "0").json == {"runs": []}


def test_an_id_that_looks_like_a_number_is_shown_as_it_is(furnished, inside):
    table = inside(furnished, "tasks", "list", "-o", "table").out
    assert "7e500000" in table
    assert "00012345" in table
    assert inside(furnished, "tasks", "get", "7e50", "-q").out == f"{NUMBER_LIKE}\n"


@pytest.mark.parametrize(
    "words",
    [
        ("tasks", "list", "-o", "table"),
        ("jobs", "list", "-o", "table"),
        ("runs", "list", "-o", "table"),
        ("tasks", "get", NUMBER_LIKE, "-o", "table"),
        ("runs", "get", run(1)["id"], "-o", "table"),
        ("profiles", "get", ZEROS, "-o", "table"),
        ("runs", "log", run(0)["id"]),
        ("tasks", "delete", NUMBER_LIKE, "-o", "table"),
        ("jobs", "set-order", ZEROS, NUMBER_LIKE, "-o", "table"),
        ("tasks", "get", f"{EVIL}?", "-o", "table"),
        ("profiles", "list"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_names_and_logs_cannot_command_the_terminal(furnished, inside, words):
    done = inside(furnished, *words)
    shown = (done.out + done.err).replace("\n", "")
    assert shown.isprintable()
    assert "error: forged" not in done.err.splitlines()


def test_times_are_local_for_people_and_utc_for_programs(furnished):
    table = furnished.ok("tasks", "list", "-o", "table", TZ="Europe/Berlin").out
    assert "once 2026-11-01 10:30:00 CET" in table
    shown = furnished.ok("tasks", "get", ZEROS, TZ="Europe/Berlin").json
    assert shown["created_at"] == BIRTH


def test_a_terminal_of_another_charset_gets_question_marks_not_a_traceback(furnished):
    shown = furnished.ok("tasks", "list", "-o", "table", PYTHONIOENCODING="iso8859-5").out
    assert "??? ?mile ?" in shown


def test_a_reader_that_has_seen_enough_is_no_error(furnished):
    done = subprocess.run(
        ["/bin/sh", "-c", '{ "$0" runs list -n 400 -o jsonl; echo "code $?" >&2; } | head -n 1',
         furnished.program],
        env=furnished.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert json.loads(done.stdout)["status"] == "success"
    assert done.stderr == "code 0\n"


def test_closed_streams_are_no_traceback(furnished):
    for words, code in (
        ("jobs list >&-", 0),
        ("jobs delete 0001 <&-", 2),
        ("tasks create --prompt-file - <&-", 2),
    ):
        run = ["/bin/sh", "-c", f"{furnished.program} {words}"]
        done = subprocess.run(run, env=furnished.env, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr


# A terminal -----------------------------------------------------------------


def on_terminal(program, *words, answer=""):
    """Exit code and everything the terminal showed."""
    ours, theirs = pty.openpty()
    env = {**program.env, "COLUMNS": "80", "TERM": "xterm", "NO_COLOR": "1"}
    process = subprocess.Popen(
        [program.program, *words], stdin=theirs, stdout=theirs, stderr=theirs, env=env
    )
    os.close(theirs)
    os.write(ours, answer.encode())
    shown = b""
    while True:
        try:
            chunk = os.read(ours, 4096)
        except OSError:  # EIO: the program has closed its end
            break
        shown += chunk
    os.close(ours)
    return process.wait(timeout=30), shown.decode().replace("\r\n", "\n")


def test_a_terminal_gets_a_table_that_fits(ccs):
    ccs.save("tasks", task(NUMBER_LIKE, "n" * 150), task(ZEROS, "short"))
    code, shown = on_terminal(ccs, "tasks", "list")
    assert code == 0
    assert shown.startswith("ID ")
    assert max(map(len, shown.splitlines())) <= 80
    code, shown = on_terminal(ccs, "tasks", "get", "nope")
    assert (code, shown) == (3, "error: no task 'nope'\nhint: ccs tasks list shows them\n")


def test_what_to_do_next_stands_below_a_new_record_where_it_is_seen(ccs):
    for words, after in (
        (("jobs", "create", "--name", "nightly"), "next: ccs tasks create --job "),
        (("tasks", "create", "--name", "deps", "--prompt", "x"), "try it now: ccs tasks run "),
        (("profiles", "create", "--name", "work"), "use it: ccs tasks create --profile "),
        (("tasks", "duplicate", "deps", "--name", "again"), "right: ccs tasks enable "),
    ):
        code, shown = on_terminal(ccs, *words)
        assert code == 0
        assert "created_at" in shown.partition(after)[0], words


def test_a_terminal_is_asked_before_anything_is_deleted(ccs):
    ccs.task("x", "--name", "precious")
    code, shown = on_terminal(ccs, "tasks", "delete", "precious", answer="n\n")
    assert "Delete task 'precious' with 0 runs? [y/N]" in shown
    assert (code, "nothing was deleted" in shown) == (1, True)
    assert len(ccs.saved("tasks")) == 1
    code, shown = on_terminal(ccs, "tasks", "delete", "precious", answer="y\n")
    assert (code, "deleted task 'precious'" in shown) == (0, True)
    assert ccs.saved("tasks") == []


# Errors ---------------------------------------------------------------------


def test_errors_are_json_where_the_output_is_and_words_elsewhere(ccs, inside):
    as_json = ccs("tasks", "get", "nope")
    assert as_json.error == {
        "code": "not_found", "message": "no task 'nope'", "hint": "ccs tasks list shows them"
    }  # fmt: skip
    words = "error: no task 'nope'\nhint: ccs tasks list shows them\n"
    assert inside(ccs, "tasks", "get", "nope", "-o", "table").err == words
    assert inside(ccs, "tasks", "get", "nope", "-q").err == words


@pytest.mark.parametrize(
    ("options", "in_json"),
    [
        ((), True),
        (("-o", "jsonl"), True),
        (("--output=json",), True),
        (("-ojson",), True),
        (("-o", "table"), False),
        (("--output=ids",), False),
    ],
)
def test_a_wrong_command_line_is_told_in_the_form_it_asked_for(ccs, inside, options, in_json):
    refused = inside(ccs, "tasks", "get", *options, "--wrong")
    assert refused.code == 2
    if in_json:
        assert refused.error["code"] == "usage"
        assert refused.error["hint"] == "ccs tasks get --help"
    else:
        assert refused.err == "error: No such option '--wrong'.\nhint: ccs tasks get --help\n"


# Help -----------------------------------------------------------------------


def test_every_command_has_help_and_every_option_an_explanation():
    named = {" ".join(path) for path, _ in commands()}
    for group, verbs in {
        "jobs": "list get create update delete run stop tasks set-order",
        "tasks": "list get create update delete run enable disable",
        "runs": "list get stop restart delete log",
        "profiles": "list get create update delete",
    }.items():
        assert {f"{group} {verb}" for verb in verbs.split()} <= named
    assert {"tick", "health", "state", "scheduler", "version"} <= named
    for path, command in commands():
        call = [*path, "--help"]
        shown = CliRunner().invoke(command_line, call, prog_name="ccs", terminal_width=80)
        assert shown.exit_code == 0, path
        assert command.help, path
        assert max(map(len, shown.output.splitlines())) <= 80, path
        for parameter in command.params:
            assert isinstance(parameter, click.Argument) or parameter.help, (path, parameter)


def test_every_command_has_an_example_that_it_would_take():
    for path, command in [((), command_line), *commands()]:
        name = " ".join(("ccs", *path))
        _, _, examples = f"{command.help}{command.epilog or ''}".partition("Example")
        lines = [line.strip() for line in examples.replace("\\\n", " ").splitlines()]
        lines = [re.sub(r"^.*\$\((.*)\).*$", r"\1", line) for line in lines]
        lines = [line for line in lines if re.match(r"([A-Z_]+=\S+ )?ccs ", line)]
        assert any(name in line for line in lines), name
        for line in lines:
            parse(line)


def test_help_is_there_for_h_and_for_nothing_and_tells_the_exit_codes(ccs):
    assert ccs.ok("-h").out == ccs.ok("help").out
    assert "124 timeout" in " ".join(ccs.ok("-h").out.split())
    assert "create" in ccs.ok("jobs").out
    assert ccs.ok("--version").out.startswith("ccs")


def test_help_and_version_load_no_models(ccs):
    probe = (
        "import sys; sys.argv = ['ccs', sys.argv[1]]\n"
        "from ccs.entry import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([name for name in ('pydantic', 'croniter') if name in sys.modules])"
    )
    for word in ("--help", "--version"):
        done = subprocess.run(
            [sys.executable, "-c", probe, word],
            env=ccs.env, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout.endswith("[]\n")
