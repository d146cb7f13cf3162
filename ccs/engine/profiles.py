"""What people do with profiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from ccs.errors import Conflict, InvalidInput
from ccs.host import secrets
from ccs.model.profile import TEMPLATES, Profile
from ccs.model.sources import leads_programs
from ccs.store.store import Store


def create(store: Store, fields: Mapping[str, Any], template: str | None, now: datetime) -> Profile:
    """`template`: a profile of TEMPLATES, with its well-known id. Raises Conflict, InvalidInput."""
    base: Mapping[str, Any] = TEMPLATES[template] if template else {"id": str(uuid4())}
    variables = _merged(base.get("env_vars", []), fields.get("env_vars", []), ())
    profile = Profile.checked(
        {**base, **fields, "env_vars": variables, "created_at": now, "updated_at": now}
    )
    _refuse_loaders(profile)
    with store.locked("ccs profiles create"):
        if store.profiles.get(profile.id) is not None:
            raise Conflict(
                f"the profile {profile.name!r} exists already",
                f"change it: ccs profiles update {profile.id[:8]}",
            )
        store.profiles.put(profile)
    return profile


def update(
    store: Store,
    reference: str,
    fields: Mapping[str, Any],
    removed: Sequence[str],
    now: datetime,
) -> Profile:
    """Variables in `fields` replace those of the same name; `removed` leave the profile."""
    with store.locked("ccs profiles update"):
        profile = store.profiles.find(reference)
        present = profile.record()["env_vars"]
        unknown = set(removed) - {variable["name"] for variable in present}
        if unknown:
            raise InvalidInput(f"the profile has no variable {', '.join(sorted(unknown))}")
        variables = _merged(present, fields.get("env_vars", []), removed)
        changed = profile.changed(**{**fields, "env_vars": variables}, updated_at=now)
        _refuse_loaders(changed)
        store.profiles.put(changed)
    return changed


def delete(store: Store, reference: str, force: bool) -> Profile:
    """Refused while jobs or tasks name it, unless forced: their runs would fail."""
    with store.locked("ccs profiles delete"):
        profile = store.profiles.find(reference)
        if not force:
            refuse_used(store, profile)
        store.profiles.remove([profile.id])
    return profile


def doubts(profile: Profile, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Variables that runs on this machine will not get, where that is plain already, and why."""
    for one in profile.env_vars:
        if one.source != "unset" and not one.value:
            yield one.name, f"{one.name} is empty; runs will fail until it has a value"
        elif lack := secrets.lacking(one.source, environment):
            yield one.name, f"{one.name} cannot be had on this machine, so runs will fail: {lack}"


def refuse_used(store: Store, profile: Profile) -> None:
    """Raises Conflict."""
    users = [f"task {one.name!r}" for one in store.tasks.all() if one.profile == profile.id]
    users += [f"job {one.name!r}" for one in store.jobs.all() if one.profile == profile.id]
    kept = (one for one in store.runs.all() if one.unfinished and one.profile == profile.id)
    users += [f"run {one.id[:8]}" for one in kept]
    if store.settings().default_profile == profile.id:
        users.append("default_profile in settings.json")
    if users:
        raise Conflict(
            f"{profile.name!r} is used by {len(users)}: {', '.join(users[:5])}",
            "give them another profile, or use --force: their runs will fail with env_failed",
        )


def _refuse_loaders(profile: Profile) -> None:
    """Raises InvalidInput for what its runs would refuse."""
    set_ones = [one.name for one in profile.env_vars if one.source != "unset"]
    leading = sorted(filter(leads_programs, set_ones))
    if leading and not profile.allow_loader_variables:
        raise InvalidInput(
            f"{', '.join(leading)}: makes programs run other code than their own",
            "if that is meant, add --allow-loader-variables",
        )


def _merged(
    present: Sequence[Mapping[str, Any]],
    given: Sequence[Mapping[str, Any]],
    removed: Sequence[str],
) -> list[Mapping[str, Any]]:
    variables = {variable["name"]: variable for variable in (*present, *given)}
    return [variable for name, variable in variables.items() if name not in removed]
