"""Rules for what was denied, as narrow as they can be told; tests/real asks the client."""

from __future__ import annotations

import pytest

from ccs.claude.allow import forbids, rules

CWD = "/home/user/project"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("git push origin main", ["Bash(git push origin main)"]),
        ("git commit -m 'a, (b) c' && git push", ["Bash(git commit:*)", "Bash(git push)"]),
        ("uv run pytest", ["Bash(uv run pytest)"]),
        ("git config core.pager less", ["Bash(git config core.pager less)"]),
        ("touch  dd", ["Bash(touch  dd)"]),
        ("echo hi >| made.txt", ["Bash(echo hi)", f"Edit(/{CWD}/made.txt)"]),
        ("rm -rf build", ["Bash(rm -rf build)"]),
        ("FOO=1 make test", ["Bash(FOO=1 make test)"]),
        ("echo hi > made.txt", ["Bash(echo hi)", f"Edit(/{CWD}/made.txt)"]),
        ("make test > log 2>&1", ["Bash(make test)", f"Edit(/{CWD}/log)"]),
        ("ls 2>/dev/null; touch z", ["Bash(ls)", "Bash(touch z)"]),
        ("echo hi >> ../x", ["Bash(echo hi)", "Edit(//home/user/x)"]),
        ("touch /srv/z", ["Bash(touch /srv/z)", "Edit(//srv/z)"]),
        ("cat /etc/hosts", ["Bash(cat /etc/hosts)", "Read(//etc/hosts)"]),
        (f"cat {CWD}/a", [f"Bash(cat {CWD}/a)"]),
        ("a && a", ["Bash(a)"]),
    ],
)
def test_each_part_of_a_shell_line_has_a_rule(command, expected):
    assert rules("Bash", {"command": command}, CWD) == expected


@pytest.mark.parametrize(
    "command",
    [
        "touch $(echo x)",
        "for i in 1 2; do touch $i; done",
        "touch *.x",
        "cd sub && touch q",
        "cat > f <<'E'\nhi\nE",
        "python3 -c 'print(1)'",
        "touch 'no end",
        "git push {a,b}",
        "> ~/f",
        "echo hi &> made.txt",
        "echo hi &>> made.txt",
        "echo hi >& made.txt",
        "touch a & touch b",
        "if true; then touch a; fi",
        "npm run 'a, b'",
        "docker exec box echo 'a, b'",
        "git config alias.x '!a, b'",
        "clipped by the record…",
        "",
        None,
        7,
    ],
)
def test_what_cannot_be_told_apart_needs_the_whole_tool(command):
    assert rules("Bash", {"command": command}, CWD) == ["Bash"]


@pytest.mark.parametrize(
    ("tool", "given", "expected"),
    [
        ("Write", {"file_path": "/srv/a"}, "Edit(//srv/a)"),
        ("Edit", {"file_path": "src/a"}, f"Edit(/{CWD}/src/a)"),
        ("NotebookEdit", {"notebook_path": "/n.ipynb"}, "Edit(//n.ipynb)"),
        ("Read", {"file_path": "/srv/../etc/a"}, "Read(//etc/a)"),
        ("Grep", {"path": "/srv", "pattern": "x"}, "Read(//srv/**)"),
        ("WebFetch", {"url": "https://example.com:8443/a"}, "WebFetch(domain:example.com)"),
        ("mcp__server__tool", {"a": 1}, "mcp__server__tool"),
        ("WebSearch", {"query": "x"}, "WebSearch"),
        ("WebFetch", {"url": "no url"}, "WebFetch"),
        ("WebFetch", {"url": "http://[broken"}, "WebFetch"),
        ("Write", {"file_path": "/a*b"}, "Write"),
        ("Write", {"file_path": "~/a"}, "Write"),
        ("Read", '{"file_path": "/clip…', "Read"),
        ("Grep", {"pattern": "x"}, "Grep"),
    ],
)
def test_other_tools_are_allowed_for_one_place(tool, given, expected):
    assert rules(tool, given, CWD) == [expected]


def test_a_path_is_not_guessed_when_the_directory_is_unknown():
    assert rules("Write", {"file_path": "a"}, None) == ["Write"]
    assert rules("Bash", {"command": "echo a > b"}, None) == ["Bash"]


@pytest.mark.parametrize(
    ("rule", "tool", "given", "forbidden"),
    [
        ("Bash", "Bash", {"command": "ls"}, True),
        ("Bash(touch:*)", "Bash", {"command": "touch no"}, True),
        ("Bash(touch:*)", "Bash", {"command": "cd a && X=1 touch no"}, True),
        ("Bash(git * main)", "Bash", {"command": "git push main"}, True),
        ("Bash(touch:*)", "Bash", {"command": "ls touch"}, False),
        ("Bash(rm -r)", "Bash", {"command": "rm -rf"}, False),
        ("Edit", "Write", {"file_path": "/a"}, True),
        ("Edit(//srv/**)", "Write", {"file_path": "/srv/a/b"}, True),
        ("Edit(//srv/**)", "Write", {"file_path": "/home/a"}, False),
        ("Write", "Edit", {"file_path": "/a"}, False),
        ("mcp__server", "mcp__server__tool", {}, True),
        ("WebFetch(domain:a.b)", "WebFetch", {"url": "https://a.b/c"}, True),
        ("WebFetch(domain:a.b)", "WebFetch", {"url": "https://b.a/c"}, False),
        ("Read", "Bash", None, False),
    ],
)
def test_what_the_task_itself_forbids_is_known(rule, tool, given, forbidden):
    assert forbids(rule, tool, given) is forbidden
