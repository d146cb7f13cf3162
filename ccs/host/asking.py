"""A question put to another program: one process, a time limit, and nothing of it left behind.

It may hang, print without end or leave children, so all of its group is ended with it when its
time is up, and all that carries its marker, whatever session that made itself. Once it has ended by
itself, what it left running may keep its pipes and is not waited for. Lean.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import time

from ccs.host import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import IO

_MOST = 4 << 20
_CHUNK = 1 << 16
# How long it may take to notice that nobody waits any more, and for what was killed to be gone.
_ATTENTION = 0.5
_GONE_WITHIN = 2.0
# What was written before the end is there at once.
_LINGER = 1.0


class Answer:
    """What it printed. `fault`: in words, how it ended if it did not end well, else empty; `code`:
    with what, None if it had to be ended.
    """

    __slots__ = ("code", "err", "fault", "out")

    def __init__(self, out: bytes, err: bytes, fault: str, code: int | None) -> None:
        self.out = out
        self.err = err
        self.fault = fault
        self.code = code


def ask(
    argv: Sequence[str],
    question: bytes | IO[bytes],
    cwd: str | None,
    variables: Mapping[str, str],
    seconds: float,
    *,
    marker: str = "",
    given_up: Callable[[], object] | None = None,
) -> Answer:
    """`question` has to fit a pipe, 4 kB anywhere; a file may be of any length. Raises OSError,
    ValueError.

    `marker`: what `variables` hold as the marker, if it is nobody else's. `given_up`: asked all the
    while; what is true says that nobody waits for the answer any more.
    """
    deadline = time.monotonic() + seconds
    child = subprocess.Popen(
        argv,
        cwd=cwd,
        env=variables,
        stdin=subprocess.PIPE if isinstance(question, bytes) else question,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    code = None
    with child:
        try:
            assert child.stdout
            assert child.stderr
            if isinstance(question, bytes):
                _put(child, question)
            heads = {child.stdout.fileno(): bytearray(), child.stderr.fileno(): bytearray()}
            wait = _Wait(deadline, seconds, given_up)
            fault = _read(child, heads, wait) or _end(child, wait)
            code = child.returncode
        finally:
            if child.returncode is None:
                _kill(child, marker)
        out, err = (bytes(head) for head in heads.values())
        return Answer(out, err, fault, code)


class _Wait:
    """How long there is to wait, in steps short enough to notice that nobody does any more."""

    def __init__(
        self, deadline: float, seconds: float, given_up: Callable[[], object] | None
    ) -> None:
        self._deadline = deadline
        self._seconds = seconds
        self._given_up = given_up

    def over(self) -> str:
        """In words; empty while there is time."""
        if time.monotonic() >= self._deadline:
            return f"it did not end within {self._seconds:g} s"
        if self._given_up is not None and self._given_up():
            return "it was given up"
        return ""

    def step(self) -> float:
        return min(max(self._deadline - time.monotonic(), 0), _ATTENTION)


def _put(child: subprocess.Popen[bytes], question: bytes) -> None:
    assert child.stdin
    try:
        child.stdin.write(question)
        child.stdin.close()
    except BrokenPipeError:
        pass  # it did not want to know; what it says instead is read all the same


def _read(child: subprocess.Popen[bytes], heads: dict[int, bytearray], wait: _Wait) -> str:
    """Both pipes to their ends, or to the child's; or until the time or the patience is over, in
    words if that."""
    ended_at: float | None = None
    with selectors.DefaultSelector() as selector:
        for fd in heads:
            selector.register(fd, selectors.EVENT_READ)
        while selector.get_map():
            if child.poll() is not None:
                ended_at = ended_at or time.monotonic()
                if time.monotonic() - ended_at >= _LINGER:
                    return ""
            elif over := wait.over():
                return over
            for key, _ in selector.select(wait.step()):
                chunk = os.read(key.fd, _CHUNK)
                heads[key.fd] += chunk
                if not chunk:
                    selector.unregister(key.fd)
                if len(heads[key.fd]) > _MOST:
                    return "it printed without end"
    return ""


def _end(child: subprocess.Popen[bytes], wait: _Wait) -> str:
    while True:
        try:
            code = child.wait(wait.step())
        except subprocess.TimeoutExpired:
            if over := wait.over():
                return over
            continue
        if code < 0:
            return f"it was ended by signal {-code}"
        return f"it ended with exit {code}" if code else ""


def _kill(child: subprocess.Popen[bytes], marker: str) -> None:
    """The group first, while the child has not been waited for and its number is still its own."""
    process.signal_group(child.pid, process.KILL)
    child.kill()
    child.wait()
    gone_by = time.monotonic() + _GONE_WITHIN
    # Again and again: what is found may have started something since.
    while marker and process.signal_carriers(marker, process.KILL):
        if time.monotonic() >= gone_by:
            return
        time.sleep(0.01)
