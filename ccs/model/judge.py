"""pydantic's say over a record that is not plainly right: coerced, or what is wrong with it.

The pydantic models are made of the same declarations as the records (`ccs.model.shape`) when one is
first needed; what they find becomes a record again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from types import GenericAlias, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import pydantic
from pydantic_core import CoreSchema, core_schema

from ccs.model import shape, taking

# What pydantic calls types and parsing, as somebody would say it who knows neither.
_WORDS = {
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float"), "must be a whole number"),
    "int_parsing_size": "the number is too large",
    **dict.fromkeys(("float_parsing", "float_type"), "must be a number"),
    "finite_number": "must be a number that has an end",
    **dict.fromkeys(("bool_parsing", "bool_type"), "must be true or false"),
    "string_type": "must be a text",
    "string_unicode": "must be a text in UTF-8",
    "list_type": "must be a list",
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "must be an object"),
    "missing": "is missing",
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be {ge} or more",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be {le} or less",
}
_CONFIG = pydantic.ConfigDict(extra="allow", protected_namespaces=(), allow_inf_nan=False)


def judged(cls: Any, entry: Any) -> Any:
    """Raises Refused."""
    try:
        return _adapter(cls).validate_python(entry)
    except pydantic.ValidationError as error:
        steps = error.errors(include_url=False, include_input=False)[0]["loc"] or ("",)
        raise taking.Refused(complaints(error), str(steps[0])) from None


def complaints(error: pydantic.ValidationError) -> list[str]:
    """`field: what is wrong`, one for each problem, without pydantic's own vocabulary."""
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        place = ".".join(_place(problem["loc"]))
        words = _WORDS.get(problem["type"])
        message = words.format(**problem.get("ctx", {})) if words else problem["msg"]
        message = message.removeprefix("Value error, ")
        lines.append(f"{place}: {message}" if place else message)
    return lines


def _place(steps: Sequence[int | str]) -> Iterator[str]:
    """The path without the tag that pydantic puts after a tagged union: people never wrote it."""
    before: int | str = ""
    for step in steps:
        if before != "schedule":
            yield str(step)
        before = step


def schema(cls: Any, handler: pydantic.GetCoreSchemaHandler) -> CoreSchema:
    """What pydantic asks of a class of ours: what validates it, and how it is built of that."""
    form = shape.form_of(cls)

    def validated(value: Any, validate: Callable[[Any], Any]) -> Any:
        if isinstance(value, cls):
            return value
        for check in form.before:
            value = check(value)
        found = validate(value)
        made = shape.built(cls, dict(found.__dict__), dict(found.model_extra or {}))
        for check in form.after:
            made = check(made)
        return made

    inner = handler.generate_schema(_model(cls))
    return core_schema.no_info_wrap_validator_function(validated, inner)


@cache
def _adapter(cls: type[Any]) -> pydantic.TypeAdapter[Any]:
    return pydantic.TypeAdapter(cls)


@cache
def _model(cls: type[Any]) -> type[pydantic.BaseModel]:
    form = shape.form_of(cls)
    fields = {one.name: (_translated(one.annotation), _field(one)) for one in form.fields}
    validators = {
        f"check_{number}": _validator(check, cls)
        for number, check in enumerate(form.checks)
        if check.names
    }
    made: type[pydantic.BaseModel] = pydantic.create_model(
        cls.__name__,
        __base__=_base(form),
        __validators__=validators,
        **fields,  # type: ignore[call-overload]
    )
    return made


def _base(form: shape.Form) -> type[pydantic.BaseModel]:
    body: dict[str, Any] = {"model_config": _CONFIG, "__module__": __name__}
    if form.extra_annotation is not Any:
        every: Any = _translated(form.extra_annotation)
        body["__annotations__"] = {"__pydantic_extra__": GenericAlias(dict, (str, every))}
    return type("Judged", (pydantic.BaseModel,), body)


def _validator(check: taking.Check, cls: type[Any]) -> Any:
    bound = check.bound(cls)
    known: Any = pydantic.field_validator(*check.names, mode=check.mode)  # type: ignore[call-overload]
    return known(lambda value: bound(value))


def _field(one: shape.Declared) -> Any:
    known = dict(one.field.known) if one.field else {}
    if alias := known.get("validation_alias"):
        known["validation_alias"] = pydantic.AliasChoices(*alias.names)
    return pydantic.Field(... if one.required else one.default, **known)


def _translated(annotation: Any) -> Any:
    """The same type in pydantic's own marks."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        marks = map(_mark, inside[1:])
        return Annotated[(_translated(inside[0]), *marks)]
    if origin in (Union, UnionType):
        return Union[tuple(map(_translated, inside))]  # noqa: UP007
    if origin is list:
        one: Any = _translated(inside[0])
        return GenericAlias(list, (one,))
    return annotation


def _mark(mark: Any) -> Any:
    if isinstance(mark, taking.Noted):
        return pydantic.Field(**mark.known)
    kind = pydantic.BeforeValidator if isinstance(mark, taking.Before) else None
    return (kind or pydantic.AfterValidator)(mark.func)
