"""How a command is found and called, and the one place where errors become words and exit codes."""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NoReturn

import click

from ccs import __version__
from ccs.cli import prior, terminal
from ccs.cli.output import Output, error
from ccs.cli.table import COMMANDS, GROUPS, first_screen
from ccs.errors import BrokenStore, CcsError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

EPILOG = (
    "Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 ambiguous or conflict, 5 the run "
    "failed, 6 unhealthy or broken store, 7 lock timeout, 8 a dependency is missing, 124 timeout, "
    "130 interrupted. More: ccs help exit-codes."
)
_WIDEST = 100
_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": _WIDEST}


class LazyGroup(click.Group):
    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        # As click would, which imports shutil for it.
        extra.setdefault("terminal_width", max(min(terminal.columns(), _WIDEST) - 2, 50))
        return super().make_context(info_name, args, parent, **extra)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name == "cli" and ctx.parent is None:
            return cli
        if name not in COMMANDS:
            return prior.later(name) if name in prior.LATER else None
        found = getattr(importlib.import_module(COMMANDS[name][0]), name.replace("-", "_"))
        assert isinstance(found, click.Command)
        prior.widen(found)
        _take_everywhere(found)
        if ctx.resilient_parsing:  # Tab was pressed
            from ccs.cli import complete

            complete.teach(found)
        return found

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        from ccs.cli import complete

        shown = {name: words for name, (_, words) in COMMANDS.items()}
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [*complete.items(shown, incomplete), *options]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand:
            # It knows only commands that are loaded, so it could suggest none.
            raise click.exceptions.NoSuchCommand(args[0], possibilities=COMMANDS, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, group in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(f"{name:12}", words) for name, (_, words) in group.items()])


def _choose(context: click.Context, option: click.Parameter, value: Any) -> None:
    """What is said last, before or behind the command, counts."""
    if option.name == "color" and value is not None:
        terminal.chosen.color = value
    if option.name == "no_input" and value:
        terminal.chosen.asks = False


def _everywhere(*, hidden: bool) -> list[click.Parameter]:
    color, asking = "When to colour. Else by NO_COLOR and TERM.", "Ask nothing: refuse instead."
    when = click.Choice(terminal.WHEN)
    shared: Any = {"expose_value": False, "callback": _choose, "hidden": hidden}
    return [
        click.Option(["--color"], type=when, help=color, **shared),
        click.Option(["--no-input"], is_flag=True, help=asking, **shared),
    ]


_HIDDEN = _everywhere(hidden=True)


def _take_everywhere(command: click.Command) -> None:
    """The options of the program are understood behind each command too."""
    if _HIDDEN[0] not in command.params:
        command.params += _HIDDEN
    for one in command.commands.values() if isinstance(command, click.Group) else ():
        # Whole in lists of commands, where click would cut it off.
        one.short_help = one.short_help or _first_sentence(one.help or "")
        _take_everywhere(one)


def _first_sentence(text: str) -> str:
    sentence, stop, _ = " ".join(text.partition("\n\n")[0].split()).partition(". ")
    return sentence + "." * bool(stop)


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings=_CONTEXT, invoke_without_command=True)
@click.version_option(__version__, "-V", "--version", prog_name="ccs")
@click.pass_context
def ccs(ctx: click.Context) -> None:
    """cron for Claude Code: scheduled agent runs, without a daemon.

    The store is ~/.claude-scheduler, or $CCS_HOME. Topics of ccs help: schedules, usage, profiles,
    exit-codes, environment, files, contrib.

    \b
    Examples:
      ccs tasks create --daily 03:00 --prompt "Update the dependencies"
      ccs install
      ccs help schedules
    """
    if ctx.invoked_subcommand is None:
        click.echo(first_screen())


ccs.params.extend(prior.SHOWN)
# Lines of the prior system have this word in between.
cli = LazyGroup(
    "cli",
    callback=ccs.callback,
    params=ccs.params,
    help="The same commands.",
    hidden=True,
    invoke_without_command=True,
)


ccs.params += _everywhere(hidden=False)


def main() -> NoReturn:
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        # Closed by the caller: a file of the store must not get the number of a standard stream.
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a name must not fail for the terminal's charset
    if "_CCS_COMPLETE" in os.environ and not sys.argv[1:]:
        # Nothing but completion calls us like that: a variable left behind must stop no tick.
        from ccs.cli import complete

        complete.answer(ccs)
        sys.exit()
    sys.exit(_run())


def failed(problem: CcsError | OSError) -> int:
    """Says what went wrong in what was done without the parser of commands; the exit code."""
    return _fail(problem if isinstance(problem, CcsError) else _of_the_system(problem), None)


def _run() -> int:
    terminal.chosen.color, terminal.chosen.asks = "auto", True
    context_object: list[Output | None] = [None]
    try:
        with ccs.make_context("ccs", sys.argv[1:]) as context:
            try:
                ccs.invoke(context)
            finally:
                context_object[0] = context.obj
    except CcsError as problem:
        return _fail(problem, context_object[0])
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.exceptions.NoArgsIsHelpError as problem:
        click.echo(problem.format_message())
        return 0
    except click.UsageError as problem:
        return _misused(problem, context_object[0])
    except (click.Abort, KeyboardInterrupt):
        # The question that was asked stands on this line.
        click.echo("\n" * sys.stderr.isatty() + "interrupted", err=True)
        return 130
    except BrokenPipeError:
        # The reader has seen enough; flushing at exit would complain once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as problem:
        return _fail(_of_the_system(problem), context_object[0])
    return 0


def _fail(problem: CcsError, out: Output | None, command: click.Command | None = None) -> int:
    error(problem, out.as_json if out is not None else _would_be_json(command))
    return problem.exit_code


def _misused(problem: click.UsageError, out: Output | None) -> int:
    from ccs.cli import misuse

    command = problem.ctx.command if problem.ctx else ccs
    return _fail(misuse.of(problem), out, command)


def _of_the_system(problem: OSError) -> CcsError:
    words = problem.strerror or str(problem)
    if problem.filename:
        words = f"{os.fsdecode(problem.filename)}: {words}"
    if problem.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return BrokenStore(words, "look who owns it and who may write there (ls -ld)")
    return CcsError(words)


def _would_be_json(command: click.Command | None) -> bool:
    """Before the options are parsed only what was typed can tell, and what it would have meant."""
    wanted = next(filter(None, map(_typed_format, pairwise([*sys.argv[1:], ""]))), None)
    if wanted is None and command and any(one.name == "wanted" for one in command.params):
        wanted = "auto"
    return wanted is not None and Output(wanted).as_json


def _typed_format(words: tuple[str, str]) -> str | None:
    word, following = words
    if word in ("-q", "--quiet"):
        return "ids"
    if word in ("-o", "--output"):
        return following
    return next((word.removeprefix(it) for it in ("--output=", "-o") if word.startswith(it)), None)
