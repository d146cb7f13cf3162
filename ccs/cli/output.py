"""Records on stdout, words on stderr; tables for people, JSON for programs.

`auto` is a table on a terminal and JSON when piped. Nothing that came from a record reaches a
terminal with its control characters.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from ccs.cli import terminal
from ccs.errors import CcsError
from ccs.redact import redact, redacted
from ccs.text import plain, shorten

if TYPE_CHECKING:
    from ccs.model.record import Part

Record = Mapping[str, Any]
Column = tuple[str, Callable[[Record], Any]]
FORMATS = ("auto", "table", "json", "jsonl", "ids")
_NARROWEST = 8
_STATUS_COLORS = {
    **dict.fromkeys(("success", "completed"), "green"),
    **dict.fromkeys(("failed", "lost"), "red"),
    **dict.fromkeys(("limited", "cancelled", "skipped"), "yellow"),
    **dict.fromkeys(("running", "in_progress"), "cyan"),
}
_LABEL_COLORS = {"error": "red", "warning": "yellow", "hint": "cyan"}
_ROOMY = 110


class Output:
    def __init__(self, wanted: str = "auto", quiet: bool = False) -> None:
        if quiet:
            wanted = "ids"
        self.format = _automatic() if wanted == "auto" else wanted

    @property
    def as_json(self) -> bool:
        return self.format in ("json", "jsonl")

    def records(self, name: str, records: Sequence[Record], columns: Sequence[Column]) -> None:
        """A list under its name; `name` empty for a bare JSON list."""
        if self.format == "json":
            _print_json({name: list(records)} if name else list(records))
        elif not self._by_line(records):
            self.rows(name or "records", [head for head, _ in columns], _cells(records, columns))

    def rows(self, name: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A list in a table; what it shows is on one plain line each."""
        if rows:
            _echo(_laid_out([list(row) for row in rows], list(heads)))
        else:
            self.say(f"no {name}")

    def text(self, text: bytes) -> None:
        """What `in_json` made, now or for an earlier list."""
        click.echo(text, color=True)

    def record(self, record: Record) -> None:
        if self.format == "json":
            _print_json(record)
        elif not self._by_line([record]):
            from ccs.cli import described

            for line in described.lines(record):
                _echo(line)

    def kept(self, kept: Part, record: Record | None = None) -> None:
        """A record of the store; `record`, if there is more to tell than it holds."""
        record = kept.record() if record is None else record
        if self.format == "table":
            from ccs.cli import people

            record = people.shown(kept, record)
        self.record(record)

    def done(self, words: str, record: Record) -> None:
        """What a command did: words for people, a record for programs."""
        self.say(words)
        if self.format != "table":
            self.record(record)

    def say(self, words: str) -> None:
        """For people, beside the records."""
        said(words)

    def _by_line(self, records: Iterable[Record]) -> bool:
        if self.format == "ids":
            lines = [str(record["id"]) for record in records]
        elif self.format == "jsonl":
            import json

            lines = [json.dumps(record) for record in records]
        else:
            return False
        for line in lines:
            _echo(line)
        return True


def _echo(text: str, err: bool = False) -> None:
    """A key that stands in a prompt or a message is not shown again."""
    # What is coloured was asked whether it may be.
    click.echo(redacted(text), err=err, color=True)


def _labelled(line: str) -> None:
    """On stderr, with its first word coloured where that is one of ours."""
    line = terminal.wrapped(redacted(line), sys.stderr)
    label, colon, rest = line.partition(":")
    if colon and label in _LABEL_COLORS and terminal.has_color(sys.stderr):
        bold = click.style(label + colon, fg=_LABEL_COLORS[label], bold=True)
        click.echo(bold + rest, err=True, color=True)
    else:
        click.echo(line, err=True, color=True)


def said(words: str) -> None:
    """One line on stderr; on a terminal as many as it takes."""
    _labelled(one_line(words))


def told(words: str, err: bool = False) -> None:
    """The same where the answer to a question stands; its blanks are kept."""
    line = redacted(plain(words).replace("\n", " "))
    click.echo(terminal.wrapped(line, sys.stderr if err else sys.stdout), err=err)


def _automatic() -> str:
    return "table" if sys.stdout.isatty() else "json"


def in_json(value: Any) -> bytes:
    """As it is printed, without keys."""
    import json  # --help and tables need none

    return redact(json.dumps(value, indent=2).encode("ascii"))


def _print_json(value: Any) -> None:
    click.echo(in_json(value), color=True)


def is_narrow() -> bool:
    """Whether it is a terminal on which a list has to make do with less."""
    if not sys.stdout.isatty():
        return False
    return terminal.columns() < _ROOMY


def table(records: Sequence[Record], columns: Sequence[Column]) -> str:
    """Fits the terminal by shortening its widest column; whole when piped."""
    return _laid_out(_cells(records, columns), [head for head, _ in columns])


def _cells(records: Sequence[Record], columns: Sequence[Column]) -> list[list[str]]:
    return [[shorten(str(show(record)), 200) for _, show in columns] for record in records]


def _laid_out(rows: list[list[str]], heads: list[str]) -> str:
    columns = [list(cells) for cells in zip(heads, *rows, strict=True)]
    widths = [_Widths(cells) for cells in columns]
    if sys.stdout.isatty():
        _fit(columns, widths, terminal.columns())
    colored = terminal.has_color(sys.stdout)
    padded = [
        _padded(cells, known, colored and head == "STATUS")
        for head, cells, known in zip(heads, columns, widths, strict=True)
    ]
    first, *rest = ("  ".join(row).rstrip() for row in zip(*padded, strict=True))
    rule = "  ".join("-" * known.most for known in widths)
    return "\n".join((first, rule, *rest))


class _Widths:
    """Of the cells of a column, each measured once however often it stands there."""

    def __init__(self, cells: Iterable[str]) -> None:
        self.of = {cell: terminal.width(cell) for cell in set(cells)}
        self.most = max(self.of.values())


def _fit(columns: list[list[str]], widths: list[_Widths], width: int) -> None:
    room = [known.most for known in widths]
    while sum(room) + 2 * (len(room) - 1) > width:
        widest = room.index(max(room))
        if room[widest] <= _NARROWEST:
            break
        room[widest] -= 1
    for place, most in enumerate(room):
        if most < widths[place].most:
            cut = {cell: terminal.cut(cell, most) for cell in widths[place].of}
            columns[place] = [cut[cell] for cell in columns[place]]
            widths[place] = _Widths(columns[place])


def _padded(cells: Iterable[str], widths: _Widths, colored: bool) -> list[str]:
    """How a run or a job stands can be seen from afar."""
    padded = {}
    for cell, width in widths.of.items():
        color = _STATUS_COLORS.get(cell.split(" ")[0]) if colored else None
        shown = click.style(cell, fg=color) if color else cell
        padded[cell] = shown + " " * (widths.most - width)
    return [padded[cell] for cell in cells]


_MOMENTS = ("_time", "_at", "_since", "_before", "until", "at", "_slot")


def local(name: str, value: Any) -> str:
    """A moment in the machine's zone, for people; anything else as it is."""
    if isinstance(value, str) and value.endswith("Z") and name.endswith(_MOMENTS):
        return moment(value)
    return str(value)


def moment(value: str | None) -> str:
    if not value:
        return ""
    try:
        return datetime.fromisoformat(value).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
    except ValueError:
        return value


def brief(value: str | None) -> str:
    """A moment on a narrow terminal: without year, seconds and zone."""
    told = moment(value)
    return told[5:16] if is_narrow() and told != value else told


def ending(run: Record) -> str:
    """How a run stands, in a line."""
    words = f"run {short_id(run)}: {run['status']} {run['reason'] or ''}".rstrip()
    return f"{words}: {shorten(run['message'], 300)}" if run["message"] else words


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def short_id(record: Record) -> str:
    return str(record["id"])[:8]


def error(problem: CcsError, as_json: bool) -> None:
    """One line and what to do next, or one JSON object, on stderr."""
    if as_json:
        import json

        shown: dict[str, Any] = {"code": problem.code, "message": problem.message}
        shown |= {"hint": problem.hint} if problem.hint else {}
        shown |= {"matches": list(problem.matches)} if problem.matches else {}
        _echo(json.dumps({"error": shown}), err=True)
        return
    _labelled(f"error: {one_line(problem.message)}")
    for match in problem.matches:
        _labelled(f"  {one_line(match)}")
    if problem.hint:
        _labelled(f"hint: {one_line(problem.hint)}")


def one_line(words: str) -> str:
    """On one plain line: a name with a line break cannot forge a second one."""
    return " ".join(plain(words).split())
