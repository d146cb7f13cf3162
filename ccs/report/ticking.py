"""For `ccs doctor`: whether ticks come, and whether they find what they need."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta

from ccs import duration, instant
from ccs.model.run import Run
from ccs.report import scheduling, state
from ccs.report.finding import BROKEN, NOTE, WARNING, Check, Finding, Scene
from ccs.store.mending import quoted
from ccs.usage.ledger import DEFAULT

_INSTALL = "ccs install"
_FETCH = "npm install -g @anthropic-ai/claude-code"


def _age(scene: Scene) -> Iterator[Finding]:
    home = scene.store.home
    level = BROKEN if scene.timed else NOTE
    age = state.tick_age(scene.store, scene.now)
    if age is None:
        words = f"nothing has called ccs tick yet, so {_waiting(scene)}"
        yield Finding(level, words, home.path, _INSTALL)
    elif not state.is_ticking(scene.store, scene.now):
        by = state.last_tick(scene.store).get("backend") or "hand"
        ago = duration.text(timedelta(seconds=age))
        words = f"the last tick came {ago} ago, called by {by}, so {_waiting(scene)}"
        yield Finding(level, words, home.last_tick, f"ccs status, then {_INSTALL}")


def _waiting(scene: Scene) -> str:
    count = len(scene.timed)
    return f"{count} enabled task{'s' * (count != 1)} will not start" if count else "nothing starts"


def _entries(scene: Scene) -> Iterator[Finding]:
    found, notes = scheduling.entries(scene.store, scene.environment)
    mend = f"{_INSTALL} --replace" if len(found) > 1 else _INSTALL
    for words in notes if found or scene.timed else []:
        yield Finding(
            WARNING, words, ", ".join(one["where"] for one in found) or "ccs status", mend
        )


def _client(scene: Scene) -> Iterator[Finding]:
    """As the scheduler sees it."""
    seen = scene.seen
    if not seen or not scene.is_real:
        return
    level = BROKEN if scene.timed else WARNING
    where = scene.store.home.sight
    if not seen.get("client"):
        path = scene.here["client"]
        mend = f"ccs settings set claude_path {quoted(path)}" if path else _FETCH
        words = f"a tick called by {seen['backend']} does not find the client"
        yield Finding(level, f"{words}: {seen.get('problem')}", where, mend)
    if seen.get("login") == "not logged in" and scene.uses_login and not _served(scene):
        words = f"the client was not logged in as a tick saw it at {seen['at']}"
        yield Finding(level, words, where, f"claude auth login; if that is done: {_INSTALL}")


def _served(scene: Scene) -> bool:
    """Whether a run of the machine's own login has succeeded since."""
    at = instant.parse(scene.seen["at"])
    return any(_succeeded(one, DEFAULT) and (one.end_time or at) > at for one in scene.runs)


def _succeeded(run: Run, account: str) -> bool:
    return run.status == "success" and not run.mock and run.account == account


def _drift(scene: Scene) -> Iterator[Finding]:
    seen, here = scene.seen, scene.here
    if not seen:
        return
    where = scene.store.home.sight
    for name in ("home", "client", "git"):
        if name == "client" and not (scene.is_real and seen.get(name)):
            continue  # of no use now, or another finding
        if seen.get(name) != here[name]:
            there = seen.get(name) or "none"
            words = f"{name}: the scheduler sees {there}, this shell {here[name] or 'none'}"
            yield Finding(WARNING, words, where, _INSTALL)
    theirs = str(seen.get("path") or "").split(os.pathsep)
    missing = [one for one in dict.fromkeys(here["path"].split(os.pathsep)) if one not in theirs]
    if any(missing):
        words = f"PATH of this shell, not of the scheduler: {', '.join(filter(None, missing))}"
        yield Finding(NOTE, words, where, f"{_INSTALL}, if tasks need programs from there")
    known = seen.get("variables")
    for name in sorted(set(here["variables"]) - set(known if isinstance(known, list) else [])):
        words = f"{name} is set in this shell and not for the scheduler, so runs lack it"
        mend = f"ccs profiles create --name NAME --env-from {name}=file:PATH, or: unset {name}"
        yield Finding(WARNING, words, where, mend)


CHECKS: tuple[Check, ...] = (_age, _entries, _client, _drift)
