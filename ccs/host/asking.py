"""A question put to another program: one process, a time limit, and nothing of it left behind.

It may hang, print without end or leave children, so all of its group is ended with it when its
time is up. Lean.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import time

from ccs.host import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MOST = 4 << 20
_CHUNK = 1 << 16


class Answer:
    """What it printed. `fault`: in words, how it ended if it did not end well, else empty."""

    __slots__ = ("err", "fault", "out")

    def __init__(self, out: bytes, err: bytes, fault: str) -> None:
        self.out = out
        self.err = err
        self.fault = fault


def ask(
    argv: Sequence[str],
    question: bytes,
    cwd: str,
    variables: Mapping[str, str],
    seconds: float,
) -> Answer:
    """`question` has to fit a pipe, 4 kB anywhere. Raises OSError, ValueError."""
    deadline = time.monotonic() + seconds
    child = subprocess.Popen(
        argv,
        cwd=cwd,
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    with child:
        try:
            assert child.stdout
            assert child.stderr
            _put(child, question)
            heads = {child.stdout.fileno(): bytearray(), child.stderr.fileno(): bytearray()}
            fault = _read(heads, deadline) or _end(child, deadline, seconds)
        finally:
            if child.returncode is None:
                process.signal_group(child.pid, process.KILL)
                child.kill()
        out, err = (bytes(head) for head in heads.values())
        return Answer(out, err, fault)


def _put(child: subprocess.Popen[bytes], question: bytes) -> None:
    assert child.stdin
    try:
        child.stdin.write(question)
        child.stdin.close()
    except BrokenPipeError:
        pass  # it did not want to know; what it says instead is read all the same


def _read(heads: dict[int, bytearray], deadline: float) -> str:
    """Both pipes to their ends, or until the time or the patience is over; in words if that."""
    with selectors.DefaultSelector() as selector:
        for fd in heads:
            selector.register(fd, selectors.EVENT_READ)
        while selector.get_map() and (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                chunk = os.read(key.fd, _CHUNK)
                heads[key.fd] += chunk
                if not chunk:
                    selector.unregister(key.fd)
                if len(heads[key.fd]) > _MOST:
                    return "it printed without end"
    return ""


def _end(child: subprocess.Popen[bytes], deadline: float, seconds: float) -> str:
    try:
        code = child.wait(max(deadline - time.monotonic(), 0))
    except subprocess.TimeoutExpired:
        return f"it did not end within {seconds:g} s"
    if code < 0:
        return f"it was ended by signal {-code}"
    return f"it ended with exit {code}" if code else ""
