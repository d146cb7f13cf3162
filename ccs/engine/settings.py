"""What people do with settings: look at them, change one, change them as a text.

They come from settings.json alone. The environment of a shell is not that of the scheduler's ticks,
so a variable that overrode one would change only some of the runs; a variable that looks like it
is named.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from ccs.errors import Conflict, InvalidInput, MissingDependency
from ccs.host import client
from ccs.model.settings import Settings
from ccs.model.settingwords import HOME, PRIOR, WORDS
from ccs.store import atomic, strict
from ccs.store.store import Store

Record = dict[str, Any]

_NONE = ("none", "null")
# Where it leads is secret, and its parts hang together.
_ELSEWHERE = "notifications"
_BY_CCS = "format"


def listed(store: Store, environment: Mapping[str, str]) -> list[Record]:
    """Every setting with its value, its default, where it comes from and what it means.

    Raises BrokenStore.
    """
    return described(store, store.settings_fields(), store.settings(), environment)


def described(
    store: Store, fields: Mapping[str, Any], settings: Settings, environment: Mapping[str, str]
) -> list[Record]:
    """The same of `settings`, of which `fields` were written down."""
    shown, defaults = settings.masked(), Settings().masked()
    rows = [
        _row(name, shown[name], defaults[name], "file" if name in fields else "default", words)
        for name, words in WORDS.items()
    ]
    origin = "environment" if environment.get("CCS_HOME") else "default"
    return [_row("CCS_HOME", store.home.path, "~/.claude-scheduler", origin, HOME), *rows]


def notes(store: Store, environment: Mapping[str, str]) -> list[str]:
    """What somebody may take for a setting that is none. Raises BrokenStore."""
    found = [
        f"${name} changes nothing: the scheduler's ticks have another environment than your shell;"
        f" ccs settings set {setting} VALUE holds for all"
        for name in sorted(environment)
        if name.startswith("CCS_") and (setting := name[len("CCS_") :].lower()) in WORDS
    ]
    raw = atomic.read(store.home.settings)
    document = strict.parse(raw[0], store.home.settings) if raw else {}
    meant = WORDS if _BY_CCS in document else WORDS.keys() - {"mock_mode"}
    others = [name for name in document if name not in meant and name != _BY_CCS]
    for name in others:
        if name in PRIOR:
            found.append(f"{name} of the prior system is not taken over: {PRIOR[name]}")
    if unknown := [name for name in others if name not in PRIOR]:
        found.append(f"kept, but without a meaning to this version of ccs: {', '.join(unknown)}")
    return found


def one(store: Store, environment: Mapping[str, str], name: str) -> Record:
    """Raises InvalidInput, BrokenStore."""
    rows = {row["key"]: row for row in listed(store, environment)}
    if name not in rows:
        raise _unknown(name, rows)
    return rows[name]


def change(store: Store, name: str, words: str, environment: Mapping[str, str]) -> None:
    """Raises InvalidInput, NotFound, Ambiguous, MissingDependency, BrokenStore, LockTimeout."""
    _refuse(name)
    value = _checked(store, name, _value(words), environment)
    with store.locked("ccs settings set"):
        fields = store.settings_fields()
        changed = Settings.checked({**fields, name: value})
        store.put_settings({**fields, name: changed.record()[name]})


def forget(store: Store, names: Iterable[str]) -> list[str]:
    """The default holds again; the keys that stood in the file. Also of keys that mean nothing.

    Raises InvalidInput, BrokenStore, LockTimeout.
    """
    wanted = list(dict.fromkeys(names))
    with store.locked("ccs settings unset"):
        fields = store.settings_fields()
        for name in wanted:
            if name not in fields:
                _refuse(name)
        gone = [name for name in wanted if name in fields and name != _BY_CCS]
        if _ELSEWHERE in gone:
            _refuse(_ELSEWHERE)
        left = {name: value for name, value in fields.items() if name not in gone}
        Settings.checked(left)
        if gone:
            store.put_settings(left)
    return gone


def text(store: Store) -> str:
    """What a person changes: every setting but those that have commands of their own."""
    return json.dumps(_shown(store), indent=2) + "\n"


def replace(store: Store, seen: str, edited: str, environment: Mapping[str, str]) -> list[str]:
    """The settings that the edited text changes. One that was taken out has its default again.

    Raises InvalidInput, Conflict if they are not as they were `seen`, and what `change` does.
    """
    before = json.loads(seen)
    after = _object(edited)
    for name in after:
        if name not in before:
            _refuse(name)
    changed = {
        name: _checked(store, name, value, environment)
        for name, value in after.items()
        if name not in before or before[name] != value
    }
    gone = before.keys() - after.keys()
    with store.locked("ccs settings edit"):
        if _shown(store) != before:
            raise Conflict("the settings have changed meanwhile", "look: ccs settings list")
        fields = store.settings_fields()
        left = {name: value for name, value in fields.items() if name not in gone}
        told = Settings.checked({**left, **changed}).record()
        if changed or gone & fields.keys():
            store.put_settings({**left, **{name: told[name] for name in changed}})
    return sorted(changed.keys() | gone)


def _shown(store: Store) -> Record:
    fields = store.settings().record()
    return {name: one for name, one in fields.items() if name not in (_ELSEWHERE, _BY_CCS)}


def _object(edited: str) -> Record:
    try:
        told = strict.decoder().decode(edited)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"this is not JSON: {error}") from None
    if not isinstance(told, dict):
        raise InvalidInput("this is no JSON object", 'it begins with "{" and ends with "}"')
    return told


def _row(key: str, value: Any, default: Any, origin: str, words: str) -> Record:
    return {
        "key": key,
        "value": value,
        "default": default,
        "origin": origin,
        "description": words,
    }


def _value(words: str) -> Any:
    return None if words.strip().lower() in _NONE else words


def _refuse(name: str) -> None:
    """Raises InvalidInput for what is no setting, or not to be changed here."""
    if name == "CCS_HOME":
        raise InvalidInput(
            "which store is meant cannot be written in the store",
            "set CCS_HOME in the shell, then ccs install for the scheduler",
        )
    if name == _ELSEWHERE:
        raise InvalidInput("notifications have a command of their own", "ccs notify --help")
    if name not in WORDS:
        raise _unknown(name, WORDS)


def _unknown(name: str, known: Iterable[str]) -> InvalidInput:
    close = difflib.get_close_matches(name.lower().replace("-", "_"), list(known), 1)
    meant = f"did you mean {close[0]}? " if close else ""
    return InvalidInput(f"there is no setting {name!r}", f"{meant}ccs settings list shows them")


def _checked(store: Store, name: str, value: Any, environment: Mapping[str, str]) -> Any:
    """What the model alone cannot know."""
    if not isinstance(value, str):
        return value
    if name == "default_profile":
        return store.profiles.find(value).id
    if name == "claude_path" and value != client.MOCK:
        path = os.path.expanduser(value)
        if not os.path.isabs(path):
            raise InvalidInput("claude_path must be absolute", f"as in claude_path /usr/bin/{path}")
        try:
            client.argv(path, environment)
        except MissingDependency as error:
            raise InvalidInput(error.message, "nothing was changed") from None
    return value
