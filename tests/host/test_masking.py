"""A secret is found however a program spells it, and a run's record holds none."""

from __future__ import annotations

import base64
import json

import pytest

from ccs.host.environ import Environment
from ccs.text import MASK

SECRET = "k/3y<&>Zö"  # pragma: allowlist secret
SPELT = {
    "as it is": SECRET,
    "python": json.dumps(SECRET),
    "javascript": json.dumps(SECRET, ensure_ascii=False),
    "php": json.dumps(SECRET).replace("/", "\\/"),
    "go": '"k/3y\\u003c\\u0026\\u003eZö"',
}


@pytest.mark.parametrize("spelt", SPELT.values(), ids=SPELT)
@pytest.mark.parametrize("quoted", [lambda told: told, json.dumps])
def test_in_whatever_json_a_secret_stands_it_is_masked(spelt, quoted):
    shown = Environment({}, [SECRET]).mask_text(quoted(f"say {spelt} now"))
    assert "3y" not in shown
    assert MASK in shown


def test_a_record_keeps_what_it_is_judged_by_and_no_secret_anywhere_else():
    hidden = Environment({}, ["failed", SECRET])
    record = {"status": "failed", "reason": "error", "claude_version": f"2 {SECRET}", "turns": 3}
    record |= {"permission_denials": [{"tool_input": {"command": SECRET}}], "message": None}
    assert hidden.mask_record(record) == {
        **record,
        "claude_version": f"2 {MASK}",
        "permission_denials": [{"tool_input": {"command": MASK}}],
    }


@pytest.mark.parametrize("width", [76, 64])
@pytest.mark.parametrize("length", [49, 58, 108, 400])
def test_the_lines_that_base64_is_cut_into_are_masked_each(width, length):
    secret = "".join(chr(33 + 7 * one % 90) for one in range(length))
    whole = base64.b64encode(f"{secret}\n".encode()).decode()  # as echo gives it
    lines = [whole[at : at + width] for at in range(0, len(whole), width)]
    hidden = Environment({}, [secret])
    for told in ("\n".join(lines), json.dumps("\n".join(lines))):
        shown = hidden.mask_text(told)
        assert not [one for one in lines if len(one) > 8 and one[:-4] in shown]
