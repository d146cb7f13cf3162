"""Where a run is to work, as its launcher writes it down. Apart from the working: a tick needs no
git for it.
"""

from __future__ import annotations

import os
from typing import Any

from ccs.model import treename
from ccs.model.job import Job
from ccs.model.run import Run
from ccs.model.task import Task

Record = dict[str, Any]


def wanted(run: Run, task: Task, job: Job | None) -> Record:
    """What `workplace.prepare` goes by."""
    where = job.working_directory if job else None
    directory = where.path if where else task.working_directory
    of_job = None
    if job and where and where.use_git_worktree:
        of_job = where.worktree_name or treename.of_job(job.id)
    own = task.isolation == "worktree"
    name = run.worktree or (treename.of_run(task.name, run.id) if own else of_job)
    return {
        "directory": os.path.expanduser(directory) if directory else None,
        "worktree": name,
        # Whose tree it is to be; one that goes on knows only that it is one of the two.
        "owner": ["task", task.id] if own or job is None else ["job", job.id],
        "owners": [["task", task.id], *([["job", job.id]] if job else [])],
        "base": where.worktree_branch if where else None,
        "setup": where.worktree_setup if where else None,
        "commit": task.commit_on_success,
        "after": run.resumed_from or run.retry_of,
    }
