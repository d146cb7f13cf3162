"""One set of hostile names through everything that makes something of a name.

Whatever is generated later (a crontab, a unit, a property list) belongs into this test too.
"""

from __future__ import annotations

import json
import subprocess
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

import pytest

from ccs.cli import output
from ccs.host import notify
from ccs.model import treename
from ccs.model.notify import Channel
from ccs.notify import forms
from ccs.text import plain, shorten

NAMES = {
    "an option": "--upload-pack=touch /tmp/owned",
    "a short option": "-f",
    "a shell's line": "x; touch /tmp/owned $(touch /tmp/owned) `touch /tmp/owned` && y | z",
    "quotes": "it's \"quoted\" \\ and \\' again",
    "percent": "100% %n %s %(x)s {x} {0.__class__} ${HOME} $HOME %HOME%",
    "two lines": "first\nsecond: forged\r\nthird",
    "a header": "x\r\nX-Injected: yes\r\n\r\nbody",
    "escapes": "\x1b[31mred\x1b[0m \x1b]0;title\a \x1b]8;;https://a\x1b\\link\x1b]8;;\x1b\\",
    "c1 controls": "a\x9b31mb\x85c",
    "reordering": "abc\u202egpj.exe \u2066x\u2069 \u200f",
    "a NUL": "a\0b",
    "half a pair": "a\ud800b",
    "a path": "../../../etc/passwd",
    "an absolute path": "/etc/passwd",
    "dots": "..",
    "a device of Windows": "CON",
    "git's own": "HEAD@{1}^~:x?*[",
    "a lock": "x.lock",
    "XML": "</string><key>x</key>&amp;<![CDATA[",
    "markup of a chat": "<!channel> <https://a|b> *bold* @everyone",
    "a spreadsheet's": "=cmd|' /C calc'!A0",
    "long": "n" * 5000,
    "other letters": "naïve → 日本 👍 ‹٣›",
    "nothing": " ",
}
AT = "2026-11-20T10:00:30.000Z"
RUN = "5d0c2f1e-0000-4000-8000-000000000000"


@pytest.fixture(params=NAMES)
def name(request):
    return NAMES[request.param]


def message(name):
    run = {"id": RUN, "task_id": RUN, "task_name": name, "status": "failed", "reason": "error"}
    entry = {"id": "n", "event": "failure", "channel": "c", "at": AT}
    facts = {"run": {**run, "message": name, "account": name}}
    return forms.Message({**entry, "facts": facts}, ZoneInfo("UTC"))


def is_plain(text, lines=False):
    return all(one.isprintable() or (lines and one in "\t\n") for one in text if ord(one) < 0xA0)


# git ----------------------------------------------------------------------------------


def test_a_worktree_of_a_run_gets_a_name_that_git_takes_and_that_leads_nowhere(name):
    made = treename.of_run(name, RUN)
    assert treename.fault(made) == ""
    assert made.isascii() and "/" not in made and made.endswith(RUN[:8])
    words = ["git", "check-ref-format", f"refs/heads/{made}"]
    assert subprocess.run(words, check=False).returncode == 0


def test_a_worktree_that_a_person_names_is_one_directory_and_one_branch_or_refused(name):
    if treename.fault(name):
        return
    assert not name.startswith("-") and "/" not in name and name not in (".", "..")
    words = ["git", "check-ref-format", "--branch", name]
    assert subprocess.run(words, check=False, capture_output=True).returncode == 0


# Notifications ----------------------------------------------------------------------------


def test_a_message_is_plain_and_short_and_its_title_one_line(name):
    told = message(name)
    assert is_plain(told.title) and "\n" not in told.title and len(told.title) <= 200
    assert is_plain(told.text, lines=True)
    assert len(told.text.encode()) <= 3100
    for variable, value in told.variables().items():
        assert variable.startswith("CCS_") and "\0" not in value
        assert is_plain(value, lines=True)


@pytest.mark.parametrize("kind", ["webhook", "ntfy", "slack", "ping"])
def test_a_request_goes_where_its_channel_leads_and_holds_no_forged_header(name, kind):
    channel = Channel(name="c", kind=kind, url="https://host.example/topic/{task}", token="t")
    made = forms.request(channel, message(name))
    parts = urlsplit(made.url)
    assert (parts.scheme, parts.netloc) == ("https", "host.example")
    assert made.url.isascii() and made.url.isprintable() and " " not in made.url
    assert ".." not in unquote(parts.path) and parts.path.count("/") <= 4
    for header, value in made.headers.items():
        assert header.isprintable() and value.isprintable() and value.isascii()
    if kind == "slack":
        text = json.loads(made.body)["text"]
        assert "<!" not in text and "<http" not in text
    elif kind != "ping":
        json.loads(made.body)


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_a_desktop_gets_the_name_as_data(monkeypatch, name, platform):
    """The same call whatever the name, but for the words themselves."""
    asked = []

    def ask(argv, question, cwd, variables, seconds):
        asked.append((argv, variables))
        return notify.asking.Answer(b"", b"", "", 0)

    monkeypatch.setattr(notify.asking, "ask", ask)
    monkeypatch.setattr(notify, "_found", lambda program, known: program)
    told = message(name)
    for title, text in ((told.title, told.text), ("ccs: title", "text")):
        notify.desktop(title, text, {}, platform)
        argv, variables = asked[-1]
        assert (variables["CCS_TITLE"], variables["CCS_TEXT"]) == (title, text)
        if platform == "linux":
            assert argv[argv.index("--") + 1] == title
    words = 0 if platform == "win32" else 2
    assert asked[0][0][: len(asked[0][0]) - words] == asked[1][0][: len(asked[1][0]) - words]


def test_a_digest_is_plain(name):
    facts = {
        "counts": {"failed": 1}, "since": AT, "until": AT, "cost_usd": 0,
        "failures": [{"task_name": name, "reason": "error", "times": 1, "message": name}],
        "waiting": [{"task_name": name, "held_reason": "limit", "not_before": AT}],
        "next": [{"task_name": name, "at": AT}],
    }  # fmt: skip
    assert is_plain(forms.digest(facts, ZoneInfo("UTC"))["body"], lines=True)


# The terminal -----------------------------------------------------------------------------


def test_nothing_reaches_a_terminal_but_letters(name, capsys):
    record = {"id": RUN, "name": name, "inner": {"name": name}, "list": [name, {"name": name}]}
    out = output.Output("table")
    out.records("tasks", [record], [("NAME", lambda one: one["name"])])
    out.record(record)
    out.say(f"created {name}")
    output.error(output.CcsError(f"no {name}", name, (name,)), as_json=False)
    told = capsys.readouterr()
    assert is_plain(told.out, lines=True) and is_plain(told.err, lines=True)
    assert not any(one in told.out + told.err for one in "\x1b\x9b\u202e\u2066\u2069\u200f\0\r")
    assert len(told.err.splitlines()) == 4, "a name with a line break forged a line"


def test_json_for_programs_holds_the_name_as_it_is(name, capsys):
    output.Output("json").record({"name": name})
    told = capsys.readouterr().out
    assert told.isascii() and json.loads(told) == {"name": name}


def test_a_shortened_name_is_one_plain_line(name):
    for width in (0, 1, 8, 200):
        assert is_plain(shorten(name, width)) and len(shorten(name, width)) <= width
    assert is_plain(plain(name), lines=True)
