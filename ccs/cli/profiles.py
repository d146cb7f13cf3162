"""ccs profiles"""

from __future__ import annotations

from typing import Any

import click

from ccs.cli import output, params
from ccs.cli.output import FORMATS, Column, Output
from ccs.errors import InvalidInput
from ccs.text import plain

COLUMNS: list[Column] = [
    ("ID", output.short_id),
    ("NAME", lambda profile: profile["name"]),
    ("VARIABLES", lambda profile: ", ".join(one["name"] for one in profile["env_vars"])),
    ("DESCRIPTION", lambda profile: profile["description"]),
]

_fields = params.options(
    click.option("--description", help="What the profile is for."),
    click.option("--env", multiple=True, metavar="NAME=VALUE", help="A static value; repeatable."),
    click.option(
        "--env-from",
        multiple=True,
        metavar="NAME=SOURCE:VALUE",
        help="SOURCE is env (another variable), file (a path) or command (a shell line).",
    ),
    click.option("--unset-env", multiple=True, metavar="NAME", help="Not passed on to the run."),
    click.option("--account", help="Names the account whose limits count; by default its login."),
    click.option("--claude-path", help="The client to call; 'mock' for the bundled stand-in."),
    click.option("--config-dir", help="The client's CLAUDE_CONFIG_DIR."),
)


@click.group()
def profiles() -> None:
    """Profiles: the environment and account of a run."""


@profiles.command("list")
@params.output_options
def list_(out: Output) -> None:
    """List profiles; static values are hidden."""
    out.records("profiles", [one.masked() for one in params.store().profiles.all()], COLUMNS)


@profiles.command()
@click.argument("profile")
@click.option(
    "-o", "--output", "wanted", type=click.Choice([*FORMATS, "env"]), default="auto", help="Form."
)
def get(profile: str, wanted: str) -> None:
    """Show a profile; static values are hidden."""
    shown = params.store().profiles.find(profile).masked()
    if wanted == "env":
        for variable in shown["env_vars"]:
            click.echo(plain(f"{variable['name']}={variable['value']}"))
        return
    Output(wanted).record(shown)


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
    fields = _fields_of(name, options)
    profile = verbs.create(params.store(), fields, template, params.now())
    out.say(f"created profile {profile.name!r}")
    if template == "zai":
        out.say("it reads the key from ZAI_API_KEY; another source: ccs profiles update --env-from")
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
    """Change a profile; what is not named stays."""
    from ccs.engine import profiles as verbs

    fields = _fields_of(name, options)
    changed = verbs.update(params.store(), profile, fields, remove_env, params.now())
    out.record(changed.masked())


@profiles.command()
@click.argument("profile")
@click.option("-f", "--force", is_flag=True, help="Do not ask; even while tasks use it.")
def delete(profile: str, force: bool) -> None:
    """Delete a profile."""
    from ccs.engine import profiles as verbs

    store = params.store()
    found = store.profiles.find(profile)
    params.confirm(f"Delete profile {found.name!r}?", force)
    verbs.delete(store, found.id, force)
    Output().say(f"deleted profile {found.name!r}")


def _fields_of(name: str | None, options: dict[str, Any]) -> dict[str, Any]:
    names = ("description", "account", "claude_path", "config_dir")
    fields = params.given({"name": name} | {one: options[one] for one in names})
    fields["env_vars"] = [
        *(_variable(one, "static") for one in options["env"]),
        *(_variable(one, None) for one in options["env_from"]),
        *({"name": one, "source": "unset"} for one in options["unset_env"]),
    ]
    return fields


def _variable(given: str, source: str | None) -> dict[str, str]:
    name, equals, value = given.partition("=")
    if not equals:
        raise InvalidInput(f"{name!r} has no '='", "write NAME=VALUE")  # never echoes a value
    if source is None:
        source, colon, value = value.partition(":")
        if not colon:
            raise InvalidInput(f"{name}: no source given", "write NAME=SOURCE:VALUE")
    return {"name": name, "source": source, "value": value}
