"""Usage windows in lines for people: a bar, a percentage, when it resets, and who said so when.

Made to fit eighty columns or what the terminal has; where there is only ASCII the bars are ASCII.
"""

from __future__ import annotations

import codecs
import sys
import textwrap
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from ccs.cli import terminal
from ccs.cli.output import Record
from ccs.text import shorten
from ccs.usage.windows import GUESSES

_CELLS = 20
_NAME = 20
_INDENT = 2
_GAP = "  "
_ALARMS = 5
_POINTS = 0.05
_APART = timedelta(minutes=10)
_LONGEST = 500


class Gauges:
    """`width` and `encoding` are the terminal's unless told."""

    def __init__(self, now: datetime, width: int = 0, encoding: str = "") -> None:
        self.now = now
        self._width = width or terminal.columns()
        self._cells = ("█", "░") if _is_utf8(encoding or sys.stdout.encoding) else ("#", "-")

    def account(self, view: Record) -> Iterator[str]:
        yield from self._wrapped(f"{view['account']}: {self._state(view)}", "")
        widest = min(_NAME, max((len(one["window"]) for one in view["windows"]), default=0))
        for window in view["windows"]:
            yield from self._window(window, widest)
        if not view["windows"] and view["state"] == "ok":
            yield "  nothing is known of its windows yet"
        for run in view["parked"] or []:
            until = f", not before {self._when(run['not_before'])}" if run["not_before"] else ""
            words = f"waiting: {run['task_name']} ({run['reason']}{until}) {run['run_id'][:8]}"
            yield from self._wrapped(words, _GAP)
        yield from self._alarms(view["account"], view["alarms"])

    def _state(self, view: Record) -> str:
        until = f"used up until {self._when(view['until'])}" if view["until"] else ""
        since = f" since {self._at(view['since'])}" if view["since"] else ""
        if view["state"] == "outage":
            why = ": ".join(str(one) for one in (view["reason"], view["message"]) if one)
            return f"outage{since}, one run an hour tries: {why}"
        if view["state"] == "overage":
            return f"living on paid credits{since}" + (f"; {until}" if until else "")
        if view["state"] == "limited":
            return f"limited, {until}"
        if view["state"] == "unproven":
            return "unproven: the reset has come, one run tries first"
        return "ok"

    def _window(self, window: Record, widest: int) -> Iterator[str]:
        used = window["utilization"]
        name = shorten(window["window"], widest).ljust(widest)
        head = f"{' ' * _INDENT}{name} {self._bar(used)} {_percent(used):>4}"
        resets = window["resets_at"] and f"resets {self._when(window['resets_at'])}"
        refused = "refused" if window["status"] == "rejected" else None
        words = [refused, window["note"], resets, self._source(window)]
        yield from self._filled(head, filter(None, words), " " * (_INDENT + widest + 1))
        for other in self._disagreeing(window):
            used = other["utilization"]
            says = [] if used is None else [_percent(used)]
            says += [f"resets {self._when(other['resets_at'])}"] if other["resets_at"] else []
            head = f"{' ' * (_INDENT + widest + 1)}but {other['source']} said {', '.join(says)}"
            yield from self._filled(head, [self._ago(other["seen_at"])], " " * (_INDENT + 1))

    def _bar(self, used: float | None) -> str:
        full, empty = self._cells
        # Neither empty while something is used, nor full while something is left.
        count = round(_CELLS * (used or 0))
        count = _CELLS if used == 1 else min(max(count, bool(used)), _CELLS - 1)
        return full * count + empty * (_CELLS - count)

    def _source(self, window: Record) -> str:
        said = f"from {window['source']}"
        if window["guessed"]:
            by = "" if window["source"] == "estimate" else f" by {window['source']}"
            said = f"an estimate{by}"
        return f"{said}, {self._ago(window['seen_at'])}"

    def _disagreeing(self, window: Record) -> Iterator[Record]:
        """Of the other sources that were told, not worked out, those that say something else."""
        if window["guessed"] or window["note"]:
            return
        for one in window["readings"]:
            shares = [one["utilization"], window["utilization"]]
            ends = [one["resets_at"], window["resets_at"]]
            if one["source"] in (*GUESSES, window["source"]) or (
                ends[0] and _moment(ends[0]) <= self.now
            ):
                continue
            apart = None not in shares and abs(shares[0] - shares[1]) >= _POINTS
            if apart or (None not in ends and abs(_moment(ends[0]) - _moment(ends[1])) > _APART):
                yield one

    def _alarms(self, account: str, alarms: Iterable[Record]) -> Iterator[str]:
        told = list(alarms)
        if len(told) > _ALARMS:
            yield f"  {len(told) - _ALARMS} older alarms; ccs usage -o json has them"
        for alarm in told[-_ALARMS:]:
            at = self._at(alarm.get("at"))
            yield from self._wrapped(f"alarm {at}: {alarm.get('message')}", _GAP)
        if told:
            yield from self._wrapped(f"once seen: ccs usage clear {account}", _GAP)

    def _when(self, value: str) -> str:
        return f"{self._at(value)} (in {_span(_moment(value) - self.now)})"

    def _at(self, value: Any) -> str:
        """The clock, with as much of the day as is needed to tell which one is meant."""
        try:
            moment = _moment(value).astimezone()
        except (TypeError, ValueError, OverflowError):
            return "an unknown time"
        days = abs((moment.date() - self.now.astimezone().date()).days)
        day = "" if not days else "%a " if days < 6 else "%d %b "
        return moment.strftime(f"{day}%H:%M")

    def _ago(self, value: str) -> str:
        age = self.now - _moment(value)
        return "just now" if age < timedelta(minutes=1) else f"{_span(age)} ago"

    def _filled(self, head: str, parts: Iterable[str], indent: str) -> Iterator[str]:
        """The parts behind the head, on further lines where they do not fit."""
        line = head
        for part in parts:
            if len(line) + len(_GAP) + len(part) > self._width and line.strip():
                yield line
                line = indent + part
            else:
                line += _GAP + part
        yield line

    def _wrapped(self, words: str, indent: str) -> list[str]:
        return textwrap.wrap(
            shorten(words, _LONGEST),
            self._width,
            initial_indent=indent,
            subsequent_indent=indent + _GAP,
            break_on_hyphens=False,
        )


def _percent(used: float | None) -> str:
    # Rounded down: what is not quite used up must not look it.
    return "?" if used is None else f"{int(round(used * 100, 2))}%"


def _span(span: timedelta) -> str:
    """In its two largest units: 2h 10m, 5d 2h."""
    minutes = max(int(span.total_seconds()) // 60, 1)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h")] if days else [(hours, "h"), (minutes, "m")]
    return " ".join(f"{count}{unit}" for count, unit in parts if count)


def _moment(value: str) -> datetime:
    return datetime.fromisoformat(value)


def _is_utf8(encoding: str | None) -> bool:
    try:
        return codecs.lookup(encoding or "ascii").name == "utf-8"
    except LookupError:
        return False
