"""A record in lines, for people."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ccs.cli import output, terminal
from ccs.redact import redacted
from ccs.text import plain


def lines(record: output.Record, indent: str = "") -> Iterable[str]:
    """`name: value` lines without what is empty; a nested record is indented."""
    for name, value in record.items():
        if value in (None, "", [], {}):
            continue
        if isinstance(value, Mapping):
            yield f"{indent}{plain(name)}:"
            yield from lines(value, indent + "  ")
        elif isinstance(value, list):
            yield from _listed(plain(name), value, indent)
        else:
            shown = str(value).lower() if isinstance(value, bool) else output.local(name, value)
            # A prompt's second line must not look like the record's next field.
            text = redacted(plain(shown)).replace("\n", f"\n{indent}  ")
            for line in f"{indent}{plain(name)}: {text}".split("\n"):
                yield terminal.wrapped(line, sys.stdout)


def _listed(name: str, values: Sequence[Any], indent: str) -> Iterable[str]:
    """Words on one line; records one below the other."""
    if not any(isinstance(one, Mapping) for one in values):
        words = output.one_line(redacted(", ".join(map(str, values))))
        yield terminal.wrapped(f"{indent}{name}: {words}", sys.stdout)
        return
    yield f"{indent}{name}:"
    for one in values:
        below = [*lines(one, indent + "    ")] if isinstance(one, Mapping) else [str(one)]
        yield f"{indent}  - {plain(''.join(below[:1])).strip()}"
        yield from below[1:]
