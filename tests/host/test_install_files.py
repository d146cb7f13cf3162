"""What systemd, launchd and Task Scheduler are told, read back by their own rules."""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from hostile import NAMES
from hypothesis import given, settings
from hypothesis import strategies as st

from ccs.errors import InvalidInput
from ccs.host.install import entry, launchd, schtasks, systemd
from ccs.host.install.machine import Machine

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20)


def entry_in(home: str) -> entry.Entry:
    environ = {"HOME": f"/home/{home}", "PATH": f"/home/{home}/bin:/usr/bin", "CCS_HOME": "x"}
    return entry.of(environ, f"/home/{home}/my store")


def unit(content: bytes) -> dict[str, list[str]]:
    """Settings by key; comments and sections left out. systemd ends lines at line feeds only."""
    found: dict[str, list[str]] = {}
    for line in content.decode().split("\n"):
        if line and line[0] not in "#;[":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def words(value: str) -> list[str]:
    """systemd.syntax(7), QUOTING and systemd.unit(5), SPECIFIERS: quoted words, C escapes, %%."""
    found, position = [], 0
    while position < len(value):
        if value[position] != '"':
            word = value[position:].partition(" ")[0]
            assert word and not set(word) & set("\"'\\%$;#"), "it means itself without quotes"
            found.append(word)
            position += len(word) + 1
            continue
        word, position = "", position + 1
        while value[position] != '"':
            taken = value[position]
            if taken == "\\":
                position += 1
                taken = {"\\": "\\", '"': '"'}[value[position]]
            elif taken == "%":
                position += 1
                assert value[position] == "%", "a specifier"
            word, position = word + taken, position + 1
        found.append(word)
        assert value[position + 1 : position + 2] in ("", " ")
        position += 2
    return found


class TestSystemd:
    @pytest.mark.parametrize("name", NAMES)
    def test_reads_back_variables_and_command_from_a_hostile_home(self, name, monkeypatch):
        monkeypatch.setattr(sys, "executable", f"/opt/{name}/python".translate(ODD))
        mine = entry_in(name)
        told = unit(systemd.service(mine))
        variables = dict(word.split("=", 1) for line in told["Environment"] for word in words(line))
        assert variables == mine.variables
        [command] = told["ExecStart"]
        assert ("$" in command) == command.startswith(":"), "or systemd would look up a variable"
        assert words(command.removeprefix(":")) == mine.command("systemd")

    @given(TEXT)
    @settings(max_examples=300)
    def test_any_text_is_one_word(self, text):
        assert words(systemd.quoted(text)) == [text]

    def test_keeps_the_runs_and_calls_each_minute_whatever_the_zone(self):
        mine = entry_in("you")
        service, timer = unit(systemd.service(mine)), unit(systemd.timer(mine))
        assert service["Type"] == ["oneshot"]
        assert service["KillMode"] == ["process"]
        assert timer["OnCalendar"] == ["*-*-* *:*:00 UTC"]
        assert timer["AccuracySec"] == ["1s"]
        assert timer["Persistent"] == ["false"]
        assert timer["WantedBy"] == ["timers.target"]

    @pytest.mark.parametrize("odd", ['"', "'", "\\"])
    def test_refuses_an_interpreter_that_systemd_would_refuse(self, odd, monkeypatch):
        monkeypatch.setattr(sys, "executable", f"/opt/{odd}/python")
        with pytest.raises(InvalidInput, match="quote or a backslash"):
            systemd.service(entry_in("you"))

    def test_refuses_a_path_that_is_no_text(self):
        with pytest.raises(InvalidInput, match="not valid UTF-8"):
            systemd.service(entry_in("\udcff"))

    def test_systemd_itself_finds_no_fault(self, tmp_path):
        if not shutil.which("systemd-analyze"):
            pytest.skip("no systemd-analyze here")
        home = str(tmp_path / "h ome %h $x 'q' \"q\"")
        mine = entry.of({"HOME": home, "PATH": f"{home}:/usr/bin"}, f"{home}/.claude-scheduler")
        texts = systemd.texts(mine, Machine({"HOME": home}))
        for text in texts:
            path = tmp_path / os.path.basename(text.where)
            path.write_bytes(text.content)
        argv = ["systemd-analyze", "verify", "--user", "--recursive-errors=yes", "--man=no"]
        environ = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(tmp_path), "HOME": "/root"}
        done = subprocess.run(
            [*argv, str(tmp_path / "ccs-tick.timer")], env=environ, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")


ODD = str.maketrans(dict.fromkeys("\"'\\", "_"))


class TestLaunchd:
    @pytest.mark.parametrize("name", NAMES)
    def test_reads_back_variables_and_command_from_a_hostile_home(self, name):
        mine = entry_in(name)
        [text] = launchd.texts(mine, Machine({}))
        told = plistlib.loads(text.content)
        assert told["ProgramArguments"] == mine.command("launchd")
        assert told["EnvironmentVariables"] == dict(mine.variables)
        assert ElementTree.fromstring(text.content).tag == "plist"
        assert text.where.startswith(f"/home/{name}/Library/LaunchAgents/")
        assert text.where.endswith(f"/{told['Label']}.plist")

    def test_keeps_the_runs_and_does_not_slow_them(self):
        """Keys and types as launchd.plist(5) has them."""
        told = launchd.agent(entry_in("you"))
        assert told["AbandonProcessGroup"] is True
        assert (told["StartInterval"], told["RunAtLoad"]) == (60, True)
        assert told["ProcessType"] == "Interactive"
        assert "LimitLoadToSessionType" not in told

    def test_refuses_a_path_that_is_no_text(self):
        with pytest.raises(InvalidInput, match="not valid UTF-8"):
            launchd.agent(entry_in("\udcff"))


def windows_words(line: str) -> list[str]:
    """CommandLineToArgvW, for what stands behind the program: 2n backslashes before a quote are n
    and the quote is a mark; 2n+1 are n and a plain quote."""
    found: list[str] = []
    word, quoted, begun, position = "", False, False, 0
    while position < len(line):
        char = line[position]
        if char in " \t" and not quoted:
            if begun:
                found.append(word)
            word, begun, position = "", False, position + 1
            continue
        begun = True
        if char == "\\":
            end = position
            while line[end : end + 1] == "\\":
                end += 1
            count = end - position
            if line[end : end + 1] == '"':
                word += "\\" * (count // 2)
                if count % 2:
                    word, end = word + '"', end + 1
            else:
                word += "\\" * count
            position = end
            continue
        if char == '"':
            quoted = not quoted
        else:
            word += char
        position += 1
    return [*found, word] if begun else found


SPACE = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"


def parsed(content: bytes) -> ElementTree.Element:
    assert content.startswith((b"\xff\xfe", b"\xfe\xff"))
    return ElementTree.fromstring(content)


def texts_of(element: ElementTree.Element) -> dict[str, str]:
    return {child.tag.removeprefix(SPACE): (child.text or "").strip() for child in element}


class TestTaskScheduler:
    @pytest.mark.parametrize("name", NAMES)
    def test_python_sets_the_variables_and_calls_ccs_from_a_hostile_home(self, name):
        mine = entry_in(name)
        task = parsed(schtasks.task(mine, "PC\\you & <co>"))
        assert task.findtext(f".//{SPACE}Command") == sys.executable
        assert task.findtext(f".//{SPACE}UserId") == "PC\\you & <co>"
        arguments = windows_words(task.findtext(f".//{SPACE}Arguments"))
        flags, code, words = arguments[:2], arguments[2], arguments[3:]
        assert (flags, words) == (["-P", "-c"], ["tick", "--backend", "schtasks"])
        called: dict[str, object] = {}
        tree = {"os": _Os(called), "main": lambda: called.update(main=True)}
        exec(code.replace("import os;", "").replace("from ccs.__main__ import main;", ""), tree)
        expected = {name: value for name, value in mine.variables.items() if name != "HOME"}
        assert called == {**expected, "main": True}

    def test_python_takes_it_as_it_stands(self, tmp_path):
        stub = tmp_path / "ccs"
        stub.mkdir()
        (stub / "__init__.py").touch()
        (stub / "__main__.py").write_text(
            "import os, sys\ndef main(): print(sys.argv[1:], os.environ['CCS_HOME'])\n"
        )
        task = parsed(schtasks.task(entry_in("a 'b' \"c\" \\d é"), "you"))
        argv = windows_words(task.findtext(f".//{SPACE}Arguments"))
        done = subprocess.run(
            [sys.executable, *argv],
            env={"PYTHONPATH": str(tmp_path), "PYTHONUTF8": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        wanted = ["tick", "--backend", "schtasks"]
        assert done.stdout == f"{wanted} /home/a 'b' \"c\" \\d é/my store\n"

    def test_is_what_the_schema_allows_in_its_order(self):
        """From the XSD in Microsoft's documentation: `all` groups in any order, the trigger's in
        this one, the version fixed."""
        task = parsed(schtasks.task(entry_in("you"), "PC\\you"))
        assert task.tag == f"{SPACE}Task" and task.get("version") == "1.3"
        [trigger] = task.find(f"{SPACE}Triggers")
        assert trigger.tag == f"{SPACE}TimeTrigger"
        assert [*texts_of(trigger)] == ["Enabled", "StartBoundary", "Repetition"]
        assert texts_of(trigger.find(f"{SPACE}Repetition")) == {"Interval": "PT1M"}
        [principal] = task.find(f"{SPACE}Principals")
        [action] = actions = task.find(f"{SPACE}Actions")
        assert principal.get("id") == actions.get("Context")
        assert texts_of(principal)["LogonType"] == "S4U"
        assert [*texts_of(action)] == ["Command", "Arguments"]
        assert texts_of(task.find(f"{SPACE}Settings")) == {
            "MultipleInstancesPolicy": "IgnoreNew",
            "DisallowStartIfOnBatteries": "false",
            "StopIfGoingOnBatteries": "false",
            "StartWhenAvailable": "true",
            "Enabled": "true",
            "Hidden": "true",
            "ExecutionTimeLimit": "PT0S",
            "Priority": "5",
        }

    def test_a_program_whose_path_the_schema_refuses_is_refused_here(self, monkeypatch):
        monkeypatch.setattr(sys, "executable", "/" + "x" * 260)
        with pytest.raises(InvalidInput, match="260"):
            schtasks.task(entry_in("you"), "you")


class _Os:
    def __init__(self, environ: dict[str, object]) -> None:
        self.environ = environ


class TestNames:
    def test_the_default_store_has_the_plain_name_and_others_their_own(self):
        plain = entry.of({"HOME": "/home/you", "PATH": "/bin"}, "/home/you/.claude-scheduler")
        one, two = entry_in("one"), entry_in("two")
        assert plain.name == "ccs-tick"
        assert launchd.label(plain) == "ccs.tick"
        assert len({plain.name, one.name, two.name}) == 3
