"""ccs profiles"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from ccs.cli import output, params, spending
from ccs.cli.output import FORMATS, Column, Output
from ccs.cli.spending import budget_option, overage_option, reserve_option
from ccs.errors import InvalidInput
from ccs.text import plain

if TYPE_CHECKING:
    from ccs.model.profile import Profile

COLUMNS: list[Column] = [
    ("ID", output.short_id),
    ("NAME", lambda profile: profile["name"]),
    ("VARIABLES", lambda profile: ", ".join(one["name"] for one in profile["env_vars"])),
    ("DESCRIPTION", lambda profile: profile["description"]),
]

_fields = params.options(
    click.option("--description", help="What the profile is for."),
    click.option(
        "--env",
        multiple=True,
        metavar="NAME=VALUE",
        help="A static value; repeatable. A secret given so stays in the shell's history: "
        "--env-from keeps it out.",
    ),
    click.option(
        "--env-from",
        multiple=True,
        metavar="NAME=SOURCE:VALUE",
        help="Looked up at each run. SOURCE is env (another variable), file (a path) or command "
        "(a shell line).",
    ),
    click.option("--unset-env", multiple=True, metavar="NAME", help="Not passed on to the run."),
    click.option(
        "--account",
        help="Whose usage windows count. Else: its --config-dir, its own API key, or default.",
    ),
    click.option("--claude-path", help="The client to call; 'mock' for the bundled stand-in."),
    click.option("--config-dir", help="The client's CLAUDE_CONFIG_DIR."),
    reserve_option,
    overage_option,
    budget_option,
)


@click.group()
def profiles() -> None:
    """Profiles: the environment and account of a run.

    PROFILE is an id, a unique prefix of one, or a name.
    """


@profiles.command("list")
@params.output_options
def list_(out: Output) -> None:
    """List profiles; static values are hidden."""
    out.records(
        "profiles", [one.masked() for one in params.listed(params.store().profiles, out)], COLUMNS
    )


@profiles.command()
@click.argument("profile")
@params.output_as(*FORMATS, "env")
def get(profile: str, out: Output) -> None:
    """Show a profile; static values are hidden. `-o env` lists its variables only."""
    shown = params.store().profiles.find(profile).masked()
    if out.format != "env":
        out.record(shown)
        return
    for variable in shown["env_vars"]:
        name, source, value = variable["name"], variable["source"], variable["value"]
        click.echo(plain(f"# {name} is unset" if source == "unset" else f"{name}={value}"))


@profiles.command()
@click.option("--name", help="A name for people.")
@click.option("--template", type=click.Choice(["zai", "bedrock"]), help="Begin with a known one.")
@_fields
@params.output_options
def create(name: str | None, template: str | None, out: Output, **options: Any) -> None:
    """Create a profile.

    \b
    Examples:
      ccs profiles create --name work --env-from ANTHROPIC_API_KEY=file:~/.keys/work
      ccs profiles create --template zai
    """
    from ccs.engine import profiles as verbs

    if name is None and template is None:
        raise InvalidInput("a profile needs a --name")
    fields = _fields_of(name, options, out)
    profile = verbs.create(params.store(), fields, template, params.now())
    short = profile.id[:8]
    out.say(f"created profile {profile.name!r}; use it: ccs tasks create --profile {short} …")
    if template == "zai":
        _tell_key(profile, out)
    out.record(profile.masked())


@profiles.command()
@click.argument("profile")
@click.option("--name", help="A name for people.")
@click.option("--remove-env", multiple=True, metavar="NAME", help="Take it out of the profile.")
@_fields
@params.output_options
def update(
    profile: str, name: str | None, remove_env: tuple[str, ...], out: Output, **options: Any
) -> None:
    """Change a profile; what is not named stays.

    \b
    Example:
      ccs profiles update work --env-from ANTHROPIC_API_KEY=file:~/.keys/work --remove-env DEBUG
    """
    from ccs.engine import profiles as verbs

    fields = _fields_of(name, options, out)
    if not remove_env:
        params.something(fields)
    changed = verbs.update(params.store(), profile, fields, remove_env, params.now())
    out.record(changed.masked())


@profiles.command()
@click.argument("profile")
@params.deleting("Even while tasks or jobs use it; do not ask.")
@params.output_options
def delete(profile: str, yes: bool, force: bool, out: Output) -> None:
    """Delete a profile. While tasks or jobs use it, only with --force: their runs will fail."""
    from ccs.engine import profiles as verbs

    store = params.store()
    found = store.profiles.find(profile)
    if not force:
        verbs.refuse_used(store, found)
    params.confirm(f"Delete profile {found.name!r}?", yes or force)
    verbs.delete(store, found.id, force)
    out.done(f"deleted profile {found.name!r}", {"id": found.id, "name": found.name})


def _fields_of(name: str | None, options: dict[str, Any], out: Output) -> dict[str, Any]:
    names = ("description", "account", "claude_path", "config_dir", "on_overage")
    fields = params.given({"name": name} | {one: options[one] for one in names})
    fields |= params.given({"budgets": spending.budgets(options["budgets"])})
    kept = spending.reserve(options["reserve"])
    fields |= {} if kept is None else {"reserve": kept or None}
    variables = [
        *_variables("--env", options["env"]),
        *_variables("--env-from", options["env_from"]),
        *({"name": one, "source": "unset"} for one in options["unset_env"]),
    ]
    for variable in variables:
        if variable["source"] != "unset" and not variable["value"]:
            out.say(f"warning: {variable['name']} is empty; runs will fail until it has a value")
    return fields | ({"env_vars": variables} if variables else {})


def _variables(option: str, given: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """Errors tell the place, never the text: it may be a secret whose name was forgotten."""
    from ccs.model.sources import LATER_SOURCES, SOURCES

    form = "NAME=VALUE" if option == "--env" else "NAME=SOURCE:VALUE"
    for place, words in enumerate(given, 1):
        name, equals, value = words.partition("=")
        source, colon = "static", ":"
        if option == "--env-from":
            source, colon, value = value.partition(":")
        if not equals or not colon:
            raise InvalidInput(f"{option} number {place} is not of the form {form}")
        if source not in (*SOURCES, *LATER_SOURCES):
            raise InvalidInput(f"{name}: the source is none of {', '.join(SOURCES)}", form)
        yield {"name": name, "source": source, "value": value}


def _tell_key(profile: Profile, out: Output) -> None:
    for variable in profile.env_vars:
        if variable.name == "ANTHROPIC_AUTH_TOKEN" and variable.source == "env":
            out.say(
                f"the key is read from ${variable.value} at each run, which cron does not have; "
                f"better: ccs profiles update {profile.id[:8]} "
                "--env-from ANTHROPIC_AUTH_TOKEN=file:PATH"
            )
