"""One process hands a held lock and an environment to another that it is no parent of.

The lock is never free in between: its descriptor travels through a socket in the run's directory,
as the environment does, so no file, no argument and no tmux server ever has it. The one that gives
up closes the socket, and the other finds nobody there. Lean; POSIX only.
"""

from __future__ import annotations

import json
import os
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NAME = "handover"  # relative, as a socket's path may have a hundred bytes only
# Until an interpreter has started on a busy machine.
_PATIENCE = 30.0


def give(
    directory: str, lock: int, environment: Mapping[str, str], begin: Callable[[], None]
) -> None:
    """`begin` starts who takes it. Raises what that raises; OSError, TimeoutError if nobody came.

    The working directory is `/` afterwards.
    """
    content = json.dumps(dict(environment)).encode("ascii")
    with socket.socket(socket.AF_UNIX) as door:
        os.chdir(directory)
        try:
            if os.path.lexists(_NAME):
                os.unlink(_NAME)  # of one that was killed; whoever holds the lock may
            door.bind(_NAME)
            door.listen(1)
            begin()
            door.settimeout(_PATIENCE)
            taker, _ = door.accept()
            with taker:
                taker.settimeout(_PATIENCE)
                socket.send_fds(taker, [b"."], [lock])
                taker.sendall(content)
        finally:
            os.chdir("/")


def take(directory: str) -> tuple[int, dict[str, str]] | None:
    """The lock's descriptor and the environment; None if nobody gives anything any more.

    The working directory is `/` afterwards.
    """
    os.chdir(directory)
    with socket.socket(socket.AF_UNIX) as door:
        try:
            door.settimeout(_PATIENCE)
            door.connect(_NAME)
            _, given, _, _ = socket.recv_fds(door, 1, 1)
            content = b"".join(iter(lambda: door.recv(1 << 16), b""))
        except OSError:
            return None
        finally:
            os.chdir("/")
    try:
        environment = json.loads(content)
        [lock] = given
    except ValueError:
        return None  # cut short: the giver was killed in the middle
    os.set_inheritable(lock, False)
    return lock, environment
