"""What is asked about a task: its runs, and how they are told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from ccs import duration
from ccs.engine.launch import Launcher
from ccs.model.run import Run
from ccs.model.task import Task
from ccs.report.forecast import Say, held_until
from ccs.report.reasons import sentence
from ccs.report.state import NO_TICK, is_ticking, tick_age
from ccs.schedule.slots import COUNTED
from ccs.store.store import Store


def ticks(store: Store, now: datetime) -> Iterator[str]:
    age = tick_age(store, now)
    if age is None:
        yield "There has never been a tick."
    else:
        yield f"The last tick was {duration.text(timedelta(seconds=age))} ago."
    if not is_ticking(store, now):
        yield f"{NO_TICK[0].upper()}{NO_TICK[1:]}."


class Case:
    """One task and all that is asked about it."""

    def __init__(self, store: Store, task: Task, now: datetime, say: Say) -> None:
        self.store = store
        self.task = task
        self.now = now
        self.say = say
        self.recent = [run for run in store.runs.all() if run.task_id == task.id]
        self.waiting = [run for run in self.recent if run.status == "upcoming"]

    def held(self, run: Run) -> str:
        until = held_until(run, self.task, self.now)
        detail = self._of_account(run)
        counted = f" {run.missed_slots} more slots were counted into it." if run.last_slot else ""
        return sentence(run) + detail + (f" Until {self.say(until)}." if until else "") + counted

    def _of_account(self, run: Run) -> str:
        """What holds it, as its account stands now."""
        launcher = Launcher(self.store, {}, self.now)
        name = launcher.accounts.account(run, self.task)
        hold = launcher.hold(run, self.store.runs.all())
        return f" Account {name}: {hold.words}." if hold is not None and hold.words else ""

    def details(self, run: Run) -> Iterator[str]:
        if run.message:
            yield f"It said: {run.message}"
        if run.resets_at:
            yield f"The {run.limit_type or 'usage'} limit resets at {self.say(run.resets_at)}."
        if run.missed_slots:
            newest = f", the newest {self.say(run.last_slot)}" if run.last_slot else ""
            number = f"{COUNTED} or more" if run.missed_slots >= COUNTED - 1 else run.missed_slots
            yield f"It counts {number} other slots that did not run{newest}."
        if run.start_time:
            began = f"{run.trigger}, started {self.say(run.start_time)}"
            yield f"The run: {began}; ccs runs log {run.id[:8]}"
        else:
            yield f"The record: ccs runs get {run.id[:8]}"
