"""What a terminal changes: colours, questions, widths, and how long something takes."""

from __future__ import annotations

import io
import re
import threading

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from terminal import Terminal

from ccs.cli import output, redraw, terminal
from ccs.cli.topics import TOPICS

ESCAPE = "\x1b["
ID = "4c100001-0000-4000-8000-000000000000"


def shown(program, *words, **env):
    screen = Terminal(program, *words, **env)
    code = screen.end()
    return code, screen.shown.replace("\r\n", "\n")


# Colours --------------------------------------------------------------------


@pytest.fixture
def one_run(ccs):
    slot = "2026-11-01T09:00:00.000Z"
    ended = {"status": "failed", "reason": "error", "trigger": "manual", "scheduled_time": slot}
    ccs.save("runs", {"id": ID, "task_id": ID, "task_name": "x", **ended})
    return ccs


def test_a_terminal_gets_colours_unless_somebody_said_otherwise(one_run):
    _, listed = shown(one_run, "runs", "list")
    assert f"{ESCAPE}31mfailed" in listed
    code, refused = shown(one_run, "runs", "get", "nope")
    assert code == 3
    assert refused.startswith(f"{ESCAPE}31m")
    for words, env in (
        ((), {"NO_COLOR": "1"}),
        ((), {"TERM": "dumb"}),
        (("--color", "never"), {}),
        (("--color=auto",), {"NO_COLOR": "1"}),
    ):
        assert ESCAPE not in shown(one_run, "runs", "list", *words, **env)[1], (words, env)
        assert ESCAPE not in shown(one_run, *words, "runs", "get", "nope", **env)[1], (words, env)


def test_what_is_piped_has_colours_only_if_asked_for(one_run, inside):
    assert ESCAPE not in inside(one_run, "runs", "list", "-o", "table").out
    coloured = inside(one_run, "runs", "list", "-o", "table", "--color", "always").out
    assert f"{ESCAPE}31mfailed" in coloured
    assert ESCAPE not in inside(one_run, "--color=always", "runs", "list").out  # JSON


def test_a_list_that_is_drawn_again_is_cut_by_what_is_seen_of_it():
    line = f"{ESCAPE}31mfailed{ESCAPE}0m and more"
    assert click.unstyle(redraw._ended(line, 10)) == "failed and"
    assert redraw._ended(line, 10).endswith(f"{ESCAPE}0m")
    assert redraw._ended("failed and more", 10) == "failed and"


# Questions ------------------------------------------------------------------


def test_no_input_refuses_what_would_have_to_be_asked(ccs):
    ccs.task("x", "--name", "precious")
    for words in (
        ("--no-input", "tasks", "delete", "precious"),
        ("tasks", "delete", "precious", "--no-input"),
    ):
        code, said = shown(ccs, *words, NO_COLOR="1")
        assert code == 2
        assert "There is nobody to ask\nhint: add --yes" in said
    assert len(ccs.saved("tasks")) == 1
    code, said = shown(ccs, "--no-input", "notify", "add", "a", "ntfy", "--url", "-")
    assert code == 2
    assert "by a pipe" in said


# Words ----------------------------------------------------------------------


def test_every_topic_fits_a_small_terminal_and_help_names_it(ccs, inside):
    about = inside(ccs, "help", "help").out
    for topic in TOPICS:
        said = inside(ccs, "help", topic).out
        assert said.splitlines()[0].isupper()
        assert max(map(len, said.splitlines())) <= 80
        assert topic in about
    assert sorted(TOPICS) == sorted(
        ["schedules", "usage", "profiles", "exit-codes", "environment", "files", "contrib"]
    )


def test_help_explains_a_command_as_it_explains_itself(ccs, inside):
    assert inside(ccs, "help", "tasks", "run").out == inside(ccs, "tasks", "run", "--help").out
    assert inside(ccs, "help").out == inside(ccs, "--help").out
    refused = inside(ccs, "help", "tasks", "rnu")
    assert refused.code == 3
    assert "did you mean run?" in refused.err


def test_a_misspelt_name_is_guessed(ccs, inside):
    ccs.task("x", "--name", "Dependencies")
    ccs.ok("jobs", "create", "--name", "nightly")
    ccs.ok("profiles", "create", "--name", "Büro")
    for words, name in (
        (("tasks", "get", "dependecies"), "'Dependencies'"),
        (("tasks", "run", "DEPENDENCIES"), "'Dependencies'"),
        (("jobs", "get", "nightyl"), "'nightly'"),
        (("profiles", "get", "buro"), "'Büro'"),
        (("tasks", "create", "--prompt", "x", "--job", "nigthly"), "'nightly'"),
    ):
        refused = inside(ccs, *words)
        assert refused.code == 3, words
        assert f"did you mean {name}?" in refused.error["hint"]
    assert "did you mean" not in inside(ccs, "tasks", "get", "zzz").err
    for words, meant in (
        (("taks", "list"), "did you mean tasks?"),
        (("tasks", "lits"), "did you mean list?"),
        (("tasks", "list", "--ouput", "json"), "did you mean --output?"),
        (("tasks", "list", "--no-inptu"), "did you mean --no-input?"),
    ):
        refused = inside(ccs, *words)
        assert refused.code == 2
        assert meant in refused.err, words


# Widths ---------------------------------------------------------------------

NAMES = [
    "short",
    "夜間の依存関係の更新と確認" * 4,
    "🚀🚀 deploy",
    "e\u0301te\u0301",
    "שלום עולם",
    "한국어",
]


@pytest.mark.parametrize(
    ("text", "columns"),
    [("abc", 3), ("日本", 4), ("e\u0301", 1), ("🚀", 2), ("❤\ufe0f", 2), ("שלום", 4), ("ﾊﾟ", 2)],
)
def test_the_width_of_a_text_is_what_it_takes_on_the_screen(text, columns):
    assert terminal.width(text) == columns


class Screen(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def on_screen(monkeypatch):
    """Within a test: between its phases standard output is exchanged."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stdout", Screen())


COLUMNS = [("ID", output.short_id), ("NAME", lambda one: one["name"]), ("LAST", lambda _: "|end")]


def test_a_table_of_wide_and_joined_letters_fits_and_stays_even(monkeypatch):
    on_screen(monkeypatch)
    lines = output.table([{"id": ID, "name": name} for name in NAMES], COLUMNS).splitlines()
    assert max(map(terminal.width, lines)) <= 80
    starts = {terminal.width(line.partition("|end")[0]) for line in lines[2:]}
    assert len(starts) == 1
    assert "…" in lines[3]


def test_a_piped_table_is_not_cut(monkeypatch):
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert NAMES[1] in output.table([{"id": ID, "name": NAMES[1]}], COLUMNS)


@given(st.text(), st.integers(1, 40))
def test_what_is_cut_fits_and_what_fits_is_not_cut(text, most):
    line = terminal.cut(text, most)
    assert terminal.width(line) <= max(most, 1)
    whole = output.one_line(text)
    if terminal.width(whole) <= most and len(whole) <= most:
        assert line == whole


# Time -----------------------------------------------------------------------


def test_what_takes_long_says_for_how_long_and_leaves_nothing_behind(monkeypatch):
    seen, drawn = threading.Event(), []

    def echo(words, **_):
        drawn.append(words)
        seen.set()

    monkeypatch.setattr("sys.stderr", Screen())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(terminal, "_SECOND", 0.001)
    monkeypatch.setattr(click, "echo", echo)
    with terminal.elapsed("asking"):
        assert seen.wait(30)
    assert re.match(r"\rasking: \d+ s", drawn[0])
    assert drawn[-1] == "\r\x1b[K"


def test_what_is_quick_or_not_on_a_terminal_says_nothing(monkeypatch, capsys):
    with terminal.elapsed("asking"):
        pass
    monkeypatch.setattr("sys.stderr", Screen())
    with terminal.elapsed("asking"):
        pass
    assert capsys.readouterr() == ("", "")
