"""A pseudo-terminal for tests that read what a person would see. Nothing here sleeps."""

from __future__ import annotations

import os
import pty
import signal
import subprocess


class Terminal:
    """A program on a pseudo-terminal; what it has shown grows as it is read."""

    def __init__(self, program, *words, **env):
        ours, theirs = pty.openpty()
        self._fd = ours
        self.shown = ""
        env = {"COLUMNS": "120", "LINES": "24", "TERM": "xterm", **env}
        self._process = subprocess.Popen(
            [program.program, *words], stdin=theirs, stdout=theirs, stderr=theirs,
            env={**program.env, **env}, cwd=program.work,
        )  # fmt: skip
        os.close(theirs)

    def until(self, words):
        """Blocks until that was shown; fails when the program ends without."""
        while words not in self.shown:
            assert self._more(), f"ended without {words!r}:\n{self.shown}"

    def forget(self):
        self.shown = ""

    def answer(self, words):
        os.write(self._fd, f"{words}\n".encode())

    def interrupt(self):
        self._process.send_signal(signal.SIGINT)

    def end(self):
        while self._more():
            pass
        os.close(self._fd)
        return self._process.wait(timeout=30)

    def _more(self):
        try:
            chunk = os.read(self._fd, 65536)
        except OSError:  # EIO: the program has closed its end
            return False
        self.shown += chunk.decode("utf-8", "replace")
        return bool(chunk)
