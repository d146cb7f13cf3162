"""How a person goes on with the session of a run, outside of ccs."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from ccs.errors import Conflict
from ccs.model.profile import Profile
from ccs.model.run import Run
from ccs.store.store import Store


@dataclass(frozen=True)
class ByHand:
    """One line for a POSIX shell, and what may be wrong with it."""

    command: str
    warnings: list[str]


def resuming(store: Store, reference: str) -> ByHand:
    """Raises Conflict for a run without a session that could be resumed; NotFound, Ambiguous."""
    run = store.find_run(reference)
    if run.status == "running":
        hint = f"stop it first: ccs runs stop {run.id[:8]}"
        raise Conflict(f"run {run.id[:8]} goes on in that session", hint)
    if run.session_id is None:
        raise Conflict(f"run {run.id[:8]} has no session", "its log may tell why: ccs runs log")
    if run.mock:
        raise Conflict(f"run {run.id[:8]} was played by the mock client; it has no session")
    profile = store.profiles.get(run.profile) if run.profile else None
    assigned = _config_dir(profile)
    program = (profile.claude_path if profile else None) or store.settings().claude_path
    words = [*assigned, _quoted(program or "claude"), "--resume", shlex.quote(run.session_id)]
    place = f"cd {_quoted(run.cwd)} && " if run.cwd else ""
    return ByHand(place + " ".join(words), _warnings(store, run, profile))


def _config_dir(profile: Profile | None) -> list[str]:
    """The client keeps its sessions there."""
    if profile is None:
        return []
    told = profile.config_dir
    for variable in profile.env_vars:
        if variable.name == "CLAUDE_CONFIG_DIR" and variable.source == "static":
            told = told or variable.value
    return [f"CLAUDE_CONFIG_DIR={_quoted(told)}"] if told else []


def _quoted(path: str) -> str:
    """A leading `~/` is for the shell to expand, as it is for ccs."""
    home = path.startswith("~/")
    return ("~/" if home else "") + shlex.quote(path.removeprefix("~/") if home else path)


def _warnings(store: Store, run: Run, profile: Profile | None) -> list[str]:
    found = []
    if run.profile and profile is None:
        found.append(f"its profile {run.profile} does not exist any more")
    if profile is not None and profile.env_vars:
        names = ", ".join(one.name for one in profile.env_vars)
        found.append(f"profile {profile.name!r} also sets what your shell may not have: {names}")
    mine = [one for one in store.runs.all() if one.session_id == run.session_id]
    for one in mine:
        if one.unfinished and one.id != run.id:
            words = "goes on in that session" if one.status == "running" else "waits to go on in it"
            found.append(f"run {one.id[:8]} {words}; stop it first: ccs runs stop {one.id[:8]}")
    return found
