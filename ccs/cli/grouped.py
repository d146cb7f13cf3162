"""Help of a command that has many options: under headings, what is asked for most first."""

from __future__ import annotations

import click

# Of tasks create and update, by parameter; what is not named stands at the end.
_HEADINGS = {
    "What to do, and where": (
        *("name", "prompt", "prompt_file", "prompt_type", "working_directory", "job", "after"),
        *("model", "fallback_model", "profile", "zai", "bedrock", "session_mode", "isolation"),
        *("append_system_prompt", "mcp_config", "add_dirs", "extra_args"),
    ),
    "What it may do and spend": (
        *("permissions", "allowed_tools", "disallowed_tools", "max_turns", "max_budget_usd"),
        *("budgets", "timeout", "first_output_timeout", "idle_timeout", "on_limit"),
    ),
    "When": (
        *("cron", "every", "daily", "weekly", "monthly", "at", "startup", "sequential", "manual"),
        *("tz", "between", "days", "not_before", "until", "max_runs", "enabled"),
    ),
    "When files have changed": (
        *("watch", "pattern", "ignore", "no_recursive", "debounce", "own_changes"),
    ),
    "When a usage window allows": (
        *("usage_reset", "when_available", "before_reset", "below", "anchor", "window"),
    ),
    "When it was missed, or meets another run": ("catch_up", "grace", "overlap", "priority"),
    "Afterwards": (
        *("verify", "verify_timeout", "until_green", "commit_on_success", "notify", "tags"),
        *("retry_attempts", "retry_delay", "retry_backoff", "retry_on", "client_retries"),
        "disable_after",
    ),
}


class Grouped(click.Command):
    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        left = dict(_rows(self, ctx))
        for title, names in _HEADINGS.items():
            rows = [left.pop(name) for name in names if name in left]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
        with formatter.section("Options"):
            formatter.write_dl([*left.values()])


def _rows(command: click.Command, ctx: click.Context) -> list[tuple[str, tuple[str, str]]]:
    found = ((param.name or "", param.get_help_record(ctx)) for param in command.get_params(ctx))
    return [(name, row) for name, row in found if row is not None]
