"""Text for a terminal or a log: it shows, and can do nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccs.text import plain, shorten

RISKY = st.text(
    st.one_of(st.characters(), st.sampled_from("\x1b\x9b[]m\a\\\r\n\t;\u202e\u2066\ud800 ~@")),
    max_size=40,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("npm test", "npm test"),
        ("a\tb\nc", "a\tb\nc"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[1;1Hgone", "gone"),
        ("\x1b]0;a title\aafter", "after"),
        ("\x1b]8;;https://example.org\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPq payload\x1b\\after", "after"),
        ("\x1b(Bascii", "ascii"),
        ("\x1bcreset", "reset"),
        ("cut\x1b[3", "cut"),
        ("cut\x1b", "cut"),
        ("bell\a null\0 back\b delete\x7f c1\x9b", "bell null back delete c1"),
        ("progress 1\rprogress 2", "progress 1progress 2"),
        ("evil\u202egpj.exe", "evilgpj.exe"),
        ("\u2067isolated\u2069 \u200fmark", "isolated mark"),
        ("half \ud83d of a pair", "half ? of a pair"),
        ("naïve → 日本 👍", "naïve → 日本 👍"),
    ],
)
def test_plain_keeps_words_and_drops_commands(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_an_unended_escape_string_swallows_no_words() -> None:
    assert plain("\x1b]0;these words stay readable") == "0;these words stay readable"


def test_a_broken_escape_sequence_ends_at_the_first_foreign_character() -> None:
    assert plain("\x1b[12\nnext line") == "\nnext line"


@given(RISKY)
@settings(max_examples=100, deadline=None)
def test_plain_text_can_be_written_and_holds_no_control(text: str) -> None:
    shown = plain(text)
    shown.encode("utf-8")
    controls = {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))} - {"\t", "\n"}
    assert not controls & set(shown)
    assert plain(shown) == shown


@given(RISKY, st.integers(min_value=0, max_value=30))
@settings(max_examples=100, deadline=None)
def test_a_shortened_text_is_one_line_that_fits(text: str, width: int) -> None:
    line = shorten(text, width)
    assert len(line) <= width
    assert line == " ".join(line.split())


def test_a_text_that_fits_is_not_marked_as_cut() -> None:
    assert shorten("  two\n words ", 9) == "two words"


def test_a_cut_is_marked() -> None:
    assert shorten("two words", 6) == "two w…"
    assert shorten("two words", 5) == "two…"


def test_megabytes_of_blanks_are_cut_and_marked() -> None:
    assert shorten("a" + " " * 1_000_000 + "b", 10) == "a…"
