"""ccs profiles"""

from __future__ import annotations

import os
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
        metavar="NAME=SOURCE:WHERE",
        help="Looked up at each run; what is missing or empty fails it. env: another variable. "
        "file: a path. command: a shell line. keychain (macOS only) and keyring (needs the extra "
        "ccs[keyring]): SERVICE/ACCOUNT. aws_sm: a secret, aws_ssm: a parameter, by the aws "
        "command; WHERE may go on with ,region=… ,profile=… (of AWS) and ,json_key=….",
    ),
    click.option("--unset-env", multiple=True, metavar="NAME", help="Not passed on to the run."),
    click.option(
        "--allow-loader-variables/--no-loader-variables",
        default=None,
        help="Let it set variables that make programs run other code than their own, such as "
        "LD_PRELOAD, PYTHONPATH or NODE_OPTIONS.",
    ),
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

    \b
    Example:
      ccs profiles create --name work --env-from ANTHROPIC_API_KEY=file:~/.work
    """


@profiles.command("list")
@params.output_options
def list_(out: Output) -> None:
    """List profiles; static values are hidden.

    \b
    Example:
      ccs profiles list
    """
    out.records(
        "profiles", [one.masked() for one in params.listed(params.store().profiles, out)], COLUMNS
    )


@profiles.command()
@click.argument("profile")
@params.output_as(*FORMATS, "env")
def get(profile: str, out: Output) -> None:
    """Show a profile; static values are hidden. `-o env` lists its variables only.

    \b
    Examples:
      ccs profiles get work
      ccs profiles get work -o env
    """
    found = params.store().profiles.find(profile)
    shown = found.masked()
    if out.format != "env":
        out.kept(found, shown)
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
      ccs profiles create --name work --env-from ANTHROPIC_API_KEY=file:~/.work
      ccs profiles create --name ci \\
        --env-from ANTHROPIC_API_KEY=aws_sm:prod/claude,json_key=api_key
      ccs profiles create --template zai
    """
    from ccs.engine import profiles as verbs

    if name is None and template is None:
        raise InvalidInput(
            "a profile needs a --name", "ccs profiles create --name work --env-from NAME=file:PATH"
        )
    fields = _fields_of(name, options)
    profile = verbs.create(params.store(), fields, template, params.now())
    out.kept(profile, profile.masked())
    _warn(profile, fields, out)
    short = profile.id[:8]
    out.say(f"created profile {profile.name!r}; use it: ccs tasks create --profile {short} …")
    if template == "zai":
        _tell_key(profile, out)


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
      ccs profiles update work --env-from TOKEN=file:~/.token --remove-env DEBUG
    """
    from ccs.engine import profiles as verbs

    fields = _fields_of(name, options)
    if not remove_env:
        params.something(fields)
    changed = verbs.update(params.store(), profile, fields, remove_env, params.now())
    _warn(changed, fields, out)
    out.kept(changed, changed.masked())


@profiles.command()
@click.argument("profile")
@params.deleting("Even while tasks or jobs use it; do not ask.")
@params.output_options
def delete(profile: str, yes: bool, force: bool, out: Output) -> None:
    """Delete a profile. While tasks or jobs use it, only with --force: their runs will fail.

    \b
    Example:
      ccs profiles delete work
    """
    from ccs.engine import profiles as verbs

    store = params.store()
    found = store.profiles.find(profile)
    if not force:
        verbs.refuse_used(store, found)
    params.confirm(f"Delete profile {found.name!r}?", yes or force)
    verbs.delete(store, found.id, force)
    out.done(f"deleted profile {found.name!r}", {"id": found.id, "name": found.name})


def _warn(profile: Profile, fields: dict[str, Any], out: Output) -> None:
    """Only of the variables that were given now."""
    from ccs.engine import profiles as verbs

    given = {variable["name"] for variable in fields.get("env_vars", ())}
    for name, doubt in verbs.doubts(profile, os.environ):
        if name in given:
            out.say(f"warning: {doubt}")


def _fields_of(name: str | None, options: dict[str, Any]) -> dict[str, Any]:
    names = (
        *("description", "account", "claude_path", "config_dir", "on_overage"),
        "allow_loader_variables",
    )
    fields = params.given({"name": name} | {one: options[one] for one in names})
    fields |= params.given({"budgets": spending.budgets(options["budgets"])})
    kept = spending.reserve(options["reserve"])
    fields |= {} if kept is None else {"reserve": kept or None}
    variables = [
        *_variables("--env", options["env"]),
        *_variables("--env-from", options["env_from"]),
        *({"name": one, "source": "unset"} for one in options["unset_env"]),
    ]
    return fields | ({"env_vars": variables} if variables else {})


def _variables(option: str, given: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Errors tell the place, never the text: it may be a secret whose name was forgotten."""
    from ccs.model.sources import AWS_SOURCES, OTHER_NAMES, SOURCES

    form = "NAME=VALUE" if option == "--env" else "NAME=SOURCE:WHERE"
    for place, words in enumerate(given, 1):
        name, equals, value = words.partition("=")
        source, colon = "static", ":"
        if option == "--env-from":
            source, colon, value = value.partition(":")
        if not equals or not colon:
            raise InvalidInput(f"{option} number {place} is not of the form {form}")
        source = OTHER_NAMES.get(source, source)
        if source not in SOURCES:
            raise InvalidInput(f"{name}: the source is none of {', '.join(SOURCES)}", form)
        if source in AWS_SOURCES:
            yield {"name": name, "source": source, **_in_aws(name, source, value)}
        else:
            yield {"name": name, "source": source, "value": value}


def _in_aws(name: str, source: str, words: str) -> dict[str, Any]:
    """What is asked for, and how, as in `prod/claude,region=eu-central-1`: neither the names of
    secrets nor those of parameters can hold a comma.
    """
    from ccs.model.sources import AWS_OPTIONS

    value, *options = words.split(",")
    config: dict[str, Any] = {}
    for option in options:
        key, _, chosen = option.partition("=")
        key = key.strip().replace("-", "_")
        known = key in AWS_OPTIONS and (key != "decrypt" or source == "aws_ssm")
        if not known or not chosen or (key == "decrypt" and chosen not in ("true", "false")):
            more = " or decrypt=true|false" if source == "aws_ssm" else ""
            raise InvalidInput(
                f"{name}: after the comma {source} takes region=, profile=, json_key={more}",
                f"as in {name}={source}:prod/claude,region=eu-central-1,json_key=api_key",
            )
        config[key] = chosen == "true" if key == "decrypt" else chosen
    return {"value": value, "config": config or None}


def _tell_key(profile: Profile, out: Output) -> None:
    for variable in profile.env_vars:
        if variable.name == "ANTHROPIC_AUTH_TOKEN" and variable.source == "env":
            out.say(
                f"the key is read from ${variable.value} at each run, which cron does not have; "
                f"better: ccs profiles update {profile.id[:8]} "
                "--env-from ANTHROPIC_AUTH_TOKEN=file:PATH"
            )
