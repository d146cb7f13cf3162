"""What the fields of each record may say, where it is one of a few words; from the models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from ccs.model.job import Job
from ccs.model.profile import Profile
from ccs.model.record import Part
from ccs.model.run import Run
from ccs.model.settings import Settings
from ccs.model.shape import form_of
from ccs.model.task import Task

_KINDS: dict[str, type[Part]] = {
    "job": Job,
    "task": Task,
    "run": Run,
    "profile": Profile,
    "settings": Settings,
}


def words() -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = {}
    for name, kind in _KINDS.items():
        told = found.setdefault(name, {})
        for field, value in _of(kind, ""):
            told.setdefault(field, []).append(value)
    return {
        name: {one: list(dict.fromkeys(its)) for one, its in told.items()}
        for name, told in found.items()
    }


def _of(kind: type[Part], before: str) -> Iterator[tuple[str, str]]:
    for field in form_of(kind).fields:
        for leaf in _leaves(field.annotation):
            if isinstance(leaf, type) and issubclass(leaf, Part):
                yield from _of(leaf, f"{before}{field.name}.")
            elif isinstance(leaf, str):
                yield before + field.name, leaf


def _leaves(annotation: Any) -> Iterator[Any]:
    """The words of its literals, and the records in it."""
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
        return
    if isinstance(annotation, type) and not get_args(annotation):
        yield annotation
    for inner in get_args(annotation):
        if not isinstance(inner, str):
            yield from _leaves(inner)
