"""What kept records are made of: pydantic's words, without pydantic for what is plainly right.

Importing pydantic and building its validators costs more than all else a tick does. So a record is
first taken as it stands: every field of the very type that is written down for it, in the very
form in which ccs writes it, and content with its validators. Only a record that is not so is given
to the judge (`ccs.model.judge`), which makes pydantic models of the same declarations: it coerces,
or says what is wrong, and nothing else does. Whatever is taken here the judge would take the same.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from copy import copy, deepcopy
from datetime import datetime, timedelta
from math import isfinite
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from ccs import duration, instant

Take = Callable[[Any], Any]
_MISSING = object()
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

    def __init__(self, default: Any = _MISSING, **known: Any) -> None:
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


class Shape:
    """`model_extra` holds the keys that no field is declared for; `vars` the fields."""

    __slots__ = ("__dict__", "model_extra")
    _declared: dict[str, type[Any]] = {}
    _checks: list[Check] = []
    _form: Form | None = None
    model_fields: dict[str, None] = {}

    def __init__(self, **fields: Any) -> None:
        found = type(self).model_validate(fields)
        self.__dict__ = found.__dict__
        self.model_extra = found.model_extra

    def __init_subclass__(cls) -> None:
        own = dict.fromkeys(_annotations(cls), cls)
        own.pop("__pydantic_extra__", None)
        cls._declared = {**cls._declared, **own}
        cls._checks = [*cls._checks, *(one for one in vars(cls).values() if isinstance(one, Check))]
        cls.model_fields = dict.fromkeys(cls._declared)
        cls._form = None

    @classmethod
    def model_validate(cls, entry: Any) -> Any:
        """Raises Refused."""
        try:
            return plain(cls, entry)
        except Exception:
            # Whatever it is that went wrong: the judge says it, or knows better.
            from ccs.model import judge

            return judge.judged(cls, entry)

    @classmethod
    def model_construct(cls, **fields: Any) -> Any:
        """Unchecked."""
        values = {
            one.name: fields.pop(one.name) if one.name in fields else one.fresh()
            for one in form_of(cls).fields
        }
        return built(cls, values, fields)

    def model_copy(self, update: Mapping[str, Any] | None = None) -> Any:
        """Unchecked."""
        other = built(type(self), dict(self.__dict__), dict(self.model_extra))
        for name, value in (update or {}).items():
            (other.__dict__ if name in self._declared else other.model_extra)[name] = value
        return other

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Shape) or type(self) is not type(other):
            return NotImplemented
        return self.__dict__ == other.__dict__ and self.model_extra == other.model_extra

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = [one.name for one in form_of(type(self)).fields if one.shown]
        words = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
        return f"{type(self).__name__}({words})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from ccs.model import judge

        return judge.schema(cls, handler)


if TYPE_CHECKING:
    # To a type checker they are what they stand in for.
    from pydantic import AfterValidator as AfterValidator
    from pydantic import AliasChoices as AliasChoices
    from pydantic import BaseModel as BaseModel
    from pydantic import BeforeValidator as BeforeValidator
    from pydantic import Field as Field
    from pydantic import field_validator as field_validator
    from pydantic import model_validator as model_validator
else:
    AfterValidator, BeforeValidator, AliasChoices = After, Before, Aliases
    BaseModel, Field = Shape, Noted

    def field_validator(*names: str, mode: str = "after") -> Any:
        return lambda func: Check(func, names, mode)

    def model_validator(*, mode: str) -> Any:
        return lambda func: Check(func, (), mode)


def built(cls: type[Any], values: dict[str, Any], extra: dict[str, Any]) -> Any:
    """The object of these values; its class is not asked."""
    made = object.__new__(cls)
    made.__dict__ = values
    made.model_extra = extra
    return made


def plain(cls: type[Any], entry: Any) -> Any:
    """The record if it is plainly right. Raises Unsure, or whatever a validator stumbles over."""
    form = form_of(cls)
    for check in form.before:
        entry = check(entry)
    if type(entry) is not dict:
        raise Unsure
    values = {}
    seen = 0
    for name, take, fresh in form.taking:
        if name in entry:
            values[name] = take(entry[name])
            seen += 1
        elif fresh is None:
            raise Unsure
        else:
            values[name] = fresh()
    extra = {}
    if seen < len(entry):
        extra = {key: form.extra(entry[key]) for key in entry if key not in values}
        if not all(type(key) is str and key not in form.aliases for key in extra):
            raise Unsure
    made = built(cls, values, extra)
    for check in form.after:
        made = check(made)
    return made


def dumped(value: Any) -> Any:
    """As it stands in a file. Nothing of it is shared with the record."""
    kind = type(value)
    if kind is str or value is None or kind is bool or kind is int or kind is float:
        return value
    if kind is datetime:
        return instant.text(value)
    if kind is timedelta:
        return duration.text(value)
    if isinstance(value, Shape):
        fields = {name: dumped(getattr(value, name)) for name in value._declared}
        return {**fields, **{key: dumped(one) for key, one in value.model_extra.items()}}
    if isinstance(value, dict):
        return {key: dumped(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [dumped(one) for one in value]
    return value


class Declared:
    """One field as its class declares it."""

    def __init__(self, name: str, annotation: Any, default: Any, form: Form) -> None:
        self.name = name
        self.annotation = annotation
        self.field = default if isinstance(default, Noted) else None
        self.default = default if self.field is None else self.field.default
        known = self.field.known if self.field else {}
        self.shown = known.get("repr", True)
        alias = known.get("validation_alias")
        self.aliases = frozenset(alias.names if alias else ()) - {name}
        mine = [one for one in form.checks if name in one.names]
        self.before = [one.bound(form.cls) for one in mine if one.mode == "before"]
        self.after = [one.bound(form.cls) for one in mine if one.mode == "after"]

    @property
    def required(self) -> bool:
        return self.default is _MISSING

    def fresh(self) -> Any:
        """Its default, which nobody else holds."""
        value = None if self.required else self.default
        if isinstance(value, Shape):
            return deepcopy(value)
        return copy(value) if isinstance(value, list | dict) else value

    def taking(self) -> tuple[str, Take, Callable[[], Any] | None]:
        take = _in_turn(*reversed(self.before), taker(self.annotation), *self.after)
        if self.required:
            return self.name, take, None
        value = self.default
        shared = value is None or type(value) in (str, int, float, bool, timedelta)
        return self.name, take, (lambda: value) if shared else self.fresh


class Form:
    """The declarations of a class, read when the first record of it is."""

    def __init__(self, cls: type[Any]) -> None:
        self.cls = cls
        self.checks = cls._checks
        self.fields = [self._declared(name, where) for name, where in cls._declared.items()]
        self.taking = [one.taking() for one in self.fields]
        self.aliases = frozenset[str]().union(*(one.aliases for one in self.fields))
        whole = [one for one in self.checks if not one.names]
        self.before = [one.bound(cls) for one in whole if one.mode == "before"]
        self.after = [one.func for one in whole if one.mode == "after"]
        self.extra_annotation = self._extra()
        self.extra: Take = taker(self.extra_annotation)

    def _declared(self, name: str, where: type[Any]) -> Declared:
        annotation = _evaluated(where.__annotations__[name], where)
        return Declared(name, annotation, getattr(where, name, _MISSING), self)

    def _extra(self) -> Any:
        for cls in self.cls.__mro__:
            written = _annotations(cls).get("__pydantic_extra__")
            if written is not None:
                return get_args(_evaluated(written, cls))[1]
        return Any


def form_of(cls: type[Any]) -> Form:
    found: Form | None = cls._form
    if found is None:
        found = cls._form = Form(cls)
    return found


def _annotations(cls: type[Any]) -> dict[str, Any]:
    """Its own, not those it inherits."""
    found: dict[str, Any] = vars(cls).get("__annotations__", {})
    return found


def _evaluated(written: Any, where: type[Any]) -> Any:
    if not isinstance(written, str):
        return written
    # The text of an annotation in one of our own modules, read as Python would have read it.
    return eval(written, vars(sys.modules[where.__module__]))  # nosec B307


# Taking a value as it is. ---------------------------------------------------------------------


def taker(annotation: Any) -> Take:
    """A function that returns a value of this type, or raises ValueError."""
    if annotation is Any:
        return lambda value: value
    if isinstance(annotation, type) and issubclass(annotation, Shape):
        return lambda value: value if isinstance(value, annotation) else plain(annotation, value)
    if annotation in _SIMPLE:
        return _SIMPLE[annotation]
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _annotated(inside[0], inside[1:])
    if origin is Literal:
        return _one_of(frozenset(inside))
    if origin in (Union, UnionType):
        return _either(inside)
    if origin is list:
        return _listed(taker(inside[0]))
    if origin is dict and inside == (str, Any):
        return _keyed
    raise TypeError(f"{annotation!r}: no such type is known here")


def _annotated(base: Any, marks: tuple[Any, ...]) -> Take:
    for mark in marks:
        if isinstance(mark, Noted) and (tag := mark.known.get("discriminator")):
            return _tagged(get_args(base), tag)
    before = [mark.func for mark in marks if isinstance(mark, Before)]
    after = [
        mark.check if isinstance(mark, Noted) else mark.func
        for mark in marks
        if not isinstance(mark, Before)
    ]
    return _in_turn(*reversed(before), taker(base), *after)


def _in_turn(*steps: Take) -> Take:
    if len(steps) == 1:
        return steps[0]

    def take(value: Any) -> Any:
        for step in steps:
            value = step(value)
        return value

    return take


def _tagged(kinds: tuple[type[Any], ...], tag: str) -> Take:
    classes = {getattr(kind, tag): kind for kind in kinds}

    def take(value: Any) -> Any:
        if isinstance(value, kinds):
            return value
        name = value.get(tag) if type(value) is dict else None
        if type(name) is not str or name not in classes:
            raise Unsure
        return plain(classes[name], value)

    return take


def _either(members: tuple[Any, ...]) -> Take:
    takers = [taker(one) for one in members if one is not NoneType]
    optional = len(takers) < len(members)
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
