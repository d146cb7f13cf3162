"""Copies files that git ignores into a new worktree: those that `.worktreeinclude` names.

The file lies at the top of the main tree and has the form of a `.gitignore`. Only what git really
ignores is copied, and nothing is written or linked outside the new tree. Lean.
"""

from __future__ import annotations

import os

from ccs.host.git import Git

_LIST = ".worktreeinclude"
_CHUNK = 1 << 20
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


def copy(git: Git, source: str, target: str) -> list[str]:
    """Words about what was copied and what was not. Raises GitFailed, OSError."""
    if not os.path.isfile(os.path.join(source, _LIST)):
        return []
    listed = git.ask("ls-files", "--others", "--ignored", f"--exclude-from={_LIST}", "-z")
    if not listed:
        return []
    # Its exit is 1 when none of them is ignored.
    ignored = git.call("check-ignore", "-z", "--stdin", given=listed).out
    names = [os.fsdecode(one) for one in ignored.split(b"\0") if one and not one.endswith(b"/")]
    refused = [one for one in names if not _copy(source, target, one)]
    done = len(names) - len(refused)
    told = [f"copied {done} ignored file{'' if done == 1 else 's'} ({_LIST})"] if done else []
    return told + [f"not copied: {one}" for one in refused[:20]]


def _copy(source: str, target: str, name: str) -> bool:
    """False for what is no plain file, or would lead out of one of the trees."""
    old, new = os.path.join(source, name), os.path.join(target, name)
    folder = os.path.dirname(new)
    # A directory of the branch may be a link to anywhere.
    if not _is_below(os.path.realpath(folder), os.path.realpath(target)):
        return False
    if os.path.lexists(new):
        return True
    if os.path.islink(old):
        return _copy_link(source, old, new, folder)
    if not os.path.isfile(old):
        return False
    os.makedirs(folder, exist_ok=True)
    _copy_file(old, new)
    return True


def _copy_link(source: str, old: str, new: str, folder: str) -> bool:
    leads_to = os.readlink(old)
    inside = _is_below(os.path.realpath(old), os.path.realpath(source))
    if os.path.isabs(leads_to) or not inside:
        return False
    os.makedirs(folder, exist_ok=True)
    os.symlink(leads_to, new)
    return True


def _copy_file(old: str, new: str) -> None:
    fd = os.open(old, os.O_RDONLY | _NO_FOLLOW)
    with open(fd, "rb") as reading:
        mode = os.fstat(fd).st_mode & 0o777
        to = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, mode)
        with open(to, "wb") as writing:
            while chunk := reading.read(_CHUNK):
                writing.write(chunk)


def _is_below(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip(os.sep) + os.sep)
