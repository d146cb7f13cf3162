"""Names of worktrees. One name is a directory below `trees/` and a branch, so it must be both and
lead nowhere else. Lean.
"""

from __future__ import annotations

_LONGEST = 100
_SLUG = 40
# What git takes for an operator in a revision, a pattern or a path; a slash would nest trees.
_RESERVED = frozenset("/\\:?*[]^~ ")


def fault(name: str) -> str:
    """Why this cannot name a worktree, in words; empty when it can."""
    if not name or len(name.encode("utf-8", "surrogatepass")) > _LONGEST:
        return f"must have between 1 and {_LONGEST} bytes"
    # Not printable: controls, marks that reorder text, halves of surrogate pairs.
    if not name.isprintable() or not _RESERVED.isdisjoint(name):
        return "must have no slash, space, control character or any of \\ : ? * [ ] ^ ~"
    if name[0] in "-." or name[-1] == "." or ".." in name:
        return "must not begin with a dash or a dot, end with a dot or have two in a row"
    if name.endswith(".lock") or "@{" in name or name in ("@", "HEAD"):
        return "is a name that git keeps for itself"
    return ""


def of_job(job_id: str) -> str:
    """Of a job that names none."""
    return f"job-{job_id[:8]}"


def of_run(task_name: str, run_id: str) -> str:
    letters = (one if one.isascii() and one.isalnum() else "-" for one in task_name.lower())
    words = "-".join(filter(None, "".join(letters).split("-")))
    return f"{words[:_SLUG].rstrip('-') or 'task'}-{run_id[:8]}"
