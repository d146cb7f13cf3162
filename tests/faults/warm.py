"""The program, loaded once and forked for each use, so that a thousand faults take minutes.

Run as a script it reads one request a line, forks, names the child's PID, waits for a line that
lets the child go on (by then strace has hold of it), and tells its wait status. `Warm` is the
other end.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import pkgutil
import resource
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PR_SET_CHILD_SUBREAPER = 36


@dataclass
class Done:
    """`code`: the exit code, or minus the signal that ended it."""

    code: int
    out: str


class Warm:
    def __init__(self, scratch: Path) -> None:
        self._out = scratch / "out"
        self._in = scratch / "in"
        # A fixed seed: what a set holds comes in the same order each time, and so do the calls.
        env = {**os.environ, "PYTHONHASHSEED": "0", "CCS_HOME": str(scratch / "first")}
        self._server = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
            cwd=scratch,
        )

    def __call__(
        self,
        words: Sequence[str],
        env: Mapping[str, str],
        cwd: Path,
        stdin: str = "",
        strace: Sequence[str] = (),
        longest_file: int | None = None,
    ) -> Done:
        """`strace`: its options; traced is the program itself, not what it starts."""
        self._in.write_text(stdin)
        told = {"words": list(words), "env": dict(env), "cwd": str(cwd)}
        told |= {"in": str(self._in), "out": str(self._out), "longest_file": longest_file}
        pid = int(self._say(json.dumps(told)))
        tracer = _attached(pid, strace) if strace else None
        status = int(self._say("go"))
        if tracer is not None:
            tracer.communicate()
        return Done(os.waitstatus_to_exitcode(status), self._out.read_text(errors="replace"))

    def left(self) -> list[int]:
        """PIDs of what goes on although who started it has ended."""
        return [int(pid) for pid in self._say("left").split()]

    def _say(self, line: str) -> str:
        assert self._server.stdin and self._server.stdout
        self._server.stdin.write(line + "\n")
        self._server.stdin.flush()
        answer = self._server.stdout.readline()
        assert answer, "the forked program's parent is gone"
        return answer

    def close(self) -> None:
        assert self._server.stdin and self._server.stdout
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()


def _attached(pid: int, options: Sequence[str]) -> subprocess.Popen[bytes]:
    """Returns when no call can pass it by."""
    argv = ["strace", "-p", str(pid), *options]
    tracer = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert tracer.stderr
    said = tracer.stderr.readline().decode()
    if "attached" not in said:
        tracer.kill()
        tracer.wait()
        raise RuntimeError(f"strace did not attach: {said}")
    return tracer


# The script -------------------------------------------------------------------


def _serve() -> None:
    _load()
    # What loses its parent becomes a child of this process.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for line in sys.stdin:
        if line == "left\n":
            print(*_left(), flush=True)
            continue
        request = json.loads(line)
        gate, opener = os.pipe()
        ready, done = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(opener)
            os.close(ready)
            _run(request, gate, done)
        os.close(gate)
        os.close(done)
        os.read(ready, 1)  # or strace would count calls that are not the program's
        os.close(ready)
        print(pid, flush=True)
        sys.stdin.readline()
        os.write(opener, b".")
        os.close(opener)
        print(os.waitpid(pid, 0)[1], flush=True)


def _left() -> list[str]:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def _load() -> None:
    """All modules, and what a command loads only while it works."""
    import ccs

    for module in pkgutil.walk_packages(ccs.__path__, "ccs."):
        if ".mock" not in module.name:
            importlib.import_module(module.name)
    from ccs.cli.main import main

    kept = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for words in (["tasks", "create", "--prompt", "x", "--manual"], ["tick"], ["tasks", "list"]):
        sys.argv = ["ccs", *words]
        with suppress(SystemExit):
            main()
    sys.stdout.flush()
    os.dup2(kept, 1)
    os.close(kept)


def _run(request: dict[str, Any], gate: int, done: int) -> None:
    code = 1
    try:
        os.environ.clear()
        os.environ.update(request["env"])
        time.tzset()
        os.chdir(request["cwd"])
        os.dup2(os.open(request["in"], os.O_RDONLY), 0)
        sys.stdin = open(0, closefd=False)
        written = os.open(request["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(written, 1)
        os.dup2(written, 2)
        os.close(done)
        select.select([gate], [], [])  # a read would be counted among the program's
        if request["longest_file"] is not None:
            most = request["longest_file"]
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
        sys.argv = ["ccs", *request["words"]]
        from ccs.__main__ import main

        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:
            import traceback

            traceback.print_exc()
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    _serve()
