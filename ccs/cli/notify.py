"""ccs notify"""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from ccs.cli import output, params, terminal
from ccs.cli.output import Column, Output
from ccs.errors import CcsError, InvalidInput

KINDS = ("command", "webhook", "ntfy", "slack", "desktop", "apprise", "ping")
_EVENTS = "start, success, failure, limit, resume, alarm or digest; end, all: several of them."
_OWED: list[Column] = [
    ("STATE", lambda one: one["state"]),
    ("CHANNEL", lambda one: one["channel"]),
    ("WHAT", lambda one: one["title"]),
    ("SINCE", lambda one: output.moment(one["at"])),
    ("NEXT TRY", lambda one: output.moment(one["next_try_at"])),
    ("ERROR", lambda one: one["error"] or ""),
]
_CHANNELS: list[Column] = [
    ("NAME", lambda one: one["name"]),
    ("KIND", lambda one: one["kind"]),
    ("EVENTS", lambda one: " ".join(one["events"])),
]
_TESTED: list[Column] = [
    ("CHANNEL", lambda one: one["channel"]),
    ("KIND", lambda one: one["kind"]),
    ("RESULT", lambda one: one.get("result") or f"failed: {one['error']}"),
]


@click.group()
def notify() -> None:
    """Notifications: who is told of what.

    A channel is one way to reach somebody. Which events go to it is said here for all tasks, and
    for one task with ccs tasks update --notify.

    \b
    Example:
      ccs notify add log command --on end -- ~/bin/told.sh
    """


@notify.command()
@click.argument("name")
@click.argument("kind", type=click.Choice(KINDS))
@click.option("--url", help="Where it leads, a secret; - reads it from standard input.")
@click.option("--token", help="Sent as Authorization: Bearer; - reads it from standard input.")
@click.option("--timeout", help="For a command; on its own 30s.")
@click.option("--on", "events", multiple=True, help=f"Goes there for all tasks: {_EVENTS}")
@click.argument("command", nargs=-1)
@params.output_as("auto", "table", "json", "jsonl")
def add(name: str, kind: str, events: tuple[str, ...], out: Output, **options: Any) -> None:
    """Add a channel. What is said after -- is the command of a channel of that kind; one word
    with blanks in it is a line for the shell.

    \b
    Examples:
      ccs notify add phone ntfy --url - --on failure --on digest
      ccs notify add team slack --url - --on failure
      ccs notify add log command --on all -- ~/bin/told.sh --quietly
      ccs notify add check ping --url 'https://hc-ping.com/UUID'
    """
    from ccs.engine import channels

    fields = {"name": name, "kind": kind, "timeout": options["timeout"]}
    if (options["url"], options["token"]) == ("-", "-"):
        raise InvalidInput("only one of --url and --token can come from standard input")
    fields |= {one: _secret(options[one]) for one in ("url", "token")}
    words = options["command"]
    shell = len(words) == 1 and " " in words[0]
    fields["command"] = (words[0] if shell else list(words)) if words else None
    channel = channels.add(params.store(), params.given(fields), events)
    out.say(f"added channel {name!r}; try it: ccs notify test {name}")
    out.record(channel.masked())


@notify.command()
@click.argument("channel")
@params.output_as("auto", "table", "json", "jsonl")
def remove(channel: str, out: Output) -> None:
    """Take a channel away, also from all that names it.

    \b
    Example:
      ccs notify remove phone
    """
    from ccs.engine import channels

    gone = channels.remove(params.store(), channel)
    out.done(f"removed channel {gone.name!r}", gone.masked())


@notify.command("channels")
@params.output_as("auto", "table", "json", "jsonl")
def channels_(out: Output) -> None:
    """The channels, and what goes to them for all tasks. Addresses are hidden.

    \b
    Example:
      ccs notify channels
    """
    from ccs.model.notify import EVENTS, OF_ALL

    told = params.store().settings().notifications
    records = []
    for channel in told.channels:
        events = [one for one in (*EVENTS, *OF_ALL) if channel.name in told.of(one)]
        records.append({**channel.masked(), "events": events})
    out.records("channels", records, _CHANNELS)


@notify.command()
@click.argument("event")
@click.argument("channels", metavar="[CHANNEL]...", nargs=-1)
@click.option("--at", "digest_at", metavar="HH:MM", help="When the digest comes; at first 07:30.")
@click.option("--tz", "timezone", help="The zone of that time; at first the machine's.")
@params.output_as("auto", "table", "json", "jsonl")
def on(event: str, channels: tuple[str, ...], out: Output, **more: Any) -> None:
    """Which channels an event goes to, for all tasks that do not say it themselves; without one:
    nowhere. An alarm goes where failures go until something else is said.

    \b
    EVENT is start, success, failure, limit, resume, alarm or digest; or end
    (success and failure), or all (of a run).

    \b
    Examples:
      ccs notify on failure phone team
      ccs notify on digest phone --at 07:30 --tz Europe/Berlin
    """
    from ccs.engine import channels as verbs

    told = verbs.route(params.store(), event, channels, params.given(more))
    out.record({name: one for name, one in told.masked().items() if name != "channels"})


@notify.command()
@click.argument("channel", metavar="[CHANNEL]", required=False)
@params.output_as("auto", "table", "json", "jsonl")
def test(channel: str | None, out: Output) -> None:
    """Send a test message now, to one channel or to all, and say what happened. A ping channel
    gets a success.

    \b
    Example:
      ccs notify test phone
    """
    from ccs.engine import channels

    with terminal.elapsed("sending"):
        results = channels.try_out(params.store(), channel, os.environ, params.now())
    out.records("tests", results, _TESTED)
    for one in results:
        if one.get("hint"):
            out.say(f"hint: {one['hint']}")
    if any("error" in one for one in results):
        raise click.exceptions.Exit(CcsError.exit_code)


@notify.command("list")
@params.output_options
def list_(out: Output) -> None:
    """What has still to be told, and what was given up after a day.

    \b
    Example:
      ccs notify list
    """
    from ccs.engine import channels

    out.records("owed", channels.owed(params.store()), _OWED)


@notify.command()
@params.output_as("auto", "table", "json", "jsonl")
def forget(out: Output) -> None:
    """Drop all that is owed or was given up.

    \b
    Example:
      ccs notify forget
    """
    from ccs.engine import channels

    count = channels.forget(params.store())
    out.done(f"forgot {output.counted(count, 'notification')}", {"forgotten": count})


def _secret(given: str | None) -> str | None:
    if given != "-":
        return given
    if sys.stdin.isatty():
        if not terminal.can_ask():
            raise InvalidInput("--no-input leaves nobody to type it", "hand it over by a pipe")
        return str(click.prompt("", hide_input=True, prompt_suffix="> ", err=True))
    return sys.stdin.readline(20_000).strip()
