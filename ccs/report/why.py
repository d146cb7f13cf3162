"""Why a task ran or did not, from what is recorded: sentences, the most important first.

With a slot: what became of it. Without: how the task stands.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ccs import instant
from ccs.engine.launch import Launcher, refusal
from ccs.engine.look import Look
from ccs.errors import NotFound
from ccs.model.schedule import Manual, Sequential
from ccs.report.case import Case, ticks
from ccs.report.forecast import Outlook, Say, meaning, waits_for
from ccs.report.oneslot import OneSlot
from ccs.report.reasons import sentence
from ccs.report.state import is_ticking
from ccs.schedule.due import within_bounds
from ccs.schedule.slots import next_slot
from ccs.store.store import Store
from ccs.usage import kinds


@dataclass(frozen=True)
class Answer:
    task_id: str
    slot: datetime | None
    lines: list[str]

    def record(self) -> dict[str, Any]:
        slot = instant.text(self.slot) if self.slot else None
        first, *details = self.lines
        return {"task_id": self.task_id, "slot": slot, "answer": first, "details": details}


def answer(store: Store, reference: str, slot: datetime | None, now: datetime, say: Say) -> Answer:
    """Raises NotFound, Ambiguous, BrokenStore."""
    try:
        task = store.tasks.find(reference)
    except NotFound:
        broken = _broken(store, reference)
        if broken is None:
            raise
        return Answer(broken[0], slot, [f"It cannot run: {broken[1]}.", *ticks(store, now)])
    if slot is None:
        lines = _Standing(store, task, now, say).lines()
    else:
        slot = instant.minute(slot)
        lines = OneSlot(store, task, now, say).lines(slot)
    return Answer(task.id, slot, list(lines))


def _broken(store: Store, reference: str) -> tuple[str, str] | None:
    """The id and the problem of a task whose record cannot be used."""
    reading = store.tasks.read()
    wanted = reference.strip().lower()
    named = {one["id"] for one in store.tasks.file.read().records if one.get("name") == reference}
    for problem in reading.problems:
        by_prefix = len(wanted) >= 4 and problem.id.lower().startswith(wanted)
        if problem.id and (by_prefix or problem.id in named):
            return problem.id, str(problem)
    return None


class _Standing(Case):
    """How the task stands."""

    def lines(self) -> Iterator[str]:
        dead = not is_ticking(self.store, self.now) and self._needs_ticks()
        for run in self.recent:
            if run.status == "running":
                yield f"It is running, since {self.say(run.start_time or run.scheduled_time)}."
        for run in self.waiting:
            yield f"Its run of {self.say(run.scheduled_time)} waits. {self.held(run)}"
        if not self.task.enabled:
            yield "It is disabled, so nothing starts it by itself: ccs tasks enable."
        if dead:
            yield from reversed([*ticks(self.store, self.now)])
        yield from self._problems()
        yield from self._last()
        yield from self._schedule()
        if not dead:
            yield from ticks(self.store, self.now)

    def _needs_ticks(self) -> bool:
        by_hand = isinstance(self.task.schedule, Manual | Sequential)
        return bool(self.waiting) or (self.task.enabled and not by_hand)

    def _problems(self) -> Iterator[str]:
        for problem in self.store.tasks.read().problems:
            if problem.id == self.task.id:
                yield f"Its record has a problem: {problem}."
        job = self.store.jobs.get(self.task.job_id) if self.task.job_id else None
        if self.task.job_id and job is None:
            yield "Its job does not exist or cannot be read: ccs health."
        if missing := refusal(self.task, os.environ):
            yield f"Its runs fail: {missing}."

    def _last(self) -> Iterator[str]:
        ended = [run for run in self.recent if not run.unfinished]
        last = max(ended, key=lambda run: run.last_slot or run.scheduled_time, default=None)
        if last is None:
            every = self.store.every_run()
            last = next((one for one in every if one.task_id == self.task.id), None)
        if last is None or last.unfinished:
            yield "It has not run yet." if last is None else "No run of it has ended yet."
            return
        yield f"Its last run was of {self.say(last.scheduled_time)}. {sentence(last)}"
        yield from self.details(last)

    def _schedule(self) -> Iterator[str]:
        task = self.task
        waits = waits_for(task.schedule)
        if waits:
            yield f"It goes by no clock; it waits {waits}."
            yield from self._by_usage()
            return
        after, until = within_bounds(task, self.now, datetime.max.replace(tzinfo=self.now.tzinfo))
        slot = next_slot(task.schedule, after) if task.enabled else None
        words = f"Its schedule is {meaning(task.schedule)}"
        if slot is None or slot > until:
            yield f"{words}; no slot is to come."
            return
        what, why = Outlook(task, None, 0, self.now, self.say).expected(slot)
        skipped = "" if what == "run" else f" ({what}: {why})"
        yield f"{words}; its next slot is {self.say(slot)}{skipped}."

    def _by_usage(self) -> Iterator[str]:
        if not isinstance(self.task.schedule, kinds.ByUsage):
            return
        found = Look(self.store, Launcher(self.store, {}, self.now), self.now).coming(self.task)
        if found.assumes:
            yield f"Assumed: {found.assumes}."
        if found.mark is not None:
            yield "It is due now: the next tick decides it."
        elif found.wake is not None:
            yield f"It is looked at again at {self.say(found.wake)}, or when more is known."
