"""ccs usage

`record` and `hook` are called by the client all day long, so they load no models, print nothing,
and end well even when the store is broken.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from ccs.cli import params, terminal
from ccs.cli.output import Output
from ccs.errors import CcsError, InvalidInput
from ccs.text import plain, shorten
from ccs.usage.ledger import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ccs.report.usage import View
    from ccs.store.home import Home

    Learn = Callable[[Home, str, bytes, datetime], bool]

_FORMS = ("auto", "table", "json")
_LONGEST_INPUT = 1 << 20
_LONGEST_ACCOUNT = 4096
_NO_SUCH_COMMAND = 127  # as a shell has it
_NOTHING = """Nothing is known of any usage window yet. It is learnt

  - from each run that ccs starts;
  - from ccs usage refresh, which asks the client and reads its transcripts;
  - from the client's status line while you use it; in ~/.claude/settings.json:
    {"statusLine": {"type": "command", "command": "ccs usage record"}}"""


def _checked(ctx: click.Context, param: click.Parameter, account: str | None) -> str | None:
    """A name that a file can hold and a terminal can show."""
    if account is None:
        return None
    fit = plain(account) == account and account.strip() and "\n" not in account
    if not fit or len(account) > _LONGEST_ACCOUNT:
        raise click.BadParameter(f"{shorten(account, 40)!r} cannot name an account", ctx, param)
    return account


_account = click.option(
    "--account", default=DEFAULT, show_default=True, callback=_checked, help="Whose windows."
)


@click.group(invoke_without_command=True)
@click.option("--account", callback=_checked, help="Only this account.")
@click.option("--json", "json_too", is_flag=True, help="The same as -o json.")
@params.output_as(*_FORMS)
@click.pass_context
def usage(ctx: click.Context, account: str | None, json_too: bool, out: Output) -> None:
    """Usage windows: how much is used, when they reset, and who says so.

    Asks nobody: it shows what ccs was told, with its age. What was worked out here and told by
    nobody is marked as an estimate.

    \b
    Examples:
      ccs usage
      ccs usage --json
      ccs usage refresh
    """
    if ctx.invoked_subcommand is not None:
        if account is not None or json_too:
            raise InvalidInput(f"options go behind the command: ccs usage {ctx.invoked_subcommand}")
        return
    if json_too:
        out = Output("json")
        ctx.find_root().obj = out
    from ccs.report import usage as report

    now = params.now()
    _show(report.usage(params.store(), now, account), now, out)


@usage.command(context_settings={"allow_interspersed_args": False})
@_account
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND ...]")
@click.pass_context
def record(ctx: click.Context, account: str, command: tuple[str, ...]) -> None:
    """Learn from the client's status line, while you use it yourself.

    Takes the status line's JSON on stdin and prints nothing; with a COMMAND it goes on with that,
    which gets the same input and prints the status line. In ~/.claude/settings.json:

    \b
      {"statusLine": {"type": "command",
                      "command": "ccs usage record -- your-own-command"}}

    \b
    Examples:
      ccs usage record < status-line.json
      ccs usage record -- ~/.claude/mine.sh < status-line.json
    """
    text = _read()
    # First, so that the status line does not wait for us.
    child = _start(command, text) if command else None
    _learn("record", account, text)
    if child is not None:
        code = child.wait()
        ctx.exit(code if code >= 0 else 128 - code)
    if command:
        ctx.exit(_NO_SUCH_COMMAND)


@usage.command()
@_account
def hook(account: str) -> None:
    """Learn from a turn of yours that met a limit or a broken login.

    Takes the input of a StopFailure hook on stdin and prints nothing. In ~/.claude/settings.json:

    \b
      {"hooks": {"StopFailure": [{"hooks": [
        {"type": "command", "command": "ccs usage hook"}]}]}}

    \b
    Example:
      ccs usage hook < hook-input.json
    """
    from ccs.host import process

    if process.MARKER in os.environ:
        return  # a run of ours: its supervisor hears it, and knows whose login it is
    _learn("hook", account, _read())


@usage.command()
@click.option("--profile", help="Whose login to ask for; else the default profile's.")
@params.output_as(*_FORMS)
def refresh(profile: str | None, out: Output) -> None:
    """Ask the client, its transcripts, and ccusage if it is installed.

    The client is asked what it shows by /usage: that starts it for a moment and costs no tokens.

    \b
    Examples:
      ccs usage refresh
      ccs usage refresh --profile work
    """
    from ccs.engine import usage as verbs
    from ccs.report import usage as report

    store, now = params.store(), params.now()
    with terminal.elapsed("asking the client"):
        found = verbs.refresh(store, profile, os.environ, now)
    for words in (*found.notes, *([found.problem.message] if found.problem else [])):
        out.say(f"warning: {words}")
    if out.as_json:
        out.record(found.record())
        return
    for account in dict.fromkeys([found.account, *(account for account, _, _ in found.learnt)]):
        _show(report.usage(store, now, account), now, out)
    if found.extra:
        paid = "on" if found.extra["is_enabled"] else "off"
        used = found.extra["used_credits"]
        out.say(f"paid extra usage is {paid}" + (f", {used:g} credits used" if used else ""))


@usage.command()
@click.argument("account", default=DEFAULT, callback=_checked)
@click.option("--all", "everything", is_flag=True, help="Forget its windows too.")
@params.output_as(*_FORMS)
def clear(account: str, everything: bool, out: Output) -> None:
    """Let an account go on: forget its outage, its alarms, and that it was refused.

    For when you know better: you logged in anew, or bought more. What is still refused is learnt
    again by the next run.

    \b
    Examples:
      ccs usage clear
      ccs usage clear work --all
    """
    from ccs.engine import usage as verbs

    cleared = verbs.clear(params.store(), account, params.now(), everything)
    words = (
        f"cleared of {account}: {', '.join(cleared)}"
        if cleared
        else f"there was nothing to clear of {account}"
    )
    out.done(words, {"account": account, "cleared": cleared})


def _show(views: list[View], now: datetime, out: Output) -> None:
    if out.as_json:
        return out.records("accounts", views, [])
    from ccs.cli.gauges import Gauges

    if not any(_is_telling(view) for view in views):
        return click.echo(_NOTHING)
    gauges = Gauges(now)
    for view in views:
        for line in gauges.account(view):
            click.echo(line)
        if view["parked"] is None:
            out.say("warning: what waits cannot be told: ccs health says what is broken")
    return None


def _is_telling(view: View) -> bool:
    return view["state"] != "ok" or any(view[one] for one in ("windows", "parked", "alarms"))


def _read() -> bytes:
    """All of stdin that may be worth a look; a terminal is nobody's status line."""
    if sys.stdin.isatty():
        return b""
    with suppress(OSError):
        return sys.stdin.buffer.read(_LONGEST_INPUT)
    return b""


def _learn(what: str, account: str, text: bytes) -> None:
    """Whatever is wrong with the store, ccs health tells it; a client's turn is no place to."""
    from ccs.engine import statusline
    from ccs.store.home import Home

    learn: Learn = statusline.record if what == "record" else statusline.hook
    with suppress(CcsError, OSError):
        learn(Home.of(os.environ), account, text, params.now())


def _start(command: tuple[str, ...], text: bytes) -> subprocess.Popen[bytes] | None:
    """With the whole of stdin, however long; None where there is no such program."""
    try:
        child = subprocess.Popen(command, stdin=subprocess.PIPE)
    except OSError as error:
        click.echo(f"ccs usage record: {command[0]}: {error.strerror}", err=True)
        return None
    assert child.stdin
    with suppress(BrokenPipeError), child.stdin as pipe:
        pipe.write(text)
        while text and (chunk := sys.stdin.buffer.read(1 << 16)):
            pipe.write(chunk)
    return child
