"""The ways in: a tick, idle or not, a supervisor and the other children of a tick go the short way,
everything else to the commands.

An idle tick reads one line and a few stamps and ends; nothing it imports is heavier than `os`.
"""

from __future__ import annotations

import os
import sys

from ccs import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> None:
    words = sys.argv[1:]
    if words[:1] == ["tick"] and (len(words) == 1 or (len(words), words[1]) == (3, "--backend")):
        _tick(words[2] if words[1:] else None)
    elif words in (["--version"], ["-V"]) and sys.stdout is not None:
        sys.stdout.write(f"ccs, version {__version__}\n")  # as the commands would
    elif words[:1] == ["supervise"] and words[2:] == ["--in-session"]:
        _supervise([words[1]], in_session=True)
    elif words[:1] == ["supervise"] and len(words) == 2 and not words[1].startswith("-"):
        _supervise([words[1]], in_session=False)
    elif words == ["supervise"]:
        from ccs.host.program import RUN_IDS

        told = os.environ.pop(RUN_IDS, "").split()
        _supervise(told, in_session=False) if told else _command()
    elif words[:1] == ["scan"] and len(words) == 2:
        _scan(words[1])
    elif words[:1] == ["sight"] and len(words) == 2:
        _sight(words[1])
    elif words == ["notify-owed"]:
        _notify_owed()
    elif words == ["tidy"]:
        _tidy()
    else:
        _command()


def _find_packages() -> None:
    """What `python -S` left out, for all that needs more than the standard library."""
    if sys.flags.no_site:
        import site

        site.main()


def _command() -> NoReturn:
    import gc

    # What a command loads stays until it ends: to look for garbage in it takes a twentieth of that.
    gc.set_threshold(100_000)
    _find_packages()
    from ccs.cli.main import main as commands

    commands()


def _tick(backend: str | None) -> NoReturn:
    """What the command does (ccs.cli.tick), without the parser of commands unless it is needed."""
    from ccs.store import agenda

    home = os.path.expanduser(os.environ.get("CCS_HOME") or "~/.claude-scheduler")
    if agenda.idle(home, __version__):
        # Nothing to flush, and tearing the interpreter down would cost more than we did.
        os._exit(0)
    if None in (sys.stdin, sys.stdout, sys.stderr):
        _command()  # it keeps the numbers of closed streams from the files of the store
    _find_packages()
    from datetime import UTC, datetime

    from ccs.engine.tick import tick
    from ccs.errors import CcsError
    from ccs.store.home import Home
    from ccs.store.store import Store

    os.umask(0o077)
    problem: CcsError | OSError | None
    try:
        store = Home.of(os.environ)
        store.exists()
        done = tick(Store(store), datetime.now(UTC), os.environ, backend)
        problem = done.problem() if done else None
    except (CcsError, OSError) as error:
        problem = error
    if problem is None:
        os._exit(0)
    from ccs.cli.main import failed

    sys.exit(failed(problem))


def _leave_directory() -> None:
    """The one it was started in may be somebody's to unmount."""
    if os.name != "nt":
        os.chdir("/")


def _supervise(run_ids: list[str], in_session: bool) -> None:
    import time
    from contextlib import suppress
    from datetime import UTC, datetime

    from ccs.engine.clock import Clock
    from ccs.engine.supervise import supervise, supervise_in_session
    from ccs.host import process
    from ccs.redact import redact, redacted
    from ccs.store.home import Home
    from ccs.store.rundir import RunDir

    os.umask(0o077)
    home = Home.of(os.environ)
    _leave_directory()
    run_id: str | None = run_ids[0]
    if len(run_ids) > 1:
        redact(b"")  # its expressions are compiled once for all of them
        run_id, without = process.each_its_own(run_ids)
        for one in without:
            with suppress(OSError):  # it counts, as any other
                RunDir(home.runs, one).forget_starts()
    if run_id is None:
        return
    clock = Clock(lambda: datetime.now(UTC), time.monotonic, time.sleep)
    try:
        if in_session:
            supervise_in_session(home, run_id, clock)
        else:
            supervise(home, run_id, os.environ, clock)
            # Taking apart what is shared with the others would copy it first.
            os._exit(0)
    except Exception:
        # Nobody is there to see it: a supervisor has no terminal. The run's log is where one looks.
        import traceback

        from ccs.store.atomic import open_append

        words = f"-- the supervisor failed\n{redacted(traceback.format_exc())}"
        fd = open_append(home.log(run_id))
        os.write(fd, words.encode("utf-8", "replace"))
        raise


def _scan(task_id: str) -> None:
    from ccs.engine import watch
    from ccs.store.home import Home
    from ccs.store.store import Store

    os.umask(0o077)
    store = Store(Home.of(os.environ))
    _leave_directory()
    watch.scan(store, task_id)


def _sight(backend: str) -> None:
    from datetime import UTC, datetime

    from ccs.engine import sight
    from ccs.store.home import Home
    from ccs.store.store import Store

    os.umask(0o077)
    store = Store(Home.of(os.environ))
    _leave_directory()
    sight.look(store, os.environ, backend, datetime.now(UTC))


def _notify_owed() -> None:
    import time
    from datetime import UTC, datetime

    from ccs.engine.clock import Clock
    from ccs.engine.deliver import deliver
    from ccs.store.home import Home
    from ccs.store.store import Store

    os.umask(0o077)
    clock = Clock(lambda: datetime.now(UTC), time.monotonic, time.sleep)
    store = Store(Home.of(os.environ))
    _leave_directory()
    deliver(store, os.environ, clock)


def _tidy() -> None:
    from datetime import UTC, datetime

    from ccs.engine.tidy import tidy
    from ccs.store.home import Home
    from ccs.store.store import Store

    os.umask(0o077)
    store = Store(Home.of(os.environ))
    _leave_directory()
    tidy(store, datetime.now(UTC))
