"""A growing log, shown on the terminal that this process was started on.

A thread of its own copies it: a terminal that takes nothing (a stopped tmux server) holds up
nobody who works. The terminal is made deaf, so that a key there neither ends nor stops the process,
and is taken from the three standard descriptors: children get /dev/null, as everywhere. Lean.
"""

from __future__ import annotations

import codecs
import os
import termios
import threading

from ccs.host.files import open_regular
from ccs.text import plain

_LOOK_SECONDS = 1.0
# For what is still to be shown when all is over.
_LAST_SECONDS = 2.0
_CHUNK = 1 << 16


class Pane:
    def __init__(self, log: str) -> None:
        """`log`: need not be there yet."""
        self._log = log
        self._terminal = os.dup(1)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._show, daemon=True)

    def __enter__(self) -> Pane:
        _deafen(self._terminal)
        null = os.open(os.devnull, os.O_RDWR)
        for fd in range(3):
            os.dup2(null, fd)
        os.close(null)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(_LAST_SECONDS)

    def _show(self) -> None:
        offset, over = 0, False
        try:
            while not over:
                over = self._ended.wait(_LOOK_SECONDS)
                offset = self._copy(offset)
        except OSError:
            pass  # the terminal is gone; who works has been told by a signal

    def _copy(self, offset: int) -> int:
        """How far the log has been shown. Raises OSError."""
        try:
            fd = open_regular(self._log, follow=False)
        except (FileNotFoundError, ValueError):
            return offset  # not there yet; or a link or a pipe, which nothing is written to
        with open(fd, "rb") as file:
            file.seek(offset)
            while chunk := file.read(_CHUNK):
                offset += len(chunk)
                self._write(chunk)
        return offset

    def _write(self, chunk: bytes) -> None:
        text = plain(self._decoder.decode(chunk)).encode("utf-8", "replace")
        while text:
            text = text[os.write(self._terminal, text) :]


def _deafen(terminal: int) -> None:
    """No echo, no signal from Ctrl-C and Ctrl-Z, no stop by Ctrl-S."""
    try:
        modes = termios.tcgetattr(terminal)
        modes[0] &= ~termios.IXON
        modes[3] &= ~(termios.ECHO | termios.ISIG)
        termios.tcsetattr(terminal, termios.TCSANOW, modes)
    except termios.error:
        pass  # no terminal, then nobody can type
