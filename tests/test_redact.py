"""Keys told by their form: none gets through, and nothing else is touched."""

from __future__ import annotations

import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccs import redact
from ccs.text import MASK

BODY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC+/=\nBKcwggSjAgEAAoIBAQDx\n"
# Put together here, so that no scanner takes this file for a leak.
PEM = "-----BEGIN " + "RSA PRIVATE KEY-----\n" + BODY + "-----END " + "RSA PRIVATE KEY-----"
KEYS = {
    "anthropic": "sk-" + "ant-api03-" + "aB3_-x" * 15,
    "anthropic login": "sk-" + "ant-oat01-" + "q" * 40,
    "github": "gh" + "p_" + "a1B2" * 9,
    "github server": "gh" + "s_" + "a1B2" * 9,
    "github fine": "github" + "_pat_" + "11ABC_" + "x9" * 20,
    "aws": "AK" + "IAIOSFODNN7EXAMPLE",
    "aws session": "AS" + "IAIOSFODNN7EXAMPLE",
    "slack": "xox" + "b-123456789012-abcdefGHIJKL",
    "pem": PEM,
}


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("form", ["{}", "key={} and more", 'x"{}"y', "https://a/?k={}&b=1"])
def test_a_key_is_masked_wherever_it_stands(name, form):
    shown = redact.redacted(form.format(KEYS[name]))
    assert shown == form.format(MASK)


@pytest.mark.parametrize("quoted", [quote, quote_plus])
def test_a_key_in_a_url_is_masked(quoted):
    assert redact.redacted(f"https://a/?k={quoted(PEM)}&b=1") == f"https://a/?k={MASK}&b=1"


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("times", [1, 2, 3])
def test_inside_json_it_is_masked_and_the_json_stays_whole(name, times):
    text = {"a": f"before {KEYS[name]}\nafter", "b": 1}
    for _ in range(times):
        text = json.dumps(text)
    shown = redact.redact(text.encode()).decode()
    for _ in range(times):
        shown = json.loads(shown)
    assert shown == {"a": f"before {MASK}\nafter", "b": 1}


@pytest.mark.parametrize(
    "text",
    [
        *("sk-ant-", "sk-ant-x-", "ghp_short", "AKIA", "AKIAlowercaseletters", "xoxb-", "ghost"),
        *("-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----", "half \ud83d of a pair"),
        "-----BEGIN PUBLIC KEY-----",
    ],
)
def test_what_is_no_key_stays(text):
    assert redact.redacted(text) == text


@given(st.text(), st.sampled_from(sorted(KEYS)), st.text())
def test_no_surroundings_let_a_key_through(before, name, after):
    shown = redact.redacted(before + KEYS[name] + after)
    body = KEYS[name].splitlines()[1] if name == "pem" else KEYS[name]
    assert body not in shown


# Line by line ------------------------------------------------------------------


def by_line(text, mask=redact.redact):
    lines = redact.Lines(mask)
    return [lines.redact(line).decode() for line in text.encode().split(b"\n")]


def test_a_key_over_several_lines_is_masked_and_what_surrounds_it_is_not():
    text = f"before\nfound: {PEM} and on\nafter"
    assert by_line(text) == ["before", f"found: {MASK}", MASK, MASK, f"{MASK} and on", "after"]


def test_two_keys_behind_each_other_are_both_masked():
    shown = "\n".join(by_line(f"{PEM}{PEM}\nafter"))
    assert "MII" not in shown and "BKc" not in shown
    assert shown.endswith("\nafter")


def test_a_key_without_an_end_does_not_swallow_everything():
    begin = PEM.splitlines()[0]
    shown = by_line("\n".join([begin, *["x"] * 300]))
    assert shown[0] == MASK
    assert shown[-1] == "x"


def test_a_whole_key_on_one_line_does_not_hide_the_next_line():
    assert by_line(json.dumps(PEM) + "\nafter") == [f'"{MASK}"', "after"]
