"""Every launch goes through here, whoever asks for it.

The run is recorded before (that is the caller's part, under the store lock); then its directory
is made, then the task as it will run is written, then a detached supervisor is started. Whatever
is cut off in between leaves a recorded run without a start mark, which the next tick starts again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, TypeVar

from ccs.claude import command
from ccs.engine import place, settle
from ccs.engine.accounts import Accounts
from ccs.engine.calls import calls, last_session
from ccs.errors import InvalidInput
from ccs.host import client, environ, program, tmux
from ccs.host.program import detached
from ccs.model.job import Job
from ccs.model.run import Run
from ccs.model.settings import Settings
from ccs.model.task import Task
from ccs.schedule.due import allowed, next_allowed
from ccs.store import atomic, strict
from ccs.store.asked import as_it_ran
from ccs.store.rundir import RunDir
from ccs.store.store import Store
from ccs.store.tasklist import Tasks
from ccs.usage.gate import Hold, model_for

# A supervisor that ends this often without reaching the start mark will not reach it.
MOST_STARTS = 5


# Of one program that starts several supervisors, so that none of them waits for long.
_MOST_TOGETHER = 64

Spawn = Callable[[str, Sequence[str], Mapping[str, str]], None]
R = TypeVar("R")


class Launcher:
    """Reads what launching needs once and starts any number of runs with it.

    `spawn` starts supervisors; a simulation starts none.
    """

    def __init__(
        self,
        store: Store,
        environment: Mapping[str, str],
        now: datetime,
        spawn: Spawn | None = None,
        tasks: Tasks | None = None,
    ) -> None:
        self._spawn = spawn or spawn_supervisors
        self.store = store
        self.now = now
        self.environment = environment
        self.tasks = tasks or Tasks.whole(store.tasks.read())
        self.jobs = store.jobs.read()
        self.settings, self.settings_stamp = store.read_settings()
        self.accounts = Accounts(store, lambda: self.jobs.by_id, self.settings, now)

    def start(self, run: Run) -> None:
        """Starts a supervisor for a recorded run. Raises OSError, BrokenStore."""
        if self.prepare(run):
            self.spawn([run.id])

    def spawn(self, run_ids: Sequence[str]) -> None:
        """Starts the supervisors of runs that are prepared. Raises OSError."""
        if not run_ids:
            return
        try:
            for directory in (self.store.home.runs, self.store.home.file("logs")):
                atomic.flush_directory(directory)
            self._spawn(self.store.home.path, run_ids, self.environment)
        except OSError:
            for run_id in run_ids:
                with suppress(OSError):  # it counts; the first error is the one worth raising
                    self.store.rundir(run_id).forget_starts()
            raise

    def prepare(self, run: Run) -> bool:
        """Writes what its supervisor is to know, for `spawn` to flush; whether there is to be one.
        Raises OSError, BrokenStore.
        """
        rundir = self.store.rundir(run.id)
        rundir.make()
        task = self.task_of(run)
        if task is None:
            self._give_up(run, rundir, "the task as it ran before is not known any more")
            return False
        if rundir.starts() >= MOST_STARTS:
            words = f"{MOST_STARTS} supervisors ended before they could start the client"
            self._give_up(run, rundir, words)
            return False
        as_run = strict.encode(self._as_it_will_run(run, task))
        atomic.write(self.store.home.as_run(run.id), as_run, flush_name=False)
        rundir.count_start()
        return True

    def hold(self, run: Run, runs: Sequence[Run]) -> Hold | None:
        """Why its hours or its account do not let it start now, beside these runs. What it may
        overlap with is seen to when it starts."""
        task = self.tasks.by_id[run.task_id]
        if run.trigger != "manual" and not allowed(task, self.now):
            return Hold("hours", next_allowed(task, self.now), "")
        account, known = self.accounts.account(run, task), self.tasks.by_id
        going_on = (one for one in runs if one.status == "running" and one.account == account)
        begun = [self.accounts.begun(one, known.get(one.task_id)) for one in going_on]
        return self.accounts.held(run, task, begun)

    def _approved(self, run: Run) -> list[str]:
        """What its repository may start by itself; empty where nobody asks."""
        agreed = self.tasks.by_id[run.task_id].approved
        if agreed is None or not self.settings.approval:
            return []
        return [agreed, *filter(None, [run.approved])]

    def task_of(self, run: Run) -> Task | None:
        """As it is now; of a run that repeats another one, as it was then."""
        if run.restart_of is None:
            return self.tasks.by_id[run.task_id]
        asked = as_it_ran(self.store.home, run.restart_of) or {}
        try:
            return Task.checked(asked.get("task") or {})
        except InvalidInput:
            return None

    def _give_up(self, run: Run, rundir: RunDir, words: str) -> None:
        with rundir.lock() as lock:
            if lock.acquire() and not rundir.started():
                rundir.write_outcome(
                    {"status": "failed", "reason": "start_failed", "message": words}
                )
                settle.merge(self.store.home, rundir, run.id, self.now)

    def _as_it_will_run(self, run: Run, task: Task) -> dict[str, Any]:
        """Read by the supervisor, which has no models, and kept beside the log."""
        self.accounts.admit(run, task)
        job = self.jobs.by_id.get(task.job_id or "")
        directory = job.working_directory.path if job else task.working_directory
        terms = self.accounts.terms(run, task)
        model = model_for(self.accounts.known(terms.account), terms, self.now)
        most = self.accounts.most_usd(run, task)
        last = last_session(self.store, run, task, self.accounts.is_mock(run, task))
        chosen = calls(run, task, last, model, most)
        return {
            "run": run.id,
            "task": self.tasks.raw[task.id] if run.restart_of is None else task.record(),
            "approved": self._approved(run),
            "as_it_was": run.restart_of is not None,
            "tasks_stamp": self.tasks.stamp,
            "profile": self.accounts.profile_id(run, task),
            "terms": terms.record(),
            "model": model,
            "max_budget_usd": most,
            # Begun meanwhile, a run that spends from the same purse makes the limit untrue.
            "purses": [[one.field, one.owner] for one in self.accounts.purses(run, task)],
            "counted": self.accounts.spending.counted(),
            "admission": admission_of(task, job, run.forced, self.settings),
            "session": chosen.session,
            "resumes": chosen.resumes,
            # What goes on, goes on where it was.
            "cwd": run.cwd or (os.path.expanduser(directory) if directory else None),
            "place": place.wanted(run, task, job),
            "mock": self.accounts.is_mock(run, task),
            "client": client.MOCK if self.settings.mock_mode else self.settings.claude_path,
            "variables": command.variables(task),
            "calls": chosen.tried,
            "going_on": command.options(task, [], model, None),
            "verify": task.verify,
            "verify_timeout": task.verify_timeout.total_seconds(),
            "until_green": task.until_green,
            "first_output_timeout": _seconds(task.first_output_timeout),
            "idle_timeout": _seconds(task.idle_timeout),
            "retry": {
                "max_attempts": task.retry.max_attempts,
                "delay": task.retry.delay.total_seconds(),
                "backoff_multiplier": task.retry.backoff_multiplier,
                "on": task.retry.on,
            },
            "timeout": task.timeout.total_seconds(),
            "tmux": tmux.found(self.environment) if task.isolation == "tmux" else None,
            "refused": refusal(task, self.environment),
        }


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()


def admission_of(task: Task, job: Job | None, forced: bool, settings: Settings) -> dict[str, Any]:
    """What the rule of admission asks beside what runs."""
    limit = settings.max_concurrent_tasks
    return {
        "overlap": task.overlap,
        "forced": forced,
        "limit": limit,
        "job_limit": job.max_parallel if job else limit,
    }


def refusal(task: Task, environment: Mapping[str, str]) -> str | None:
    """What the task asks for that is not here. Running without it would be wrong."""
    if task.isolation == "tmux" and tmux.found(environment) is None:
        return "it is to run in tmux, which was not found on PATH"
    return None


def batches(runs: Sequence[R]) -> Iterator[Sequence[R]]:
    """Each four times as large as the one before: the first starts at once, and of many few wait
    for a program to be loaded that loads as slowly for one as for all of them.
    """
    at, size = 0, 1
    while at < len(runs):
        yield runs[at : at + size]
        at, size = at + size, min(4 * size, _MOST_TOGETHER)


def spawn_supervisors(home: str, run_ids: Sequence[str], environment: Mapping[str, str]) -> None:
    if len(run_ids) > 1 and hasattr(os, "fork"):
        # Not in the arguments: whoever ends one run by `pkill -f ID` would end them all.
        start_ccs(home, ["supervise"], {**environment, program.RUN_IDS: " ".join(run_ids)})
        return
    for run_id in run_ids:
        start_ccs(home, ["supervise", run_id], environment)


def start_ccs(home: str, words: list[str], environment: Mapping[str, str]) -> None:
    """This very ccs once more, detached."""
    detached(program.argv(*words), {**environ.inherited(environment), "CCS_HOME": home})
