"""One detached run, from its lock to its outcome.

    take the run's lock for life; somebody has it: leave
    under the store lock: still wanted, still admitted? then owner, start mark, `running`
    environment, directory, client; drain it; end it when time, a stop or a shutdown says so
    outcome into the run directory, durable; merged into runs.json; the directory removed
    what follows (the next step of a job) started

The client inherits the lock's descriptor, so the lock is free only when both are gone. Nothing
here needs the models: a supervisor waits for hours and holds only the standard library. Lean.
"""

from __future__ import annotations

import json
import os
import subprocess

from ccs import instant
from ccs.claude import outcome as verdict
from ccs.claude.events import Stream
from ccs.engine import settle
from ccs.engine.drain import Drain, Logs, Watch
from ccs.errors import CcsError, LockTimeout
from ccs.host import client, environ, process
from ccs.schedule.admission import held_reason
from ccs.store import atomic
from ccs.store.home import Home
from ccs.store.lock import STORE_TIMEOUT, Lock
from ccs.store.records import Records
from ccs.store.rundir import RunDir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from typing import Any

    Record = dict[str, Any]

# A tick that looks whether the run's lock is free holds it for a moment.
_PATIENCE = 2.0
_RETRY_SECONDS = 5.0


class Clock:
    """A supervisor's two clocks and how it waits: wall time for records, the rest for spans."""

    def __init__(
        self,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self.now = now
        self.monotonic = monotonic
        self.sleep = sleep


def supervise(home: Home, run_id: str, environment: Mapping[str, str], clock: Clock) -> None:
    """What goes wrong with the client is the run's outcome; what remains, the next tick's work."""
    rundir = RunDir(home.runs, run_id)
    with rundir.lock() as lock:
        try:
            lock.acquire_within(_PATIENCE)
        except (FileNotFoundError, LockTimeout):
            return
        asked = _read_json(home.as_run(run_id))
        if asked is None or not _begin(home, rundir, asked, clock):
            return
        watch = Watch(rundir, clock.monotonic, float(asked["timeout"]))
        ended = _run(home, asked, environment, clock, watch, lock)
        if ended is None:
            return  # something could not be ended: the run stays running, the tick goes on trying
        _keep(rundir, ended, clock, watch)
        try:
            following = settle.merge(home, rundir, run_id, clock.now())
        except (CcsError, OSError):
            return  # busy store or full disk: the outcome is safe and the next tick merges it
    settle.start_following(home, following, environment, clock.now())


def _begin(home: Home, rundir: RunDir, asked: Record, clock: Clock) -> bool:
    """The last look, and the start mark, in one hold of the store lock."""
    runs = Records(home.collection("runs"), "runs")
    with Lock(home.store_lock) as lock:
        try:
            lock.acquire_within(STORE_TIMEOUT, "ccs supervise")
            content = runs.read()
            run = next((one for one in content.records if one["id"] == asked["run"]), None)
            if run is None or not _admitted(home, rundir, run, asked, content.records):
                rundir.forget_starts()  # left in order: this start does not count against the run
                return False
            if not rundir.mark_started(process.identity(os.getpid())):
                return False
        except LockTimeout:
            return False
        except OSError:  # no room for mark and outcome: not started, so that nothing gets lost
            rundir.forget_starts()
            return False
        started = {"status": "running", "start_time": instant.text(clock.now())}
        run.update(started, held_reason=None, session_id=asked["session"], cwd=asked["cwd"])
        try:
            runs.write(content, content.records)
        except OSError:
            rundir.unmark()
            return False
    return True


def _admitted(
    home: Home, rundir: RunDir, run: Record, asked: Record, everything: list[Record]
) -> bool:
    """Whether what the launcher saw still holds."""
    if run["status"] != "upcoming" or rundir.stop_reason() is not None:
        return False
    if not _task_unchanged(home, asked):
        return False
    running = [one for one in everything if one["status"] == "running"]
    unfinished = [one for one in everything if one["status"] in ("upcoming", "running")]
    if any(one.get("session_id") == asked["session"] for one in unfinished if one is not run):
        return False
    tasks = [one["task_id"] for one in running]
    reason = held_reason(run["task_id"], asked["overlap"], asked["forced"], tasks, asked["limit"])
    return reason is None


def _task_unchanged(home: Home, asked: Record) -> bool:
    """The stamp tells without reading; only a changed file is looked into."""
    tasks = Records(home.collection("tasks"), "tasks")
    try:
        now = atomic.stamp(os.stat(tasks.path))
    except FileNotFoundError:
        return False
    if list(now) == asked["tasks_stamp"]:
        return True
    wanted = asked["task"]["id"]
    return any(one == asked["task"] for one in tasks.read().records if one["id"] == wanted)


def _run(
    home: Home,
    asked: Record,
    environment: Mapping[str, str],
    clock: Clock,
    watch: Watch,
    lock: Lock,
) -> Record | None:
    """The client from start to end, as an outcome. None when its tree could not be ended."""
    began = clock.monotonic()
    facts: Record = {}
    try:
        profile = _profile(home, asked["profile"])
        resolved = environ.resolve(profile, environment)
        wanted = (profile or {}).get("claude_path") or asked["client"]
        if asked["client"] == client.MOCK:
            wanted = client.MOCK  # mock mode: nothing real runs, whatever a profile says
        facts["mock"] = wanted == client.MOCK
        ending = _refusal(asked) or _drive(home, asked, resolved, wanted, watch, lock)
    except environ.EnvFailed as error:
        ending = _failed("env_failed", error.message)
    except (CcsError, OSError) as error:
        ending = _failed("start_failed", str(error))
    if ending is None:
        return None
    facts["end_time"] = instant.text(clock.now())
    facts["duration"] = round(clock.monotonic() - began, 3)
    return {**ending, **facts}


def _drive(
    home: Home,
    asked: Record,
    resolved: environ.Environment,
    wanted: str | None,
    watch: Watch,
    lock: Lock,
) -> Record | None:
    argv = client.argv(wanted, resolved.variables)
    prompt = _prompt(asked)
    stream = Stream()
    with Logs(home.log(asked["run"]), home.stream(asked["run"]), resolved.mask) as logs:
        logs.note(f"run {asked['run']} of task {asked['task'].get('name', '')!r}")
        try:
            child = subprocess.Popen(
                argv + asked["options"],
                cwd=asked["cwd"],
                env={**resolved.variables, process.MARKER: asked["run"]},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=() if lock.fd is None else (lock.fd,),
                start_new_session=True,
            )
        except OSError as error:
            return _failed("start_failed", f"the client could not be started: {error}")
        drain = Drain(child, prompt, stream, logs)
        ended_by = drain.to_the_end(watch, asked["run"])
        if ended_by is not None and process.carriers(asked["run"]):
            return None
        end = verdict.Exit(child.returncode, ended_by)
        ending = verdict.judge(stream, end, logs.stderr_tail())
        ending["session_id"] = ending["session_id"] or asked["session"]
        if ending["message"]:
            ending["message"] = resolved.mask_text(ending["message"])
        logs.note(f"{ending['status']} {ending['reason'] or ''}".rstrip())
    return ending


def _refusal(asked: Record) -> Record | None:
    """Reasons not to start a client at all."""
    if asked["refused"]:
        return _failed("start_failed", asked["refused"])
    if not asked["cwd"]:
        return _failed("workdir_missing", "neither the task nor its job names a working directory")
    if not os.path.isdir(asked["cwd"]):
        return _failed("workdir_missing", f"{asked['cwd']} is not a directory")
    return None


def _failed(reason: str, message: str) -> Record:
    return {"status": "failed", "reason": reason, "message": message[:500]}


def _prompt(asked: Record) -> bytes:
    """Raises OSError."""
    if not asked["prompt_is_file"]:
        return str(asked["prompt"]).encode("utf-8", "surrogatepass")
    path = os.path.join(asked["cwd"], os.path.expanduser(asked["prompt"].strip()))
    with open(path, "rb") as file:
        return file.read()


def _profile(home: Home, profile_id: str | None) -> Record | None:
    if profile_id is None:
        return None
    content = Records(home.collection("profiles"), "profiles").read()
    for profile in content.records:
        if profile["id"] == profile_id:
            return profile
    raise environ.EnvFailed(f"the profile {profile_id} does not exist")


def _keep(rundir: RunDir, ended: Record, clock: Clock, watch: Watch) -> None:
    """Tries until the outcome is on disk. The lock stays held, so nobody thinks the run is gone."""
    while True:
        try:
            return rundir.write_outcome(ended)
        except OSError:
            if watch.shutdown:
                return None  # told to end: the tick judges what the stream recorded
            clock.sleep(_RETRY_SECONDS)


def _read_json(path: str) -> Record | None:
    found = atomic.read(path)
    if found is None:
        return None
    record = json.loads(found[0])
    return record if isinstance(record, dict) else None
