"""Values taken as they stand: of the very type, in the very form in which ccs writes them.

The marks bear pydantic's names where they are used (`ccs.model.shape`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from math import isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from ccs import instant

Take = Callable[[Any], Any]
Part = Callable[[type[Any]], Take | None]
MISSING = object()
# Beyond these an int is no longer the same number as a float.
_EXACT = 1 << 53


class Refused(ValueError):
    """No such record: `field: what is wrong`, one for each problem; `field`: of the first."""

    def __init__(self, complaints: list[str], field: str) -> None:
        super().__init__("; ".join(complaints))
        self.complaints = complaints
        self.field = field


class Unsure(ValueError):
    """Not plainly right: the judge decides."""


class After:
    """A check of what was taken; in an annotation its `func` may also change it."""

    def __init__(self, func: Take) -> None:
        self.func = func


class Before(After):
    pass


class Aliases:
    def __init__(self, *names: str) -> None:
        self.names = names


class Noted:
    """A default, names to read it by, or bounds; `known` are the words it was given."""

    def __init__(self, default: Any = MISSING, **known: Any) -> None:
        self.default = default
        self.known = known

    def check(self, value: Any) -> Any:
        for bound, holds in _BOUNDS.items():
            if bound in self.known and not holds(value, self.known[bound]):
                raise Unsure
        return value


class Check:
    """A validator as it stands in a class. `names` are its fields; none: it is for the whole."""

    def __init__(self, func: Any, names: tuple[str, ...], mode: str) -> None:
        self.func = func
        self.names = names
        self.mode = mode

    def bound(self, cls: type[Any]) -> Take:
        found: Take = self.func.__get__(None, cls)
        return found


def taker(annotation: Any, part: Part) -> Take:
    """A function that returns a value of this type, or raises ValueError.

    `part` gives that of a class of ours, None for any other.
    """
    if annotation is Any:
        return lambda value: value
    if isinstance(annotation, type) and (take := part(annotation)) is not None:
        return take
    if annotation in _SIMPLE:
        return _SIMPLE[annotation]
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _annotated(inside[0], inside[1:], part)
    if origin is Literal:
        return _one_of(frozenset(inside))
    if origin in (Union, UnionType):
        return _either(
            [taker(one, part) for one in inside if one is not NoneType], NoneType in inside
        )
    if origin is list:
        return _listed(taker(inside[0], part))
    if origin is dict and inside == (str, Any):
        return _keyed
    raise TypeError(f"{annotation!r}: no such type is known here")


def _annotated(base: Any, marks: tuple[Any, ...], part: Part) -> Take:
    for mark in marks:
        if isinstance(mark, Noted) and (tag := mark.known.get("discriminator")):
            return _tagged(get_args(base), tag, part)
    before = [mark.func for mark in marks if isinstance(mark, Before)]
    after = [
        mark.check if isinstance(mark, Noted) else mark.func
        for mark in marks
        if not isinstance(mark, Before)
    ]
    return in_turn(*reversed(before), taker(base, part), *after)


def in_turn(*steps: Take) -> Take:
    if len(steps) == 1:
        return steps[0]

    def take(value: Any) -> Any:
        for step in steps:
            value = step(value)
        return value

    return take


def _tagged(kinds: tuple[type[Any], ...], tag: str, part: Part) -> Take:
    takers = {getattr(kind, tag): part(kind) for kind in kinds}

    def take(value: Any) -> Any:
        name = value.get(tag) if type(value) is dict else getattr(value, tag, None)
        found = takers.get(name) if type(name) is str else None
        if found is None:
            raise Unsure
        return found(value)

    return take


def _either(takers: list[Take], optional: bool) -> Take:
    only = takers[0] if len(takers) == 1 else None

    def take(value: Any) -> Any:
        if optional and value is None:
            return None
        if only is not None:
            return only(value)
        for one in takers:
            try:
                return one(value)
            except ValueError:
                continue
        raise Unsure

    return take


def _one_of(words: frozenset[Any]) -> Take:
    def take(value: Any) -> Any:
        if type(value) is str and value in words:
            return value
        raise Unsure

    return take


def _listed(take_one: Take) -> Take:
    def take(value: Any) -> Any:
        if type(value) is not list:
            raise Unsure
        return [take_one(one) for one in value]

    return take


def _keyed(value: Any) -> Any:
    if type(value) is not dict:
        raise Unsure
    return {_text(key): one for key, one in value.items()}


def _text(value: Any) -> Any:
    if type(value) is not str:
        raise Unsure
    if not value.isascii():
        value.encode()  # half a surrogate pair is no text
    return value


def _whole(value: Any) -> Any:
    if type(value) is not int:
        raise Unsure
    return value


def _number(value: Any) -> Any:
    if type(value) is int and -_EXACT < value < _EXACT:
        return float(value)
    if type(value) is not float or not isfinite(value):
        raise Unsure
    return value


def _yes_or_no(value: Any) -> Any:
    if type(value) is not bool:
        raise Unsure
    return value


def _moment(value: Any) -> Any:
    if type(value) is datetime:
        return value
    if type(value) is not str or len(value) != 24:
        raise Unsure
    found = instant.parse(value)
    if instant.text(found) != value:
        raise Unsure
    return found


def _span(value: Any) -> Any:
    if type(value) is not timedelta:
        raise Unsure
    return value


_SIMPLE: dict[Any, Take] = {
    str: _text,
    int: _whole,
    float: _number,
    bool: _yes_or_no,
    datetime: _moment,
    timedelta: _span,
}
_BOUNDS: dict[str, Callable[[Any, Any], bool]] = {
    "ge": lambda value, bound: value >= bound,
    "gt": lambda value, bound: value > bound,
    "le": lambda value, bound: value <= bound,
    # Python's `$` passes over a line break at the end, pydantic's does not.
    "pattern": lambda value, pattern: bool(re.search(pattern, value)) and value[-1:] != "\n",
}
