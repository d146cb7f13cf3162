"""The clients of one run, one after the other, in one directory and environment, to one log.

The first goes on with a session or begins one; where that session is gone, a fresh one begins; and
what the task's check did not like goes back to it as often as the task wants. Lean.
"""

from __future__ import annotations

import os
import subprocess

from ccs.claude import command
from ccs.claude import outcome as verdict
from ccs.claude.events import Stream
from ccs.engine.drain import Drain
from ccs.engine.joined import joined
from ccs.engine.pulse import Pulse
from ccs.engine.unseen import unseen
from ccs.engine.verify import Verified, verify
from ccs.host import process
from ccs.host.files import read_regular

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ccs.engine.drain import Watch
    from ccs.engine.logs import Logs
    from ccs.host import environ
    from ccs.store.lock import Lock

    Record = dict[str, Any]

_AFRESH = "the session it went on with is gone; the task was started afresh"
_LONGEST_PROMPT = 10_000_000  # what the client takes


class ClientCalls:
    """The calls of one run: all in one directory and environment, to one log."""

    def __init__(
        self,
        asked: Record,
        program: list[str],
        resolved: environ.Environment,
        logs: Logs,
        watch: Watch,
        lock: Lock,
        hear: Callable[[Record], None],
    ) -> None:
        """`lock`: the run's, inherited by each client; `hear`: called with each limit it tells."""
        self.asked = asked
        self.run_id: str = asked["run"]
        self.program = program
        self.resolved = resolved
        self.logs = logs
        self.watch = watch
        self.lock = lock
        self.hear = hear
        self.variables = {
            **resolved.variables,
            **self.asked["variables"],
            process.MARKER: self.run_id,
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
            if checked is None:
                return None
            if checked.good:
                break
            if checked.ended_by is not None:
                judged = verdict.judge(Stream(), verdict.Exit(None, checked.ended_by), "")
                return joined(ended, {**judged, "session_id": ended["session_id"]})
            told = f"verify failed: {checked.words}"
            ended = {**ended, "status": "failed", "reason": "verify_failed", "message": told}
            left = self._left(ended)
            if number == rounds or (left is not None and left <= 0):
                break
            self.logs.note(f"{told}; round {number + 1} of {rounds}")
            more = self._call(self._mending(ended, checked, left))
            if more is None:
                return None
            ended = joined(ended, more)
        return ended

    def _verified(self) -> Verified | None:
        what = self.asked["verify"]
        self.logs.note(f"verify: {what if isinstance(what, str) else ' '.join(what)}")
        try:
            return verify(
                what,
                self.asked["cwd"],
                {**self.resolved.others, process.MARKER: self.run_id},
                self.run_id,
                self.watch,
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
        prompt = self._prompt(call)
        stream = Stream()
        if (reason := self.watch.reason()) is not None:
            return verdict.judge(stream, verdict.Exit(None, reason), "")
        rundir = os.path.dirname(self.lock.path)
        child = self._spawn([*self.program, *unseen(call["options"], self.asked, rundir)])
        first, idle = self.asked["first_output_timeout"], self.asked["idle_timeout"]
        pulse = Pulse(self.watch.monotonic, first, idle)
        drain = Drain(child, prompt, stream, self.logs, self.hear, pulse)
        ended_by = drain.to_the_end(self.watch, self.run_id)
        by_force = ended_by is not None or (child.returncode or 0) < 0
        if child.returncode is None or (by_force and process.carriers(self.run_id)):
            return None
        end = verdict.Exit(child.returncode, ended_by)
        ended = verdict.judge(stream, end, self.logs.stderr_tail())
        ended["session_id"] = ended["session_id"] or self.asked["session"]
        ended["message"] = ended["message"] and self.resolved.mask_text(ended["message"])
        return ended

    def _spawn(self, argv: list[str]) -> subprocess.Popen[bytes]:
        lock = self.lock
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
