"""Whether a profile's variables can be had, each by itself, as a run started from here would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ccs.engine import sight
from ccs.host import environ
from ccs.host.environ import EnvFailed
from ccs.model.profile import EnvVar, Profile
from ccs.store.store import Store
from ccs.text import MASK

Record = dict[str, Any]


def tested(
    store: Store, profile: Profile, environment: Mapping[str, str], unmask: bool
) -> list[Record]:
    """`status`: ok, unset or failed. Looks every secret up, as a run does."""
    seen = sight.seen(store.home)
    return [
        {**_one(profile, variable, environment, unmask), "note": _note(variable, seen)}
        for variable in profile.env_vars
    ]


def _one(
    profile: Profile, variable: EnvVar, environment: Mapping[str, str], unmask: bool
) -> Record:
    where = variable.value if variable.source not in ("static", "unset") else ""
    told: Record = {"name": variable.name, "source": variable.source, "where": where}
    try:
        alone = {**profile.record(), "env_vars": [variable.record()]}
        found = environ.resolve(alone, environment).variables.get(variable.name)
    except EnvFailed as error:
        return {**told, "status": "failed", "value": None, "error": error.message}
    if variable.source == "unset":
        return {**told, "status": "unset", "value": None, "error": None}
    return {**told, "status": "ok", "value": found if unmask else MASK, "error": None}


def _note(variable: EnvVar, seen: Record) -> str | None:
    if variable.source == "env":
        return f"of this shell; the scheduler ({seen.get('backend', 'cron')}) may not have it"
    return None
