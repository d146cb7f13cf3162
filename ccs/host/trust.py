"""What in a directory makes a client run commands or servers of somebody's choosing: the hooks of
its settings, and its MCP servers. A repository can change these by a pull. Lean.
"""

from __future__ import annotations

import hashlib
import json
import os

from ccs.host.files import read_regular

_SETTINGS = (".claude/settings.json", ".claude/settings.local.json")
_SERVERS = ".mcp.json"
_LONGEST = 1 << 20


def fingerprint(directory: str) -> str:
    """The same as long as these mean the same. Raises OSError where a file cannot be read."""
    text = json.dumps(_parts(directory), sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def adds_to(directory: str, other: str) -> bool:
    """Whether it could start anything that the other directory could not. Raises OSError."""
    pairs = zip(_parts(directory), _parts(other), strict=True)
    return any(mine is not None and mine != theirs for mine, theirs in pairs)


def _parts(directory: str) -> list[object]:
    found = [_hooks(os.path.join(directory, name)) for name in _SETTINGS]
    return [*found, _told(os.path.join(directory, _SERVERS))]


def _hooks(path: str) -> object:
    told = _told(path)
    return told.get("hooks") if isinstance(told, dict) else told


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
