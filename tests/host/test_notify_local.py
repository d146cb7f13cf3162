"""Commands and desktops: data goes by environment, standard input and argument, never by script."""

from __future__ import annotations

import json
import os
import signal
import sys
import types
from pathlib import Path

import pytest
from processes import end_of

from ccs.errors import MissingDependency
from ccs.host import notify
from ccs.host.notify import NotDelivered

HOSTILE = "\"; touch /tmp/owned; $(touch /tmp/owned) `id` ' <b>& $env:X \\ -e ☾\nsecond line"


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A directory for PATH whose programs write down how they were called."""
    made = tmp_path / "bin"
    made.mkdir()
    for name in ("notify-send", "osascript", "powershell"):
        path = made / name
        path.write_text(
            f"#!{sys.executable}\n"
            "import json, os, sys\n"
            f"json.dump([sys.argv[1:], dict(os.environ)], open({str(tmp_path / name)!r}, 'w'))\n"
        )
        path.chmod(0o755)
    return made


def called(tools: Path, name: str) -> tuple[list[str], dict[str, str]]:
    argv, variables = json.loads((tools.parent / name).read_text())
    return argv, variables


def test_notify_send_gets_title_and_text_as_arguments_behind_the_options(tools):
    notify.desktop("ccs: -x", HOSTILE, {"PATH": str(tools)}, "linux")
    argv, _ = called(tools, "notify-send")
    assert argv[1:3] == ["--", "ccs: -x"]
    assert argv[3] == HOSTILE.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def test_osascript_gets_a_script_that_never_changes_and_the_words_as_data(tools):
    scripts = []
    for text in ("plain", HOSTILE):
        notify.desktop("ccs: x", text, {"PATH": str(tools)}, "darwin")
        argv, _ = called(tools, "osascript")
        assert argv[-2:] == ["ccs: x", text]
        scripts.append(argv[:-2])
    assert scripts[0] == scripts[1]


def test_powershell_gets_a_script_that_never_changes_and_the_words_by_environment(tools):
    scripts = []
    for text in ("plain", HOSTILE):
        notify.desktop("ccs: x", text, {"PATH": str(tools)}, "win32")
        argv, variables = called(tools, "powershell")
        assert (variables["CCS_TITLE"], variables["CCS_TEXT"]) == ("ccs: x", text)
        scripts.append(argv)
    assert scripts[0] == scripts[1]


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_a_desktop_without_its_program_says_which_one(tmp_path, platform):
    with pytest.raises(MissingDependency, match="was not found"):
        notify.desktop("t", "x", {"PATH": str(tmp_path)}, platform)


def test_a_command_gets_the_event_by_environment_and_standard_input(tmp_path):
    told = json.dumps({"text": "x" * 500_000}).encode()
    argv = ["/bin/sh", "-c", f'cat > {tmp_path}/in; printf %s "$CCS_TITLE" > {tmp_path}/title']
    said = notify.command(argv, told, {"CCS_TITLE": HOSTILE}, dict(os.environ), 20)
    assert said == "sh ended well"
    assert (tmp_path / "in").read_bytes() == told
    assert (tmp_path / "title").read_text() == HOSTILE
    assert not Path("/tmp/owned").exists()


def test_a_line_goes_to_the_shell_and_need_not_read_what_it_is_told(tmp_path):
    line = f"printf '%s' \"$CCS_EVENT\" > {tmp_path}/it"
    notify.command(line, b"x" * 1_000_000, {"CCS_EVENT": "failure"}, dict(os.environ), 20)
    assert (tmp_path / "it").read_text() == "failure"


def test_a_command_that_fails_is_quoted():
    with pytest.raises(NotDelivered, match="sh: it ended with exit 3: no such room"):
        notify.command("echo no such room >&2; exit 3", b"", {}, dict(os.environ), 20)


def test_a_command_that_hangs_is_ended_with_its_children(tmp_path):
    line = f"sleep 300 & echo $! > {tmp_path}/child; wait"
    with pytest.raises(NotDelivered, match="did not end within"):
        notify.command(line, b"", {}, dict(os.environ), 3)
    assert end_of(int((tmp_path / "child").read_text()))


def test_a_command_that_leaves_something_running_with_its_pipes_has_ended_well(tmp_path):
    line = f"sleep 60 & echo $! > {tmp_path}/child"
    try:
        assert notify.command(line, b"", {}, dict(os.environ), 30) == "sh ended well"
    finally:
        os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)


def test_a_command_that_is_not_there_is_named(tmp_path):
    with pytest.raises(NotDelivered, match="nothing: No such file"):
        notify.command([str(tmp_path / "nothing")], b"", {}, dict(os.environ), 20)


class TestApprise:
    def test_without_the_extra_it_says_how_to_get_it(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "apprise", None)
        with pytest.raises(MissingDependency) as missing:
            notify.by_apprise("json://h", "t", "x")
        assert "claude-code-scheduler[notify]" in missing.value.hint

    @pytest.mark.parametrize(
        ("known", "sent", "words"),
        [(True, True, None), (False, True, "does not know"), (True, False, "could not deliver")],
    )
    def test_what_it_says_is_what_counts(self, monkeypatch, known, sent, words):
        told = []

        class Apprise:
            def add(self, url: str) -> bool:
                told.append(url)
                return known

            def notify(self, body: str, title: str) -> bool:
                told.append((title, body))
                return sent

        stand_in = types.ModuleType("apprise")
        stand_in.Apprise = Apprise
        monkeypatch.setitem(sys.modules, "apprise", stand_in)
        if words is None:
            notify.by_apprise("json://h", "t", "x")
            assert told == ["json://h", ("t", "x")]
            return
        with pytest.raises(NotDelivered, match=words):
            notify.by_apprise("json://h", "t", "x")

    def test_whatever_it_raises_is_a_failure_without_the_address(self, monkeypatch):
        stand_in = types.ModuleType("apprise")
        stand_in.Apprise = lambda: 1 / 0
        monkeypatch.setitem(sys.modules, "apprise", stand_in)
        with pytest.raises(NotDelivered, match="ZeroDivisionError"):
            notify.by_apprise("json://secret", "t", "x")
