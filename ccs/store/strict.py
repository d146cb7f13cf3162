"""JSON as the files of a store hold it: what is read can be written again, and the other way round.

Refused is what would be read but lost or impossible to write back: a key that stands twice, NaN,
half a surrogate pair, more brackets within one another than every reader takes. Lean.
"""

from __future__ import annotations

import codecs
import json

from ccs.errors import BrokenStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Record = dict[str, Any]

MEND = "mend it by hand, or let the good records be saved: ccs doctor --repair"
_INFINITE = (float("inf"), float("-inf"))
_CONTAINERS = frozenset((dict, list))
_DEEPEST = 60


def encode(document: Any) -> bytes:
    # ensure_ascii: a lone surrogate from a hostile file would otherwise fail at every write.
    return json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False).encode() + b"\n"


def parse_record(raw: bytes, path: str) -> Any:
    """What is to stand in a file of records. Raises BrokenStore."""
    return parse(raw, path, _DEEPEST - 2)


def parse(raw: bytes, path: str, deepest: int = _DEEPEST) -> Any:
    """Raises BrokenStore that names the line."""
    try:
        document = decoder().decode(raw.decode("utf-8"))
        if not _too_deep(document, deepest):
            return document
        where = "nested too deeply"
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}: {error.msg}"
        if raw.startswith(codecs.BOM_UTF8):
            where = "it begins with a byte order mark (BOM); save it as UTF-8 without one"
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        where = f"line {line}: byte 0x{raw[error.start]:02x} is not UTF-8"
    except RecursionError:
        where = "nested too deeply"
    except ValueError as error:
        where = str(error)
    raise BrokenStore(f"{path} cannot be read: {where}", MEND)


def decoder() -> json.JSONDecoder:
    """Refuses, by ValueError, what would be read but lost or impossible to write back."""
    return json.JSONDecoder(
        parse_constant=_refuse_constant,
        parse_float=_finite,
        object_pairs_hook=_each_key_once,
    )


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(number: str) -> float:
    value = float(number)
    if value in _INFINITE:
        raise ValueError(f"{number[:40]} is too large a number")
    return value


def _each_key_once(pairs: list[tuple[str, Any]]) -> Record:
    record = dict(pairs)
    if len(record) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice[:40]!r} stands twice in one object")
    "".join(record).encode()  # half a surrogate pair: the models could read but not write it
    return record


def _too_deep(document: Any, deepest: int) -> bool:
    """The parser and the models each take another depth; within this one all of them agree."""
    level: list[Any] = [[document]]
    for _ in range(deepest):
        inside = (one.values() if isinstance(one, dict) else one for one in level)
        level = [value for values in inside for value in values if type(value) in _CONTAINERS]
        if not level:
            return False
    return True
