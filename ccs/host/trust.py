"""What in a directory makes a client run commands or servers of somebody's choosing, and what it
lets pass unasked. A repository can change these by a pull. Lean.

As tried with the client (2.1.329, `-p`): it reads `.mcp.json` in the directory and in each one
above it up to the root, `.claude/settings.json` in the directory alone, and
`.claude/settings.local.json` there and at the top of the repository, for a worktree that of its
main one. `tests/real` asks the client again.
"""

from __future__ import annotations

import hashlib
import json
import os

from ccs.host.files import read_regular

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_SETTINGS = os.path.join(".claude", "settings.json")
_LOCAL = os.path.join(".claude", "settings.local.json")
_SERVERS = ".mcp.json"
_LONGEST = 1 << 20
_PERMISSIONS = "permissions"
# The others start a program, choose one, or lead the client elsewhere; so may those to come.
_HARMLESS = frozenset(
    (
        *("$schema", "alwaysThinkingEnabled", "attribution", "effortLevel", "includeCoAuthoredBy"),
        *("language", "model", "outputStyle", "spinnerTipsEnabled", "theme", _PERMISSIONS),
    )
)


def fingerprint(directory: str) -> str:
    """The same as long as these mean the same: one half for what is started, one for what is
    allowed. Raises OSError where a file cannot be read.
    """
    return "-".join(map(_hashed, _parts(directory)))


def agree(agreed: str, seen: str, everything_allowed: bool) -> bool:
    """Of two fingerprints. To whom all is allowed, nothing can be allowed besides."""
    if everything_allowed:
        agreed, seen = (one.partition("-")[0] for one in (agreed, seen))
    return agreed == seen


def adds_to(directory: str, other: str, everything_allowed: bool) -> bool:
    """Whether it could start, or let pass, anything that the other directory could not. Raises
    OSError.
    """
    pairs = list(zip(_parts(directory), _parts(other), strict=True))
    return any(
        one not in theirs[kind]
        for mine, theirs in (pairs[:1] if everything_allowed else pairs)
        for kind, found in mine.items()
        for one in found
    )


def _hashed(part: dict[str, list[object]]) -> str:
    text = json.dumps(part, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _parts(directory: str) -> tuple[dict[str, list[object]], dict[str, list[object]]]:
    here = os.path.realpath(directory)
    settings = _documents([here], _SETTINGS)
    local = _documents([here, *_tops(here)], _LOCAL)
    starts = {
        "settings": [*filter(None, map(_starting, settings))],
        "local": [*filter(None, map(_starting, local))],
        "servers": _documents(_upwards(here), _SERVERS),
    }
    return starts, {"allowed": [*filter(None, map(_allowing, [*settings, *local]))]}


def _starting(told: object) -> object:
    if not isinstance(told, dict):
        return told
    return {name: value for name, value in told.items() if name not in _HARMLESS}


def _allowing(told: object) -> object:
    return told.get(_PERMISSIONS) if isinstance(told, dict) else None


def _upwards(directory: str) -> Iterator[str]:
    while True:
        yield directory
        above = os.path.dirname(directory)
        if above == directory:
            return
        directory = above


def _tops(directory: str) -> list[str]:
    """Of the repository, and of the one it is a worktree of."""
    top = next((one for one in _upwards(directory) if os.path.exists(f"{one}/.git")), None)
    if top is None:
        return []
    try:
        git = os.fsdecode(read_regular(f"{top}/.git", _LONGEST))
        git = os.path.join(top, git.removeprefix("gitdir:").strip())
        common = os.fsdecode(read_regular(f"{git}/commondir", _LONGEST)).strip()
    except (OSError, ValueError):  # a directory: it is the main one; no commondir: a submodule
        return [top]
    return [top, os.path.dirname(os.path.realpath(os.path.join(git, common)))]


def _documents(directories: Iterator[str] | list[str], name: str) -> list[object]:
    paths = dict.fromkeys(os.path.join(one, name) for one in directories)
    return [told for told in map(_told, paths) if told is not None]


def _told(path: str) -> object:
    """What cannot be understood counts as it stands: a client may understand it another time."""
    try:
        content = read_regular(path, _LONGEST)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return content.decode("utf-8", "replace")
