"""Every call of git in the code: what a user named stands where it cannot be an option."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "ccs"
CALLS = {"call", "ask", "line", "do"}
ENDS = {"--", "--end-of-options"}
# Hashes that git itself printed, fixed options, and a branch's name, which by `ccs.model.treename`
# begins with neither a dash nor a dot.
HARMLESS = {
    *("made", "before", "commit", "old", "new", "_PLAIN", "SETTINGS", "_form", "head", "base"),
    *("forced", "branch", "nothing", "into", "here", "start", "own", "since", "to", "parent"),
    "why",  # the value of an option before it
}


def words(node: ast.AST, known: dict[str, ast.AST]) -> list[ast.AST]:
    """The arguments one by one, through tuples, unpacking and names given nearby."""
    if isinstance(node, (ast.Tuple, ast.List)):
        return [word for one in node.elts for word in words(one, known)]
    if isinstance(node, ast.Starred):
        return words(node.value, known)
    if isinstance(node, ast.Name) and node.id in known:
        return words(known[node.id], {})
    if isinstance(node, ast.IfExp):
        return [*words(node.body, known), *words(node.orelse, known)]
    if isinstance(node, ast.BoolOp):
        return [word for one in node.values for word in words(one, known)]
    return [node]


def git_calls():
    for path in sorted(PACKAGE.rglob("*.py")):
        source = path.read_text()
        if "git" not in source:
            continue
        for function in ast.walk(ast.parse(source)):
            if not isinstance(function, ast.FunctionDef):
                continue
            known = {
                node.targets[0].id: node.value
                for node in ast.walk(function)
                if isinstance(node, ast.Assign)
                and isinstance(node.targets[0], ast.Name)
                and isinstance(node.value, (ast.Tuple, ast.List))
            }
            for node in ast.walk(function):
                if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                    continue
                if node.func.attr in CALLS and "git" in ast.unparse(node.func.value).lower():
                    # What stands behind the command in `do` goes to its standard input.
                    given = node.args[:1] if node.func.attr == "do" else node.args
                    found = [word for one in given for word in words(one, known)]
                    yield f"{path.name}:{node.lineno}", found


EVERY = dict(git_calls())


def is_harmless(word: ast.AST) -> bool:
    """A constant, a text that begins with one that is no option, or what git printed."""
    if isinstance(word, ast.Constant):
        return True
    if isinstance(word, ast.JoinedStr):
        first = word.values[0]
        begun = isinstance(first, ast.Constant) and not str(first.value).startswith("-")
        option = isinstance(first, ast.Constant) and str(first.value).endswith("=")
        return begun or option
    if isinstance(word, ast.Call):
        return ast.unparse(word.func) in HARMLESS
    if isinstance(word, ast.Attribute):
        return word.attr in HARMLESS
    return isinstance(word, ast.Name) and word.id in HARMLESS


def test_the_calls_are_found():
    assert len(EVERY) > 30


@pytest.mark.parametrize("place", EVERY)
def test_nothing_a_user_named_can_be_an_option(place):
    for word in EVERY[place]:
        if isinstance(word, ast.Constant) and word.value in ENDS:
            return
        assert is_harmless(word), f"{place}: {ast.unparse(word)} stands before --"
