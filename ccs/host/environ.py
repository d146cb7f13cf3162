"""The environment of a run: what the scheduler was started with, less what belongs to another
session, plus the profile. A variable that cannot be had, or comes out empty, stops the run: the
value that happens to be ambient may bill another account. Lean.
"""

from __future__ import annotations

import os
from contextlib import suppress

from ccs.errors import CcsError
from ccs.host.files import read_regular
from ccs.host.process import MARKER
from ccs.model.sources import OTHER_NAMES, SOURCES, is_credential, leads_programs, looks_secret
from ccs.redact import redact
from ccs.spellings import spellings, strings_within
from ccs.text import MASK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
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
# What a hook or an alias of git says of its own repository: in it, the agent's git would work there
# and not where the agent is. Who the user is and how git connects is kept.
_OF_A_REPOSITORY = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_PREFIX"),
    *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE"),
    *("GIT_CONFIG", "GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT", "GIT_IMPLICIT_WORK_TREE"),
    *("GIT_GRAFT_FILE", "GIT_SHALLOW_FILE", "GIT_NO_REPLACE_OBJECTS", "GIT_REPLACE_REF_BASE"),
    *("GIT_INTERNAL_SUPER_PREFIX", "GIT_QUARANTINE_PATH", "GIT_REFLOG_ACTION"),
    *("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE", "GIT_EDITOR", "GIT_SEQUENCE_EDITOR"),
)
# Of what only its name says that it is one.
_SHORTEST_GUESSED = 12
# With its name, what Linux takes as one variable.
_LONGEST = 128 * 1024 - 1
# A model or a window may be called like the value of some variable that is no secret.
_JUDGED_BY = ("status", "reason", "session_id", "models", "quota", "limit_type", "resets_at")


class EnvFailed(CcsError):
    """A variable of a profile could not be had."""

    code = "env_failed"


class Environment:
    """Variables for a client, and the values that must not show anywhere. `others`: what a program
    gets that is not the client, such as git or the task's check: none of the profile's secrets.
    """

    def __init__(
        self, variables: dict[str, str], secrets: list[str], others: dict[str, str] | None = None
    ) -> None:
        self.variables = variables
        self.others = variables if others is None else others
        self._hidden = spellings(secrets)

    def mask(self, content: bytes) -> bytes:
        for form in self._hidden:
            if form in content:
                content = content.replace(form, MASK.encode())
        return redact(content)

    def mask_text(self, text: str) -> str:
        return self.mask(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def mask_record(self, record: dict[str, Any]) -> dict[str, Any]:
        """All texts in it but those a run is judged by: any of them may quote a tool."""
        return {
            name: value if name in _JUDGED_BY else self._masked(value)
            for name, value in record.items()
        }

    def _masked(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.mask_text(value)
        if isinstance(value, list):
            return [self._masked(one) for one in value]
        if isinstance(value, dict):
            return {name: self._masked(one) for name, one in value.items()}
        return value


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """What a supervisor and its client may take over."""
    dropped = {*_OF_ANOTHER_SESSION, *_OF_A_REPOSITORY}
    kept = {name: value for name, value in environ.items() if name not in dropped}
    if not any(name in kept for name in ("LANG", "LC_ALL")):
        kept["LANG"] = "C.UTF-8"  # cron sets none; git and the tools would fall back to ASCII
    return kept


def for_others(environ: Mapping[str, str]) -> dict[str, str]:
    """The same for any program that is not the client: without the client's credentials."""
    kept = inherited(environ)
    return {name: value for name, value in kept.items() if not is_credential(name)}


def resolve(
    profile: dict[str, Any] | None,
    environ: Mapping[str, str],
    run_id: str = "",
    given_up: Callable[[], object] | None = None,
) -> Environment:
    """The profile's variables over the inherited ones. Raises EnvFailed.

    `run_id`: whose marker the programs carry that are asked for secrets, so that they are found
    and ended with the run. `given_up`: asked while they are; true if nobody waits any more.
    """
    variables, others = inherited(environ), for_others(environ)
    secrets = _guessed(variables)
    allowed = bool(profile and profile.get("allow_loader_variables") is True)
    for one in _entries(profile or {}):
        if one.source == "unset":
            variables.pop(one.name, None)
            others.pop(one.name, None)
            continue
        if leads_programs(one.name) and not allowed:
            raise EnvFailed(
                f"{one.name} makes programs run other code than their own",
                "if that is meant: ccs profiles update PROFILE --allow-loader-variables",
            )
        value = _look_up(one, environ, run_id, given_up)
        variables[one.name] = value
        secrets.append(value)
        if one.source not in ("static", "env"):
            secrets += strings_within(value)
        elif not looks_secret(one.name):
            others[one.name] = value
    if profile and isinstance(profile.get("config_dir"), str):
        variables["CLAUDE_CONFIG_DIR"] = os.path.expanduser(profile["config_dir"])
    return Environment(variables, secrets, others)


def at_hand(
    profiles: Iterable[dict[str, Any]], environ: Mapping[str, str], more: Iterable[str] = ()
) -> Environment:
    """Masks what the profiles hold as far as no other program need be asked for it, and `more`."""
    secrets = [*_guessed(environ), *more]
    for one in (variable for profile in profiles for variable in _entries(profile)):
        with suppress(OSError, ValueError, KeyError):  # what cannot be had
            value = _NEAR[one.source](one.value, environ)
            secrets += [value, *strings_within(value)]
    return Environment({}, secrets)


def _guessed(variables: Mapping[str, str]) -> list[str]:
    named = (value for name, value in variables.items() if looks_secret(name))
    return [value for value in named if len(value) >= _SHORTEST_GUESSED]


class _Entry:
    """A variable of a profile as the file has it: nobody checked it since."""

    def __init__(self, variable: object) -> None:
        fields = variable if isinstance(variable, dict) else {}
        name, source, value = fields.get("name"), fields.get("source"), fields.get("value", "")
        config = fields.get("config") or {}
        if not (
            isinstance(name, str)
            and isinstance(source, str)
            and isinstance(value, str)
            and isinstance(config, dict)
        ):
            raise EnvFailed("a variable of the profile is damaged", "ccs health names it")
        if not name or "=" in name or "\0" in name:
            raise EnvFailed(f"{name!r} cannot be the name of a variable", "ccs health names it")
        self.name = name
        self.source = OTHER_NAMES.get(source, source)
        self.value = value
        self.config = config


def _entries(profile: dict[str, Any]) -> list[_Entry]:
    return [_Entry(variable) for variable in profile.get("env_vars") or []]


def _look_up(
    one: _Entry, environ: Mapping[str, str], run_id: str, given_up: Callable[[], object] | None
) -> str:
    where = f"{one.name}: source {one.source}"
    if one.source not in SOURCES:
        raise EnvFailed(f"{where} is not supported by this version of ccs")
    try:
        if one.source in _NEAR:
            found = _NEAR[one.source](one.value, environ)
        else:
            from ccs.host.secrets import Secrets

            marker = run_id or os.urandom(16).hex()
            keepers = Secrets(for_others(environ), marker, given_up)
            found = keepers.find(one.source, one.value, one.config)
    except UnicodeDecodeError:  # its words quote a piece of the value
        raise EnvFailed(f"{where} failed: its value is no UTF-8 text") from None
    except (OSError, ValueError) as error:
        raise EnvFailed(f"{where} failed: {error}") from None
    if not found:
        raise EnvFailed(f"{where} gave an empty value")
    if "\0" in found:
        raise EnvFailed(f"{where} gave a NUL, which no variable can hold")
    if len(f"{one.name}={found}".encode("utf-8", "surrogatepass")) > _LONGEST:
        raise EnvFailed(f"{where} gave more than a variable can hold")
    return found


def _from_environ(value: str, environ: Mapping[str, str]) -> str:
    if value not in environ:
        raise ValueError(f"{value} is not set in the environment of the scheduler")
    return environ[value]


def _from_file(value: str, environ: Mapping[str, str]) -> str:
    return read_regular(os.path.expanduser(value), 1 << 20).decode("utf-8").rstrip("\r\n")


# The sources that need no other program.
_NEAR: dict[str, Callable[[str, Mapping[str, str]], str]] = {
    "static": lambda value, environ: value,
    "env": _from_environ,
    "file": _from_file,
}
