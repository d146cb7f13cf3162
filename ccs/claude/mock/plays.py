"""What the stand-in client can play, by name: each play yields the events to print, in turn.

A play that returns a number ends the process with it; one that returns None goes on to the next
play, and after the last one to a good end. Blocking, writing and dying happen here, on purpose.
"""

from __future__ import annotations

import os
import signal
import time

from ccs.claude.mock.stream import Speaker, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from subprocess import Popen
    from typing import Any, TypeAlias

    Events: TypeAlias = Generator[dict[str, Any], None, int | None]
    Play: TypeAlias = Callable[[Speaker, dict[str, str]], Events]

_FOREVER = 86400.0


def write(descriptor: int, text: bytes) -> None:
    rest = memoryview(text)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def success(speaker: Speaker, told: dict[str, str]) -> Events:
    yield from ()
    return None


def reply(speaker: Speaker) -> Events:
    """The good end of every run that no play ended."""
    yield speaker.text("Mock reply: done.")
    yield speaker.rate_limit(int(time.time()))
    yield speaker.result("Mock reply: done.")
    return 0


def interrupted(speaker: Speaker) -> dict[str, Any]:
    """The real client's answer to SIGINT, with which it exits 0."""
    return speaker.result(
        None,
        is_error=True,
        subtype="error_during_execution",
        terminal_reason="aborted_streaming",
        stop_reason=None,
        errors=["[ede_diagnostic] result_type=user last_content_type=n/a stop_reason=null"],
    )


def _refused(speaker: Speaker, status: int, error: str, text: str, retry: str = "") -> Events:
    for attempt in (1, 2) if retry else ():
        yield speaker.retry(attempt, status, retry)
    yield from speaker.failed(status, error, text)
    return 1


def _failure(speaker: Speaker, told: dict[str, str]) -> Events:
    text = "API Error: 500 Internal server error."
    return (yield from _refused(speaker, 500, "server_error", text, "server_error"))


def _overloaded(speaker: Speaker, told: dict[str, str]) -> Events:
    text = "API Error: 529 Overloaded."
    return (yield from _refused(speaker, 529, "server_error", text, "overloaded"))


def _auth(speaker: Speaker, told: dict[str, str]) -> Events:
    text = "Not logged in · Please run /login"
    return (yield from _refused(speaker, 401, "authentication_failed", text))


def _throttle(speaker: Speaker, told: dict[str, str]) -> Events:
    text = "API Error: Server is temporarily limiting requests (not your usage limit)"
    return (yield from _refused(speaker, 429, "rate_limit", text, "rate_limit"))


def _limit(speaker: Speaker, told: dict[str, str]) -> Events:
    now = int(time.time())
    window = told.get("window", "five_hour")
    resets_at = now + int(told.get("resets", "3600"))
    yield speaker.rate_limit(now, window, resets_at)
    yield from speaker.limited(window, resets_at)
    return 1


def _denied(speaker: Speaker, told: dict[str, str]) -> Events:
    yield speaker.tool_use("Bash", command="echo hi > made.txt")
    yield from speaker.denied("Output redirection to 'made.txt' needs approval.")
    return None


def _max_turns(speaker: Speaker, told: dict[str, str]) -> Events:
    for _ in range(3):
        yield speaker.tool_use("Bash", command="true")
        yield speaker.tool_result("(Bash completed with no output)")
    yield speaker.result(
        None,
        is_error=True,
        subtype="error_max_turns",
        terminal_reason="max_turns",
        stop_reason="tool_use",
        errors=["Reached maximum number of turns (3)"],
    )
    return 1


def _slow(speaker: Speaker, told: dict[str, str]) -> Events:
    left = float(told.get("seconds", "10"))
    while left > 0:
        yield speaker.text(f"{left:g} s to go")
        time.sleep(min(1.0, left))
        left -= 1
    return None


def _hang(speaker: Speaker, told: dict[str, str]) -> Events:
    time.sleep(_FOREVER)
    yield speaker.init()
    return None


def _stubborn(speaker: Speaker, told: dict[str, str]) -> Events:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # Whoever has read this line may count on TERM doing nothing.
    yield speaker.init()
    time.sleep(_FOREVER)
    return None


def _tool(speaker: Speaker, told: dict[str, str]) -> Events:
    seconds = float(told.get("seconds", "1"))
    yield speaker.tool_use("Bash", command=f"sleep {seconds:g}")
    # A TERM that came while the shell starts would leave it behind, so it is only noted.
    early: list[int] = []
    ending = signal.signal(signal.SIGTERM, lambda number, _: early.append(number))
    # The second command keeps the shell: one process with a child, as the real tool is.
    shell = _start("/bin/sh", "-c", f"sleep {seconds:g}; :")
    try:
        signal.signal(signal.SIGTERM, ending)
        if early:
            return 128 + signal.SIGTERM
        shell.wait()
    finally:
        if shell.returncode is None:
            os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()
    yield speaker.tool_result("(Bash completed with no output)")
    return None


def _detach(speaker: Speaker, told: dict[str, str]) -> Events:
    seconds = float(told.get("seconds", "60"))
    yield speaker.tool_use("Bash", command=f"setsid sleep {seconds:g} &")
    _start("sleep", f"{seconds:g}")
    yield speaker.tool_result("(Bash completed with no output)")
    return None


def _start(*argv: str) -> Popen[bytes]:
    """A process in a session of its own, out of reach for who signals the client's group."""
    from subprocess import DEVNULL, Popen

    return Popen(argv, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True)


def _noise(speaker: Speaker, told: dict[str, str]) -> Events:
    left = int(told.get("stderr", "0"))
    while left > 0:
        line = b"noise " * 12
        write(2, (line[:-1] + b"\n")[-left:])
        left -= len(line)
    length = int(told.get("line", "0"))
    if length:
        padding = length - len(encode(speaker.text("")))
        yield speaker.text("x" * max(padding, 0))
    return None


def _write(speaker: Speaker, told: dict[str, str]) -> Events:
    from pathlib import Path

    path, text = told.get("path", "mock.txt"), told.get("text", "mock") + "\n"
    yield speaker.tool_use("Write", file_path=path, content=text)
    Path(path).write_text(text, encoding="utf-8")
    yield speaker.tool_result(f"File created successfully at: {path}")
    return None


def _crash(speaker: Speaker, told: dict[str, str]) -> Events:
    yield speaker.text("About to crash.")
    os.kill(os.getpid(), signal.SIGKILL)
    return None


def _exit(speaker: Speaker, told: dict[str, str]) -> Events:
    yield from ()
    return int(told.get("code", "1"))


def _garbage(speaker: Speaker, told: dict[str, str]) -> Events:
    lines = b"not json", b'{"type":"result"', b"[1, 2]", b"\xff\xfe", b"", b'{"type": NaN}', b"null"
    write(1, b"\n".join(lines) + b"\n")
    yield from ()
    return None


# Those that print no init before they begin.
SILENT = (_hang, _stubborn)

PLAYS: dict[str, Play] = {
    "success": success,
    "failure": _failure,
    "overloaded": _overloaded,
    "auth": _auth,
    "limit": _limit,
    "throttle": _throttle,
    "denied": _denied,
    "max_turns": _max_turns,
    "slow": _slow,
    "hang": _hang,
    "stubborn": _stubborn,
    "tool": _tool,
    "detach": _detach,
    "noise": _noise,
    "write": _write,
    "crash": _crash,
    "exit": _exit,
    "garbage": _garbage,
}
