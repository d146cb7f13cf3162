"""ccs tasks"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from ccs.cli import output, params
from ccs.cli.output import Column, Output, Record
from ccs.errors import EXIT_RUN_FAILED, InvalidInput
from ccs.text import shorten

if TYPE_CHECKING:
    from ccs.store.store import Store


def when(task: Record) -> str:
    """A schedule in a few words."""
    schedule = task["schedule"]
    if schedule["schedule_type"] == "cron":
        return f"{schedule['cron']} ({schedule['timezone']})"
    if schedule["schedule_type"] == "once":
        return f"once {output.moment(schedule['at'])}"
    return str(schedule["schedule_type"])


COLUMNS: list[Column] = [
    ("ID", output.short_id),
    ("NAME", lambda task: task["name"]),
    ("ENABLED", lambda task: "yes" if task["enabled"] else "no"),
    ("SCHEDULE", when),
    ("MODEL", lambda task: task["model"] or "default"),
    ("PERMISSIONS", lambda task: task["permissions"]),
    ("JOB", lambda task: (task["job_id"] or "")[:8]),
]

_fields = params.options(
    click.option("--name", help="A name for people; by default the prompt's beginning."),
    click.option("--prompt", "--command", "prompt", help="What the agent is asked to do."),
    click.option("--prompt-file", help="Read the prompt from a file, - for standard input."),
    click.option(
        "--prompt-type",
        type=click.Choice(["prompt", "slash_command", "file"]),
        help="file: the prompt names a file that is read at each launch.",
    ),
    click.option("--job", help="The job it belongs to ('none' takes it out)."),
    click.option("--working-directory", help="Where it runs, for a task without a job."),
    click.option("--cron", help="Run by a cron expression, as in '*/15 * * * *'."),
    click.option("--at", help="Run once: an ISO time, +2h, 09:00 or 'tomorrow 09:00'."),
    click.option("--manual", is_flag=True, help="Run only when asked."),
    click.option("--tz", help="IANA time zone of the schedule; by default the machine's."),
    click.option("--model", help="sonnet, opus, haiku or a full name; 'default' for the client's."),
    click.option("--fallback-model", help="Used when the model is overloaded."),
    click.option("--profile", help="Profile by id or name ('none' takes it away)."),
    click.option("--zai", is_flag=True, help="The profile made by profiles create --template zai."),
    click.option("--bedrock", is_flag=True, help="The same for --template bedrock."),
    click.option(
        "--permissions",
        help="bypass, acceptEdits, default, plan, auto, dontAsk or manual. On create: bypass.",
    ),
    click.option("--session-mode", help="new, reuse or fork."),
    click.option("--allowed-tools", multiple=True, help="Comma list; may be repeated."),
    click.option("--disallowed-tools", multiple=True, help="Comma list; may be repeated."),
    click.option("--append-system-prompt", help="Added to the client's system prompt."),
    click.option("--mcp-config", multiple=True, help="MCP configuration file; may be repeated."),
    click.option("--add-dir", "add_dirs", multiple=True, help="Further directory; repeatable."),
    click.option("--extra-arg", "extra_args", multiple=True, help="Passed on to the client."),
    click.option("--max-turns", type=int, help="End after this many turns."),
    click.option("--max-budget-usd", type=float, help="End when this much is spent."),
    click.option("--timeout", help="Longest run, as in 90m. On create: 4h."),
    click.option("--overlap", help="skip, queue, replace or allow a slot while it still runs."),
    click.option(
        "--catch-up", help="one, none or all of the slots missed while the machine slept."
    ),
    click.option("--grace", help="How late a slot may still run, as in 2h."),
    click.option("--priority", type=int, help="Higher goes first when places are short."),
    click.option("--verify", help="A command that decides success."),
    click.option("--until-green", type=int, help="Rounds of sending verify's output back."),
    click.option("--isolation", help="none, worktree or tmux."),
    click.option("--on-limit", help="park, fail or hold."),
    click.option("--retry-attempts", type=int, help="Attempts in all."),
    click.option("--tag", "tags", multiple=True, help="A word to find it by; may be repeated."),
    click.option("--enabled/--disabled", default=None, help="Whether its schedule counts."),
    click.option("--commit-on-success/--no-commit-on-success", default=None, help="Commit after."),
)


@click.group()
def tasks() -> None:
    """Tasks: a prompt, how to run it, and when."""


@tasks.command("list")
@params.output_options
def list_(out: Output) -> None:
    """List tasks. Those with bypass permissions may do anything you may do."""
    out.records("tasks", [task.record() for task in params.store().tasks.all()], COLUMNS)


@tasks.command()
@click.argument("task")
@params.output_options
def get(task: str, out: Output) -> None:
    """Show a task. TASK is an id, a unique prefix of one, or a name."""
    out.record(params.store().tasks.find(task).record())


@tasks.command()
@_fields
@params.output_options
def create(out: Output, **options: Any) -> None:
    """Create a task.

    \b
    Examples:
      ccs tasks create --cron "0 3 * * *" --prompt "Update the dependencies and run the tests"
      ccs tasks create --job nightly --at "tomorrow 06:00" --prompt-file review.md
    """
    from ccs.engine import tasks as verbs

    store = params.store()
    fields = _fields_of(store, options, out)
    fields.setdefault("prompt", "")
    fields.setdefault("name", shorten(fields["prompt"], 40) or "untitled")
    if fields.get("job_id") is None:
        # The place is fixed now: a scheduler's own directory would be anybody's guess.
        fields.setdefault("working_directory", os.getcwd())
    task = verbs.create(store, fields, params.now())
    out.say(f"created task {task.name!r}; try it now: ccs tasks run {task.id[:8]}")
    out.record(task.record())


@tasks.command()
@click.argument("task")
@_fields
@params.output_options
def update(task: str, out: Output, **options: Any) -> None:
    """Change a task; what is not named stays."""
    from ccs.engine import tasks as verbs

    store = params.store()
    fields = _fields_of(store, options, out)
    out.record(verbs.update(store, task, fields, params.now()).record())


@tasks.command()
@click.argument("task")
@click.option("-f", "--force", is_flag=True, help="Do not ask; stop what runs.")
def delete(task: str, force: bool) -> None:
    """Delete a task and its runs."""
    from ccs.engine import tasks as verbs

    store = params.store()
    found = store.tasks.find(task)
    params.confirm(f"Delete task {found.name!r} and its runs?", force)
    gone, runs = verbs.delete(store, found.id, force, params.clock())
    Output().say(f"deleted task {gone.name!r} and {runs} runs")


@tasks.command()
@click.argument("task")
@click.option("-f", "--force", is_flag=True, help="Even beside another run of this task.")
@click.option("--wait", is_flag=True, help="Until it has ended; exit 5 when it did not succeed.")
@click.option("--timeout", help="How long to wait, as in 30m; exit 124 then.")
@params.output_options
def run(task: str, force: bool, wait: bool, timeout: str | None, out: Output) -> None:
    """Run a task now, detached. A disabled task runs too when asked for by hand."""
    from ccs import duration
    from ccs.engine import runs
    from ccs.engine import tasks as verbs

    seconds = duration.parse(timeout).total_seconds() if timeout else None
    store = params.store()
    started = verbs.run_now(store, task, force, params.now(), os.environ)
    if started.held_reason:
        out.say(f"run {started.id[:8]} waits ({started.held_reason}); a tick starts it")
    else:
        out.say(f"started run {started.id[:8]}; follow it: ccs runs log -f {started.id[:8]}")
    if wait or timeout:
        started = runs.wait(store, started.id, params.clock(), seconds)
    out.record(started.record())
    if (wait or timeout) and started.status != "success":
        raise click.exceptions.Exit(EXIT_RUN_FAILED)


@tasks.command()
@click.argument("task")
@params.output_options
def enable(task: str, out: Output) -> None:
    """Let a task's schedule count, from now on."""
    _switch(task, True, out)


@tasks.command()
@click.argument("task")
@params.output_options
def disable(task: str, out: Output) -> None:
    """Let a task's schedule rest. What runs goes on."""
    _switch(task, False, out)


def _switch(task: str, enabled: bool, out: Output) -> None:
    from ccs.engine import tasks as verbs

    out.record(verbs.update(params.store(), task, {"enabled": enabled}, params.now()).record())


# Fields that stand in the record as they were typed.
_PLAIN = (
    *("name", "prompt_type", "enabled", "priority", "tags", "commit_on_success"),
    *("fallback_model", "append_system_prompt", "max_turns", "max_budget_usd", "timeout"),
    *("mcp_config", "add_dirs", "extra_args", "session_mode", "isolation"),
    *("overlap", "catch_up", "grace", "verify", "until_green", "on_limit"),
)


def _fields_of(store: Store, options: dict[str, Any], out: Output) -> dict[str, Any]:
    """The task's fields from what was on the command line."""
    fields = params.given({name: options[name] for name in _PLAIN})
    fields |= params.given(
        {
            "prompt": _prompt(options),
            "schedule": _schedule(options),
            "working_directory": params.directory(options["working_directory"], out),
            "allowed_tools": params.split(options["allowed_tools"]),
            "disallowed_tools": params.split(options["disallowed_tools"]),
            "permissions": _permissions(options["permissions"]),
        }
    )
    if options["model"] is not None:
        fields["model"] = None if options["model"] == "default" else options["model"]
    if options["retry_attempts"] is not None:
        fields["retry"] = {"max_attempts": options["retry_attempts"]}
    if options["job"] is not None:
        fields["job_id"] = None if options["job"] == "none" else store.jobs.find(options["job"]).id
    profile = params.profile_reference(
        store, options["profile"], options["zai"], options["bedrock"]
    )
    if profile is not None:
        fields["profile"] = profile or None
    return {name: list(v) if isinstance(v, tuple) else v for name, v in fields.items()}


def _prompt(options: dict[str, Any]) -> str | None:
    path = options["prompt_file"]
    if path is None:
        prompt: str | None = options["prompt"]
        return prompt
    if options["prompt"] is not None:
        raise InvalidInput("give one of --prompt and --prompt-file")
    try:
        if path == "-":
            return sys.stdin.read()
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"the prompt file cannot be read: {error}") from None


def _schedule(options: dict[str, Any]) -> dict[str, Any] | None:
    from zoneinfo import ZoneInfo

    from ccs.host import zone
    from ccs.model.schedule import Once
    from ccs.schedule import at

    kinds = [name for name in ("cron", "at", "manual") if options[name]]
    if len(kinds) > 1:
        raise InvalidInput(f"give one of {', '.join('--' + kind for kind in kinds)}")
    name = options["tz"] or zone.local_name(os.environ)
    if kinds == ["cron"]:
        return {"schedule_type": "cron", "cron": options["cron"], "timezone": name}
    if kinds == ["at"]:
        # Once checks the zone's name before it is used to read the time.
        Once.checked({"at": params.now(), "timezone": name})
        moment = at.parse(options["at"], params.now(), ZoneInfo(name))
        return {"schedule_type": "once", "at": moment, "timezone": name}
    if options["tz"]:
        raise InvalidInput("--tz goes with --cron or --at")
    return {"schedule_type": "manual"} if kinds else None


def _permissions(given: str | None) -> str | None:
    """The prior system wrote a list here; its first word was what counted."""
    return given.strip("[]'\" ").split(",")[0].strip("'\" ") if given else given
