"""Options that bound what runs may spend: budgets, and what a profile leaves to people."""

from __future__ import annotations

import os
import re
from typing import Any

import click

from ccs.errors import InvalidInput

_AMOUNT = re.compile(r"\$?(\d+(?:\.\d+)?)([kKmM]?)\s*(usd|tokens?|tok)?", re.ASCII)
_TIMES = {"": 1, "k": 1_000, "m": 1_000_000}
_HINT = "as in day=5usd, five_hour=200ktokens or seven_day=20usd"

budget_option = click.option(
    "--budget",
    "budgets",
    multiple=True,
    metavar="PERIOD=AMOUNT",
    help="What may be spent per day or per usage window, as in day=5usd or five_hour=200ktokens; "
    "repeatable, '' for none. What is over waits for the next period.",
)
reserve_option = click.option(
    "--reserve",
    multiple=True,
    metavar="KEY=VALUE",
    help="What runs leave to people: five_hour=80% lets them use that much of the window; "
    "between=09:00-18:00 and days=mon-fri say when that holds. Repeatable, '' for none.",
)
overage_option = click.option(
    "--on-overage",
    type=click.Choice(["stop", "allow"]),
    help="Whether runs may go on with paid extra-usage credits. On create: stop.",
)


def budgets(given: tuple[str, ...]) -> list[dict[str, Any]] | None:
    """None when not given. Raises InvalidInput."""
    if not given:
        return None
    return [_budget(word) for one in given for word in one.split()]


def _budget(words: str) -> dict[str, Any]:
    period, equals, amount = words.partition("=")
    match = _AMOUNT.fullmatch(amount.strip())
    if not equals or not period or match is None:
        raise InvalidInput(f"--budget {words!r} is no budget", _HINT)
    number = float(match[1]) * _TIMES[match[2].lower()]
    if (match[3] or "usd") == "usd":
        return {"per": period, "usd": number}
    return {"per": period, "tokens": int(number)}


def reserve(given: tuple[str, ...]) -> dict[str, Any] | None:
    """None when not given, empty to take it away. Hours are the machine's. Raises InvalidInput."""
    from ccs.host import zone

    if not given:
        return None
    found: dict[str, Any] = {}
    for words in (word for one in given for word in one.split()):
        key, equals, value = words.partition("=")
        if not equals or not key or not value:
            raise InvalidInput(f"--reserve {words!r} is no rule", "as in five_hour=80%")
        found[key] = [value] if key == "days" else value
    if found:
        found.setdefault("timezone", zone.local_name(os.environ))
        if not found.keys() - {"between", "days", "timezone"}:
            raise InvalidInput("--reserve names no window", "add one, as in five_hour=80%")
    return found
