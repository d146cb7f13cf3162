"""Reading transcripts: each byte once, nothing twice, nothing lost."""

from __future__ import annotations

import json
import os
from datetime import timedelta

import pytest
from transcript_lines import MINUTE, NOW, Reader, append, raw, refused, said, transcript

from ccs.claude import transcriptfile, transcripts

MB = 1 << 20
NOTHING: dict[str, int] = {}


@pytest.fixture
def reader(tmp_path):
    return Reader(tmp_path)


@pytest.fixture
def opened(monkeypatch):
    """The names of the transcripts that are opened."""
    names, real = [], os.open

    def counting(path, *rest, **more):
        if str(path).endswith(".jsonl"):
            names.append(os.path.basename(path))
        return real(path, *rest, **more)

    monkeypatch.setattr(os, "open", counting)
    return names


def megabyte(message):
    line = raw(said(5, id=message))
    return line + b'{"type":"user","x":"' + b"x" * (MB - len(line) - 23) + b'"}\n'


def test_a_first_reading_reads_all_and_a_later_one_only_what_was_added(tmp_path, reader, opened):
    paths = [transcript(tmp_path, megabyte("m"), f"-p/{n}.jsonl") for n in range(4)]
    assert reader.read() == {MINUTE: 20}
    assert reader.read_bytes == 4 * MB
    assert sorted(opened) == ["0.jsonl", "1.jsonl", "2.jsonl", "3.jsonl"]
    opened.clear()
    append(paths[2], megabyte("n"))
    assert reader.read() == {MINUTE: 25}
    assert reader.read_bytes == MB
    assert opened == ["2.jsonl"]
    opened.clear()
    assert reader.read() == {MINUTE: 25}
    assert (reader.read_bytes, opened) == (0, [])


def test_a_torn_last_line_waits_for_its_rest(tmp_path, reader, opened):
    whole, torn = raw(said(1)), raw(said(2))
    path = transcript(tmp_path, whole + torn[:70])
    assert reader.read() == {MINUTE: 1}
    opened.clear()
    assert reader.read() == {MINUTE: 1}
    assert opened == []
    append(path, torn[70:-1])
    assert reader.read() == {MINUTE: 1}
    append(path, torn[-1:])
    assert reader.read() == {MINUTE: 3}
    assert reader.read_bytes == len(torn)


def test_a_file_that_is_written_anew_counts_once_and_what_it_lost_stays(tmp_path, reader):
    earlier = NOW - timedelta(minutes=1)
    path = transcript(tmp_path, raw(said(1, earlier), said(2), said(4)))
    told = {"2026-11-20T09:59Z": 1, MINUTE: 6}
    assert reader.read() == told
    path.write_bytes(raw(said(1, earlier), said(2)))
    assert reader.read() == told
    assert reader.read_bytes == path.stat().st_size
    append(path, raw(said(8, NOW + timedelta(minutes=1))))
    assert reader.read() == told | {"2026-11-20T10:01Z": 8}


def test_a_file_that_is_replaced_is_read_afresh_even_at_the_same_size(tmp_path, reader):
    path = transcript(tmp_path, raw(said(1, NOW - timedelta(minutes=1))))
    assert reader.read() == {"2026-11-20T09:59Z": 1}
    other = transcript(tmp_path, raw(said(2)), "-p/draft")
    assert other.stat().st_size == path.stat().st_size
    os.replace(other, path)
    assert reader.read() == {"2026-11-20T09:59Z": 1, MINUTE: 2}
    assert reader.read() == {"2026-11-20T09:59Z": 1, MINUTE: 2}


def test_what_a_removed_file_told_stays_for_eight_days(tmp_path, reader):
    path = transcript(tmp_path, raw(said(1)))
    transcript(tmp_path, raw(said(2)), "-p/b.jsonl")
    assert reader.read() == {MINUTE: 3}
    path.unlink()
    assert reader.read() == {MINUTE: 3}
    assert "a.jsonl" not in json.dumps(reader.state)
    assert reader.read(NOW + timedelta(days=8)) == {MINUTE: 3}
    assert reader.read(NOW + timedelta(days=8, minutes=1)) == NOTHING
    assert MINUTE not in json.dumps(reader.state)


@pytest.mark.parametrize("lost", ["projects", "projects/-p"])
def test_a_directory_that_cannot_be_read_for_a_while_counts_once(
    tmp_path, reader, monkeypatch, lost
):
    transcript(tmp_path, raw(said(1)))
    reader.read()
    real = os.scandir

    def scandir(path):
        if path.rstrip("/") == str(tmp_path / lost):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", scandir)
        assert reader.read() == {MINUTE: 1}
        [problem] = reader.problems
        assert lost in problem and "Permission denied" in problem
    assert reader.read() == {MINUTE: 1}
    assert (reader.read_bytes, reader.problems) == (0, [])


def test_a_config_dir_that_is_away_for_a_while_counts_once(tmp_path, reader):
    transcript(tmp_path, raw(said(1)))
    reader.read()
    (tmp_path / "projects").rename(tmp_path / "away")
    assert reader.read() == {MINUTE: 1}
    (tmp_path / "away").rename(tmp_path / "projects")
    assert reader.read() == {MINUTE: 1}
    assert (reader.read_bytes, reader.problems) == (0, [])
    (tmp_path / "projects").rename(tmp_path / "away")
    assert reader.read(NOW + timedelta(days=9)) == NOTHING
    assert reader.state["dirs"] == {}


def test_each_config_dir_is_an_account(tmp_path):
    one, two, none = tmp_path / "one", tmp_path / "two", tmp_path / "none"
    first = transcript(one, raw(said(1)))
    second = transcript(two, raw(said(2), refused()))
    reader = Reader(one, two, none)
    reader.read()
    assert [reader.accounts[str(one)].activity, reader.accounts[str(two)].activity] == [
        {MINUTE: 1},
        {MINUTE: 2},
    ]
    assert [len(account.limits) for account in reader.accounts.values()] == [0, 1, 0]
    assert reader.read_bytes == first.stat().st_size + second.stat().st_size
    assert reader.problems == []


def test_a_config_dir_with_two_names_is_read_once(tmp_path):
    path = transcript(tmp_path / "real", raw(said(1)))
    (tmp_path / "link").symlink_to(tmp_path / "real")
    reader = Reader(tmp_path / "link", tmp_path / "real", tmp_path / "real" / ".." / "real")
    assert reader.read() == {MINUTE: 1}
    assert {json.dumps(account.activity) for account in reader.accounts.values()} == {
        json.dumps({MINUTE: 1})
    }
    assert len(reader.accounts) == 3
    assert reader.read_bytes == path.stat().st_size


def test_transcripts_are_found_at_any_depth_and_links_are_not_followed(tmp_path, reader):
    deep = transcript(tmp_path, raw(said(1)), "-p/session/subagents/deeper/agent.jsonl")
    transcript(tmp_path, raw(said(2)), "-p/notes.json")
    outside = transcript(tmp_path / "outside", raw(said(4)))
    (deep.parent / "link.jsonl").symlink_to(outside)
    (deep.parent / "round").symlink_to(tmp_path / "projects")
    os.mkfifo(deep.parent / "pipe.jsonl")
    assert reader.read() == {MINUTE: 1}
    assert reader.problems == []


@pytest.mark.parametrize("chunk", [64, 4096])
@pytest.mark.parametrize("cut", [0, 50, 200, 999, 1200, 1999])
def test_an_endless_line_is_dropped_and_the_next_one_read(
    tmp_path, reader, monkeypatch, cut, chunk
):
    monkeypatch.setattr(transcripts, "_CHUNK", chunk)
    monkeypatch.setattr(transcriptfile, "_LONGEST_LINE", 1000)
    endless = raw(said(1, padding="x" * 2000))
    path = transcript(tmp_path, raw(said(2)) + endless[:cut])
    assert reader.read() == {MINUTE: 2}
    append(path, endless[cut:-1])
    assert reader.read() == {MINUTE: 2}
    append(path, endless[-1:] + raw(said(4)))
    assert reader.read() == {MINUTE: 6}
    assert reader.read_bytes == 1 + len(raw(said(4))), "what is dropped is not read again"
    append(path, endless + raw(said(8)))
    assert reader.read() == {MINUTE: 14}


def test_problems_are_told_and_not_without_end(tmp_path, reader, monkeypatch):
    for number in range(30):
        transcript(tmp_path, raw(said(1)), f"-p/{number}.jsonl")

    def refusing(path, *rest, **more):
        raise PermissionError(13, "Permission denied", path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refusing)
        assert reader.read() == NOTHING
    assert len(reader.problems) == 21
    assert reader.problems[0].endswith(".jsonl: Permission denied")
    assert reader.problems[-1] == "and 10 more"
    assert reader.read() == {MINUTE: 30}


def test_a_failing_disk_leaves_what_was_read_and_the_rest_for_later(tmp_path, reader, monkeypatch):
    monkeypatch.setattr(transcripts, "_CHUNK", 300)
    transcript(tmp_path, raw(*[said(1) for _ in range(10)]))
    real, calls = os.read, []

    def failing(fd, size):
        calls.append(size)
        if size == 300 and len(calls) > 3:
            raise OSError(5, "Input/output error")
        return real(fd, size)

    with monkeypatch.context() as patch:
        patch.setattr(os, "read", failing)
        assert 0 < reader.read()[MINUTE] < 10
    assert "Input/output error" in reader.problems[0]
    assert reader.read() == {MINUTE: 10}


def test_the_clients_directories_are_found_as_it_finds_them(tmp_path):
    home, xdg, other = tmp_path / "home", tmp_path / "xdg", tmp_path / "a,b"
    for place in (home / ".claude", home / ".config/claude", xdg / "claude", other):
        place.mkdir(parents=True)
    (tmp_path / "link").symlink_to(other)

    def found(**environ):
        return transcripts.config_dirs({"HOME": str(home), **environ})

    assert found() == [f"{home}/.config/claude", f"{home}/.claude"]
    assert found(CLAUDE_CONFIG_DIR="", XDG_CONFIG_HOME=str(xdg)) == [
        f"{xdg}/claude",
        f"{home}/.claude",
    ]
    assert found(CLAUDE_CONFIG_DIR=f"{other}") == [f"{other}"]
    several = f"{xdg}/claude, {tmp_path}/none,,{tmp_path}/link,{home}/../link"
    assert found(CLAUDE_CONFIG_DIR=several) == [f"{xdg}/claude", f"{tmp_path}/link"]
    assert found(CLAUDE_CONFIG_DIR=f"{tmp_path}/none") == []
    assert transcripts.config_dirs({}) == []
