"""ccs install, uninstall, status"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from ccs.cli import output, params, terminal
from ccs.cli.output import Output, moment
from ccs.text import plain

if TYPE_CHECKING:
    from ccs.engine.install import Plan

_UNHEALTHY = 6
_INTERRUPTED = 130
_BACKENDS = ("auto", "cron", "systemd", "launchd", "schtasks")


@click.command()
@click.option(
    "--backend",
    type=click.Choice(_BACKENDS),
    default="auto",
    show_default=True,
    help="auto: what is installed already, else what fits this system.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be done; change nothing.")
@click.option("--print", "only_print", is_flag=True, help="Print the entry, to install it by hand.")
@click.option("--no-start", is_flag=True, help="Do not wait for the first tick.")
@click.option("--replace", is_flag=True, help="Take the place of another entry for this store.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def install(
    backend: str, dry_run: bool, only_print: bool, no_start: bool, replace: bool, yes: bool
) -> None:
    """Make the system's scheduler call ccs each minute, and see that it does.

    Adds one entry, with the PATH and HOME of this shell written out, for the store in use
    (CCS_HOME). Then waits up to 70 s for the first tick and says what that one can see.

    \b
    Examples:
      ccs install --dry-run
      ccs install --backend cron
    """
    from ccs.engine import install as verbs

    store = params.store()
    if only_print:
        _print(verbs.texts(store.home, os.environ, backend)[1])
        return
    plan = verbs.plan(store.home, os.environ, backend, replace)
    _show(plan)
    if dry_run:
        _say("nothing was changed")
        return
    if not plan.is_there or plan.others or plan.by_hand:
        params.confirm("Install this?", yes, "nothing was changed", default=True)
    verbs.try_entry(plan)
    store.home.create()
    since = verbs.apply(plan, store.home, os.environ, params.clock())
    _say(f"installed for {store.home.path}; ccs uninstall takes it out again")
    if plan.is_dead or no_start:
        _say("not waiting for a tick; ccs status shows when one came")
        raise click.exceptions.Exit(_UNHEALTHY if plan.is_dead else 0)
    _report(plan, _wait(plan, since))


@click.command()
@click.option("--dry-run", is_flag=True, help="Show what would be removed; change nothing.")
def uninstall(dry_run: bool) -> None:
    """Take out what ccs install put into the system's scheduler, whichever it was.

    Tasks, runs and logs stay; what runs goes on. Entries made by hand are named and left.

    \b
    Example:
      ccs uninstall --dry-run
    """
    from ccs.engine import install as verbs

    gone, by_hand, unasked = verbs.remove(params.store().home, os.environ, dry_run)
    for one in gone:
        _say(f"{'would remove' if dry_run else 'removed'} {one.where}")
    if not gone:
        _say("nothing was installed by ccs install")
    for one in by_hand:
        _say(f"left, because it was made by hand: {one.where}: {one.said}")
    for words in unasked:
        _say(f"warning: {words}")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The same as -o json.")
@params.output_as("auto", "table", "json", "jsonl")
def status(out: Output, as_json: bool) -> None:
    """Whether the system's scheduler calls ccs, and what it lets ccs see; exit 6 when it does not.

    Judged by the age of the last tick, which must be under three minutes.

    \b
    Examples:
      ccs status
      ccs status --json
    """
    from ccs.report import scheduling

    if as_json:
        out.format = "json"
    found = scheduling.status(params.store(), os.environ, params.now())
    if out.format == "table":
        for line in _told(found):
            output.told(line)
    else:
        out.record(found)
    if found["status"] != "ok":
        raise click.exceptions.Exit(_UNHEALTHY)


def _print(texts: list[Any]) -> None:
    for text in texts:
        if len(texts) > 1:
            _say(f"{text.where}:")
        sys.stdout.flush()
        sys.stdout.buffer.write(text.content)
    sys.stdout.flush()


def _show(plan: Plan) -> None:
    if plan.is_there:
        assert plan.present is not None
        _say(f"{plan.backend} has the entry already: {plan.present.where}")
    else:
        for text in plan.texts:
            _say(f"{text.where}, {'to be changed to' if plan.present else 'to be written'}:")
            codec = "utf-16" if text.content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
            for line in text.content.decode(codec, "replace").splitlines():
                click.echo(plain(f"    {line}"), err=True)  # as it is: somebody may copy it
    for name, found in plan.others.items():
        _say(f"to be removed: {found.where} ({name})")
    for found in (one for ones in plan.by_hand.values() for one in ones):
        _say(f"to be put out of force: {found.where}: {found.said}")
    for words in plan.warnings:
        _say(f"warning: {words}")


def _wait(plan: Plan, since: Any) -> Mapping[str, Any]:
    from ccs.engine import install as verbs

    shows = terminal.can_redraw(sys.stderr)

    if sys.stderr.isatty() and not shows:
        _say(f"waiting for {plan.backend} to call it, up to 70 s (Ctrl-C: do not wait)")

    def show(seconds: float) -> None:
        if shows:
            words = (
                f"\rwaiting for {plan.backend} to call it: {seconds:.0f} s (Ctrl-C: do not wait)"
            )
            click.echo(words, nl=False, err=True)

    try:
        return verbs.first_tick(plan, params.store().home, since, params.clock(), show)
    except KeyboardInterrupt:
        click.echo(err=True)
        _say("not waiting any more; the entry is in place, and ccs status shows its first tick")
        raise click.exceptions.Exit(_INTERRUPTED) from None
    finally:
        if shows:
            click.echo(f"\r{'':70}\r", nl=False, err=True)


def _report(plan: Plan, seen: Mapping[str, Any]) -> None:
    if not seen:
        _say(f"no tick came from {plan.backend} within 70 s; the entry is in place")
        _say("hint: ccs status, in a minute; then the scheduler's own log")
        raise click.exceptions.Exit(_UNHEALTHY)
    _say(f"{plan.backend} called ccs at {moment(seen['at'])}, which saw:")
    for line in _seen(seen):
        output.told(line, err=True)
    output.told(f"  PATH    {seen.get('path')}", err=True)


def _seen(seen: Mapping[str, Any]) -> list[str]:
    client, login = seen.get("client"), str(seen.get("login"))
    lines = [f"  client  {client or seen.get('problem')}"]
    if not client:
        lines.append("          install Claude Code, or name it: claude_path in settings.json")
    else:
        lines.append(f"  login   {login}")
    if login == "not logged in":
        lines.append("          log in (claude /login) or give a profile a token; see man ccs")
    return [*lines, f"  git     {seen.get('git') or 'not found; worktrees and commits need it'}"]


_STATUS = {
    "ok": "the last tick was {age} s ago",
    "late": "the last tick was {age} s ago; one is due each minute",
    "no_tick": "there has never been a tick",
    "broken": "the store cannot be read as a whole: ccs health",
}
_AHEAD = "the last tick is dated {age} s ahead: the clock was moved back, and none came since"


def _told(found: Mapping[str, Any]) -> list[str]:
    age, backend = found["last_tick_seconds_ago"], found["last_tick_backend"]
    words = _AHEAD if age is not None and age < 0 else _STATUS[found["status"]]
    lines = [f"{found['status']}: {words.format(age=abs(age or 0))}"]
    if backend and age is not None:
        lines[0] += f"; the last whole one was called by {backend}"
    for one in found["installed"]:
        lines.append(f"entry: {one['where']} ({one['backend']}, by {one['by']})")
    if not found["installed"]:
        lines.append("entry: none; ccs install makes one")
    if seen := found["scheduler_sees"]:
        lines += [f"seen from {seen['backend']} at {moment(seen['at'])}:", *_seen(seen)]
    lines += [f"differs from this shell: {words}" for words in found["differences"]]
    return [*lines, *(f"warning: {words}" for words in found["problems"])]


def _say(words: str) -> None:
    output.said(words)
