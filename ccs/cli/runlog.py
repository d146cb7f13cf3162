"""ccs runs log"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import click

from ccs.cli import output, params, terminal
from ccs.cli.output import Output
from ccs.errors import EXIT_RUN_FAILED, InvalidInput
from ccs.text import plain

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ccs.model.run import Run
    from ccs.report.logs import Line, Tail
    from ccs.store.store import Store

_CLEAR_LINE = "\r\x1b[K"


@click.command()
@click.argument("run")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run has ended.")
@click.option("-n", "--lines", type=params.COUNT, help="Only the last N lines.")
@click.option("--raw", is_flag=True, help="The client's stream-json as it came.")
@click.option("--json", "as_json", is_flag=True, help="Each line as an object, with its time.")
@click.option("--since", help="Only what was written later: 10m, 09:00, 2026-12-24T18:00.")
@click.option("--timestamps", is_flag=True, help="Before each line when it was written.")
@click.option("--exit-status", is_flag=True, help="Exit 5 unless the run has succeeded.")
def log(
    run: str,
    follow: bool,
    lines: int | None,
    raw: bool,
    as_json: bool,
    since: str | None,
    timestamps: bool,
    exit_status: bool,
) -> None:
    """Print the log of a run.

    \b
    Examples:
      ccs runs log -f 3fa85f64
      ccs runs log --since 10m --timestamps 3fa85f64
      ccs runs log --raw 3fa85f64 | jq -r .type
    """
    from ccs.report import logs

    if raw and as_json:
        raise InvalidInput("give one of --raw and --json")
    store, now = params.store(), params.now()
    found = store.find_run(run)
    begin = None if since is None else params.past(since, now)
    tail = logs.Tail(store.home, found.id, raw, timestamps or as_json, begin)
    show = _shown(raw, as_json, timestamps)
    ended = not found.unfinished
    for line in tail.fresh(ended) if lines is None else tail.last(lines, ended):
        show(line)
    if follow:
        found = _follow(store, found, tail, show, None if raw or as_json else _live(store, found))
    _tell_untimed(store, found, timestamps or since is not None)
    Output().say(output.ending(found.record()))
    if exit_status and found.status != "success":
        raise click.exceptions.Exit(EXIT_RUN_FAILED)


def _shown(raw: bool, as_json: bool, timestamps: bool) -> Callable[[Line], None]:
    from ccs import instant

    def show(line: Line) -> None:
        at = instant.text(line.at) if line.at else None
        if as_json:
            click.echo(json.dumps({"at": at, "text": line.text}))
            return
        text = line.text if raw and not sys.stdout.isatty() else plain(line.text)
        click.echo(f"{output.moment(at) or '-'}  {text}" if timestamps else text)

    return show


def _follow(
    store: Store, run: Run, tail: Tail, show: Callable[[Line], None], live: _Live | None
) -> Run:
    """Until the run has ended; it is returned as it is then."""
    from ccs.engine import runs as verbs

    try:
        for state in verbs.follow(store, run.id, params.clock()):
            run = state  # read before the lines: what a finished run wrote is all there then
            fresh = list(tail.fresh(not run.unfinished))
            if live is not None and fresh:
                live.clear()
            for line in fresh:
                show(line)
            if live is not None and run.status == "running":
                live.draw(run, params.now())
    finally:
        if live is not None:
            live.clear()
    return run


class _Live:
    """The last line of the terminal, drawn anew each time."""

    def __init__(self, stream: Tail) -> None:
        from ccs.claude.progress import Progress

        self._stream = stream
        self._progress = Progress()
        self._drawn = ""

    def draw(self, run: Run, now: datetime) -> None:
        from ccs.claude.values import parse

        for line in self._stream.fresh(ended=False):
            event = parse(line.text.encode("utf-8", "replace"))
            if event is not None:
                self._progress.feed(event)
        elapsed = now - (run.start_time or run.scheduled_time)
        # A full line would wrap, and only its end would be cleared.
        text = self._progress.line(elapsed, terminal.columns() - 1)
        if text != self._drawn:
            click.echo(_CLEAR_LINE + text, nl=False, err=True)
        self._drawn = text

    def clear(self) -> None:
        if self._drawn:
            click.echo(_CLEAR_LINE, nl=False, err=True)
        self._drawn = ""


def _live(store: Store, run: Run) -> _Live | None:
    """None where a line cannot be drawn over."""
    from ccs.report import logs

    if not (terminal.can_redraw() and terminal.can_redraw(sys.stderr)):
        return None
    return _Live(logs.Tail(store.home, run.id, raw=True))


def _tell_untimed(store: Store, run: Run, asked: bool) -> None:
    if asked and run.start_time and not os.path.exists(store.home.times(run.id)):
        Output().say("no times were kept for this log; all of it is shown")
