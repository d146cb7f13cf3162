"""Tab, as the shells press it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import click
import pytest

from ccs.cli.main import ccs
from ccs.cli.table import COMMANDS
from ccs.store.home import Home
from ccs.store.lock import Lock

NAMES = ["ccs", "claude-code-scheduler"]
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
HOSTILE = [
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned",
    "two words",
    'it\'s "quoted"',
    "a:b",
    "*",
    "-rf",
    "new\nline",
    "tab\there",
    "\x1b]0;title\x07\x1b[31mred",
    "x,y",
    "\u202egnp.exe",
    "back\\slash",
]


@pytest.fixture(scope="module")
def filled(tmp_path_factory, shared):
    """A store with one of each, in files that somebody wrote by hand."""
    program = type(shared)(tmp_path_factory.mktemp("tab"))
    channel = {"name": "phone", "kind": "ntfy", "url": "http://127.0.0.1:9/t"}
    program.settings(notifications={"channels": [channel]})
    program.store.chmod(0o700)
    run = {"id": "3f2a1111-0000-4000-8000-000000000000", "task_name": "deps", "status": "failed"}
    program.save("tasks", {"id": str(uuid.uuid4()), "name": "deps", "enabled": False})
    program.save("jobs", {"id": str(uuid.uuid4()), "name": "nightly", "description": "at three"})
    program.save("profiles", {"id": str(uuid.uuid4()), "name": "work"})
    program.save("runs", run)
    return program


def asked(program, shell, words, **env):
    """What ccs answers to the script of a shell that completes the last of `words`."""
    asking = {"COMP_WORDS": shlex.join(words), "COMP_CWORD": str(len(words) - 1)}
    return program(_CCS_COMPLETE=f"{shell}_complete", **asking, **env)


BASH = """
eval "$({name} completion bash)"
COMP_WORDS=({words}) COMP_CWORD={last}
$(complete -p {name} | sed 's/.* -F \\([^ ]*\\) .*/\\1/') {name}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
ZSH = """
compdef() {{ completer=$1 }}
_describe() {{ print -rl -- "${{(P@)3}}" }}
compadd() {{ print -rl -- "${{(P@)5}}" }}
_path_files() {{ print -r -- "files" }}
eval "$({name} completion zsh)"
words=({words}) CURRENT=$(({last} + 1))
$completer
"""
FISH = "{name} completion fish | source; complete -C {line}"


def pressed(program, shell, words, name="ccs"):
    """What the shell itself makes of Tab at the end of `words`, one line each."""
    if shell != "bash" and not shutil.which(shell):
        pytest.skip(f"no {shell}")
    words = [name, *words]
    text = {"bash": BASH, "zsh": ZSH, "fish": FISH}[shell].format(
        name=name,
        words=shlex.join(words),
        last=len(words) - 1,
        line=shlex.quote(" ".join(words)),
    )
    quiet = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    done = subprocess.run(
        [shell, *quiet, "-c", text],
        cwd=program.work,
        env={**program.env, "PATH": PATH, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return [line for line in done.stdout.split("\n") if line]


CASES = [
    (["tasks", "get", "de"], "deps"),
    (["jobs", "run", ""], "nightly"),
    (["runs", "log", "3f2"], "3f2a1111"),
    (["tasks", "create", "--profile", "w"], "work"),
    (["cli", "-v", "tasks", "update", "deps", "--job", ""], "nightly"),
    (["uninst"], "uninstall"),
    (["runs", "rest"], "restart"),
    (["settings", "set", "runs_"], "runs_kept"),
    (["settings", "unset", "mock_mode", "cl"], "claude_path"),
    (["notify", "remove", ""], "phone"),
    (["notify", "on", "fail"], "failure"),
    (["notify", "on", "failure", "p"], "phone"),
    (["help", "exit"], "exit-codes"),
    (["help", "tasks", "dup"], "duplicate"),
    (["tasks", "create", "--prompt-t"], "--prompt-type"),
    (["tasks", "list", "--output", "jsonl"], "jsonl"),
]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("words", "found"), CASES, ids=lambda one: "" if isinstance(one, str) else "-".join(one)
)
def test_a_shell_completes_commands_options_and_names(shell, words, found, filled):
    [line] = pressed(filled, shell, words)
    assert line.replace("\t", ":").partition(":")[0] == found


@pytest.mark.parametrize("joined", [["--job=ni"], ["--job", "=", "ni"], ["--job", "ni"]])
def test_an_option_joined_to_its_value_is_completed(joined, filled):
    """bash splits at the =, others do not."""
    done = asked(filled, "bash", ["ccs", "tasks", "create", *joined])
    assert done.out == "plain,nightly\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_long_name_is_completed_too(shell, filled):
    [line] = pressed(filled, shell, ["tasks", "get", "d"], NAMES[1])
    assert line.startswith("deps")


@pytest.mark.parametrize(("shell", "between"), [("zsh", ":"), ("fish", "\t")])
def test_a_shell_that_can_shows_what_a_name_stands_for(shell, between, filled):
    assert pressed(filled, shell, ["jobs", "get", ""]) == [f"nightly{between}at three"]
    assert pressed(filled, shell, ["tasks", "get", ""]) == [f"deps{between}disabled"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_hostile_name_is_never_put_on_the_command_line(shell, filled, tmp_path):
    program = type(filled)(tmp_path)
    program.settings()
    ids = [str(uuid.uuid4()) for _ in HOSTILE]
    program.save(
        "tasks",
        *({"id": one, "name": name} for one, name in zip(ids, HOSTILE, strict=True)),
    )
    lines = pressed(program, shell, ["tasks", "get", ""])
    words = [line.replace("\t", ":").partition(":")[0] for line in lines]
    assert sorted(words) == sorted(one[:8] for one in ids)
    assert all(line.replace("\t", " ").isprintable() for line in lines)
    assert not (program.work / "pwned").exists()


@pytest.mark.parametrize("shell", ["zsh", "powershell"])
def test_each_item_is_three_lines_whatever_its_name(shell, filled, tmp_path):
    program = type(filled)(tmp_path)
    program.settings()
    program.save("tasks", *({"id": str(uuid.uuid4()), "name": name} for name in HOSTILE))
    lines = asked(program, shell, ["ccs", "tasks", "get", ""]).out.splitlines()
    assert len(lines) == 3 * len(HOSTILE)
    assert set(lines[::3]) == {"plain"}
    assert all(lines[1::3]) and all(lines[2::3])


def test_tab_in_a_terminal_completes_a_name(filled):
    """A person's bash, on a pseudo-terminal."""
    from terminal import Terminal

    filled.program = shutil.which("bash")
    on = Terminal(filled, "--norc", "-i", PATH=PATH, PS1="ready> ", HISTFILE="/dev/null")
    on.until("ready> ")
    on.answer('eval "$(ccs completion bash)"; echo it-is-"there"')
    on.until("it-is-there")
    on.forget()
    on.answer("ccs tasks get de\t-q")
    on.answer('echo and-"on"')
    on.until("and-on")
    assert "get deps -q" in on.shown
    on.answer("exit")
    on.end()


BROKEN = {
    "no JSON": lambda path: path.write_text("{"),
    "empty": lambda path: path.write_text(""),
    "another shape": lambda path: path.write_text('{"format": 1, "tasks": {"a": [1, null]}}'),
    "a number": lambda path: path.write_text("7"),
    "deep": lambda path: path.write_text("[" * 100_000),
    "not UTF-8": lambda path: path.write_bytes(b'[{"id": "\xff\xfe"}]'),
    "writable by others": lambda path: path.chmod(0o666),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path, 0o600)),
    "a link": lambda path: (path.rename(path.with_name("away")), path.symlink_to("away")),
    "a directory": lambda path: (path.unlink(), path.mkdir()),
    "missing": lambda path: path.unlink(),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_store_completes_nothing_and_says_nothing(how, quick):
    quick.save("tasks", {"id": str(uuid.uuid4()), "name": "deps"})
    BROKEN[how](quick.store / "tasks.json")
    done = asked(quick, "bash", ["ccs", "tasks", "get", ""])
    assert (done.code, done.out.strip(), done.err) == (0, "", "")


def test_no_home_completes_commands_and_no_names(quick):
    nowhere = {"CCS_HOME": str(quick.root / "absent")}
    assert asked(quick, "bash", ["ccs", "tasks", "get", ""], **nowhere).out.strip() == ""
    assert "plain,jobs" in asked(quick, "bash", ["ccs", "jo"], **nowhere).out
    assert not (quick.root / "absent").exists()


def test_a_locked_store_is_completed_from_and_nothing_is_written(quick):
    quick.save("tasks", {"id": str(uuid.uuid4()), "name": "deps"})
    home = Home(str(quick.store))
    home.create()
    before = quick.snapshot()
    with Lock(home.store_lock):
        done = asked(quick, "bash", ["ccs", "tasks", "get", ""])
    assert done.out.strip() == "plain,deps"
    assert quick.snapshot() == before


def test_nothing_heavy_is_loaded_whatever_is_completed(filled):
    """One process presses Tab behind each command and each of its sub-commands."""
    probe = """
import json, os, sys
from ccs.cli import complete
from ccs.cli.main import ccs
for words in json.loads(sys.argv.pop()):
    os.environ.update(_CCS_COMPLETE="bash_complete", COMP_CWORD=str(len(words) + 1),
                      COMP_WORDS=" ".join(["ccs", *words]) + " ")
    complete.answer(ccs)
print("loaded", *sys.modules)
"""
    lines = [[], ["cli"], *([name] for name in COMMANDS)]
    lines += [list(path) + ["--job"] * ("create" in path) for path, _ in commands()]
    done = subprocess.run(
        [sys.executable, "-P", "-c", probe, json.dumps(lines)],
        env=filled.env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert "plain,deps" in done.stdout and "plain,nightly" in done.stdout
    loaded = {name.partition(".")[0] for name in done.stdout.split("loaded ")[-1].split()}
    assert not loaded & {"pydantic", "croniter", "filelock", "psutil", "logging"}


def commands():
    """Each sub-command and how it is reached."""
    context = click.Context(ccs)
    for name in COMMANDS:
        found = ccs.get_command(context, name)
        if isinstance(found, click.Group):
            yield from (((name, inner), one) for inner, one in found.commands.items())
        else:
            yield (name,), found


def test_whatever_takes_a_record_is_completed_to_its_names():
    """An argument of a new name has to be put into one of these two sets."""
    from ccs.cli import complete

    free = {"account", "command", "expression", "kind", "name", "shell", "value"}
    known = {*complete._NAMED, *complete._KNOWN, *complete._FILES, *complete._DIRECTORIES}
    for path, command in commands():
        for param in command.params:
            if isinstance(param, click.Argument) and not isinstance(param.type, click.Choice):
                assert param.name in free | known, f"{param.name} of {' '.join(path)}"


def test_a_variable_left_behind_stops_no_command(ccs):
    """Whoever exports it by mistake has a tick that ticks."""
    ccs.ok("tick", _CCS_COMPLETE="bash_complete")
    assert (ccs.store / "tick.json").exists()
    assert ccs.ok("tasks", "list", _CCS_COMPLETE="zsh_complete").json == {"tasks": []}
    assert ccs(_CCS_COMPLETE="nonsense").code == 0


def test_help_says_for_each_shell_where_it_goes(shared, inside):
    told = inside(shared, "completion", "--help").out
    for words in ("bash-completion/completions/ccs", ".zshrc", "completions/ccs.fish", "$PROFILE"):
        assert words in told
    assert inside(shared, "completion", "tcsh").code == 2
