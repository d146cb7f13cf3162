"""What kept records are made of: pydantic's words, without pydantic for what is plainly right.

Importing pydantic and building its validators costs more than all else a tick does. So a record is
first taken as it stands: every field of the very type that is written down for it, in the very
form in which ccs writes it, and content with its validators. Only a record that is not so is given
to the judge (`ccs.model.judge`), which makes pydantic models of the same declarations: it coerces,
or says what is wrong, and nothing else does. Whatever is taken here the judge would take the same.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from copy import copy, deepcopy
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, get_args

from ccs import duration, instant
from ccs.model.taking import (
    MISSING,
    After,
    Aliases,
    Before,
    Check,
    Noted,
    Take,
    Unsure,
    in_turn,
    taker,
)


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


def _part(cls: type[Any]) -> Take | None:
    if not issubclass(cls, Shape):
        return None
    return lambda value: value if isinstance(value, cls) else plain(cls, value)


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
        return self.default is MISSING

    def fresh(self) -> Any:
        """Its default, which nobody else holds."""
        value = None if self.required else self.default
        if isinstance(value, Shape):
            return deepcopy(value)
        return copy(value) if isinstance(value, list | dict) else value

    def taking(self) -> tuple[str, Take, Callable[[], Any] | None]:
        take = in_turn(*reversed(self.before), taker(self.annotation, _part), *self.after)
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
        self.extra: Take = taker(self.extra_annotation, _part)

    def _declared(self, name: str, where: type[Any]) -> Declared:
        annotation = _evaluated(where.__annotations__[name], where)
        return Declared(name, annotation, getattr(where, name, MISSING), self)

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
