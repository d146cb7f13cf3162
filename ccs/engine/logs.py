"""Writing the logs of a run while it goes on, and when each part of them was written.

A log that cannot be written never stops the reading of the client, and memory stays bounded
whatever comes. Secrets are masked before a byte is written. Lean.
"""

from __future__ import annotations

import os

from ccs import instant, redact
from ccs.errors import CcsError
from ccs.store import atomic
from ccs.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

_LONGEST_LINE = 64 << 20
_STDERR_KEPT = 4096
_LONGEST_STDERR_LINE = 2000


class Logs:
    """The readable log and the client's output as it came."""

    def __init__(
        self,
        readable: str,
        raw: str,
        mask: Callable[[bytes], bytes],
        times: Times | None = None,
    ) -> None:
        self.mask = mask
        self._lines = {name: redact.Lines(mask) for name in ("stdout", "stderr", "verify")}
        self._times = times
        self._readable = _opened(readable)
        self._raw = _opened(raw)
        self._stderr = b""

    def note(self, words: str) -> None:
        self._write(self._readable, f"-- {plain(words)}\n".encode("utf-8", "replace"))

    def masked(self, line: bytes, source: str = "stdout") -> bytes:
        """A line that is no event: what it holds may go on in the next one."""
        return self._lines[source].redact(line)

    def stdout_line(self, line: bytes, rendered: list[str]) -> None:
        self._write(self._raw, line + b"\n")
        if rendered:
            text = "".join(f"{one}\n" for one in rendered)
            self._write(self._readable, text.encode("utf-8", "replace"))

    def stderr_line(self, line: bytes) -> None:
        # Before it is cut: half a secret would not be recognised.
        line = self.masked(line, "stderr")
        self._stderr = (self._stderr + line + b"\n")[-_STDERR_KEPT:]
        shown = plain(line[:_LONGEST_STDERR_LINE].decode("utf-8", "replace"))
        self._write(self._readable, f"[stderr] {shown}\n".encode("utf-8", "replace"))

    def output_line(self, line: bytes) -> str:
        """Of a command of the task's own; as it is shown."""
        shown = self.masked_line(line)
        self._write(self._readable, f"[verify] {shown}\n".encode("utf-8", "replace"))
        return shown

    def masked_line(self, line: bytes) -> str:
        """As a line of such a command is shown."""
        shown = self.masked(line, "verify")[:_LONGEST_STDERR_LINE]
        return plain(shown.decode("utf-8", "replace"))

    def stderr_tail(self) -> str:
        return self._stderr.decode("utf-8", "replace")

    def _write(self, fd: int | None, content: bytes) -> None:
        if fd is None:
            return
        try:
            if self._times is not None:
                self._times.mark(self._readable, self._raw)
            atomic.write_all(fd, self.mask(content))
        except OSError:
            pass  # a full disk must not block the client; the outcome does not depend on the log

    def __enter__(self) -> Logs:
        return self

    def __exit__(self, *_: object) -> None:
        if self._times is not None:
            self._times.close()
        for fd in (self._readable, self._raw):
            if fd is not None:
                os.close(fd)


class Times:
    """Lines of `INSTANT READABLE RAW`: how long both logs were then. At most one a second."""

    def __init__(self, path: str, now: Callable[[], datetime]) -> None:
        self._fd = _opened(path)
        self._now = now
        self._marked: datetime | None = None

    def mark(self, *logs: int | None) -> None:
        """Called before something is added to the logs. Raises OSError."""
        now = self._now()
        if self._marked is not None and 0 <= (now - self._marked).total_seconds() < 1:
            return
        self._marked = now
        if self._fd is not None:
            sizes = [0 if fd is None else os.lseek(fd, 0, os.SEEK_END) for fd in logs]
            line = f"{instant.text(now)} {' '.join(map(str, sizes))}\n"
            atomic.write_all(self._fd, line.encode("ascii"))

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)


def _opened(path: str) -> int | None:
    try:
        return atomic.open_append(path)
    except (CcsError, OSError):
        return None  # as in Logs._write: the run matters more than its log


class Lines:
    """Cuts a byte stream into lines. A line beyond all measure is dropped, and says so."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        head, newline, rest = chunk.partition(b"\n")
        self._keep(head)
        if not newline:
            return []
        lines = [self._taken(), *rest.split(b"\n")]
        self._keep(lines.pop())
        return lines

    def rest(self) -> list[bytes]:
        return [self._taken()] if self._size else []

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size <= _LONGEST_LINE:
            self._parts.append(part)
        else:
            self._parts.clear()

    def _taken(self) -> bytes:
        line = b"".join(self._parts)
        if self._size > _LONGEST_LINE:
            line = b'{"type":"ccs","dropped_bytes":%d}' % self._size
        self._parts, self._size = [], 0
        return line
