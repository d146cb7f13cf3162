"""One detached run, from its lock to its outcome.

    take the run's lock for life; somebody has it: leave
    begin     still wanted, still admitted? then owner, start mark, `running`
    environment, directory, client; drain it; end it when time, a stop or a shutdown says so
    outcome   into the run directory, durable; merged into runs.json; the directory removed
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
from ccs.engine import learn, settle
from ccs.engine.begin import begin
from ccs.engine.clock import Clock
from ccs.engine.drain import Drain, Watch
from ccs.engine.logs import Logs
from ccs.errors import CcsError, LockTimeout
from ccs.host import client, environ, process
from ccs.host.files import read_regular
from ccs.store import atomic
from ccs.store.home import Home
from ccs.store.lock import Lock
from ccs.store.records import Records
from ccs.store.rundir import RunDir
from ccs.usage.gate import Terms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Record = dict[str, Any]

# A tick that looks whether the run's lock is free holds it for a moment.
_PATIENCE = 2.0
_RETRY_SECONDS = 5.0
_AFRESH = "the session it went on with is gone; the task was started afresh"
_LONGEST_PROMPT = 10_000_000  # what the client takes


def supervise(home: Home, run_id: str, environment: Mapping[str, str], clock: Clock) -> None:
    """What goes wrong with the client is the run's outcome; what remains, the next tick's work."""
    rundir = RunDir(home.runs, run_id)
    with rundir.lock() as lock:
        try:
            lock.acquire_within(_PATIENCE)
        except (FileNotFoundError, LockTimeout):
            return
        asked = _read_json(home.as_run(run_id))
        if asked is None:
            return
        # Before anybody can learn of this process: a signal must find its handler.
        watch = Watch(rundir, clock.monotonic, float(asked["timeout"]))
        if not begin(home, rundir, asked, clock.now()):
            return
        ended = _Session(home, asked, environment, watch, lock, clock).run()
        if ended is None:
            return  # something could not be ended: the run stays running, the tick goes on trying
        _keep(rundir, ended, clock, watch)
        try:
            following = settle.merge(home, rundir, run_id, clock.now())
        except (CcsError, OSError):
            return  # busy store or full disk: the outcome is safe and the next tick merges it
    _start(home, following, environment, clock)


class _Session:
    """The client's part of a run."""

    def __init__(
        self,
        home: Home,
        asked: Record,
        environment: Mapping[str, str],
        watch: Watch,
        lock: Lock,
        clock: Clock,
    ) -> None:
        self.home = home
        self.asked = asked
        self.environment = environment
        self.watch = watch
        self.lock = lock
        self.clock = clock
        # What it teaches is of the model it runs with, which may be its task's fallback.
        self.terms = Terms(**{**asked["terms"], "model": asked["model"]})
        self.began = clock.now()
        self.refused = False
        self.run_id: str = asked["run"]
        self.mock = False

    def run(self) -> Record | None:
        """From nothing to an outcome; None when the client's tree could not be ended."""
        clock = self.clock
        began = clock.monotonic()
        try:
            ended = self._refusal() or self._drive()
        except environ.EnvFailed as error:
            ended = _failed("env_failed", error.message)
        except (CcsError, OSError, ValueError) as error:
            # ValueError: what no argument and no variable can hold, such as a NUL.
            ended = _failed("start_failed", str(error))
        if ended is None:
            return None
        learn.conclude(self.home, self.terms, ended, self.refused, self.began, clock.now())
        ended["mock"] = self.mock
        ended["end_time"] = instant.text(clock.now())
        ended["duration"] = round(clock.monotonic() - began, 3)
        return ended

    def _refusal(self) -> Record | None:
        """Reasons not to start a client at all."""
        directory = self.asked["cwd"]
        if self.asked["refused"]:
            return _failed("start_failed", self.asked["refused"])
        if not directory:
            return _failed("workdir_missing", "neither the task nor its job names a directory")
        if not os.path.isdir(directory):
            return _failed("workdir_missing", f"{directory} is not a directory")
        return None

    def _drive(self) -> Record | None:
        """Raises EnvFailed, CcsError, OSError before anything was started."""
        profile = self._profile()
        resolved = environ.resolve(profile, self.environment)
        program = self._client(profile, resolved)
        with Logs(self.home.log(self.run_id), self.home.stream(self.run_id), resolved.mask) as logs:
            logs.note(f"run {self.run_id} of task {self.asked['task'].get('name', '')!r}")
            resumed, *fresh = self.asked["calls"]
            ended = self._call(program, resumed, resolved, logs)
            if ended is not None and fresh and _session_is_gone(ended):
                logs.note(_AFRESH)
                ended = self._call(program, fresh[0], resolved, logs)
                if ended is not None:
                    ended["message"] = ended["message"] or _AFRESH
            if ended is not None:
                logs.note(f"{ended['status']} {ended['reason'] or ''}".rstrip())
        return ended

    def _call(
        self, program: list[str], call: Record, resolved: environ.Environment, logs: Logs
    ) -> Record | None:
        """One client, from its start to what it came to; None when its tree could not be ended."""
        prompt = self._prompt(call)
        stream = Stream()
        if (reason := self.watch.reason()) is not None:
            # A secret was slow to come, and somebody lost patience.
            return verdict.judge(stream, verdict.Exit(None, reason), "")
        child = self._spawn([*program, *call["options"]], resolved)
        drain = Drain(child, prompt, stream, logs, self._hear)
        ended_by = drain.to_the_end(self.watch, self.run_id)
        by_force = ended_by is not None or (child.returncode or 0) < 0
        if child.returncode is None or (by_force and process.carriers(self.run_id)):
            return None
        end = verdict.Exit(child.returncode, ended_by)
        ended = verdict.judge(stream, end, logs.stderr_tail())
        ended["session_id"] = ended["session_id"] or self.asked["session"]
        ended["message"] = ended["message"] and resolved.mask_text(ended["message"])
        return ended

    def _hear(self, facts: Record) -> None:
        """What the client tells of its limits, as it arrives."""
        self.refused = facts["status"] == "rejected" or facts["isUsingOverage"]
        if not self.terms.overage:
            self.watch.spend_no_more(paying=facts["isUsingOverage"])
        learn.hear(self.home, self.terms, facts, self.began, self.clock.now())

    def _spawn(self, argv: list[str], resolved: environ.Environment) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            argv,
            cwd=self.asked["cwd"],
            env={
                **resolved.variables,
                **self.asked["variables"],
                process.MARKER: self.run_id,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=() if self.lock.fd is None else (self.lock.fd,),
            start_new_session=True,
        )

    def _client(self, profile: Record | None, resolved: environ.Environment) -> list[str]:
        """The program to call. In mock mode nothing real runs, whatever a profile says."""
        wanted = (profile or {}).get("claude_path") or self.asked["client"]
        if self.asked["client"] == client.MOCK:
            wanted = client.MOCK
        self.mock = wanted == client.MOCK
        return client.argv(wanted, resolved.variables)

    def _prompt(self, call: Record) -> bytes:
        text = str(call["prompt"])
        if not call["prompt_is_file"]:
            return text.encode("utf-8", "surrogatepass")
        path = os.path.join(self.asked["cwd"], os.path.expanduser(text.strip()))
        return read_regular(path, _LONGEST_PROMPT)

    def _profile(self) -> Record | None:
        wanted = self.asked["profile"]
        if wanted is None:
            return None
        for profile in Records(self.home.collection("profiles"), "profiles").read().records:
            if profile["id"] == wanted:
                return profile
        raise environ.EnvFailed(f"the profile {wanted} does not exist")


def _keep(rundir: RunDir, ended: Record, clock: Clock, watch: Watch) -> None:
    """Tries until the outcome is on disk. The lock stays held, so nobody thinks the run is gone."""
    while True:
        try:
            return rundir.write_outcome(ended)
        except OSError:
            if watch.shutdown:
                return None  # told to end: the tick judges what the stream recorded
            clock.sleep(_RETRY_SECONDS)


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


def _session_is_gone(ended: Record) -> bool:
    """The client's answer to a session it has no transcript of; nothing was asked of the model."""
    message = ended["message"] or ""
    return ended["reason"] == "start_failed" and message.startswith("No conversation found")


def _failed(reason: str, message: str) -> Record:
    return {"status": "failed", "reason": reason, "message": message[:500]}


def _read_json(path: str) -> Record | None:
    found = atomic.read(path)
    if found is None:
        return None
    record = json.loads(found[0])
    return record if isinstance(record, dict) else None
