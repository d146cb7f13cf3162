"""What each setting means, and what became of those of the prior system that changed what it did.

Beside `ccs.model.settings`, so that whoever adds a field finds the place for its words.
"""

from __future__ import annotations

WORDS = {
    "max_concurrent_tasks": "How many runs may be under way at once.",
    "reset_margin": "How long after the reset of a usage window nothing starts yet.",
    "released_at_once": "How many runs of an account that a limit held may start with one tick.",
    "approval": "Whether changed hooks or servers of a repository hold its tasks until approved.",
    "disable_after": "After so many failures in a row a task is disabled; 0: never.",
    "runs_kept": "How many finished runs stay in runs.json; older ones move to history.",
    "prune_keep": "Once a day all but the newest so many runs of each task are deleted.",
    "prune_older_than": "Once a day runs that ended longer ago are deleted.",
    "logs_older_than": "Once a day logs that were last written longer ago are compressed.",
    "default_profile": "The profile of runs whose task and job name none.",
    "claude_path": "The client to call; none: it is looked for; mock: the bundled stand-in.",
    "mock_mode": "Whether the bundled stand-in plays all runs, so that none does anything.",
    "notifications": "Who is told of what. Changed by ccs notify.",
}

HOME = "The store. For what this shell calls; the scheduler's entry has what ccs install wrote."

# Keys of the prior system in a file of its own, and why they are not gone by.
PRIOR = {
    "mock_mode": "it was on by default there; to mean it here: ccs settings set mock_mode true",
    "unmask_env_vars": "secrets are shown to nobody who does not ask for one by name",
    "claude_cli_path": "the prior system never went by it; it is claude_path here",
    "run_retention_count": "it never deleted anything there; it is prune_keep here",
    "log_retention_days": "it never deleted anything there; it is prune_older_than here",
}
