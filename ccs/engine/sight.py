"""What the system's scheduler lets a tick see: less than a shell sees, and nobody is there to tell.

`ccs install` notes in installed.json what it installed and when. The first tick that this backend
calls afterwards, and each whole tick that finds what was seen old or its PATH another one, starts a
child that looks around in the tick's own environment and writes sight.json. What is expected keeps
ticks from the short way. The looking is a child's because a tick touches no path outside of the
store and waits for nothing.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ccs import __version__, instant
from ccs.errors import CcsError
from ccs.host import asking, client, environ, program
from ccs.host.program import detached
from ccs.store import atomic, strict
from ccs.store.home import Home
from ccs.store.store import Store

Record = dict[str, Any]

# Without an answer by then the entry is not called as it was written; ticks may rest again.
_EXPECTED_FOR = timedelta(hours=1)
_OLD = timedelta(days=1)
# Two schedulers that take turns must not have somebody look each minute.
_FRESH = timedelta(minutes=10)
_ASKING_SECONDS = 15.0
# They decide who pays; a shell has them more often than a scheduler. Only their names are kept.
_OF_LOGIN = ("ANTHROPIC_", "CLAUDE_CODE_USE_", "CLAUDE_CODE_OAUTH", "CLAUDE_CONFIG_DIR")


def expect(home: Home, backend: str, now: datetime) -> None:
    """From now on a tick called by `backend` is expected, and says what it sees."""
    told = {"format": 1, "backend": backend, "at": instant.text(now)}
    atomic.write(home.installed, strict.encode(told))
    forget_agenda(home)


def forget(home: Home) -> None:
    """Nothing is installed any more."""
    for path in (home.installed, home.sight):
        if os.path.lexists(path):
            os.unlink(path)


def forget_agenda(home: Home) -> None:
    """So that the next tick is a whole one."""
    if os.path.lexists(home.agenda):
        os.unlink(home.agenda)


def installed(home: Home) -> Record:
    return _read(home.installed)


def seen(home: Home) -> Record:
    """What a scheduled tick saw last; empty when none has looked."""
    return _read(home.sight)


def start(home: Home, environment: Mapping[str, str], backend: str | None, now: datetime) -> bool:
    """Starts the child if there is something new to see. Whether a look is still expected.
    Raises OSError, BrokenStore.
    """
    last, wanted = seen(home), installed(home)
    answered = not wanted or _answers(last, wanted)
    if backend is not None:
        is_asked = not answered and wanted["backend"] == backend
        if is_asked or _is_stale(last, {**_surroundings(environment), "backend": backend}, now):
            inherited = {**environ.inherited(environment), "CCS_HOME": home.path}
            detached(program.argv("sight", backend), inherited)
    return not answered and now - instant.parse(wanted["at"]) < _EXPECTED_FOR


def _is_stale(last: Record, known: Record, now: datetime) -> bool:
    if not last:
        return True
    age = abs(now - instant.parse(last["at"]))
    changed = any(last.get(name) != value for name, value in known.items())
    return age > _OLD or (changed and age > _FRESH)


def _answers(last: Record, wanted: Record) -> bool:
    at = last.get("at")
    return last.get("backend") == wanted["backend"] and isinstance(at, str) and at >= wanted["at"]


def look(store: Store, environment: Mapping[str, str], backend: str, now: datetime) -> None:
    """The child's work: at once what costs nothing, then what the client says of its login.
    Raises CcsError, OSError.
    """
    told: Record = {"format": 1, "backend": backend, "at": instant.text(now)}
    told |= around(store, environment)
    atomic.write(store.home.sight, strict.encode({**told, "login": "asking"}), durable=False)
    told["login"] = _login(store, environment, told["client"])
    atomic.write(store.home.sight, strict.encode(told), durable=False)


def around(store: Store, environment: Mapping[str, str]) -> Record:
    """What whoever has this environment sees of what runs need. `client`: its path, or null."""
    try:
        settings = store.settings()
        wanted = client.MOCK if settings.mock_mode else settings.claude_path
        program, problem = client.argv(wanted, environment), None
    except CcsError as error:
        program, problem = [], error.message
    names = sorted(name for name in environment if name.startswith(_OF_LOGIN))
    return {
        **_surroundings(environment),
        "client": client.MOCK if len(program) > 1 else "".join(program) or None,
        "problem": problem,
        "git": shutil.which("git", path=environment.get("PATH", os.defpath)),
        "variables": names,
    }


def _surroundings(environment: Mapping[str, str]) -> Record:
    return {
        "version": __version__,
        "home": environment.get("HOME"),
        "path": environment.get("PATH", os.defpath),
    }


def _login(store: Store, environment: Mapping[str, str], program: str | None) -> str:
    """In words. The client answers from its own files, offline; that a request would be let
    through it cannot know."""
    if program is None:
        return "unknown: there is no client"
    if program == client.MOCK:
        return "none needed"
    variables = {**environ.inherited(environment), "DISABLE_AUTOUPDATER": "1"}
    argv = [program, "auth", "status", "--json"]
    try:
        answer = asking.ask(argv, b"", "/", variables, _ASKING_SECONDS)
        told = json.loads(answer.out)
    except (OSError, ValueError):
        return "unknown: the client does not say"
    if not isinstance(told, dict) or not told.get("loggedIn"):
        return "not logged in"
    return f"logged in ({told.get('authMethod') or 'no method named'})"


def _read(path: str) -> Record:
    """Derived, so that what cannot be read is as good as absent."""
    found = atomic.read(path)
    try:
        told = json.loads(found[0]) if found else None
        if isinstance(told, dict):
            instant.parse(told["at"])
            return told if isinstance(told["backend"], str) else {}
    except (KeyError, TypeError, ValueError, RecursionError):
        pass  # torn or edited by hand
    return {}
