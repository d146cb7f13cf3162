"""Calls of git: each with a time limit, none that could ask anybody anything.

What a surrounding repository set in the environment (a hook, an alias) does not lead a call
elsewhere, and no process stays behind: no file watcher, no collection in the background. Lean.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import time

from ccs.errors import CcsError
from ccs.host import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import IO

SECONDS = 60.0
# A checkout, or a commit with its hooks.
LONG_SECONDS = 600.0
# More than this is no answer; of a command that is not asked anything the end is kept.
_MOST = 256 << 20
_TAIL = 1 << 16
_CHUNK = 1 << 16
_LOOK = 0.5
# A hook may leave a process that holds the pipes; what that one writes is not git's.
_LINGER = 1.0
_KILL_AFTER = 3.0
# Who the user is and how far away a repository may be asked; all else of git's is dropped.
_KEPT = (
    *("GIT_AUTHOR_", "GIT_COMMITTER_", "GIT_SSH", "GIT_SSL_", "GIT_EXEC_PATH"),
    *("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"),
)
SETTINGS = (
    *("-c", "core.fsmonitor=false", "-c", "gc.auto=0", "-c", "maintenance.auto=false"),
    *("-c", "color.ui=never", "-c", "advice.detachedHead=false"),
)


class GitFailed(CcsError):
    code = "git_failed"


class Done:
    """How a command ended. `code` is None when it was ended for its time or for somebody's wish."""

    __slots__ = ("code", "err", "fault", "out")

    def __init__(self, code: int | None, out: bytes, err: bytes, fault: str) -> None:
        self.code = code
        self.out = out
        self.err = err
        self.fault = fault

    def words(self) -> str:
        """What it complained of, in a line; not cut, for it may quote a secret of somebody's."""
        lines = self.err.decode("utf-8", "replace").splitlines()
        told = [one for one in lines if one.startswith(("fatal:", "error:"))] or lines
        return self.fault or (told[0] if told else f"exit {self.code}")


class Git:
    """git in one directory. `held`: descriptors its processes keep open, so that a lock is free
    only when they too are gone; `told_to_stop`: asked twice a second while one runs."""

    def __init__(
        self,
        directory: str,
        variables: Mapping[str, str],
        held: Sequence[int] = (),
        told_to_stop: Callable[[], bool] | None = None,
    ) -> None:
        self.directory = directory
        self.variables = environment(variables)
        self.held = tuple(held) if os.name != "nt" else ()
        self.told_to_stop = told_to_stop

    def at(self, directory: str) -> Git:
        return Git(directory, self.variables, self.held, self.told_to_stop)

    def call(
        self,
        *words: str,
        given: bytes | None = None,
        seconds: float = SECONDS,
        variables: Mapping[str, str] | None = None,
    ) -> Done:
        """Raises GitFailed when there is no git or no such directory, else says how it ended."""
        return self._run(["git", *SETTINGS, *words], given, seconds, variables, _MOST)

    def do(
        self,
        argv: Sequence[str],
        given: bytes | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Done:
        """Any command under the same conditions, for as long as hooks or a setup may take. Of
        what it prints the end is kept."""
        return self._run(argv, given, LONG_SECONDS, variables, None)

    def ask(
        self,
        *words: str,
        given: bytes | None = None,
        seconds: float = SECONDS,
        variables: Mapping[str, str] | None = None,
    ) -> bytes:
        """What it printed. Raises GitFailed unless it ended well."""
        done = self.call(*words, given=given, seconds=seconds, variables=variables)
        if done.code != 0:
            raise GitFailed(f"git {words[0]} in {self.directory}: {done.words()}")
        return done.out

    def line(self, *words: str) -> str | None:
        """The one line it printed, None when it printed none or ended badly."""
        done = self.call(*words)
        return os.fsdecode(done.out).removesuffix("\n") or None if done.code == 0 else None

    def _run(
        self,
        argv: Sequence[str],
        given: bytes | None,
        seconds: float,
        variables: Mapping[str, str] | None,
        most: int | None,
    ) -> Done:
        source = _file_with(given) if given is not None else None
        try:
            child = subprocess.Popen(
                argv,
                cwd=self.directory,
                env={**self.variables, **(variables or {})},
                stdin=source or subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=self.held,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise GitFailed(f"{argv[0]} cannot be started in {self.directory}: {error}") from None
        finally:
            if source is not None:
                source.close()
        with _Reading(child, most) as reading:
            fault = reading.to_the_end(time.monotonic() + seconds, seconds, self.told_to_stop)
        out, err = (bytes(head) for head in reading.heads)
        return Done(None if fault else child.returncode, out, err, fault)


class _Reading:
    """Both pipes of a child at once, until it has ended. Leaving ends it."""

    def __init__(self, child: subprocess.Popen[bytes], most: int | None) -> None:
        self.child = child
        self.most = most
        assert child.stdout
        assert child.stderr
        self.pipes = (child.stdout, child.stderr)
        self.heads = (bytearray(), bytearray())

    def to_the_end(
        self, deadline: float, seconds: float, told_to_stop: Callable[[], bool] | None
    ) -> str:
        """Empty when it ended by itself, else why it must be ended."""
        with selectors.DefaultSelector() as selector:
            for pipe, head in zip(self.pipes, self.heads, strict=True):
                selector.register(pipe, selectors.EVENT_READ, head)
            ended: float | None = None
            while selector.get_map() or self.child.poll() is None:
                self._read(selector)
                now = time.monotonic()
                if self.child.poll() is not None:
                    ended = ended or now
                    if now - ended >= _LINGER:
                        break
                elif now >= deadline:
                    return f"it did not end within {seconds:g} s"
                elif told_to_stop is not None and told_to_stop():
                    return "the run was told to end"
                if self.most is None:
                    for head in self.heads:
                        del head[:-_TAIL]
                elif max(map(len, self.heads)) > self.most:
                    return "it printed without end"
        return ""

    def _read(self, selector: selectors.BaseSelector) -> None:
        if not selector.get_map():
            try:
                self.child.wait(_LOOK)
            except subprocess.TimeoutExpired:
                pass  # it closed its pipes and goes on; looked at again
            return
        for key, _ in selector.select(_LOOK):
            chunk = os.read(key.fd, _CHUNK)
            key.data.extend(chunk)
            if not chunk:
                selector.unregister(key.fileobj)

    def __enter__(self) -> _Reading:
        return self

    def __exit__(self, *_: object) -> None:
        if self.child.poll() is None:
            self._end()
        for pipe in self.pipes:
            pipe.close()

    def _end(self) -> None:
        """A hook may have set the user's changes aside and wants a moment to put them back."""
        process.signal_group(self.child.pid, process.TERM)
        deadline = time.monotonic() + _KILL_AFTER
        while process.group_is_there(self.child.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
            self.child.poll()
        if process.group_is_there(self.child.pid):
            process.signal_group(self.child.pid, process.KILL)
        self.child.wait()


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """These variables, as far as git may have them."""
    kept = {
        name: value
        for name, value in variables.items()
        if not name.startswith("GIT_") or name.startswith(_KEPT)
    }
    kept |= {"GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": ":", "GIT_OPTIONAL_LOCKS": "0"}
    return kept | {"GIT_ASKPASS": "", "SSH_ASKPASS": ""}


def _file_with(content: bytes) -> IO[bytes]:
    """A file, because a pipe would have to be filled while the others are read."""
    if hasattr(os, "memfd_create"):
        file: IO[bytes] = os.fdopen(os.memfd_create("ccs"), "w+b")
    else:
        import tempfile

        file = tempfile.TemporaryFile()
    file.write(content)
    file.seek(0)
    return file
