"""What describes a task on the command line, and how that becomes its fields."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from ccs.cli import params, spending
from ccs.cli.notifyoptions import notify_fields, notify_option
from ccs.cli.output import Output
from ccs.cli.scheduleoptions import schedule_fields
from ccs.cli.spending import budget_option
from ccs.errors import InvalidInput

if TYPE_CHECKING:
    from ccs.model.task import Task
    from ccs.store.store import Store

# Beyond what the model takes; an endless file must not fill the memory before it is refused.
_LONGEST_PROMPT = 10_000_001

task_options = params.options(
    click.option("--name", help="A name for people; by default the prompt's beginning."),
    click.option("--prompt", "--command", "prompt", help="What the agent is asked to do."),
    click.option("--prompt-file", help="Read the prompt from a file now; - is standard input."),
    click.option(
        "--prompt-type",
        type=click.Choice(["prompt", "slash_command", "file"]),
        help="file: --prompt names a file that is read at each launch, from where the task runs.",
    ),
    click.option("--job", help="The job it belongs to ('none' takes it out)."),
    click.option(
        "--working-directory",
        help="Where a task without a job runs. On create: here. A job's tasks run in the job's.",
    ),
    click.option(
        "--model", help="sonnet, opus, haiku, a full name, or 'default': what the client prefers."
    ),
    click.option(
        "--fallback-model", help="Used when the model is overloaded or its usage limit is reached."
    ),
    click.option("--profile", help="Profile by id or name ('none' takes it away)."),
    click.option("--zai", is_flag=True, help="The profile made by profiles create --template zai."),
    click.option("--bedrock", is_flag=True, help="The same for --template bedrock."),
    click.option(
        "--permissions",
        help="bypass, acceptEdits, default, plan, auto, dontAsk or manual. On create: bypass, "
        "which lets the agent do anything you may do.",
    ),
    click.option(
        "--session-mode",
        help="new (on create); reuse: one session for all runs; fork: each from the last one's.",
    ),
    click.option("--allowed-tools", multiple=True, help="Comma list; repeatable; '' empties it."),
    click.option("--disallowed-tools", multiple=True, help="Comma list; repeatable."),
    click.option("--append-system-prompt", help="Added to the client's system prompt."),
    click.option(
        "--mcp-config", multiple=True, help="MCP configuration: a file or JSON; repeatable."
    ),
    click.option("--add-dir", "add_dirs", multiple=True, help="Further directory; repeatable."),
    click.option("--extra-arg", "extra_args", multiple=True, help="Passed on to the client."),
    click.option("--max-turns", type=int, help="End after this many turns."),
    click.option("--max-budget-usd", type=float, help="End when this much is spent."),
    click.option("--timeout", help="Longest run, as in 90m. On create: 4h."),
    click.option(
        "--overlap", help="When a slot comes while it runs: skip, queue, replace or allow."
    ),
    click.option("--catch-up", help="Slots missed while the machine slept: one, none or all."),
    click.option("--grace", help="How late a slot may still run, as in 2h."),
    click.option("--after", multiple=True, help="In its job: only after this task; repeatable."),
    click.option("--priority", type=int, help="Higher goes first when places are short."),
    click.option("--verify", help="A shell line that decides whether a run was a success."),
    click.option("--verify-timeout", metavar="SPAN", help="Its longest. On create: 10m."),
    click.option(
        "--until-green", type=int, help="How often what failed goes back to the agent, to mend it."
    ),
    click.option("--first-output-timeout", metavar="SPAN", help="Hung, if nothing came till then."),
    click.option(
        "--idle-timeout",
        metavar="SPAN",
        help="Hung, if it is silent for that long while none of its tools runs.",
    ),
    click.option(
        "--isolation",
        help="none; worktree: a git worktree for each run; tmux: a tmux session for each run, "
        "which `runs attach` joins.",
    ),
    click.option(
        "--on-limit",
        help="At a usage limit: park (go on after the reset; on create), fail, or hold (the "
        "client waits for it, within the timeout).",
    ),
    budget_option,
    notify_option,
    click.option("--retry-attempts", type=int, help="Attempts in all."),
    click.option("--retry-delay", metavar="SPAN", help="Before the second attempt; then longer."),
    click.option("--retry-backoff", type=float, help="By how much longer each time; 2 doubles."),
    click.option("--retry-on", multiple=True, metavar="REASON", help="Retried; repeatable."),
    click.option("--client-retries", type=int, help="Of one request, by the client itself."),
    click.option("--disable-after", type=int, help="So many failures in a row; 0: never."),
    click.option("--tag", "tags", multiple=True, help="A word to find it by; repeatable."),
    click.option("--enabled/--disabled", default=None, help="Whether its schedule counts."),
    click.option(
        "--commit-on-success/--no-commit-on-success",
        default=None,
        help="Commit what a successful run changed.",
    ),
)

# Fields that stand in the record as they were typed.
_PLAIN = (
    *("name", "prompt_type", "enabled", "priority", "commit_on_success"),
    *("fallback_model", "append_system_prompt", "max_turns", "max_budget_usd", "timeout"),
    *("session_mode", "isolation", "overlap", "catch_up", "grace"),
    *("verify", "verify_timeout", "until_green", "on_limit", "disable_after"),
    *("first_output_timeout", "idle_timeout"),
)


def task_fields(
    store: Store, options: dict[str, Any], out: Output, present: Task | None = None
) -> dict[str, Any]:
    """The task's fields from what was on the command line; `present`: the task to be changed."""
    fields = params.given({name: options[name] for name in _PLAIN})
    fields |= params.given(
        {
            "prompt": _prompt(options),
            "working_directory": params.directory(options["working_directory"], out),
            "allowed_tools": params.split(options["allowed_tools"]),
            "disallowed_tools": params.split(options["disallowed_tools"]),
            "permissions": _permissions(options["permissions"]),
            "budgets": spending.budgets(options["budgets"]),
            "tags": _words(options["tags"]),
            "extra_args": _words(options["extra_args"]),
            "mcp_config": _words(tuple(map(_mcp_config, options["mcp_config"]))),
            "add_dirs": _words(tuple(_directory(one, out) for one in options["add_dirs"])),
        }
    )
    fields |= _retry(options)
    if options["after"]:
        fields["after"] = [one for one in options["after"] if one]
    fields |= schedule_fields(options, present)
    fields |= notify_fields(store, options["notify"], present)
    return fields | _model(options["model"]) | _references(store, options)


def _retry(options: dict[str, Any]) -> dict[str, Any]:
    fields = params.given(
        {
            "max_attempts": options["retry_attempts"],
            "delay": options["retry_delay"],
            "backoff_multiplier": options["retry_backoff"],
            "on": _words(options["retry_on"]),
            "client": options["client_retries"],
        }
    )
    return {"retry": fields} if fields else {}


def _references(store: Store, options: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if options["job"] is not None:
        fields["job_id"] = None if options["job"] == "none" else store.jobs.find(options["job"]).id
    profile = params.profile_reference(
        store, options["profile"], options["zai"], options["bedrock"]
    )
    if profile is not None:
        fields["profile"] = profile or None
    return fields


def _model(given: str | None) -> dict[str, str | None]:
    if given is None:
        return {}
    if not given.strip():
        # An unset shell variable must not choose the client's own, perhaps dearer, model.
        raise InvalidInput("--model is empty", "name a model, or 'default' for the client's own")
    return {"model": None if given == "default" else given}


def _words(values: tuple[str, ...]) -> list[str] | None:
    """None when not given; a single '' empties the list."""
    return [one for one in values if one] if values else None


def _directory(path: str, out: Output) -> str:
    return (params.directory(path, out) or "") if path else ""


def _mcp_config(given: str) -> str:
    """A file's name holds wherever the task runs; anything else is JSON for the client to read."""
    path = os.path.expanduser(given)
    return os.path.abspath(path) if os.path.isfile(path) else given


def _prompt(options: dict[str, Any]) -> str | None:
    path = options["prompt_file"]
    if path is None:
        return _utf8(options["prompt"])
    if options["prompt"] is not None:
        raise InvalidInput("give one of --prompt and --prompt-file")
    if path == "-":
        return _text(sys.stdin.buffer, "standard input")
    try:
        with open(path, "rb") as file:
            return _text(file, path)
    except OSError as error:
        raise InvalidInput(f"--prompt-file {path}: {error.strerror}") from None


def _utf8(words: str | None) -> str | None:
    """Python hands a byte that is not UTF-8 on as half a surrogate pair."""
    if words is not None and any("\ud800" <= letter <= "\udfff" for letter in words):
        raise InvalidInput("--prompt is not UTF-8", "put it into a file: --prompt-file")
    return words


def _text(file: BinaryIO, name: str) -> str:
    try:
        return file.read(_LONGEST_PROMPT).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        words = f"--prompt-file {name}: byte {error.start} is not UTF-8"
        raise InvalidInput(words, "save it as UTF-8 text") from None


def _permissions(given: str | None) -> str | None:
    """The prior system wrote a list here; its first word was what counted."""
    return given.strip("[]'\" ").split(",")[0].strip("'\" ") if given else given
