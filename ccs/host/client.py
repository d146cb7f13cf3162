"""Where the client is: the profile's, the settings', the PATH's, then the usual places. Lean."""

from __future__ import annotations

import os
import sys

from ccs.errors import MissingDependency

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Instead of a path: the bundled stand-in, which needs no login and costs nothing.
MOCK = "mock"
_USUAL = (
    "~/.local/bin/claude",
    "~/.claude/local/claude",
    "/usr/local/bin/claude",
    "/opt/homebrew/bin/claude",
    "~/.npm-global/bin/claude",
    "~/.bun/bin/claude",
    "~/.volta/bin/claude",
    "~/.nvm/versions/node/*/bin/claude",
)


def argv(wanted: str | None, environ: Mapping[str, str]) -> list[str]:
    """The program to call. Raises MissingDependency."""
    if wanted == MOCK:
        return [sys.executable, "-P", "-m", "ccs.claude.mock"]
    if wanted:
        path = os.path.expanduser(wanted)
        if _runnable(path):
            return [path]
        raise MissingDependency(f"the client {path} cannot be run", "check claude_path")
    for path in _candidates(environ):
        if _runnable(path):
            return [path]
    raise MissingDependency(
        "claude was not found on PATH or in the usual places",
        "install it (npm install -g @anthropic-ai/claude-code) or set claude_path in settings.json",
    )


def _candidates(environ: Mapping[str, str]) -> Iterator[str]:
    name = "claude.exe" if os.name == "nt" else "claude"
    for directory in environ.get("PATH", os.defpath).split(os.pathsep):
        if os.path.isabs(directory):  # "" and "." would mean the directory of the task
            yield os.path.join(directory, name)
    for place in _USUAL:
        path = os.path.expanduser(place)
        if "*" not in path:
            yield path
            continue
        import glob

        yield from sorted(glob.glob(path), reverse=True)


def _runnable(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)
