"""-v, -vv and -vvv, on any level of a command line: what ccs does, on stderr.

-v says which store it is and how long it took, -vv what it runs on, -vvv where an error comes from.
Nothing of a command's arguments is shown: they may hold secrets.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import datetime

import click

from ccs import __version__
from ccs.cli.output import said

_KEY = "ccs.verbosity"


def louder(ctx: click.Context, param: click.Parameter, times: int) -> None:
    """The levels of one command line add up."""
    if not times or ctx.resilient_parsing:
        return
    before = ctx.meta.get(_KEY, 0)
    ctx.meta[_KEY] = now = before + times
    if not before:
        began = time.monotonic()
        ctx.find_root().call_on_close(lambda: _tell_end(ctx.meta[_KEY], began))
        _tell("INFO", f"ccs {__version__}, store {_store()}")
    if before < 2 <= now:
        _tell("DEBUG", f"Python {sys.version.split()[0]} on {sys.platform}: {sys.executable}")
        _tell("DEBUG", f"PATH {os.environ.get('PATH', '')}")


def _tell_end(level: int, began: float) -> None:
    problem = sys.exception()
    if level >= 3 and problem is not None and not isinstance(problem, click.exceptions.Exit):
        import traceback

        for line in traceback.format_exception(problem):
            for part in line.rstrip().split("\n"):
                if part.strip(" ^~"):
                    _tell("DEBUG", part)
    _tell("INFO", f"took {time.monotonic() - began:.3f} s")


def _store() -> str:
    from ccs.errors import BrokenStore
    from ccs.store.home import Home

    try:
        return Home.of(os.environ).path
    except BrokenStore as problem:
        return f"unknown: {problem.message}"


def _tell(level: str, words: str) -> None:
    said(f"[{datetime.now():%Y-%m-%d %H:%M:%S}][{level}] {words}")
