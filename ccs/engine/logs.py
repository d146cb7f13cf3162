"""Writing the logs of a run while it goes on.

A log that cannot be written never stops the reading of the client, and memory stays bounded
whatever comes. Secrets are masked before a byte is written. Lean.
"""

from __future__ import annotations

import os

from ccs.store import atomic
from ccs.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_LINE = 64 << 20
_STDERR_KEPT = 4096
_LONGEST_STDERR_LINE = 2000


class Logs:
    """The readable log and the client's output as it came."""

    def __init__(self, readable: str, raw: str, mask: Callable[[bytes], bytes]) -> None:
        self.mask = mask
        self._readable = _opened(readable)
        self._raw = _opened(raw)
        self._stderr = b""

    def note(self, words: str) -> None:
        self._write(self._readable, f"-- {plain(words)}\n".encode("utf-8", "replace"))

    def stdout_line(self, line: bytes, rendered: list[str]) -> None:
        self._write(self._raw, line + b"\n")
        if rendered:
            text = "".join(f"{one}\n" for one in rendered)
            self._write(self._readable, text.encode("utf-8", "replace"))

    def stderr_line(self, line: bytes) -> None:
        line = self.mask(line)  # before it is cut: half a secret would not be recognised
        self._stderr = (self._stderr + line + b"\n")[-_STDERR_KEPT:]
        shown = plain(line[:_LONGEST_STDERR_LINE].decode("utf-8", "replace"))
        self._write(self._readable, f"[stderr] {shown}\n".encode("utf-8", "replace"))

    def stderr_tail(self) -> str:
        return self._stderr.decode("utf-8", "replace")

    def _write(self, fd: int | None, content: bytes) -> None:
        if fd is None:
            return
        try:
            atomic.write_all(fd, self.mask(content))
        except OSError:
            pass  # a full disk must not block the client; the outcome does not depend on the log

    def __enter__(self) -> Logs:
        return self

    def __exit__(self, *_: object) -> None:
        for fd in (self._readable, self._raw):
            if fd is not None:
                os.close(fd)


def _opened(path: str) -> int | None:
    try:
        return atomic.open_append(path)
    except OSError:
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
