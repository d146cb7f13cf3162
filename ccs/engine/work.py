"""The client's part of a run: what is called, in turn, until it is done and verified. Lean."""

from __future__ import annotations

import os
import subprocess

from ccs import instant
from ccs.claude import command
from ccs.claude import outcome as verdict
from ccs.claude.events import Stream
from ccs.engine import learn, workplace
from ccs.engine.approval import is_new_in
from ccs.engine.commit import commit
from ccs.engine.drain import Drain, Watch
from ccs.engine.logs import Logs, Times
from ccs.engine.pulse import Pulse
from ccs.engine.together import together
from ccs.engine.verify import Verified, verify
from ccs.errors import CcsError
from ccs.host import client, environ, process
from ccs.host.files import read_regular
from ccs.store.records import Records
from ccs.usage.gate import Terms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ccs.engine.clock import Clock
    from ccs.store.home import Home
    from ccs.store.lock import Lock

    Record = dict[str, Any]

_NOT_APPROVED = (
    "the worktree has hooks or MCP servers that its repository has not: look at them, and merge "
    "them or take them out"
)
_AFRESH = "the session it went on with is gone; the task was started afresh"
_LONGEST_PROMPT = 10_000_000  # what the client takes


class Work:
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
            ended = self._given_up() or _failed("env_failed", error.message)
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
        # A worktree may have to be made first.
        if self.asked["place"]["worktree"] is None and not os.path.isdir(directory):
            return _failed("workdir_missing", f"{directory} is not a directory")
        return None

    def _drive(self) -> Record | None:
        """Raises EnvFailed, CcsError, OSError before anything was started."""
        profile = self._profile()
        resolved = environ.resolve(profile, self.environment, self.run_id, self.watch.reason)
        program = self._client(profile, resolved)
        times = Times(self.home.times(self.run_id), self.clock.now)
        readable, raw = self.home.log(self.run_id), self.home.stream(self.run_id)
        with Logs(readable, raw, resolved.mask, times) as logs:
            logs.note(f"run {self.run_id} of task {self.asked['task'].get('name', '')!r}")
            try:
                place = self._place(resolved, logs)
            except workplace.NoPlace as error:
                words = resolved.mask_text(error.message)
                logs.note(words)
                return self._given_up() or _failed(error.reason, words)
            calls = _Calls(self, program, resolved, logs)
            ended = calls.in_turn()
            if ended is not None and self.asked["verify"]:
                ended = calls.until_green(ended)
            if ended is not None:
                if ended["status"] == "success" and not self.mock:
                    commit(place, self.asked, self.run_id, logs.note)
                workplace.leave(place, ended, self.run_id, logs.note)
                ended["message"] = ended["message"] and resolved.mask_text(ended["message"])
                logs.note(f"{ended['status']} {ended['reason'] or ''}".rstrip())
        return ended

    def _place(self, resolved: environ.Environment, logs: Logs) -> workplace.Place:
        """Raises NoPlace. From here on the run's directory is known."""
        variables = {**resolved.variables, process.MARKER: self.run_id}
        given_up = ("stop", "replaced", "shutdown")
        place = workplace.prepare(
            self.home, self.asked, variables, lambda: self.watch.reason() in given_up
        )
        for words in place.notes:
            logs.note(words)
        if self.asked["place"]["worktree"] is not None and is_new_in(place.cwd, self.asked):
            raise workplace.NoPlace("start_failed", _NOT_APPROVED)
        self.asked = {**self.asked, "cwd": place.cwd}
        return place

    def hear(self, facts: Record) -> None:
        """What the client tells of its limits, as it arrives."""
        self.refused = facts["status"] == "rejected" or facts["isUsingOverage"]
        if not self.terms.overage:
            self.watch.spend_no_more(paying=facts["isUsingOverage"])
        learn.hear(self.home, self.terms, facts, self.began, self.clock.now())

    def _given_up(self) -> Record | None:
        """A secret was slow to come, and somebody lost patience."""
        reason = self.watch.reason()
        return verdict.judge(Stream(), verdict.Exit(None, reason), "") if reason else None

    def _client(self, profile: Record | None, resolved: environ.Environment) -> list[str]:
        """The program to call. In mock mode nothing real runs, whatever a profile says."""
        wanted = (profile or {}).get("claude_path") or self.asked["client"]
        if self.asked["client"] == client.MOCK:
            wanted = client.MOCK
        self.mock = wanted == client.MOCK
        return client.argv(wanted, resolved.variables)

    def _profile(self) -> Record | None:
        wanted = self.asked["profile"]
        if wanted is None:
            return None
        for profile in Records(self.home.collection("profiles"), "profiles").read().records:
            if profile["id"] == wanted:
                return profile
        raise environ.EnvFailed(f"the profile {wanted} does not exist")


class _Calls:
    """The calls of one run: all in one directory and environment, to one log."""

    def __init__(
        self, work: Work, program: list[str], resolved: environ.Environment, logs: Logs
    ) -> None:
        self.work = work
        self.asked = work.asked
        self.program = program
        self.resolved = resolved
        self.logs = logs
        self.variables = {
            **resolved.variables,
            **self.asked["variables"],
            process.MARKER: work.run_id,
        }

    def in_turn(self) -> Record | None:
        resumed, *fresh = self.asked["calls"]
        ended = self._call(resumed)
        if ended is not None and fresh and _session_is_gone(ended):
            self.logs.note(_AFRESH)
            ended = self._call(fresh[0])
            if ended is not None:
                ended["message"] = ended["message"] or _AFRESH
        return ended

    def until_green(self, ended: Record) -> Record | None:
        """The verdict of the task's check over a success; what failed goes back to the session."""
        rounds = int(self.asked["until_green"])
        for number in range(rounds + 1):
            if ended["status"] != "success":
                break
            checked = self._verified()
            if checked.good:
                break
            if checked.ended_by is not None:
                judged = verdict.judge(Stream(), verdict.Exit(None, checked.ended_by), "")
                return together(ended, {**judged, "session_id": ended["session_id"]})
            told = f"verify failed: {checked.words}"
            ended = {**ended, "status": "failed", "reason": "verify_failed", "message": told}
            left = self._left(ended)
            if number == rounds or (left is not None and left <= 0):
                break
            self.logs.note(f"{told}; round {number + 1} of {rounds}")
            more = self._call(self._mending(ended, checked, left))
            if more is None:
                return None
            ended = together(ended, more)
        return ended

    def _verified(self) -> Verified:
        what = self.asked["verify"]
        self.logs.note(f"verify: {what if isinstance(what, str) else ' '.join(what)}")
        try:
            return verify(
                what,
                self.asked["cwd"],
                self.variables,
                self.work.run_id,
                self.work.watch,
                self.logs,
                float(self.asked["verify_timeout"]),
            )
        except (OSError, ValueError) as error:
            return Verified(f"it could not be started: {error}", "")

    def _left(self, ended: Record) -> float | None:
        most = self.asked["max_budget_usd"]
        return None if most is None else most - (ended["cost_usd"] or 0.0)

    def _mending(self, ended: Record, checked: Verified, left: float | None) -> Record:
        budget = [] if left is None else ["--max-budget-usd", f"{left:g}"]
        prompt = command.mend(self.asked["verify"], checked.words or "", checked.tail)
        options = ["--resume", ended["session_id"], *budget, *self.asked["going_on"]]
        return {"options": options, "prompt": prompt, "prompt_is_file": False}

    def _call(self, call: Record) -> Record | None:
        """One client, from its start to what it came to; None when its tree could not be ended."""
        work = self.work
        prompt = self._prompt(call)
        stream = Stream()
        if (reason := work.watch.reason()) is not None:
            return verdict.judge(stream, verdict.Exit(None, reason), "")
        child = self._spawn([*self.program, *call["options"]])
        first, idle = self.asked["first_output_timeout"], self.asked["idle_timeout"]
        pulse = Pulse(work.watch.monotonic, first, idle)
        drain = Drain(child, prompt, stream, self.logs, work.hear, pulse)
        ended_by = drain.to_the_end(work.watch, work.run_id)
        by_force = ended_by is not None or (child.returncode or 0) < 0
        if child.returncode is None or (by_force and process.carriers(work.run_id)):
            return None
        end = verdict.Exit(child.returncode, ended_by)
        ended = verdict.judge(stream, end, self.logs.stderr_tail())
        ended["session_id"] = ended["session_id"] or self.asked["session"]
        ended["message"] = ended["message"] and self.resolved.mask_text(ended["message"])
        return ended

    def _spawn(self, argv: list[str]) -> subprocess.Popen[bytes]:
        lock = self.work.lock
        return subprocess.Popen(
            argv,
            cwd=self.asked["cwd"],
            env=self.variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=() if lock.fd is None else (lock.fd,),
            start_new_session=True,
        )

    def _prompt(self, call: Record) -> bytes:
        text = str(call["prompt"])
        if not call["prompt_is_file"]:
            return text.encode("utf-8", "surrogatepass")
        path = os.path.join(self.asked["cwd"], os.path.expanduser(text.strip()))
        return read_regular(path, _LONGEST_PROMPT)


def _session_is_gone(ended: Record) -> bool:
    """The client's answer to a session it has no transcript of; nothing was asked of the model."""
    message = ended["message"] or ""
    return ended["reason"] == "start_failed" and message.startswith("No conversation found")


def _failed(reason: str, message: str) -> Record:
    return {"status": "failed", "reason": reason, "message": message[:500]}
