"""ccs runs prune"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ccs.cli import output, params, terminal
from ccs.cli.output import Column, Output
from ccs.errors import InvalidInput

if TYPE_CHECKING:
    from ccs.engine.prune import Rule
    from ccs.store.store import Store

COLUMNS: list[Column] = [
    ("ID", output.short_id),
    ("TASK", lambda run: run["task_name"]),
    ("STATUS", lambda run: run["status"]),
    ("PERMISSIONS", lambda run: run.get("permissions") or ""),
    ("SCHEDULED", lambda run: output.brief(run["scheduled_time"])),
]


@click.command()
@click.option("--keep", type=params.COUNT, metavar="N", help="The newest N of each task stay.")
@click.option("--older-than", metavar="SPAN", help="What ended within this span stays: 30d.")
@click.option("--compress-logs", metavar="SPAN", help="Compress logs that are older than this: 7d.")
@click.option("--dry-run", is_flag=True, help="Show what would go; change nothing.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@params.output_options
def prune(
    keep: int | None,
    older_than: str | None,
    compress_logs: str | None,
    dry_run: bool,
    yes: bool,
    out: Output,
) -> None:
    """Delete old runs and their logs; with --keep and --older-than, what is both.

    What runs or waits stays, and so does what something still goes back to or counts. The
    settings prune_keep, prune_older_than and logs_older_than do the same once a day.

    \b
    Example:
      ccs runs prune --keep 20 --older-than 30d --dry-run
    """
    from ccs import duration
    from ccs.engine.prune import Rule

    rule = Rule(keep, None if older_than is None else duration.parse(older_than))
    before = None if compress_logs is None else params.now() - duration.parse(compress_logs)
    if before is not None and dry_run:
        raise InvalidInput("--compress-logs has no dry run", "give one of them")
    store = params.store()
    if before is None or not rule.says_nothing:
        _delete(store, rule, dry_run, yes, out)
    if before is not None:
        from ccs.engine import tidy

        with terminal.elapsed("compressing logs"):
            count, saved = tidy.compress(store, before)
        out.say(f"compressed {output.counted(count, 'log')}, {saved / 1e6:.1f} MB less")


def _delete(store: Store, rule: Rule, dry_run: bool, yes: bool, out: Output) -> None:
    from ccs.engine import prune as verbs
    from ccs.report import runlist

    now = params.now()
    with terminal.elapsed("looking for old runs"):
        old = verbs.prunable(store, rule, now)
    trust = runlist.Trust(store)
    records = [trust.record(run) for run in old]
    if not dry_run:
        if old:
            params.confirm(f"Delete {output.counted(len(old), 'run')} and what was logged?", yes)
        with terminal.elapsed("deleting"):
            gone = {run.id for run in verbs.prune(store, rule, now)}
        records = [one for one in records if one["id"] in gone]
    done = "would delete" if dry_run else "deleted"
    out.say(f"{done} {output.counted(len(records), 'run')}")
    if dry_run or out.format != "table":
        out.records("runs", records, COLUMNS)
