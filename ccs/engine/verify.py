"""The task's own check of what a run did: a command in the run's directory, whose exit decides.

Its output goes to the run's log, and the end of it back to the agent if it may try to mend what
failed. It is ended with all it started when its time is up or the run is to end. Lean.
"""

from __future__ import annotations

import os
import selectors
import subprocess

from ccs.engine.drain import Ending
from ccs.engine.logs import Lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ccs.engine.drain import Watch
    from ccs.engine.logs import Logs

_CHUNK = 1 << 16
_STEP = 0.5
_TAIL = 6000
_PIPES_WORTH = 16  # pieces; a pipe holds up to a megabyte
_MOST_LOGGED = 16 << 20


class Verified:
    """`ended_by`: who ended it before its time, as in the outcome's rules; `tail`: masked."""

    __slots__ = ("ended_by", "tail", "words")

    def __init__(self, words: str | None, tail: str, ended_by: str | None = None) -> None:
        self.words = words
        self.tail = tail
        self.ended_by = ended_by

    @property
    def good(self) -> bool:
        return self.words is None and self.ended_by is None


def verify(
    command: str | list[str],
    cwd: str,
    variables: dict[str, str],
    run_id: str,
    watch: Watch,
    logs: Logs,
    seconds: float,
) -> Verified | None:
    """None when it could not be ended. A text is a line for the shell.

    Raises OSError, ValueError for what cannot be started.
    """
    argv = ["/bin/sh", "-c", command] if isinstance(command, str) else command
    child = subprocess.Popen(
        argv,
        cwd=cwd,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    return _Check(child, run_id, watch, logs, seconds).to_the_end()


class _Check:
    def __init__(
        self,
        child: subprocess.Popen[bytes],
        run_id: str,
        watch: Watch,
        logs: Logs,
        seconds: float,
    ) -> None:
        assert child.stdout is not None
        self._child = child
        self._run_id = run_id
        self._watch = watch
        self._logs = logs
        self._deadline = watch.monotonic() + seconds
        self._lines = Lines()
        self._tail = ""
        self._logged = 0
        self._cut = False
        self._open = True
        self._fd = child.stdout.fileno()
        os.set_blocking(self._fd, False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._fd, selectors.EVENT_READ)
        self._selector.register(watch.wake_fd, selectors.EVENT_READ)

    def to_the_end(self) -> Verified | None:
        ending: Ending | None = None
        late = False
        while True:
            self._step()
            now = self._watch.monotonic()
            gone = self._child.poll() is not None
            if ending is not None:
                if ending.all_gone(now):
                    break
                if ending.hopeless(now):
                    self._close()
                    return None
                continue
            if gone:
                self._read_rest()
                break
            late = now >= self._deadline
            asked = self._watch.reason()
            if asked is not None or late:
                ending = Ending(self._child, self._run_id, asked, now)
        self._close()
        if ending is not None and ending.reason is not None:
            return Verified("ended", self._tail, ending.reason)
        if late:
            return Verified("it was not done when its time ran out", self._tail)
        code = self._child.returncode
        return Verified(None if code == 0 else f"it ended with exit {code}", self._tail)

    def _step(self) -> None:
        for key, _ in self._selector.select(_STEP):
            if key.fd == self._fd:
                self._read()
            else:
                os.read(key.fd, _CHUNK)

    def _read(self) -> bool:
        """One piece: it may print faster than anybody reads. Whether there was any."""
        try:
            chunk = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            chunk = b""
        for line in self._lines.feed(chunk):
            self._take(line)
        if not chunk:
            self._close()
        return True

    def _read_rest(self) -> None:
        """What it had written when it ended; others may hold the pipe open and go on."""
        for _ in range(_PIPES_WORTH):
            if not self._open or not self._read():
                return

    def _take(self, line: bytes) -> None:
        self._logged += len(line) + 1
        if self._logged <= _MOST_LOGGED:
            shown = self._logs.output_line(line)
        else:
            shown = self._logs.masked_line(line)
            if not self._cut:
                self._cut = True
                self._logs.note(f"what verify prints beyond {_MOST_LOGGED >> 20} MB is left out")
        self._tail = f"{self._tail}{shown}\n"[-_TAIL:]

    def _close(self) -> None:
        if self._open:
            self._open = False
            for line in self._lines.rest():
                self._take(line)
            self._selector.unregister(self._fd)
