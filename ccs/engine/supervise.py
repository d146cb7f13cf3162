"""One detached run, from its lock to its outcome.

    take the run's lock for life; somebody has it: leave
    begin     still wanted, still admitted? then owner, start mark, `running`
    environment, directory, client; drain it; end it when time, a stop or a shutdown says so;
              the task's check, and the client again with what failed
    outcome   into the run directory, durable; merged into runs.json; the directory removed
    what follows (the next step of a job, the news of it) started

The client inherits the lock's descriptor, so the lock is free only when both are gone. A run that
is to be in tmux is handed, lock and all, to another supervisor in a session there before it begins.
Nothing here needs the models: a supervisor waits for hours and holds only the standard library.
Lean.
"""

from __future__ import annotations

import json
import os
import sys

from ccs.engine import settle
from ccs.engine.approval import withheld
from ccs.engine.begin import begin
from ccs.engine.clock import Clock
from ccs.engine.drain import Watch
from ccs.engine.work import Work
from ccs.errors import CcsError, LockTimeout
from ccs.host import tmux
from ccs.store import atomic
from ccs.store.home import Home
from ccs.store.owed import Owed
from ccs.store.rundir import RunDir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ccs.store.lock import Lock

    Record = dict[str, Any]

# A tick that looks whether the run's lock is free holds it for a moment.
_PATIENCE = 2.0
_RETRY_SECONDS = 5.0


def supervise(home: Home, run_id: str, environment: Mapping[str, str], clock: Clock) -> None:
    """What goes wrong with the client is the run's outcome; what remains, the next tick's work."""
    rundir = RunDir(home.runs, run_id)
    with rundir.lock() as lock:
        try:
            lock.acquire_within(_PATIENCE)
        except (FileNotFoundError, LockTimeout):
            return
        asked = _read_json(home.as_run(run_id))
        if asked is None or (asked["tmux"] and _handed_over(rundir, lock, asked, environment)):
            return
        following = _attend(home, rundir, lock, asked, environment, clock)
    _go_on(home, following, environment, clock)


def supervise_in_session(home: Home, run_id: str, clock: Clock) -> None:
    """The same, as the pane of a tmux session, for the supervisor that started that."""
    from ccs.host import handover
    from ccs.host.pane import Pane

    rundir = RunDir(home.runs, run_id)
    try:
        taken = handover.take(rundir.path)
    except FileNotFoundError:
        return  # the run's directory is gone
    if taken is None:
        return
    fd, environment = taken
    os.environ.clear()
    os.environ.update(environment)
    with Pane(home.log(run_id)):
        with rundir.lock() as lock:
            asked = _read_json(home.as_run(run_id)) if lock.adopt(fd) else None
            if asked is None:
                return
            following = _attend(home, rundir, lock, asked, environment, clock)
        _go_on(home, following, environment, clock)


def _handed_over(rundir: RunDir, lock: Lock, asked: Record, environment: Mapping[str, str]) -> bool:
    """Whether this supervisor is to leave. If not, `asked` says why the run cannot begin."""
    from ccs.host import handover

    program, run_id = asked["tmux"], asked["run"]
    argv = [sys.executable, "-P", "-m", "ccs", "supervise", run_id, "--in-session"]
    assert lock.fd is not None  # a system without flock has no tmux
    try:
        handover.give(
            rundir.path,
            lock.fd,
            environment,
            lambda: tmux.start(program, run_id, rundir.path, argv, environment),
        )
    except (TimeoutError, ConnectionError):
        # Nobody came, and nobody will be let in any more. The next tick starts another one.
        tmux.end(program, rundir.path)
    except (CcsError, OSError) as error:
        tmux.end(program, rundir.path)
        asked["refused"] = str(error)
        return False
    return True


def _attend(
    home: Home,
    rundir: RunDir,
    lock: Lock,
    asked: Record,
    environment: Mapping[str, str],
    clock: Clock,
) -> list[str] | None:
    """The run under its lock, from its beginning to its merge. The runs that follow that; None if
    it did not come to it."""
    # Before anybody can learn of this process: a signal must find its handler.
    watch = Watch(rundir, clock.monotonic, float(asked["timeout"]))
    if not begin(home, rundir, asked, withheld(asked), clock.now()):
        return None
    ended = Work(home, asked, environment, watch, lock, clock).run()
    if ended is None:
        return None  # something could not be ended: the run stays running, the tick goes on trying
    _keep(rundir, ended, clock, watch)
    try:
        return settle.merge(home, rundir, asked["run"], clock.now())
    except (CcsError, OSError):
        return None  # busy store or full disk: the outcome is safe and the next tick merges it


def _keep(rundir: RunDir, ended: Record, clock: Clock, watch: Watch) -> None:
    """Tries until the outcome is on disk. The lock stays held, so nobody thinks the run is gone."""
    while True:
        try:
            return rundir.write_outcome(ended)
        except OSError:
            if watch.shutdown:
                return None  # told to end: the tick judges what the stream recorded
            clock.sleep(_RETRY_SECONDS)


def _go_on(
    home: Home, following: list[str] | None, environment: Mapping[str, str], clock: Clock
) -> None:
    if following is not None:
        _start(home, following, environment, clock)
        _tell(home, environment, clock)


def _start(home: Home, run_ids: list[str], environment: Mapping[str, str], clock: Clock) -> None:
    """The next steps of a job start at once; the tick would start them within a minute."""
    if not run_ids:
        return
    from ccs.engine.launch import Launcher
    from ccs.store.store import Store

    launcher = Launcher(Store(home), environment, clock.now())
    for run_id in run_ids:
        run = launcher.store.runs.get(run_id)
        try:
            if run is not None and launcher.hold(run, launcher.store.runs.all()) is None:
                launcher.start(run)
        except (CcsError, OSError):
            continue  # recorded as it is, the next tick starts it


def _tell(home: Home, environment: Mapping[str, str], clock: Clock) -> None:
    """Starts the delivery of what is owed, which would else wait for a tick, where there is one."""
    try:
        if not Owed(home).read().owed:
            return
        from ccs.engine import notify

        notify.start(home, environment, clock.now())
    except (CcsError, OSError):
        return  # what is owed stays owed


def _read_json(path: str) -> Record | None:
    found = atomic.read(path)
    if found is None:
        return None
    record = json.loads(found[0])
    return record if isinstance(record, dict) else None
