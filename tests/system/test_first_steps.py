"""What somebody meets who has never used ccs, on a terminal of 24 lines and 80 columns."""

from __future__ import annotations

import io
import json
import re
import sys
import tomllib
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from terminal import Terminal

from ccs.cli import complete, grouped, main, output, table, terminal
from ccs.cli.topics import TOPICS
from ccs.model import settingwords, task

ROOT = Path(__file__).parents[2]


class Screen(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


# Words ----------------------------------------------------------------------


@given(st.text(st.sampled_from("ab 世界é\u0301😀-."), max_size=400))
def test_a_line_is_broken_between_words_and_loses_none(line):
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("COLUMNS", "40")
        lines = terminal.wrapped(line, Screen()).split("\n")
    assert " ".join(lines).split() == line.split()
    for one in lines:
        assert terminal.width(one) <= 40 or len(one.split()) == 1, one


def test_what_is_piped_is_never_broken():
    assert terminal.wrapped("word " * 100, io.StringIO()) == "word " * 100


def test_words_on_stderr_are_broken_on_a_terminal_only(narrow, monkeypatch):
    for stream in (Screen(), io.StringIO()):
        monkeypatch.setattr(sys, "stderr", stream)
        output.said("warning: " + "something long " * 20)
        longest = max(map(len, click.unstyle(stream.getvalue()).splitlines()))
        assert longest <= 80 if isinstance(stream, Screen) else longest > 80


def test_a_key_is_hidden_before_the_line_is_broken(narrow, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Screen())
    key = "-----BEGIN PRIVATE " + "KEY-----" + "\n" + "abcd" * 20
    output.said(f"{'x' * 70} {key}")
    assert "abcd" not in sys.stderr.getvalue()


# Help -----------------------------------------------------------------------


def test_plain_ccs_fits_one_screen_and_names_the_next_steps(ccs):
    lines = ccs.ok().out.splitlines()
    assert len(lines) <= 22
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    for words in ("ccs tasks create --daily", "ccs install", "ccs help"):
        assert words in text
    told = text.partition("ccs help TOPIC")[2].partition("ccs COMMAND")[0]
    assert told.replace(",", " ").split() == list(TOPICS)


def test_every_command_stands_in_one_group_of_the_help(shared, inside):
    shown = inside(shared, "help").out
    for name in table.COMMANDS:
        assert len(re.findall(rf"^  {name} ", shown, re.M)) == 1, name


@pytest.mark.parametrize("group", ["tasks", "runs", "jobs", "notify", "debug"])
def test_no_line_of_help_ends_in_the_middle(group, shared, inside):
    assert "..." not in inside(shared, group, "--help").out.partition("Commands:")[2]


def test_each_option_of_a_task_stands_under_one_heading(shared, inside):
    create = main.ccs.get_command(click.Context(main.ccs), "tasks").commands["create"]
    told = [one for names in grouped._HEADINGS.values() for one in names]
    visible = [one.name for one in create.params if not one.hidden]
    assert sorted(told) == sorted({*visible} - {"quiet", "wanted"})
    shown = inside(shared, "tasks", "update", "--help").out
    for title in grouped._HEADINGS:
        assert f"\n{title}:\n" in shown
    for name in (one.opts[0] for one in create.params if one.name in told):
        assert len(re.findall(rf"^  {name}\b(?!-)", shown, re.M)) == 1, name


def test_the_wheel_carries_what_the_topic_contrib_tells_of():
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"][
        "targets"
    ]["wheel"]["shared-data"]
    named = re.findall(r"[\w.]+/[\w.]*|\bcrontab\b", TOPICS["contrib"].partition("skill/")[2])
    assert {"systemd/", "client/settings.json", "crontab"} <= set(named)
    for one in named:
        top = f"contrib/{one}".rstrip("/")
        if (ROOT / top).exists():
            assert any(top == kept or top.startswith(f"{kept}/") for kept in data), one
    assert data["contrib/skill"] == "share/ccs/contrib/skill"


# Slips ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["taks", "list"], "did you mean tasks? ccs --help"),
        (["tasks", "lst"], "did you mean list? ccs tasks --help"),
        (["tasks", "create", "--nam", "x"], "did you mean --name? ccs tasks create --help"),
        (["tasks", "help"], "ccs help tasks"),
        (["create", "--prompt", "x"], "did you mean ccs tasks create? ccs --help"),
        (["log", "3f2a"], "did you mean ccs runs log? ccs --help"),
        (["runs", "log", "-f"], "ccs runs list shows them; ccs runs log --help"),
        (["schedule", "next", "--api-ur"], "ccs schedule next --help"),
    ],
)
def test_a_slip_is_answered_with_what_was_meant(words, hint, shared, inside):
    done = inside(shared, *words, "--color=never")
    assert done.code == 2
    assert hint in done.err.replace('"}}', "").strip().rpartition("hint")[2]


def test_a_task_given_for_a_run_is_answered_with_where_its_runs_are(quick):
    task = quick.task("x", "--name", "deps")
    done = quick("runs", "get", "deps", "-o", "table")
    assert done.code == 3
    assert f"ccs runs list --task {task[:8]}" in done.err
    assert "--task" not in quick("runs", "get", "nope").err


def test_a_task_without_a_prompt_is_told_how_to_write_one(quick):
    done = quick("tasks", "create", "-o", "table")
    assert done.code == 2
    assert "--prompt" in done.err and "hint: as in: ccs tasks create " in done.err


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("runs_kept", "lots", "runs_kept: must be a whole number"),
        ("runs_kept", "5", "runs_kept: must be 10 or more"),
        ("mock_mode", "maybe", "mock_mode: must be true or false"),
    ],
)
def test_a_wrong_value_is_told_in_plain_words(key, value, words, quick):
    assert words in quick("settings", "set", key, value).err


def test_no_field_is_refused_in_the_words_of_pydantic(quick):
    fields = {
        "name": 1, "enabled": "x", "prompt": 2, "permissions": "z", "allowed_tools": 3,
        "max_turns": 1.5, "max_budget_usd": "x", "retry": 4, "priority": None, "until_green": 101,
    }  # fmt: skip
    for name, value in fields.items():
        with pytest.raises(Exception, match=name) as refused:
            task.Task.checked({**MINIMAL, name: value})
        for word in ("Input should", "valid", "parse", "dictionary", "pydantic"):
            assert word not in str(refused.value), (name, str(refused.value))


MINIMAL = {
    "id": "4c100001-0000-4000-8000-000000000000",
    "name": "x",
    "prompt": "x",
    **dict.fromkeys(("active_since", "created_at", "updated_at"), "2026-11-01T09:00:00.000Z"),
}


def test_what_a_setting_means_is_whole_on_a_narrow_terminal(ccs):
    screen = Terminal(ccs, "settings", "list", COLUMNS="80")
    assert screen.end() == 0
    assert "…" not in screen.shown
    shown = " ".join(screen.shown.split())
    assert all(words in shown for words in settingwords.WORDS.values())
    assert max(map(len, screen.shown.splitlines())) <= 80 + len(str(ccs.store))


# Records --------------------------------------------------------------------


def test_a_person_sees_of_a_task_what_was_chosen_and_a_program_everything(quick):
    quick.task("x", "--name", "deps", "--weekly", "mon,thu 09:00", "--retry-attempts", "3")
    shown = quick("tasks", "get", "deps", "-o", "table").out
    assert len(shown.splitlines()) <= 16
    for words in ("schedule: At 09:00 on Monday and Thursday", "permissions: bypass", "timeout:"):
        assert words in shown
    assert "max_attempts: 3" in shown and "backoff" not in shown
    assert "approved" not in shown and "active_since" not in shown
    whole = quick("tasks", "get", "deps").json
    assert {"approved", "active_since", "overlap"} <= whole.keys()
    assert "weekly mon,thu 09:00" in quick("tasks", "list", "-o", "table").out


def test_a_channel_writes_down_only_what_was_asked_for(quick):
    quick.settings(notifications={"on_limit": [], "of_a_later_version": 1}, unknown=2)
    quick.ok("notify", "add", "log", "command", "--on", "end", "--", "true")
    quick.ok("notify", "add", "other", "command", "--", "true")
    quick.ok("notify", "on", "digest", "log", "--at", "08:00")
    quick.ok("notify", "remove", "other")
    path = Path(quick.ok("settings", "path").out.strip())
    assert json.loads(path.read_text()) == {
        "format": 1,
        "unknown": 2,
        "notifications": {
            "on_limit": [],
            "of_a_later_version": 1,
            "channels": [{"name": "log", "kind": "command", "command": ["true"]}],
            "on_success": ["log"],
            "on_failure": ["log"],
            "on_digest": ["log"],
            "digest_at": "08:00",
        },
    }


def test_a_profile_that_is_not_there_is_refused_before_anything_is_recorded(ccs):
    one = ccs.task("x", "--name", "deps")
    [kept] = ccs.saved("tasks")
    ccs.save("tasks", {**kept, "profile": "4c100001-0000-4000-8000-000000000000"})
    done = ccs("tasks", "run", one, "-o", "table")
    assert done.code == 3
    assert "which does not exist" in done.err and "--profile none" in done.err
    assert ccs.recorded() == []


def test_words_that_are_completed_are_those_that_ccs_takes():
    from ccs.engine.channels import TOGETHER
    from ccs.model.notify import EVENTS, OF_ALL

    assert set(complete._EVENTS) == {*EVENTS, *OF_ALL, *TOGETHER}
