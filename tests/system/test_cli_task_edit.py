"""tasks edit and tasks duplicate, with editors that are scripts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from terminal import Terminal


@pytest.fixture
def ccs(quick):
    return quick


@pytest.fixture
def editor(ccs):
    """`editor(script)`: the environment in which that script is the editor; $1 is the text."""

    def make(script):
        path = ccs.root / "an editor"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o700)
        return {"EDITOR": f"'{path}'", "TMPDIR": str(ccs.root)}

    return make


def drafts(ccs):
    return list(ccs.root.glob("ccs-task-*"))


def test_a_task_is_changed_in_the_editor(ccs, editor):
    ccs.task("say x", "--name", "nightly", "--cron", "0 3 * * *")
    env = editor("""ls -l "$1" > mode; sed -i 's/"0 3/"0 4/; s/nightly/daily/' "$1" """)
    done = ccs.ok("tasks", "edit", "nightly", **env)
    assert (done.json["name"], done.json["schedule"]["cron"]) == ("daily", "0 4 * * *")
    assert "it runs next at" in done.err
    assert (ccs.work / "mode").read_text().startswith("-rw-------")
    assert drafts(ccs) == []


def test_visual_goes_before_editor(ccs, editor):
    ccs.task("x", "--name", "t")
    env = editor("""sed -i 's/"t"/"u"/' "$1" """)
    assert ccs.ok("tasks", "edit", "t", VISUAL=env["EDITOR"], EDITOR="false").json["name"] == "u"


def test_blanks_name_no_editor(ccs, editor):
    ccs.task("x", "--name", "t")
    env = editor("""sed -i 's/"t"/"u"/' "$1" """)
    assert ccs.ok("tasks", "edit", "t", VISUAL=" ", **env).json["name"] == "u"


def test_ctrl_c_is_the_editor_s(ccs, editor):
    ccs.task("x", "--name", "t")
    env = editor("""kill -INT $PPID; sleep 0.5; sed -i 's/"t"/"u"/' "$1" """)
    assert ccs.ok("tasks", "edit", "t", **env).json["name"] == "u"


def test_nothing_changed_is_no_change(ccs, editor):
    task = ccs.task("x")
    before = ccs.saved("tasks")
    assert ccs.ok("tasks", "edit", task, **editor("true")).err == "nothing was changed\n"
    assert (ccs.saved("tasks"), drafts(ccs)) == (before, [])


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        ("""sed -i 's/"model"/"modle"/' "$1" """, 2, "modle: no such field"),
        ("""echo nonsense > "$1" """, 2, "this is not JSON"),
        ("""printf '\\377' > "$1" """, 2, "cannot be read"),
        ("""echo nonsense > "$1"; exit 3""", 1, "the editor ended with 3"),
    ],
)
def test_a_bad_edit_changes_nothing_and_is_kept(ccs, editor, script, code, words):
    task = ccs.task("x")
    before = ccs.saved("tasks")
    refused = ccs("tasks", "edit", task, **editor(script))
    assert refused.code == code
    assert words in refused.error["message"]
    assert ccs.saved("tasks") == before
    [draft] = drafts(ccs)
    assert f"what you wrote is kept in {draft}" in refused.err


def test_a_bad_edit_can_be_mended_or_given_up(ccs, editor):
    ccs.task("x", "--name", "t")
    env = editor("""sed -i 's/"modle"/"model"/; t; s/"model"/"modle"/; s/"t"/"u"/' "$1" """)
    for answer, name in (("n", "t"), ("y", "u")):
        terminal = Terminal(ccs, "tasks", "edit", "t", **env)
        terminal.until("modle: no such field")
        terminal.until("Edit it again? [Y/n]")
        terminal.answer(answer)
        assert terminal.end() == (0 if answer == "y" else 1)
        assert [one["name"] for one in ccs.saved("tasks")] == [name]
        kept = re.findall(r"kept in\s+(\S+)", terminal.shown)
        assert len(kept) == (answer == "n")
        for path in map(Path, kept):
            assert json.loads(path.read_text())["name"] == "u"
            path.unlink()
    assert drafts(ccs) == []


def test_a_change_in_between_is_refused_and_both_are_kept(ccs, editor):
    task = ccs.task("x", "--name", "t")
    theirs = f"'{ccs.program}' tasks update {task} --name theirs >/dev/null"
    env = editor(f"""sed -i 's/"t"/"mine"/' "$1"; {theirs}""")
    refused = ccs("tasks", "edit", task, **env)
    assert (refused.code, refused.error["code"]) == (4, "conflict")
    assert ccs.saved("tasks")[0]["name"] == "theirs"
    assert '"mine"' in drafts(ccs)[0].read_text()


def test_without_an_editor_it_says_which_variable(ccs):
    task = ccs.task("x")
    assert ccs("tasks", "edit", task, EDITOR="/no/such/editor").code == 8
    assert ccs("tasks", "edit", task, EDITOR="'").code == 2
    screen = Terminal(ccs, "tasks", "edit", task, PATH="/nowhere")
    assert screen.end() == 8
    assert "EDITOR=" in screen.shown


def test_an_editor_that_nobody_named_is_not_started_where_nobody_could_use_it(ccs):
    task = ccs.task("x")
    bare = ccs("tasks", "edit", task)
    assert (bare.code, "EDITOR=" in bare.error["hint"]) == (2, True)
    screen = Terminal(ccs, "--no-input", "settings", "edit")
    assert (screen.end(), "no terminal to edit on" in screen.shown) == (2, True)


def test_a_copy_of_a_task_is_disabled(ccs):
    ccs.task("x", "--name", "nightly", "--cron", "0 3 * * *")
    copy = ccs.ok("tasks", "duplicate", "nightly")
    assert (copy.json["name"], copy.json["enabled"]) == ("nightly copy", False)
    assert "ccs tasks enable" in copy.err
    assert ccs.ok("tasks", "duplicate", "nightly", "--name", "weekly").json["name"] == "weekly"
    assert ccs.ok("tick").err == ""
