"""The environment of a run: what the scheduler was started with, less what belongs to another
session, plus the profile. A variable that cannot be had, or comes out empty, stops the run: the
value that happens to be ambient may bill another account. Lean.
"""

from __future__ import annotations

import json
import os

from ccs.errors import CcsError
from ccs.host.files import read_regular
from ccs.host.process import MARKER
from ccs.model.sources import OLD_NAMES
from ccs.text import MASK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

# Set by a client for its tools; a client started by such a tool must not think it is that session.
_OF_ANOTHER_SESSION = (
    MARKER,
    "CLAUDECODE",
    "CLAUDE_CODE_SESSION_ID",
    "CLAUDE_CODE_CHILD_SESSION",
    "CLAUDE_CODE_ENTRYPOINT",
    "CLAUDE_PID",
    "AI_AGENT",
)
# Shorter values ("0", "true") are no secrets, and masking them would eat the logs.
_SHORTEST_SECRET = 6
_COMMAND_SECONDS = 30


class EnvFailed(CcsError):
    """A variable of a profile could not be had."""

    code = "env_failed"


class Environment:
    """Variables for a client, and the values that must not show anywhere."""

    def __init__(self, variables: dict[str, str], secrets: list[str]) -> None:
        self.variables = variables
        self._hidden = _forms(secrets)

    def mask(self, content: bytes) -> bytes:
        for form in self._hidden:
            if form in content:
                content = content.replace(form, MASK.encode())
        return content

    def mask_text(self, text: str) -> str:
        return self.mask(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """What a supervisor and its client may take over."""
    kept = {name: value for name, value in environ.items() if name not in _OF_ANOTHER_SESSION}
    if not any(name in kept for name in ("LANG", "LC_ALL")):
        kept["LANG"] = "C.UTF-8"  # cron sets none; git and the tools would fall back to ASCII
    return kept


def resolve(profile: dict[str, Any] | None, environ: Mapping[str, str]) -> Environment:
    """The profile's variables over the inherited ones. Raises EnvFailed."""
    variables = inherited(environ)
    secrets = []
    for name, source, given in _entries(profile or {}):
        if source == "unset":
            variables.pop(name, None)
            continue
        value = _look_up(name, source, given, environ)
        variables[name] = value
        secrets.append(value)
    if profile and isinstance(profile.get("config_dir"), str):
        variables["CLAUDE_CONFIG_DIR"] = os.path.expanduser(profile["config_dir"])
    return Environment(variables, secrets)


def _entries(profile: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Name, source and value of each variable, as the file has them: nobody checked it since."""
    found: list[tuple[str, str, str]] = []
    for variable in profile.get("env_vars") or []:
        fields = variable if isinstance(variable, dict) else {}
        name, source, value = fields.get("name"), fields.get("source"), fields.get("value", "")
        if not (isinstance(name, str) and isinstance(source, str) and isinstance(value, str)):
            raise EnvFailed("a variable of the profile is damaged", "ccs health names it")
        if not name or "=" in name or "\0" in name:
            raise EnvFailed(f"{name!r} cannot be the name of a variable", "ccs health names it")
        found.append((name, OLD_NAMES.get(source, source), value))
    return found


def _look_up(name: str, source: str, value: str, environ: Mapping[str, str]) -> str:
    fetch = _SOURCES.get(source)
    if fetch is None:
        raise EnvFailed(f"{name}: the source {source} is not supported by this version of ccs")
    try:
        found = fetch(value, environ)
    except (OSError, ValueError) as error:
        raise EnvFailed(f"{name}: source {source} failed: {error}") from None
    if not found:
        raise EnvFailed(f"{name}: source {source} gave an empty value")
    if "\0" in found:
        raise EnvFailed(f"{name}: source {source} gave a NUL, which no variable can hold")
    return found


def _from_environ(value: str, environ: Mapping[str, str]) -> str:
    if value not in environ:
        raise ValueError(f"{value} is not set in the environment of the scheduler")
    return environ[value]


def _from_file(value: str, environ: Mapping[str, str]) -> str:
    return read_regular(os.path.expanduser(value), 1 << 20).decode("utf-8").rstrip("\r\n")


def _from_command(value: str, environ: Mapping[str, str]) -> str:
    import subprocess

    try:
        # A shell line is what this source is documented to be.
        done = subprocess.run(  # nosec B602
            value,
            shell=True,
            env=inherited(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # may hold the secret; never shown
            timeout=_COMMAND_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"the command did not end within {_COMMAND_SECONDS} s") from None
    if done.returncode:
        raise ValueError(f"the command ended with {done.returncode}")
    return done.stdout.decode("utf-8").strip()


_SOURCES: dict[str, Callable[[str, Mapping[str, str]], str]] = {
    "static": lambda value, environ: value,
    "env": _from_environ,
    "file": _from_file,
    "command": _from_command,
}


def _forms(secrets: list[str]) -> list[bytes]:
    """A secret, and each line of it, as it stands in plain text, inside JSON and inside JSON that
    a tool printed into the client's JSON; longest first.
    """
    forms = set()
    for part in {part for secret in secrets for part in (secret, *secret.splitlines())}:
        if len(part) < _SHORTEST_SECRET:
            continue
        for ascii_only in (True, False):
            once = json.dumps(part, ensure_ascii=ascii_only)[1:-1]
            twice = json.dumps(once, ensure_ascii=ascii_only)[1:-1]
            forms |= {form.encode("utf-8", "surrogatepass") for form in (part, once, twice)}
    return sorted(forms, key=len, reverse=True)
