"""A secret is found however a program spells it, and a run's record holds none."""

from __future__ import annotations

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
