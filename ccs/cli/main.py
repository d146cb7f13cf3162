"""The command table and the one place where errors become words and exit codes.

Commands are named here and imported when called, so that `--version` and `--help` stay cheap.
"""

from __future__ import annotations

import importlib
import os
import sys
from itertools import pairwise

import click

from ccs import __version__
from ccs.cli.output import Output, error
from ccs.errors import CcsError, InvalidInput

# name -> (module, one line of help): the help is here so that --help imports none of them.
COMMANDS = {
    "jobs": ("ccs.cli.jobs", "Jobs: tasks that share a directory and can run in order."),
    "tasks": ("ccs.cli.tasks", "Tasks: a prompt, how to run it, and when."),
    "runs": ("ccs.cli.runs", "Runs: what was launched, how it ended, its log."),
    "profiles": ("ccs.cli.profiles", "Profiles: the environment and account of a run."),
    "tick": ("ccs.cli.tick", "Run what is due. Called each minute by cron."),
    "health": ("ccs.cli.state", "Whether the store is readable and the tick is alive."),
    "state": ("ccs.cli.state", "Everything in the store, as JSON."),
    "scheduler": ("ccs.cli.state", "The last tick and when each task runs next."),
    "version": ("ccs.cli.state", "The version of ccs, Python and the client."),
}
EPILOG = (
    "Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 ambiguous or conflict, 5 the run "
    "failed, 6 unhealthy or broken store, 7 lock timeout, 8 a dependency is missing, 124 timeout, "
    "130 interrupted."
)


class LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        found = getattr(importlib.import_module(COMMANDS[name][0]), name)
        assert isinstance(found, click.Command)  # nosec B101
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in COMMANDS.items()])


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="ccs")
def ccs() -> None:
    """cron for Claude Code: scheduled agent runs, without a daemon.

    The store is ~/.claude-scheduler, or $CCS_HOME.
    """


def main() -> None:
    sys.exit(_run())


def _run() -> int:
    context_object: list[Output | None] = [None]
    try:
        with ccs.make_context("ccs", sys.argv[1:]) as context:
            try:
                ccs.invoke(context)
            finally:
                context_object[0] = context.obj
    except CcsError as problem:
        error(problem, _wants_json(context_object[0]))
        return problem.exit_code
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.UsageError as problem:
        return _usage(problem, context_object[0])
    except click.ClickException as problem:
        problem.show()
        return problem.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 130
    except BrokenPipeError:
        # The reader has seen enough; flushing at exit would complain once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as problem:
        error(CcsError(str(problem)), _wants_json(context_object[0]))
        return 1
    return 0


def _usage(problem: click.UsageError, out: Output | None) -> int:
    if _wants_json(out):
        words = problem.ctx.command_path + " --help" if problem.ctx else "ccs --help"
        error(InvalidInput(problem.format_message(), words), as_json=True)
    elif isinstance(problem, click.exceptions.NoArgsIsHelpError):
        click.echo(problem.format_message())
        return 0
    else:
        problem.show()
    return problem.exit_code


def _wants_json(out: Output | None) -> bool:
    """Before the options are parsed only what was typed can tell."""
    if out is not None:
        return out.format in ("json", "jsonl")
    words = sys.argv[1:]
    return any(pair in pairwise(words) for pair in _JSON) or any(
        word in ("--output=json", "-ojson") for word in words
    )


_JSON = (("-o", "json"), ("--output", "json"), ("-o", "jsonl"), ("--output", "jsonl"))
