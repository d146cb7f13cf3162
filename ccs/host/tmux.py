"""A tmux server for one run: one session, one pane, in which the supervisor lives with its client.

The server ends with the pane, so nothing is left of it after the run, and one that is killed takes
no other run along. Its socket lies in the run's directory, which only the owner can enter, and is
named from inside that: a socket's whole path may have a hundred bytes only. No tmux.conf is read,
for what stands there (remain-on-exit, hooks) is not meant for this. Lean.
"""

from __future__ import annotations

import os
import subprocess

from ccs.errors import CcsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

SOCKET = "tmux"
_AT = ("-S", SOCKET, "-f", os.devnull)
_PATIENCE = 10
# What the server and the interpreter in its pane need to start. It can be asked for the rest of
# its life by `tmux show-environment`, so what else the scheduler has goes another way.
_SHOWN = frozenset(
    ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TZ", "LANG", "LD_LIBRARY_PATH", "CCS_HOME")
)
_SHOWN_KINDS = ("LC_", "PYTHON")


def found(environ: Mapping[str, str]) -> str | None:
    """The program, None if PATH does not lead to one."""
    for directory in environ.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(directory, "tmux")
        if os.path.isabs(directory) and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def session(run_id: str) -> str:
    return f"ccs-{run_id[:8]}"


def start(
    program: str, run_id: str, directory: str, argv: list[str], environ: Mapping[str, str]
) -> None:
    """The run's session, with `argv` as its pane. Raises CcsError in tmux's words, OSError."""
    bare = {name: value for name, value in environ.items() if _is_shown(name)}
    # A size for as long as nobody looks; whoever attaches brings his own.
    new = ["new-session", "-d", "-s", session(run_id), "-n", "run", "-x", "120", "-y", "40"]
    told = [";", "set-option", "-g", "status-right", " Ctrl-B D leaves it "]
    # More than one word is no line for a shell: tmux executes it as it stands.
    done = _call([program, *_AT, *new, *argv, *told], directory, bare)
    if done.returncode:
        words = done.stderr.decode("utf-8", "replace").strip()
        raise CcsError(f"tmux did not start: {words or f'it ended with {done.returncode}'}")


def end(program: str, directory: str) -> None:
    try:
        _call([program, *_AT, "kill-server"], directory, os.environ)
    except (CcsError, OSError):
        pass  # it hangs, or went meanwhile; whatever is in its pane has been left without work


def is_there(program: str, run_id: str, directory: str) -> bool:
    """Raises CcsError, OSError."""
    wanted = [program, *_AT, "has-session", "-t", f"={session(run_id)}"]
    return _call(wanted, directory, os.environ).returncode == 0


def attaching(program: str, run_id: str) -> list[str]:
    """To be called in the run's directory. Only to look: what is typed would go nowhere."""
    return [program, "-S", SOCKET, "attach-session", "-r", "-t", f"={session(run_id)}"]


def _is_shown(name: str) -> bool:
    return name in _SHOWN or name.startswith(_SHOWN_KINDS)


def _call(
    argv: list[str], directory: str, environ: Mapping[str, str]
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            argv,
            cwd=directory,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CcsError(f"tmux gave no answer within {_PATIENCE} s") from None
