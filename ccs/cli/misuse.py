"""A command line that makes no sense: what is wrong with it, and what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable

import click

from ccs.errors import InvalidInput
from ccs.text import similar

_GROUPS = ("tasks", "runs", "jobs")
# An argument of this name names one of these.
_LISTED = {"task": "tasks", "job": "jobs", "run": "runs", "runs": "runs", "profile": "profiles"}


def of(problem: click.UsageError) -> InvalidInput:
    """The same problem with a hint that leads on."""
    path = problem.ctx.command_path if problem.ctx else "ccs"
    words = " ".join(problem.format_message().split())
    hint = f"{path} --help"
    if isinstance(problem, click.exceptions.NoSuchCommand):
        words = problem.message
        known = _commands(problem.ctx)
        hint = _elsewhere(problem) or _meant(
            problem.command_name, {one: one for one in known}, hint
        )
    elif isinstance(problem, click.exceptions.NoSuchOption):
        words = problem.message
        known = {one.lstrip("-"): one for one in _options(problem.ctx) if one.startswith("--")}
        hint = _meant(problem.option_name.lstrip("-"), known, hint)
    elif isinstance(problem, click.exceptions.MissingParameter) and problem.param is not None:
        listed = _LISTED.get(problem.param.name or "")
        if listed and problem.param.param_type_name == "argument":
            hint = f"ccs {listed} list shows them; {hint}"
    return InvalidInput(words, hint)


def _meant(word: str, known: dict[str, str], hint: str) -> str:
    near = similar(word, known)
    return f"did you mean {known[near[0]]}? {hint}" if near else hint


def _elsewhere(problem: click.exceptions.NoSuchCommand) -> str:
    """`ccs tasks help` and `ccs create` are what other programs would take."""
    context, word = problem.ctx, problem.command_name
    if context is None:
        return ""
    if word == "help" and context.parent is not None:
        return f"ccs help {context.info_name}"
    root = context.command
    if context.parent is not None or not isinstance(root, click.Group):
        return ""
    for name in _GROUPS:
        group = root.get_command(context, name)
        if isinstance(group, click.Group) and word in group.commands:
            return f"did you mean ccs {name} {word}? ccs --help"
    return ""


def _commands(context: click.Context | None) -> Iterable[str]:
    """Those that are told."""
    if context is None or not isinstance(context.command, click.Group):
        return ()
    return context.command.list_commands(context)


def _options(context: click.Context | None) -> Iterable[str]:
    if context is None:
        return ()
    # Those of the program are taken behind each command.
    params = [*context.command.params, *context.find_root().command.params]
    every = (one for one in params if isinstance(one, click.Option) and not one.hidden)
    return [name for one in every for name in (*one.opts, *one.secondary_opts)]
