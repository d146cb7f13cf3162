"""The entry in a crontab: what cron and sh make of it, and that nothing else is touched."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hostile import CONTROLS, NAMES, called, recorder
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ccs.errors import Conflict, InvalidInput
from ccs.host.install import crontab, entry

STORE = "/home/you/.claude-scheduler"
MINE = entry.of({"HOME": "/home/you", "PATH": "/usr/bin:/bin"}, STORE)
OTHER = entry.of({"HOME": "/home/you", "PATH": "/bin", "CCS_HOME": "/srv/ccs"}, "/srv/ccs")
LINE = b"* * * * * PATH=/usr/bin /home/you/.local/bin/ccs tick\n"


def vixie(command: bytes) -> bytes:
    r"""What crontab(5) and Debian's do_command.c hand to the shell: up to the first bare %, and \%
    and \\ as one character."""
    out = bytearray()
    escaped = False
    for byte in command:
        if escaped:
            if byte in b"%\\":
                out.pop()
            escaped = False
        elif byte == ord("%"):
            break
        else:
            escaped = byte == ord("\\")
        out.append(byte)
    return bytes(out)


def busybox(command: bytes) -> bytes:
    """It hands over the command as it stands."""
    return command


def through_sh(command: bytes) -> bytes:
    return subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=True).stdout


class TestTheLine:
    @pytest.mark.parametrize("name", NAMES)
    def test_is_called_as_it_was_meant_from_a_hostile_home(self, name, tmp_path, monkeypatch):
        home = tmp_path / name
        program, left = recorder(home)
        monkeypatch.setattr(sys, "executable", str(program))
        environ = {"HOME": str(home), "PATH": f"{home}/bin:/usr/bin:/bin", "CCS_HOME": "x"}
        mine = entry.of(environ, f"{home}/store")
        line = crontab.block(mine).split(b"\n")[1]
        assert line.startswith(b"* * * * * ")
        command = vixie(line.removeprefix(b"* * * * * "))
        subprocess.run(["/bin/sh", "-c", command], env={"PATH": "/usr/bin:/bin"}, check=True)
        variables, words = called(left)
        assert words == [str(program), *mine.command("cron")[1:]]
        assert {**variables, **mine.variables} == variables
        assert mine.variables["CCS_HOME"] == f"{home}/store"

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(
            st.text(st.characters(exclude_characters="\0\n\r", codec="utf-8"), max_size=12),
            min_size=1,
            max_size=8,
        )
    )
    @example(["", "%", "\\", "\\\\", "\\\\\\", "\\%", "%\\", "\\\\%%'\"", "a\\'%b"])
    def test_every_word_reaches_the_program_through_every_cron(self, words):
        command = b"printf '\\%s\\0' " + " ".join(map(crontab.quoted, words)).encode()
        expected = "".join(f"{word}\0" for word in words).encode()
        assert through_sh(vixie(command)) == expected
        assert through_sh(busybox(command).replace(b"'\\%s", b"'%s", 1)) == expected

    @pytest.mark.parametrize("name", CONTROLS)
    @pytest.mark.parametrize("where", ["HOME", "PATH", "store"])
    def test_control_characters_are_refused_by_name(self, name, where):
        environ = {"HOME": "/home/you", "PATH": "/bin"}
        if where != "store":
            environ[where] += f"/{name}"
        with pytest.raises(InvalidInput, match=where):
            entry.of(environ, f"/srv/{name}" if where == "store" else STORE)

    def test_bytes_that_are_no_text_stand_in_it_as_they_are(self):
        mine = entry.of({"HOME": "/home/\udcff", "PATH": "/bin"}, "/home/\udcff/.claude-scheduler")
        assert b"HOME='/home/\xff'" in crontab.block(mine)

    def test_one_that_cron_would_cut_is_refused_with_a_way_out(self):
        def made(length):
            return entry.of({"HOME": "/home/you", "PATH": "/" + "p" * length}, STORE)

        line = crontab.block(made(1)).split(b"\n")[1]
        spare = crontab.LONGEST - len(line.removeprefix(b"* * * * * "))
        crontab.block(made(1 + spare))
        with pytest.raises(InvalidInput, match="cron takes 998") as refused:
            crontab.block(made(2 + spare))
        assert "--backend systemd" in refused.value.hint

    def test_path_is_absolute_each_directory_once_and_home_written_out(self, monkeypatch):
        monkeypatch.setenv("HOME", "/home/you")
        assert entry.resolved("/a:.:~/bin:/b:rel/x::/a") == "/a:/home/you/bin:/b"
        assert entry.resolved("") != ""


TABLES = (
    b"",
    b"\n",
    b"# m h  dom mon dow   command\n0 5 * * * tar -zcf /var/backups/home.tgz /home/\n",
    b"MAILTO=me\r\nSHELL=/bin/zsh\r\n\r\n0 1 * * * true\r\n",
    b"0 1 * * * date +\\%s%in put%\n",
    b"# latin1 \xe9 utf8 \xc3\xa9 junk \xff\xfe\n0 1 * * * true\n",
    b"# x\x0by\x0cz\xc2\x85 \xe2\x80\xa8 no line ends for cron\n0 1 * * * true\n",
    b"# BEGIN other tool\n0 1 * * * true\n# END other tool\n",
)


class TestTheRestOfTheTable:
    @pytest.mark.parametrize("table", TABLES)
    def test_is_as_it_was_after_coming_and_going(self, table):
        assert crontab.without_block(crontab.with_block(table, MINE), MINE) == table

    @settings(max_examples=200)
    @given(st.binary(max_size=80), st.booleans())
    def test_of_any_bytes_keeps_them_all(self, table, other_first):
        if other_first:
            table = crontab.with_block(table, OTHER)
        written = crontab.with_block(table, MINE)
        whole = table if not table or table.endswith(b"\n") else table + b"\n"
        assert written == crontab.block(MINE) + whole
        assert crontab.without_block(written, MINE) == whole

    def test_ours_stands_before_what_counts_for_the_lines_below(self):
        written = crontab.with_block(b"SHELL=/usr/bin/fish\nMAILTO=me\n", MINE)
        assert written.index(b"__main__.py tick") < written.index(b"SHELL=")
        assert not re.search(rb"^[A-Z_]+ *=", crontab.block(MINE), re.MULTILINE)

    def test_a_second_install_changes_nothing_and_a_new_path_is_written_in_its_place(self):
        table = crontab.with_block(b"0 1 * * * true\n", OTHER)
        once = crontab.with_block(b"# above\n" + crontab.with_block(table, MINE), MINE)
        assert crontab.with_block(once, MINE) == once
        newer = entry.of({"HOME": "/home/you", "PATH": "/opt/bin"}, STORE)
        changed = crontab.with_block(once, newer)
        assert changed == once.replace(crontab.block(MINE), crontab.block(newer))
        assert changed.startswith(b"# above\n")

    @pytest.mark.parametrize("old", [MINE, entry.of({"HOME": "/home/you", "PATH": "/x"}, STORE)])
    def test_what_somebody_wrote_between_the_marks_is_not_taken_away(self, old):
        [head, line, foot, _] = crontab.block(old).split(b"\n")
        theirs = b"# remember\n0 5 * * * date\n* * * * * CCS_HOME=/other ccs tick\n"
        table = b"\n".join([head, line, theirs + foot, b""])
        assert crontab.with_block(table, MINE) == crontab.block(MINE) + theirs
        assert crontab.without_block(table, MINE) == theirs

    @pytest.mark.parametrize("name", NAMES)
    def test_a_hostile_home_leaves_nothing_behind(self, name):
        home = f"/home/{name}"
        mine = entry.of({"HOME": home, "PATH": f"{home}/bin", "CCS_HOME": "x"}, f"{home}/store")
        table = crontab.with_block(LINE, mine)
        assert crontab.with_block(table, mine) == table
        assert crontab.without_block(table, mine) == LINE

    def test_two_stores_stand_side_by_side(self):
        both = crontab.with_block(crontab.with_block(b"", MINE), OTHER)
        assert crontab.without_block(both, MINE) == crontab.block(OTHER)
        assert crontab.without_block(both, OTHER) == crontab.block(MINE)

    @pytest.mark.parametrize("lost", ["BEGIN", "END"])
    def test_a_block_whose_marks_are_broken_is_refused(self, lost):
        table = crontab.with_block(b"0 1 * * * true\n", MINE)
        broken = b"\n".join(line for line in table.split(b"\n") if lost.encode() not in line)
        for change in (crontab.with_block, crontab.without_block):
            with pytest.raises(Conflict, match="BEGIN and one END"):
                change(broken, MINE)

    def test_a_doubled_block_is_refused(self):
        with pytest.raises(Conflict, match=r"lines 1, 3, 4, 6"):
            crontab.without_block(crontab.block(MINE) * 2, MINE)


class TestMadeByHand:
    @pytest.mark.parametrize(
        "line",
        [
            LINE,
            b"*/5 * * * * cd / && '/sp ace/ccs' tick\n",
            b"* * * * * python3 -P -m ccs tick --backend cron\n",
            b"* * * * * python3 -IS /usr/lib/ccs/__main__.py tick\n",
            b"@reboot claude-code-scheduler tick\n",
            b"* * * * * claude-code-scheduler cli -v --no-input tick\n",
            b"* * * * * HOME=/x CCS_HOME=$HOME/.claude-scheduler ccs tick\n",
            b"* * * * * CCS_HOME='/home/you/.claude-scheduler' ccs tick\n",
            b"* * * * * CCS_HOME=~/.claude-scheduler/ ccs  tick\r\n",
        ],
    )
    def test_is_found_with_its_number(self, line):
        table = crontab.with_block(b"# mine\n" + line, MINE)
        assert crontab.made_by_hand(table, MINE) == [(5, line.strip())]

    @pytest.mark.parametrize(
        "line",
        [
            b"# * * * * * ccs tick\n",
            b"* * * * * accs tick\n",
            b"* * * * * ccs tickle\n",
            b"* * * * * ccs tasks run tick\n",
            b"* * * * * CCS_HOME=/srv/ccs ccs tick\n",
            b"CCS_HOME = /srv/ccs\n* * * * * ccs tick\n",
        ],
    )
    def test_is_not_seen_in_what_does_not_call_the_tick_of_this_store(self, line):
        assert crontab.made_by_hand(crontab.with_block(line, MINE), MINE) == []

    def test_for_another_store_is_found_by_that_one(self):
        table = b"CCS_HOME=/srv/ccs\n* * * * * ccs tick\n"
        assert [number for number, _ in crontab.made_by_hand(table, OTHER)] == [2]

    def test_becomes_a_comment_that_says_what_it_said(self):
        table = b"# a\n" + LINE + b"0 1 * * * true"
        retired = crontab.without_handmade(table, MINE)
        assert retired == b"# a\n" + crontab.REPLACED + LINE + b"0 1 * * * true"
        assert crontab.made_by_hand(retired, MINE) == []
