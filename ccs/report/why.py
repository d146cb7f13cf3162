"""Why a task ran or did not, from what is recorded: sentences, the most important first.

With a slot: which record covers it, else what speaks against it. Without: how the task stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ccs import duration, instant
from ccs.engine.launch import Launcher, refusal
from ccs.engine.look import Look
from ccs.errors import NotFound
from ccs.model import key
from ccs.model.run import Run
from ccs.model.schedule import Manual, Sequential
from ccs.model.task import Task
from ccs.report.forecast import Outlook, Say, held_until, hours, meaning, waits_for
from ccs.report.reasons import SENTENCES, sentence
from ccs.report.state import NO_TICK, is_ticking, tick_age
from ccs.schedule.due import allowed, within_bounds
from ccs.schedule.slots import COUNTED, next_slot, passed
from ccs.store.store import Store
from ccs.usage import kinds

_CLOCK = ("schedule", "catch_up")
_INSTANT = timedelta(microseconds=1)
_MINUTE = timedelta(minutes=1)
_FAR = timedelta(days=400)


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
        return Answer(broken[0], slot, [f"It cannot run: {broken[1]}.", *_ticks(store, now)])
    case = _Case(store, task, now, say)
    if slot is not None:
        slot = instant.minute(slot)
    lines = case.of_slot(slot) if slot else case.in_general()
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


def _ticks(store: Store, now: datetime) -> Iterator[str]:
    age = tick_age(store, now)
    if age is None:
        yield "There has never been a tick."
    else:
        yield f"The last tick was {duration.text(timedelta(seconds=age))} ago."
    if not is_ticking(store, now):
        yield f"{NO_TICK[0].upper()}{NO_TICK[1:]}."


class _Case:
    """One task and all that is asked about it."""

    def __init__(self, store: Store, task: Task, now: datetime, say: Say) -> None:
        self.store = store
        self.task = task
        self.now = now
        self.say = say
        self.recent = [run for run in store.runs.all() if run.task_id == task.id]
        self.waiting = [run for run in self.recent if run.status == "upcoming"]

    # Without a slot ---------------------------------------------------------

    def in_general(self) -> Iterator[str]:
        dead = not is_ticking(self.store, self.now) and self._needs_ticks()
        for run in self.recent:
            if run.status == "running":
                yield f"It is running, since {self.say(run.start_time or run.scheduled_time)}."
        for run in self.waiting:
            yield f"Its run of {self.say(run.scheduled_time)} waits. {self._held(run)}"
        if not self.task.enabled:
            yield "It is disabled, so nothing starts it by itself: ccs tasks enable."
        if dead:
            yield from reversed([*_ticks(self.store, self.now)])
        yield from self._problems()
        yield from self._last()
        yield from self._schedule()
        if not dead:
            yield from _ticks(self.store, self.now)

    def _needs_ticks(self) -> bool:
        by_hand = isinstance(self.task.schedule, Manual | Sequential)
        return bool(self.waiting) or (self.task.enabled and not by_hand)

    def _held(self, run: Run) -> str:
        until = held_until(run, self.task, self.now)
        detail = self._of_account(run)
        counted = f" {run.missed_slots} more slots were counted into it." if run.last_slot else ""
        return sentence(run) + detail + (f" Until {self.say(until)}." if until else "") + counted

    def _of_account(self, run: Run) -> str:
        """What holds it, as its account stands now."""
        launcher = Launcher(self.store, {}, self.now)
        accounts = launcher.accounts
        name = accounts.account(run, self.task)
        going_on = [one for one in self.store.runs.all() if one.status == "running"]
        begun = [one.start_time or self.now for one in going_on if one.account == name]
        hold = accounts.held(run, self.task, begun)
        return f" Account {name}: {hold.words}." if hold is not None and hold.words else ""

    def _problems(self) -> Iterator[str]:
        for problem in self.store.tasks.read().problems:
            if problem.id == self.task.id:
                yield f"Its record has a problem: {problem}."
        job = self.store.jobs.get(self.task.job_id) if self.task.job_id else None
        if self.task.job_id and job is None:
            yield "Its job does not exist or cannot be read: ccs health."
        if missing := refusal(self.task, job):
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
        yield from self._details(last)

    def _details(self, run: Run) -> Iterator[str]:
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

    # With a slot ------------------------------------------------------------

    def of_slot(self, minute: datetime) -> Iterator[str]:
        found = self._covering(minute) if minute <= self.now else None
        if found is None:
            yield from self._uncovered(minute)
        elif instant.minute(found.scheduled_time) == minute:
            yield self._held(found) if found.status == "upcoming" else sentence(found)
            yield from self._details(found)
        elif found.scheduled_time < minute:
            yield from self._counted_later(found)
        else:
            own = self.say(found.scheduled_time)
            yield f"{SENTENCES['skipped', 'missed']} It was counted into the run of {own}."
            yield f"Of that run: {sentence(found)}"
            yield from self._details(found)

    def _counted_later(self, run: Run) -> Iterator[str]:
        first = self.say(run.scheduled_time)
        if run.status == "skipped":
            yield sentence(run)
            yield f"It is one of {run.missed_slots + 1} slots in one record, the first of {first}."
        else:
            yield f"It did not run by itself: it was counted into the run of {first}, which waited."
            yield f"Of that run: {sentence(run)}"
        yield from self._details(run)

    def _covering(self, minute: datetime) -> Run | None:
        """The run of this minute; else one that counts it."""
        exact = self.store.get_run(key.for_slot(self.task.id, minute))
        if exact is not None:
            return exact
        counting = None
        for run in self._runs_back_to(minute):
            if instant.minute(run.scheduled_time) == minute:
                return run
            if counting is None and self._counts(run, minute):
                counting = run
        return counting

    def _runs_back_to(self, minute: datetime) -> Iterator[Run]:
        """Newest first. In history nothing that is older than an older slot's run can count it."""
        yield from self.recent
        seen = {run.id for run in self.store.runs.all()}
        for run in self.store.every_run():
            if run.id not in seen and run.task_id == self.task.id:
                yield run
                if run.trigger in _CLOCK and (run.last_slot or run.scheduled_time) < minute:
                    return

    def _counts(self, run: Run, minute: datetime) -> bool:
        """Whether the slot is one of those the run's record counts, later or earlier ones."""
        if run.trigger not in _CLOCK or not run.missed_slots:
            return False
        if run.last_slot and run.scheduled_time < minute <= run.last_slot:
            return True
        if not self.task.active_since < minute < run.scheduled_time or self._slot(minute) is None:
            return False
        schedule, own = self.task.schedule, run.scheduled_time
        later = passed(schedule, own, run.last_slot)[0] if run.last_slot else 0
        between, _ = passed(schedule, minute - _INSTANT, own - _INSTANT)
        earlier = run.missed_slots - later
        # Counting ends at a hundred, so that many may stand for more.
        return between <= earlier or earlier >= COUNTED - 1

    def _slot(self, minute: datetime) -> datetime | None:
        """The task's slot that lies in this minute."""
        slot = next_slot(self.task.schedule, minute - _INSTANT)
        return slot if slot is not None and slot < minute + _MINUTE else None

    def _uncovered(self, minute: datetime) -> Iterator[str]:
        """What speaks against the slot, the first that applies."""
        task, slot = self.task, self._slot(minute)
        waits = waits_for(task.schedule)
        if waits:
            yield f"The task has no slots: it waits {waits}; no run began in that minute."
        elif (slot or minute) <= task.active_since:
            yield (
                f"Its schedule counts from {self.say(task.active_since)} on, when it was created, "
                "enabled or changed; what came before is not run."
            )
        elif slot is None:
            yield "That is no slot of its schedule."
            yield from self._nearest(minute)
        elif not _within(task, slot):
            yield "It lies outside the task's not_before and until."
        elif not task.enabled:
            yield f"The task is disabled, since {self.say(task.active_since)}."
        elif minute > self.now:
            yield from self._to_come(minute)
        else:
            yield from self._without_record(minute)

    def _nearest(self, minute: datetime) -> Iterator[str]:
        _, before = passed(self.task.schedule, minute - _FAR, minute)
        after = next_slot(self.task.schedule, minute)
        near = " and ".join(self.say(one) for one in (before, after) if one)
        yield f"Its schedule is {meaning(self.task.schedule)}; near it are {near or 'no slots'}."

    def _to_come(self, minute: datetime) -> Iterator[str]:
        waiting = self.waiting[0] if self.waiting else None
        what, why = Outlook(self.task, waiting, 0, self.now, self.say).expected(minute)
        yield f"It has not come yet; as things stand: {what} ({why})."
        yield from _ticks(self.store, self.now)

    def _without_record(self, minute: datetime) -> Iterator[str]:
        decided = self._decided()
        if decided is None or decided < minute:
            yield "No tick has decided it yet; the next one does."
            yield from _ticks(self.store, self.now)
        elif self.store.knows_run(key.for_slot(self.task.id, minute)):
            yield "Its run was deleted."
        elif not allowed(self.task, minute):
            yield f"It lies outside the hours in which the task may start: {hours(self.task)}."
        else:
            yield "It was decided, but no record of it is left."

    def _decided(self) -> datetime | None:
        entries = {entry["id"]: entry for entry in self.store.cursors.read().records}
        try:
            return instant.parse(str(entries.get(self.task.id, {}).get("slot")))
        except ValueError:
            return None


def _within(task: Task, slot: datetime) -> bool:
    after, until = within_bounds(task, slot - _INSTANT, slot)
    return after < slot <= until
