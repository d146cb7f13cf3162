"""Seeing runs: lists, a terminal drawn over, logs by time, what was denied, what is kept."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta

import click
import pytest
from terminal import Terminal

from ccs import instant

CLEAR_LINE = "\r\x1b[K"


@pytest.fixture
def ccs(quick):
    return quick


def recorded(number, task_id="7e500000-0000-4000-8000-000000000000", **fields):
    slot = f"2026-11-{number:02d}T10:00:00.000Z"
    run = {"id": f"4c10{number:04d}-0000-4000-8000-000000000000", "task_id": task_id}
    run |= {"trigger": "manual", "status": "success", "scheduled_time": slot, "end_time": slot}
    return {**run, **fields}


def listed(ccs, *words):
    return [one["id"][4:8] for one in ccs.ok("runs", "list", "-n", "99", *words).json["runs"]]


# Lists -----------------------------------------------------------------------------


def test_lists_are_filtered_by_job_statuses_and_time(ccs):
    job = ccs.ok("jobs", "create", "--name", "nightly", "-q").out.strip()
    runs = [recorded(1, job_id=job, status="lost"), recorded(2, status="failed"), recorded(3)]
    ccs.save("runs", *runs)
    assert listed(ccs, "--job", "nightly") == ["0001"]
    assert listed(ccs, "--status", "lost", "--status", "failed") == ["0002", "0001"]
    assert listed(ccs, "--since", "2026-11-02T10:00+00:00") == ["0003", "0002"]
    assert listed(ccs, "--since", "2026-11-02", "--status", "failed") == ["0002"]
    assert ccs("runs", "list", "--since", "soon").code == 2
    assert ccs("runs", "list", "--status", "done").error["code"] == "usage"
    assert ccs("runs", "list", "--job", "nope").code == 3


def test_a_span_reaches_back_from_now(ccs):
    now = datetime.now(UTC)
    slots = [instant.text(now - timedelta(days=days)) for days in (1, 3)]
    ccs.save("runs", *(recorded(n, scheduled_time=slot) for n, slot in enumerate(slots, 1)))
    assert listed(ccs, "--since", "2d") == ["0001"]


def test_history_is_searched_as_well(ccs):
    months = [recorded(1, scheduled_time=f"2026-{m:02d}-05T10:00:00.000Z") for m in (8, 9, 10)]
    for number, run in enumerate(months):
        run["id"] = run["id"].replace("0001", f"000{number}", 1)
        ccs.files({f"store/history/2026-{number + 8:02d}.jsonl": json.dumps(run) + "\n"})
    assert listed(ccs, "--since", "2026-09-05T09:00+00:00") == ["0002", "0001"]


def test_bypass_is_marked_in_every_list(ccs):
    free = ccs.task("x", "--name", "free", "--cron", "0 3 * * *")
    ccs.task("x", "--name", "bound", "--permissions", "plan", "--cron", "0 3 * * *")
    for name in ("free", "bound"):
        ccs.ok("jobs", "create", "--name", f"{name} job")
        ccs.ok("tasks", "update", name, "--job", f"{name} job")
        ccs.ok("tasks", "run", name, "--wait")
    ran = [run["id"] for run in ccs.recorded()]
    lists = (("tasks", "list"), ("runs", "list"), ("plan",), ("jobs", "list"))
    old = (("runs", "wait", *ran), ("runs", "prune", "--keep", "0", "--dry-run"))
    for words in (*lists, *old):
        lines = ccs.ok(*words, "-o", "table").out.splitlines()
        assert any("bypass" in line.split() for line in lines if "free" in line)
        assert not any("bypass" in line.split() for line in lines if "bound" in line)
    # As it ran, whatever was changed since.
    ccs.ok("tasks", "update", free, "--permissions", "plan")
    shown = {one["task_name"]: one["permissions"] for one in ccs.ok("runs", "list").json["runs"]}
    assert shown == {"free": "bypass", "bound": "plan"}


def test_a_watched_list_is_drawn_again_until_ctrl_c(ccs):
    ccs.save("runs", recorded(1))
    terminal = Terminal(ccs, "runs", "list", "--watch")
    terminal.until("4c100001")
    terminal.forget()
    ccs.save("runs", recorded(1), *(recorded(number) for number in range(2, 31)))
    terminal.until("4c100030")
    assert "\x1b[H" in terminal.shown
    terminal.interrupt()
    assert terminal.end() == 130
    table = terminal.shown[terminal.shown.index("4c100030") :].partition("\x1b[J")[0]
    assert table.count("\n") <= 24


def test_a_list_fits_a_terminal_of_eighty_columns(ccs):
    fields = {"task_name": "a rather long name of a task", "status": "cancelled", "cost_usd": 1.5}
    ccs.save("runs", recorded(1, **fields, reason="replaced", duration=4000))
    terminal = Terminal(ccs, "runs", "list", COLUMNS="80")
    assert terminal.end() == 0
    assert "\x1b[33mcancelled" in terminal.shown
    lines = click.unstyle(terminal.shown).splitlines()
    assert len(lines) == 3
    assert max(map(len, lines)) <= 80
    assert "11-01 10:00" in lines[-1]


@pytest.mark.parametrize("lines", ["1", "2", "3"])
def test_a_pane_of_a_few_lines_shows_what_fits(ccs, lines):
    ccs.save("runs", recorded(1))
    terminal = Terminal(ccs, "runs", "list", "--watch", COLUMNS="20", LINES=lines)
    terminal.until("\x1b[J")
    terminal.interrupt()
    assert terminal.end() == 130
    drawn, _, rest = terminal.shown.partition("\x1b[J")
    assert drawn.count("\n") <= max(int(lines) - 1, 1)
    assert rest.endswith("\x1b[?7h") or "\x1b[?7h" in rest


def test_what_cannot_be_drawn_over_is_not(ccs):
    assert ccs("runs", "list", "--watch").error["message"] == "--watch needs a terminal"
    terminal = Terminal(ccs, "runs", "list", "--watch", TERM="dumb")
    assert terminal.end() == 2
    assert "\x1b" not in terminal.shown


# Logs ------------------------------------------------------------------------------


def test_a_terminal_has_a_line_that_tells_how_far_the_run_has_come(ccs):
    run = ccs.start(ccs.task("[[mock: slow seconds=60]]"))
    ccs.running(run)
    terminal = Terminal(ccs, "runs", "log", "-f", run, "--exit-status")
    terminal.until(" turns · ")
    terminal.until("58 s to go")
    ccs.ok("runs", "stop", run)
    assert terminal.end() == 5
    assert f"run {run[:8]}: cancelled stopped" in terminal.shown
    # What was drawn is gone before anything else is shown.
    drawn = terminal.shown.split(" out")[1:]
    assert drawn
    assert all(after.startswith(CLEAR_LINE) for after in drawn)


@pytest.mark.parametrize("words", [(), ("-f",), ("--timestamps",), ("--raw",), ("--json",)])
def test_without_a_terminal_nothing_moves_a_cursor(ccs, words):
    run = ccs.ok("tasks", "run", ccs.task("x"), "--wait").json["id"]
    done = ccs.ok("runs", "log", run, *words, TERM="xterm")
    assert "\x1b" not in done.out + done.err
    assert "\r" not in done.out + done.err


def test_lines_have_the_time_they_were_written(ccs):
    run = ccs.ok("tasks", "run", ccs.task("x"), "--wait").json
    day = run["start_time"][:10]
    stamped = ccs.ok("runs", "log", run["id"], "--timestamps").out.splitlines()
    assert all(line.startswith(day) and " UTC  " in line for line in stamped)
    lines = [json.loads(one) for one in ccs.ok("runs", "log", run["id"], "--json").out.splitlines()]
    assert [one["text"] for one in lines] == [line.partition(" UTC  ")[2] for line in stamped]
    assert all(instant.parse(one["at"]) for one in lines)
    assert ccs.ok("runs", "log", run["id"], "--since", "1h", "-n", "1").out == "-- success\n"
    assert ccs.ok("runs", "log", run["id"], "--since", "2099-01-01").out == ""
    assert ccs("runs", "log", run["id"], "--raw", "--json").code == 2


# One run ---------------------------------------------------------------------------


def test_what_was_denied_comes_with_the_rules_that_would_let_it_pass(ccs):
    task = ccs.task(
        "[[mock: denied]]", "--permissions", "default", "--allowed-tools", "Bash(git *)"
    )
    run = ccs.ok("tasks", "run", task, "--wait").json["id"]
    shown = ccs.ok("runs", "get", run)
    [denial] = shown.json["permission_denials"]
    edit = f"Edit(/{ccs.work}/made.txt)"
    assert denial["allow"] == ["Bash(echo hi)", edit]
    command = f"ccs tasks update {task[:8]} --allowed-tools 'Bash(git *),Bash(echo hi),{edit}'"
    assert command in shown.err
    subprocess.run(
        f"{ccs.program} {command.removeprefix('ccs ')}", shell=True, env=ccs.env,
        check=True, capture_output=True,
    )  # fmt: skip
    task = ccs.ok("tasks", "get", task).json
    assert task["allowed_tools"] == ["Bash(git *)", "Bash(echo hi)", edit]
    assert "to let that pass" not in ccs.ok("runs", "get", run).err


def test_runs_are_waited_for_together(ccs):
    good, bad = ccs.task("x"), ccs.task("[[mock: exit code=3]]")
    runs = [ccs.start(good), ccs.start(bad)]
    done = ccs("runs", "wait", *runs)
    assert done.code == 5
    assert [one["status"] for one in done.json["runs"]] == ["success", "failed"]
    assert ccs("runs", "wait", runs[0]).code == 0
    slow = ccs.start(ccs.task("[[mock: slow seconds=60]]"))
    late = ccs("runs", "wait", runs[0], slow, "--timeout", "0s")
    assert (late.code, late.error["code"]) == (124, "timeout")
    ccs.ok("runs", "stop", slow)


def test_a_session_is_opened_by_hand_where_it_ran(ccs):
    place = ccs.root / "a place; 'x'"
    place.mkdir()
    ccs.ok(
        *("profiles", "create", "--name", "work", "--config-dir", "~/.claude work"),
        *("--env", "API_TOKEN=s3cret-s3cret", "--claude-path", "echo"),
    )
    profile = ccs.saved("profiles")[0]["id"]
    session = "0a000000-0000-4000-8000-000000000000"
    ccs.save(
        "runs",
        recorded(1, session_id=session, cwd=str(place), profile=profile),
        recorded(2, session_id=session, status="upcoming"),
        recorded(3, session_id=session, status="running"),
        recorded(4),
        recorded(5, session_id=session, mock=True),
    )
    shown = ccs.ok("runs", "open", "4c100001")
    assert "s3cret" not in shown.out + shown.err
    assert "API_TOKEN" in shown.err
    assert "4c100002 waits to go on in it" in shown.err
    script = shown.out.replace(" echo ", " exec env pwd; :")
    assert "CLAUDE_CONFIG_DIR=~/'.claude work' echo --resume " + session in shown.out
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == f"{place}\n"
    for run, words in (("3", "goes on in"), ("4", "no session"), ("5", "mock")):
        refused = ccs("runs", "open", f"4c10000{run}")
        assert (refused.code, words in refused.err) == (4, True)


# What is kept ----------------------------------------------------------------------


def test_old_runs_are_pruned_and_a_dry_run_prunes_none(ccs):
    ccs.save("runs", *(recorded(number) for number in range(1, 6)))
    shown = ccs.ok("runs", "prune", "--keep", "3", "--dry-run")
    assert [one["id"][4:8] for one in shown.json["runs"]] == ["0002", "0001"]
    assert shown.err == "would delete 2 runs\n"
    assert len(ccs.saved("runs")) == 5
    assert ccs.ok("runs", "prune", "--keep", "3", "-y").err == "deleted 2 runs\n"
    assert listed(ccs) == ["0005", "0004", "0003"]
    assert ccs("runs", "prune").code == 2
    assert ccs("runs", "prune", "--keep", "0").code == 2  # there is nobody to ask
    assert ccs("runs", "prune", "--older-than", "then").code == 2


def test_a_terminal_is_asked_before_runs_are_pruned(ccs):
    ccs.save("runs", recorded(1))
    terminal = Terminal(ccs, "runs", "prune", "--keep", "0")
    terminal.until("Delete 1 run and what was logged? [y/N]")
    terminal.answer("n")
    assert terminal.end() == 1
    assert listed(ccs) == ["0001"]


def test_compressed_logs_are_read_as_before(ccs):
    run = ccs.ok("tasks", "run", ccs.task("x"), "--wait").json["id"]
    before = [ccs.ok("runs", "log", run, *words).out for words in ((), ("--raw",), ("--json",))]
    done = ccs.ok("runs", "prune", "--compress-logs", "0s")
    assert done.err.startswith("compressed 2 logs")
    assert (ccs.store / f"logs/run_{run}.jsonl.gz").exists()
    assert not (ccs.store / f"logs/run_{run}.jsonl").exists()
    after = [ccs.ok("runs", "log", run, *words).out for words in ((), ("--raw",), ("--json",))]
    assert after == before
    ccs.ok("runs", "delete", run, "--yes")
    assert list((ccs.store / "logs").iterdir()) == []


def test_the_tick_has_old_logs_compressed(ccs):
    ccs.settings(mock_mode=True, logs_older_than="0s")
    run = ccs.ok("tasks", "run", ccs.task("x"), "--wait").json["id"]
    ccs.ok("tick")
    ccs.until((ccs.store / f"logs/run_{run}.log.gz").exists)
    ccs.until(lambda: "logs_compressed" in json.loads((ccs.store / "tidied.json").read_text()))
    tidied = ccs.ok("debug", "all").json["tidied"]
    assert tidied["logs_compressed"] == 2


def test_an_inspection_tells_the_disk_by_part_and_survives_a_broken_file(ccs):
    ccs.ok("tasks", "run", ccs.task("x"), "--wait")
    found = ccs.ok("debug", "all").json
    assert found["health"]["status"] == "no_tick"
    assert found["counts"]["runs"] == {"good": 1, "broken": 0, "status": {"success": 1}}
    parts = found["disk"]["parts"]
    assert {"records", "logs", "streams", "log_times", "tasks_as_they_ran"} <= set(parts)
    files = [path for path in ccs.store.rglob("*") if path.is_file()]
    assert found["disk"]["total"]["files"] == len(files)
    assert found["disk"]["total"]["bytes"] == sum(part["bytes"] for part in parts.values())
    (ccs.store / "tasks.json").write_text("{")
    broken = ccs.ok("debug", "all").json
    assert "tasks.json" in broken["scheduler"]["error"]
    assert "error" in broken["counts"]["tasks"]
    assert broken["counts"]["runs"]["good"] == 1
