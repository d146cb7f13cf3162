"""The client's part of a run: what is called, in turn, until it is done and verified. Lean."""

from __future__ import annotations

import os
from contextlib import suppress

from ccs import instant
from ccs.claude import outcome as verdict
from ccs.claude.events import Stream
from ccs.engine import learn, settle, workplace
from ccs.engine.approval import is_new_in
from ccs.engine.clientcalls import ClientCalls
from ccs.engine.commit import commit
from ccs.engine.drain import Watch
from ccs.engine.logs import Logs, Times
from ccs.errors import CcsError
from ccs.host import client, environ, process
from ccs.redact import redacted
from ccs.store.records import Records
from ccs.store.rundir import RunDir
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
    "the worktree has hooks, MCP servers or other settings that its repository has not: look at "
    "them, and merge them or take them out"
)


_LONGEST_MESSAGE = 1000


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
        self._began = clock.monotonic()
        self.refused = False
        self.run_id: str = asked["run"]
        self.mock = False

    def run(self) -> Record | None:
        """From nothing to an outcome; None when the client's tree could not be ended."""
        try:
            ended = self._refusal() or self._drive()
        except environ.EnvFailed as error:
            ended = self._given_up() or _failed("env_failed", error.message)
        except (CcsError, OSError, ValueError) as error:
            # ValueError: what no argument and no variable can hold, such as a NUL.
            ended = _failed("start_failed", _told(error))
        if ended is None:
            return None
        return self._dated(ended)

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
            ended = self._calls(place, program, resolved, logs)
            if ended is not None:
                ended = resolved.mask_record(ended)
                self._finish(place, ended, resolved, logs)
                message = resolved.mask_text(ended["message"] or "")
                ended["message"] = message[:_LONGEST_MESSAGE] or None
                logs.note(f"{ended['status']} {ended['reason'] or ''}".rstrip())
        return ended

    def _finish(
        self, place: workplace.Place, ended: Record, resolved: environ.Environment, logs: Logs
    ) -> None:
        """What follows when the client and its check are done."""
        now = self.clock.now()
        learn.conclude(self.home, self.terms, ended, self.refused, self.began, now)
        commits = ended["status"] == "success" and not self.mock and self.asked["place"]["commit"]
        if place.repo is not None:
            self._write_for_now(place, ended, commits)
        if commits:
            mask = resolved.mask_text
            commit(place, self.asked, self.run_id, logs.note, mask, self._told_to_stop)
        workplace.leave(place, ended, self.run_id, logs.note)

    def _write_for_now(self, place: workplace.Place, ended: Record, commits: bool) -> None:
        """What holds if this supervisor does not live to the end: git and its hooks may take their
        time, and nobody else knows what the check said."""
        where = {"cwd": place.cwd, "worktree": place.tree.name if place.tree else None}
        message = settle.NOT_COMMITTED if commits and place.before is not None else ended["message"]
        with suppress(OSError):  # the final one is tried until it is there
            RunDir(self.home.runs, self.run_id).write_outcome(
                self._dated({**ended, **where, "message": message})
            )

    def _dated(self, ended: Record) -> Record:
        ended["mock"] = self.mock
        ended["end_time"] = instant.text(self.clock.now())
        ended["duration"] = round(self.clock.monotonic() - self._began, 3)
        return ended

    def _place(self, resolved: environ.Environment, logs: Logs) -> workplace.Place:
        """Raises NoPlace. From here on the run's directory is known."""
        variables = {**resolved.others, process.MARKER: self.run_id}
        held = () if self.lock.fd is None else (self.lock.fd,)
        place = workplace.prepare(self.home, self.asked, variables, self._told_to_end, held)
        for words in place.notes:
            logs.note(words)
        return place

    def _calls(
        self,
        place: workplace.Place,
        program: list[str],
        resolved: environ.Environment,
        logs: Logs,
    ) -> Record | None:
        """All of the client's part; None when its tree could not be ended."""
        if self.asked["place"]["worktree"] is not None and is_new_in(place.cwd, self.asked):
            return _failed("start_failed", _NOT_APPROVED)
        self.asked = {**self.asked, "cwd": place.cwd}
        calls = ClientCalls(self.asked, program, resolved, logs, self.watch, self.lock, self.hear)
        try:
            ended = calls.in_turn()
            if ended is not None and self.asked["verify"]:
                ended = calls.until_green(ended)
        except (CcsError, OSError, ValueError) as error:
            # As in run(); but there is a place now, which is to be left in order.
            return _failed("start_failed", resolved.mask_text(str(error)))
        return ended

    def hear(self, facts: Record) -> None:
        """What the client tells of its limits, as it arrives."""
        self.refused = facts["status"] == "rejected" or facts["isUsingOverage"]
        if not self.terms.overage:
            self.watch.spend_no_more(paying=facts["isUsingOverage"])
        learn.hear(self.home, self.terms, facts, self.began, self.clock.now())

    def _told_to_end(self) -> bool:
        return self.watch.reason() is not None

    def _told_to_stop(self) -> bool:
        """Work that is done is committed, also when the run's time has run out meanwhile."""
        return self.watch.reason() in ("stop", "replaced", "shutdown")

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


def _told(error: Exception) -> str:
    """With what to do about it, for whoever finds the run in the morning."""
    hint = error.hint if isinstance(error, CcsError) else ""
    return f"{error}; {hint}" if hint else str(error)


def _failed(reason: str, message: str) -> Record:
    return {"status": "failed", "reason": reason, "message": redacted(message)[:_LONGEST_MESSAGE]}
