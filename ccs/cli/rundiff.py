"""ccs runs diff"""

from __future__ import annotations

import os
import sys

import click

from ccs.cli import params
from ccs.cli.output import Output
from ccs.text import plain


@click.command()
@click.argument("run")
@click.option("--stat", is_flag=True, help="Only which files, and how much.")
def diff(run: str, stat: bool) -> None:
    """Show what a run changed.

    That is its commit. Without one it is what differs in the run's own worktree between then and
    now; in a directory that others use too it cannot be told.

    \b
    Example:
      ccs runs diff 3fa85f64 | git apply -R
    """
    from ccs.engine import rundiff

    text, words = rundiff.changed_by(params.store(), run, stat, os.environ)
    if words:
        Output().say(words)
    if sys.stdout.isatty():
        click.echo(plain(text.decode("utf-8", "replace")), nl=False)
    else:
        click.echo(text, nl=False)
