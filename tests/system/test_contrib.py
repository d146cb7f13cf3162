"""contrib/ says nothing of ccs that is not so, and what it has for the client works there."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from ccs.cli.main import ccs as root

CONTRIB = Path(__file__).parents[2] / "contrib"
SKILL = (CONTRIB / "skill" / "SKILL.md").read_text()
FRONT, BODY = SKILL.removeprefix("---\n").split("\n---\n", 1)
BLOCKS = re.findall(r"^```sh\n(.*?)^```", BODY, re.S | re.M)
CREATE = next(block for block in BLOCKS if "tasks create" in block)


def lines(block):
    """Its command lines, as words."""
    joined = block.replace("\\\n", " ").splitlines()
    return [words for line in joined if (words := shlex.split(line, comments=True))]


def inline(text):
    """Commands that stand in running text."""
    return [shlex.split(code) for code in re.findall(r"`(ccs [^`]+)`", text)]


def parsed(words):
    """The command's path; click refuses what it does not know. Nothing is called."""
    assert words[0] == "ccs"
    context = root.make_context("ccs", words[1:], allow_extra_args=True)
    while isinstance(context.command, click.Group):
        rest = [*context._protected_args, *context.args]
        if not rest:
            break
        name, command, rest = context.command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
    return context.command_path


PROMISED = [words for block in BLOCKS for words in lines(block)]


@pytest.mark.parametrize("words", PROMISED, ids=shlex.join)
def test_each_command_line_of_the_skill_is_one(words):
    assert parsed(words).startswith("ccs ")


@pytest.mark.parametrize(
    "line", ["ccs nope", "ccs tasks nope", "ccs plan --nope", "ccs why", "ccs plan a b"]
)
def test_a_line_that_is_none_would_be_found(line):
    with pytest.raises(click.UsageError):
        parsed(shlex.split(line))


def test_what_is_named_in_passing_exists_too():
    """There without arguments, so only the command and its options are looked at."""
    readme = (CONTRIB / "README.md").read_text()
    found = inline(BODY) + inline(readme)
    assert len(found) > 10
    for words in found:
        command, context = root, click.Context(root)
        for word in words[1:]:
            if not isinstance(command, click.Group):
                break
            command = command.get_command(context, word)
            assert command is not None, shlex.join(words)
    options = set(re.findall(r"(?<![\w-])--[a-z-]+", BODY))
    assert options <= known_options(), options - known_options()


def known_options():
    found, context = set(), click.Context(root)
    commands = [root.get_command(context, one) for one in root.list_commands(context)]
    while commands:
        command = commands.pop()
        found |= {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
        commands += command.commands.values() if isinstance(command, click.Group) else []
    return found


def test_the_skill_has_the_form_that_the_client_reads():
    fields = dict(line.split(": ", 1) for line in FRONT.splitlines())
    assert set(fields) == {"name", "description"}
    assert re.fullmatch(r"[a-z0-9-]{1,64}", fields["name"])
    assert len(fields["description"]) <= 1024
    assert len(SKILL.splitlines()) < 500


def test_a_task_made_as_the_skill_says_spends_nothing_before_it_is_enabled(quick, inside):
    """And is bounded when it is: the block is done word for word, then time is let pass."""
    (quick.home / "projects/app").mkdir(parents=True)
    for words in lines(CREATE):
        quick.ok(*words[1:])
    [task] = quick.saved("tasks")
    assert (task["name"], task["enabled"], task["permissions"]) == ("deps", False, "acceptEdits")
    assert task["max_turns"] and task["max_budget_usd"] and task["timeout"] and task["budgets"]
    seen = quick.ok("simulate", "--to", "+2d", "-o", "json").json
    assert "deps" not in json.dumps(seen)
    assert [one["what"] for one in quick.ok("plan", "--next", "48h").json["plan"]] == []
    after = BLOCKS[BLOCKS.index(CREATE) + 1]
    for words in lines(after):
        quick.ok(*words[1:])
    assert quick.saved("tasks")[0]["enabled"] is True
    assert quick.recorded() == []


def test_the_skill_starts_and_forces_nothing_and_enables_only_after_asking():
    shown = [shlex.join(words) for words in PROMISED]
    for forbidden in (
        "--force",
        "--yes",
        "tasks run",
        "jobs run",
        "--enable ",
        "bypass",
        "install",
    ):
        assert not [line for line in shown if forbidden in f"{line} "], forbidden
    assert BODY.index("tasks enable deps") > BODY.index("Now ask. After a yes:")
    for line in shown:
        if "tasks create" in line:
            for needed in ("--disabled", "--permissions", "--max-turns", "--max-budget-usd"):
                assert needed in line


SHELLS = {"bash": "ccs.bash", "zsh": "_ccs", "fish": "ccs.fish", "powershell": "ccs.ps1"}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_completion_files_are_what_ccs_prints(shell, shared, inside):
    kept = (CONTRIB / "completion" / SHELLS[shell]).read_text()
    printed = inside(shared, "completion", shell).out
    assert printed == kept, f"ccs completion {shell} > contrib/completion/{SHELLS[shell]}"


def status():
    """What the client gives its status line."""
    reset = int(datetime.now(UTC).timestamp()) + 7200
    told = {"five_hour": 41.4, "seven_day": 12}
    return {
        "session_id": "s",
        "model": {"display_name": "Sonnet\x1b[2J"},
        "workspace": {"current_dir": "/home/you/projects/app"},
        "rate_limits": {
            name: {"used_percentage": used, "resets_at": reset} for name, used in told.items()
        },
    }


def in_the_client(program, command, given):
    """As the client runs a command of its settings: by a shell, JSON on stdin."""
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=program.work,
        env={**program.env, "PATH": f"{Path(sys.executable).parent}:{program.env['PATH']}"},
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_settings_for_the_client_show_a_status_line_and_let_ccs_learn(ccs):
    if not shutil.which("jq"):
        pytest.skip("no jq")
    settings = json.loads((CONTRIB / "client" / "settings.json").read_text())
    (ccs.home / ".claude").mkdir()
    shutil.copy(CONTRIB / "client" / "statusline.sh", ccs.home / ".claude")
    command = settings["statusLine"]["command"]
    assert in_the_client(ccs, command, status()) == "Sonnet[2J  app  5h 41%  7d 12%\n"
    [account] = ccs.ok("usage", "--json").json["accounts"]
    assert {one["window"] for one in account["windows"]} == {"five_hour", "seven_day"}
    bare = {"model": {"display_name": "Opus"}, "cwd": "/"}
    assert in_the_client(ccs, command, bare) == "Opus\n"
    [[event, [entry]]] = settings["hooks"].items()
    [hook] = entry["hooks"]
    failed = {"hook_event_name": event, "error": "authentication_failed"}
    assert in_the_client(ccs, hook["command"], failed) == ""
    [account] = ccs.ok("usage", "--json").json["accounts"]
    assert account["state"] != "ok"
