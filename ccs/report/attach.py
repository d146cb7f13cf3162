"""How a person joins the tmux session of a run that goes on."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from ccs.errors import CcsError, Conflict, MissingDependency
from ccs.host import tmux
from ccs.model.run import Run
from ccs.store.asked import as_it_ran
from ccs.store.store import Store


@dataclass(frozen=True)
class Attach:
    """A program to call in a directory."""

    argv: list[str]
    directory: str

    @property
    def line(self) -> str:
        """The same for a POSIX shell."""
        return f"(cd {shlex.quote(self.directory)} && {shlex.join(self.argv)})"


def attaching(store: Store, reference: str, environment: Mapping[str, str]) -> Attach:
    """Raises Conflict for a run that has no session now; NotFound, Ambiguous, MissingDependency."""
    run = store.find_run(reference)
    short = run.id[:8]
    if run.status == "upcoming":
        waits = f" ({run.held_reason})" if run.held_reason else ""
        raise Conflict(f"run {short} waits{waits}", f"ccs runs log -f {short} waits with it")
    if not run.unfinished:
        raise _ended(run)
    if not (as_it_ran(store.home, run.id) or {}).get("tmux"):
        hint = f"follow it: ccs runs log -f {short}"
        raise Conflict(f"run {short} was not started in tmux", hint)
    program = tmux.found(environment)
    if program is None:
        hint = f"install it, or follow the run: ccs runs log -f {short}"
        raise MissingDependency("tmux was not found on PATH", hint)
    directory = store.rundir(run.id).path
    try:
        there = tmux.is_there(program, run.id, directory)
    except FileNotFoundError:
        raise _ended(run) from None
    except OSError as error:
        raise CcsError(f"{program} cannot be run: {error}") from None
    if not there:
        hint = f"the next tick settles it: ccs runs get {short}"
        raise Conflict(f"the session of run {short} is gone", hint)
    return Attach(tmux.attaching(program, run.id), directory)


def _ended(run: Run) -> Conflict:
    short = run.id[:8]
    hint = f"read it: ccs runs log {short}; go on with it by hand: ccs runs open {short}"
    return Conflict(f"run {short} has ended", hint)
