"""Which permission rules let a refused tool call pass: as narrow as they can be told, so the very
line of a shell where the rules' grammar can hold it.

As tried with the client (2.1.329): each part of a shell line needs a rule of its own, a file that
it writes needs an `Edit` rule, two slashes begin an absolute path, and what cannot be checked
before it runs is let through by the whole tool only. `tests/real` asks the client again.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from fnmatch import fnmatchcase

from ccs.claude.values import mapping

# For a line that no rule can hold, such as one with a message that has commas: what these do is
# said by their first words. Of `run`, `exec`, `config` and the like that is not true.
_BY_FIRST_WORDS = ("git add", "git commit", "git tag", "gh issue create", "gh pr create")
_WRITING = frozenset(("touch", "mkdir", "rm", "rmdir", "cp", "mv", "tee", "sed", "ln", "chmod"))
EDITING = frozenset(("Edit", "MultiEdit", "NotebookEdit", "Write"))
_SEARCHING = frozenset(("Glob", "Grep"))
_QUOTED = re.compile(r"'[^']*'|\"[^\"$`\\]*\"")
# Nothing the client could check: substitutions, patterns, here-documents, groups.
_WILD = re.compile(r"[$`(){}\[\]*?~#\\\n!<\"']")
_JOINTS = frozenset(("&&", "||", ";", "|"))
_KEYWORDS = frozenset(
    ("if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done", "case", "esac")
)
_TO_A_FILE = (">", ">>", ">|")
_ASSIGNED = re.compile(r"^(\w+=\S*\s+)+")
# They mean something to the rule's own grammar, or would end it early.
_UNFIT = re.compile(r"[(),*?\[\]{}!\\\n]")


def rules(tool: str, given: object, cwd: str | None) -> list[str]:
    """All of them together. The tool's bare name allows whatever it can do."""
    told = mapping(given)
    if tool == "Bash":
        return _of_shell(told.get("command"), cwd) or [tool]
    if tool in EDITING or tool == "Read":
        path = told.get("notebook_path") if tool == "NotebookEdit" else told.get("file_path")
        return _of_path("Read" if tool == "Read" else "Edit", path, cwd) or [tool]
    if tool in _SEARCHING and told.get("path"):
        return [f"{one[:-1]}/**)" for one in _of_path("Read", told["path"], cwd)] or [tool]
    if tool == "WebFetch":
        host = _host(told.get("url"))
        return [f"WebFetch(domain:{host})"] if host else [tool]
    return [tool]


def forbids(rule: str, tool: str, given: object) -> bool:
    """Whether a rule of the task's own may be what refused it: no other rule lets that pass."""
    told = mapping(given)
    name, _, text = rule.strip().removesuffix(")").partition("(")
    if not (name in (tool, "Edit" if tool in EDITING else tool) or tool.startswith(f"{name}__")):
        return False
    if not text:
        return True
    if tool == "Bash":
        command = str(told.get("command"))
        parts = [_ASSIGNED.sub("", one.strip()) for one in re.split(r"[;&|\n]+", command)]
        pattern = f"{text.removesuffix(':*')}*" if text.endswith(":*") else text
        return any(fnmatchcase(one, pattern) for one in (command, *parts))
    if tool == "WebFetch":
        return text == f"domain:{_host(told.get('url'))}"
    path = told.get("notebook_path") or told.get("file_path") or told.get("path")
    return fnmatchcase(f"/{path}", f"*/{text.lstrip('/.~')}")


def _host(url: object) -> str | None:
    try:
        from urllib.parse import urlsplit  # seldom asked

        host = urlsplit(url).hostname if isinstance(url, str) else None
    except ValueError:
        return None
    return host if host and not _UNFIT.search(host) else None


def _of_path(verb: str, path: object, cwd: str | None) -> list[str]:
    """None that would hold for any other path."""
    if not isinstance(path, str) or not path or path.startswith("~"):
        return []
    whole = posixpath.normpath(posixpath.join(cwd or "", path))
    if not whole.startswith("/") or _UNFIT.search(whole):
        return []
    return [f"{verb}(/{whole})"]


def _of_shell(command: object, cwd: str | None) -> list[str]:
    """Empty when nothing less than the whole tool would do."""
    if not isinstance(command, str) or not command.strip() or command.endswith("…"):
        return []
    if _WILD.search(_QUOTED.sub("", command)):
        return []
    try:
        lexer = shlex.shlex(command, posix=False, punctuation_chars="|&;<>")
        lexer.whitespace_split = True
        words = list(lexer)
    except ValueError:
        return []
    found: list[str] = []
    part: list[str] = []
    for word in [*words, ";"]:
        if word not in _JOINTS:
            part.append(word)
            continue
        if part:
            of_part = _of_part(part, command, cwd)
            if not of_part:
                return []
            found += of_part
        part = []
    return list(dict.fromkeys(found))


def _of_part(words: list[str], command: str, cwd: str | None) -> list[str]:
    words, written = _redirected(words)
    # After `cd` the client asks about each path.
    if not words or words[0] == "cd" or words[0] in _KEYWORDS:
        return []
    text = _as_written(words, command)
    first = next((one for one in _BY_FIRST_WORDS if " ".join(words).startswith(f"{one} ")), None)
    if text is not None and not _UNFIT.search(text):
        found = [f"Bash({text})"]
    elif first is not None:
        found = [f"Bash({first}:*)"]
    else:
        return []
    for path in written:
        more = _of_path("Edit", path, cwd)
        if not more:
            return []
        found += more
    return found + _outside(words, cwd)


def _as_written(words: list[str], command: str) -> str | None:
    """With its own blanks: a rule holds for the line as it stands. None when a redirection is in
    the midst of it.
    """
    there = re.search("[ \\t]+".join(map(re.escape, words)), command)
    return there.group() if there else None


def _redirected(words: list[str]) -> tuple[list[str], list[str]]:
    """The words without redirections, and the files these write; no words when that cannot be
    told, as of `&>`, or of an `&` that lets what stands before it go on beside the rest.
    """
    kept: list[str] = []
    files: list[str] = []
    rest = iter(words)
    for word in rest:
        if word.strip("|&;<>"):
            kept.append(word)
            continue
        if kept and kept[-1].isdigit():
            kept.pop()
        target = next(rest, "").strip("'\"")
        if word in _TO_A_FILE:
            files += [target] if target != "/dev/null" else []
        elif word != ">&" or not target.isdigit():
            return [], []
    return kept, files


def _outside(words: list[str], cwd: str | None) -> list[str]:
    """Paths beyond the run's directory are asked about besides."""
    verb = "Edit" if words[0] in _WRITING else "Read"
    found: list[str] = []
    for word in (one.strip("'\"") for one in words[1:]):
        if word.startswith(("/", "..")):
            whole = posixpath.normpath(posixpath.join(cwd or "", word))
            if cwd is None or not f"{whole}/".startswith(f"{cwd.rstrip('/')}/"):
                found += _of_path(verb, word, cwd)
    return found
