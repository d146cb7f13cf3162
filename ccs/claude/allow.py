"""Which permission rules let a refused tool call pass: as narrow as they can be told.

As tried with the client (2.1.329): each part of a shell line needs a rule of its own, a file that
it writes needs an `Edit` rule, two slashes begin an absolute path, and what cannot be checked
before it runs is let through by the whole tool only. `tests/real` asks the client again.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from urllib.parse import urlsplit

from ccs.claude.values import mapping

# What follows one of these says what it does, so all of that may be allowed at once.
_WITH_VERBS = frozenset(
    (
        *("git", "gh", "npm", "pnpm", "yarn", "bun", "pip", "uv", "poetry", "cargo", "go"),
        *("docker", "kubectl", "terraform", "systemctl", "make", "aws", "brew", "apt-get"),
    )
)
_WRITING = frozenset(("touch", "mkdir", "rm", "rmdir", "cp", "mv", "tee", "sed", "ln", "chmod"))
EDITING = frozenset(("Edit", "MultiEdit", "NotebookEdit", "Write"))
_SEARCHING = frozenset(("Glob", "Grep"))
_QUOTED = re.compile(r"'[^']*'|\"[^\"$`\\]*\"")
# Nothing the client could check: substitutions, patterns, here-documents, groups.
_WILD = re.compile(r"[$`(){}\[\]*?~#\\\n!<\"']")
_VERB = re.compile(r"[a-z][a-z0-9:_-]*")
_JOINTS = frozenset(("&&", "||", ";", "|", "&"))
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


def _host(url: object) -> str | None:
    try:
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
    if not words or words[0] == "cd":  # with it, the client asks about each path
        return []
    text = " ".join(words)
    verb = words[0] in _WITH_VERBS and len(words) > 1 and _VERB.fullmatch(words[1])
    if verb:
        found = [f"Bash({words[0]} {words[1]}:*)"]
    elif text in command and not _UNFIT.search(text):
        found = [f"Bash({text})"]
    else:
        return []
    for path in written:
        more = _of_path("Edit", path, cwd)
        if not more:
            return []
        found += more
    if not verb:
        found += _outside(words, cwd)
    return found


def _redirected(words: list[str]) -> tuple[list[str], list[str]]:
    """The words without redirections, and the files these write."""
    kept: list[str] = []
    files: list[str] = []
    rest = iter(words)
    for word in rest:
        if word.startswith(">"):
            if kept and kept[-1].isdigit():
                kept.pop()
            target = next(rest, "").strip("'\"")
            if word in (">", ">>") and target != "/dev/null":
                files.append(target)
        else:
            kept.append(word)
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
