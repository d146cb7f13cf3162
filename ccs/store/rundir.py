"""The directory of one unfinished run: what must be known even when runs.json cannot be written.

    lock          held by the supervisor for life, and by the client that inherits it: "running"
    starts        one byte for each supervisor started; a supervisor that leaves in order clears it
    owner         pid, start ticks and boot id of the supervisor: only for signalling
    started       made once, just before the client may run; whoever finds it must not start one
    reserve       room kept for the outcome, so that a full disk cannot swallow it
    outcome.json  how the run ended; merged into runs.json, then the directory goes
    handover      a socket: where the supervisor in a tmux session gets lock and environment
    tmux          the socket of that session's server
    stop          somebody wants the run to end; its text is the reason

Whoever launches makes the directory; a supervisor never does. It is removed under the run's lock
and only after the outcome is in runs.json. Lean.
"""

from __future__ import annotations

import errno
import json
import os
import stat

from ccs.errors import BrokenStore
from ccs.store import atomic
from ccs.store.home import make_directory, open_file
from ccs.store.lock import Lock
from ccs.store.strict import parse_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Record = dict[str, Any]

RESERVED = 64 * 1024
# Somebody asked for a stop while the directory was being removed.
_FILLED_AGAIN = (errno.ENOTEMPTY, errno.EEXIST)


class RunDir:
    def __init__(self, runs: str, run_id: str) -> None:
        self.path = os.path.join(runs, run_id)

    def make(self) -> None:
        """The name is not flushed. Raises BrokenStore, OSError."""
        make_directory(self.path)

    def exists(self) -> bool:
        """A link does not count: it would lead what is written and removed out of the store.

        Raises OSError where that cannot be told: a run whose directory is gone is lost.
        """
        try:
            return stat.S_ISDIR(os.lstat(self.path).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return False

    def lock(self) -> Lock:
        return Lock(self._file("lock"))

    # Starts -----------------------------------------------------------------

    def count_start(self) -> None:
        fd = atomic.open_append(self._file("starts"))
        try:
            atomic.write_all(fd, b".")
        finally:
            os.close(fd)

    def starts(self) -> int:
        return self._size("starts")

    def forget_starts(self) -> None:
        self._remove("starts")

    # The start mark ---------------------------------------------------------

    def claim(self, owner: Record) -> bool:
        """Before the mark, with the run's lock held: who is to be signalled, and room for how it
        ends. False when it was marked before. Raises OSError."""
        if self.started():
            return False  # the owner that stands there is the one that made it
        atomic.write(self._file("owner"), json.dumps(owner).encode(), durable=False)
        self._reserve()
        return True

    def mark_started(self) -> bool:
        """Once in a run's life; False when it was made before. Raises OSError."""
        return atomic.create(self._file("started"))

    def unmark(self) -> None:
        """Takes the mark back while no client can have run: `running` could not be recorded."""
        self._remove("started")

    def started(self) -> bool:
        """Raises OSError where that cannot be told."""
        return self._is_there("started")

    def owner(self) -> Record:
        """Empty when unknown. Raises BrokenStore for one that is not ours alone, OSError: a run
        whose owner is thought gone is ended."""
        return self._json("owner") or {}

    def _reserve(self) -> None:
        fd = open_file(self._file("reserve"), os.O_WRONLY | os.O_CREAT)
        try:
            if not _allocated(fd):
                atomic.write_all(fd, b"\0" * RESERVED)
                atomic.flush(fd)  # only then the file system tells whether it had the room
        finally:
            os.close(fd)

    # The outcome ------------------------------------------------------------

    def write_outcome(self, outcome: Record) -> None:
        """Durable when it returns. Uses the reserved room if that is still there, and ours."""
        content = json.dumps(outcome, ensure_ascii=True).encode()
        reserve = self._file("reserve")
        fd = self._open_reserve() if len(content) <= RESERVED else None
        if fd is None:
            atomic.write(self._file("outcome.json"), content)
            return
        try:
            atomic.write_all(fd, content)
            os.ftruncate(fd, len(content))
            atomic.flush(fd)
        finally:
            os.close(fd)
        os.replace(reserve, self._file("outcome.json"))
        atomic.flush_directory(self.path)

    def _open_reserve(self) -> int | None:
        try:
            return open_file(self._file("reserve"), os.O_WRONLY)
        except (FileNotFoundError, BrokenStore):
            return None  # gone, or given a second name by somebody's backup: a new file is as good

    def outcome(self) -> Record | None:
        """None while there is none, or one that is not whole. Raises BrokenStore for one that is
        not ours alone, OSError: a run without an outcome may be recorded as lost.
        """
        return self._json("outcome.json")

    # Stopping ---------------------------------------------------------------

    def ask_to_stop(self, reason: str) -> None:
        """The first reason stands. Works on a full disk too: then the file says it by being there.

        Raises FileNotFoundError when the run has ended.
        """
        path = self._file("stop")
        if os.path.lexists(path):
            return
        try:
            atomic.write(path, reason.encode())  # whole at once: nobody acts on half a reason
        except FileNotFoundError:
            raise
        except OSError:
            atomic.create(path)

    def stop_reason(self) -> str | None:
        """Why the run is to end, None while nobody asked."""
        try:
            fd = open_file(self._file("stop"), os.O_RDONLY)
        except FileNotFoundError:
            return None
        except BrokenStore:
            return "stopped"  # whatever it is: that it is there says it
        try:
            return os.read(fd, 20).decode("ascii", "replace").strip() or "stopped"
        finally:
            os.close(fd)

    def remove(self) -> None:
        """Called with the run's lock held. `lock` goes last: while it is there the run is ours."""
        while self.exists():
            names = os.listdir(self.path)
            for name in sorted(names, key=lambda name: name == "lock"):
                self._remove(name)
            try:
                os.rmdir(self.path)
            except OSError as error:
                if error.errno not in _FILLED_AGAIN:
                    raise

    def _file(self, name: str) -> str:
        return os.path.join(self.path, name)

    def _size(self, name: str) -> int:
        try:
            return os.lstat(self._file(name)).st_size
        except FileNotFoundError:
            return 0

    def _is_there(self, name: str) -> bool:
        try:
            os.lstat(self._file(name))
        except FileNotFoundError:
            return False
        return True

    def _remove(self, name: str) -> None:
        try:
            os.unlink(self._file(name))
        except (IsADirectoryError, PermissionError):
            os.rmdir(self._file(name))  # somebody's; one that is not empty keeps the run's
        except FileNotFoundError:
            pass  # removing twice is the same as once: a reaper may have been killed in the middle

    def _json(self, name: str) -> Record | None:
        found = atomic.read(self._file(name))
        try:
            record = parse_record(found[0], name) if found else None
        except BrokenStore:
            return None  # not written whole, or nothing that a record could take up
        return record if isinstance(record, dict) else None


def _allocated(fd: int) -> bool:
    if not hasattr(os, "posix_fallocate"):
        return False
    try:
        os.posix_fallocate(fd, 0, RESERVED)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            return False  # ZFS, some network file systems
        raise
    return True
