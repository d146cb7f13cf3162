"""The client's pipes and its end: both outputs read at once, logged, folded into facts.

A pipe that is not read blocks the client, so nothing here waits for anything but the pipes. The
loop wakes once a second at most while nothing happens. Lean.
"""

from __future__ import annotations

import os
import selectors
import signal

from ccs.claude import render
from ccs.claude.values import parse
from ccs.engine.logs import Lines, Logs
from ccs.host import process
from ccs.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

    from ccs.claude.events import Stream
    from ccs.engine.pulse import Pulse
    from ccs.store.rundir import RunDir

_CHUNK = 1 << 16
_IDLE = 1.0
_ENDING_PAUSE = 0.1
# TERM first: the client needs about 1.5 s to end its tools. All of it within five seconds.
_KILL_AFTER = 3.0
_GIVE_UP_AFTER = 10.0
# After a normal end a detached tool may hold the pipes open; what it writes is not the run's.
_LINGER = 1.0
# A run that has begun to live on paid credits may still end its turn by itself.
_PAID_SECONDS = 5.0
# What the run's record may quote from a result.
_QUOTED = ("result", "errors", "permission_denials")


class Watch:
    """Who wants the run to end: the clock, the stop file, or a signal to this supervisor."""

    def __init__(self, rundir: RunDir, monotonic: Callable[[], float], timeout: float) -> None:
        self.monotonic = monotonic
        self.shutdown = False
        self._rundir = rundir
        self._deadline = monotonic() + timeout
        self._unpaid: float | None = None
        self._wake_read, wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        for name in ("SIGTERM", "SIGINT", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._told_to_end)
        for name in ("SIGUSR1", "SIGCHLD"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._woken)

    @property
    def wake_fd(self) -> int:
        return self._wake_read

    def reason(self) -> str | None:
        """`stop`, `replaced`, `timeout`, `overage` or `shutdown`, as the outcome's rules name
        them."""
        asked = self._rundir.stop_reason()
        if asked is not None:
            return "replaced" if asked == "replaced" else "stop"
        if self.shutdown:
            return "shutdown"
        now = self.monotonic()
        if self._unpaid is not None and now >= self._unpaid:
            return "overage"
        return "timeout" if now >= self._deadline else None

    def spend_no_more(self, paying: bool) -> None:
        """The run is to end if it goes on `paying`, for nobody allowed that."""
        if not paying:
            self._unpaid = None
        elif self._unpaid is None:
            self._unpaid = self.monotonic() + _PAID_SECONDS

    def _told_to_end(self, number: int, frame: FrameType | None) -> None:
        self.shutdown = True

    def _woken(self, number: int, frame: FrameType | None) -> None:
        """Only to wake the loop; what happened is looked up there."""


class Ending:
    """Ends the client's own group and all that carries the run's marker: TERM, later KILL.

    The group besides the marker, because a wrapper may start the client with a clean environment.
    """

    def __init__(
        self, child: subprocess.Popen[bytes], run_id: str, reason: str | None, now: float
    ) -> None:
        self.reason = reason
        self._child = child
        self._run_id = run_id
        self._since = now
        self._signal(process.TERM)

    def all_gone(self, now: float) -> bool:
        if now - self._since < _KILL_AFTER:
            return self._child.returncode is not None and not process.carriers(self._run_id)
        return not self._signal(process.KILL) and self._child.returncode is not None

    def _signal(self, number: int) -> list[int]:
        if self._child.returncode is None:
            process.signal_group(self._child.pid, number)
        return process.signal_carriers(self._run_id, number)

    def hopeless(self, now: float) -> bool:
        return now - self._since >= _GIVE_UP_AFTER


class Drain:
    """The pipes of one client."""

    def __init__(
        self,
        child: subprocess.Popen[bytes],
        prompt: bytes,
        stream: Stream,
        logs: Logs,
        hear: Callable[[dict[str, Any]], None],
        pulse: Pulse,
    ) -> None:
        """`hear`: called with each rate_limit_info."""
        self._pulse = pulse
        self._child = child
        self._stream = stream
        self._logs = logs
        self._hear = hear
        self._prompt = memoryview(prompt)
        self._selector = selectors.DefaultSelector()
        assert child.stdin is not None  # the caller opened all three
        assert child.stdout is not None
        assert child.stderr is not None
        self._stdin = child.stdin.fileno()
        self._outputs = {
            child.stdout.fileno(): (Lines(), self._stdout_line),
            child.stderr.fileno(): (Lines(), logs.stderr_line),
        }
        os.set_blocking(self._stdin, False)
        self._selector.register(self._stdin, selectors.EVENT_WRITE)
        for fd in self._outputs:
            os.set_blocking(fd, False)
            self._selector.register(fd, selectors.EVENT_READ)

    def to_the_end(self, watch: Watch, run_id: str) -> str | None:
        """Drains until the client is gone; which of our reasons ended it, or None."""
        self._selector.register(watch.wake_fd, selectors.EVENT_READ)
        ending: Ending | None = None
        gone_at: float | None = None
        while True:
            self._step(_IDLE if ending is None and gone_at is None else _ENDING_PAUSE)
            now = watch.monotonic()
            if gone_at is None and self._child.poll() is not None:
                gone_at = now
                if ending is None and self._child.returncode < 0:
                    # Killed from outside: it had no chance to end its tools.
                    ending = Ending(self._child, run_id, None, now)
            if ending is None and gone_at is None and (reason := self._reason(watch)) is not None:
                ending = Ending(self._child, run_id, reason, now)
            if ending is not None:
                if ending.all_gone(now) or ending.hopeless(now):
                    break
            elif gone_at is not None and (not self._outputs or now - gone_at >= _LINGER):
                break
        for fd in list(self._outputs):
            self._close(fd)
        return ending.reason if ending else None

    def _reason(self, watch: Watch) -> str | None:
        return watch.reason() or ("hung" if self._pulse.has_stopped() else None)

    def _step(self, timeout: float) -> None:
        for key, _ in self._selector.select(timeout):
            if key.fd == self._stdin:
                self._feed()
            elif key.fd in self._outputs:
                self._read(key.fd)
            else:
                os.read(key.fd, _CHUNK)  # the wake pipe: being awake was its whole message

    def _feed(self) -> None:
        try:
            self._prompt = self._prompt[os.write(self._stdin, self._prompt[:_CHUNK]) :]
        except BlockingIOError:
            return
        except OSError:
            self._prompt = self._prompt[:0]  # it does not read its prompt; its exit will tell why
        if not self._prompt:
            self._selector.unregister(self._stdin)
            assert self._child.stdin
            self._child.stdin.close()

    def _read(self, fd: int) -> None:
        try:
            chunk = os.read(fd, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        lines, take = self._outputs[fd]
        for line in lines.feed(chunk):
            take(line)
        if not chunk:
            self._close(fd)

    def _close(self, fd: int) -> None:
        lines, take = self._outputs.pop(fd)
        for line in lines.rest():
            take(line)
        self._selector.unregister(fd)

    def _stdout_line(self, line: bytes) -> None:
        event = parse(line)
        # Before anything is cut short: half a secret would not be recognised. The facts a run is
        # judged by stay as they came; a value such as "sonnet" is masked in logs, not in them.
        logs = self._logs
        masked = logs.mask(line) if event is not None else logs.masked(line)
        shown = event if masked == line else parse(masked)
        if event is not None:
            told = {name: (shown or {}).get(name) for name in _QUOTED if name in event}
            self._stream.feed({**event, **told})
            self._pulse.beat(self._stream)
            if event.get("type") == "rate_limit_event" and self._stream.limit is not None:
                self._hear(self._stream.limit)
        rendered = (
            render.lines(shown) if shown is not None else [plain(masked.decode("utf-8", "replace"))]
        )
        self._logs.stdout_line(masked, rendered)
