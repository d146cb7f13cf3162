"""Why one slot of a task ran or did not: which record covers it, else what speaks against it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from ccs import instant
from ccs.model import key
from ccs.model.run import Run
from ccs.model.task import Task
from ccs.report.case import Case, ticks
from ccs.report.forecast import Outlook, hours, meaning, waits_for
from ccs.report.reasons import SENTENCES, sentence
from ccs.schedule.due import allowed, within_bounds
from ccs.schedule.slots import COUNTED, next_slot, passed

_CLOCK = ("schedule", "catch_up")
_INSTANT = timedelta(microseconds=1)
_MINUTE = timedelta(minutes=1)
_FAR = timedelta(days=400)


class OneSlot(Case):
    def lines(self, minute: datetime) -> Iterator[str]:
        found = self._covering(minute) if minute <= self.now else None
        if found is None:
            yield from self._uncovered(minute)
        elif instant.minute(found.scheduled_time) == minute:
            yield self.held(found) if found.status == "upcoming" else sentence(found)
            yield from self.details(found)
        elif found.scheduled_time < minute:
            yield from self._counted_later(found)
        else:
            own = self.say(found.scheduled_time)
            yield f"{SENTENCES['skipped', 'missed']} It was counted into the run of {own}."
            yield f"Of that run: {sentence(found)}"
            yield from self.details(found)

    def _counted_later(self, run: Run) -> Iterator[str]:
        first = self.say(run.scheduled_time)
        if run.status == "skipped":
            yield sentence(run)
            yield f"It is one of {run.missed_slots + 1} slots in one record, the first of {first}."
        else:
            yield f"It did not run by itself: it was counted into the run of {first}, which waited."
            yield f"Of that run: {sentence(run)}"
        yield from self.details(run)

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
        if run.last_slot and run.scheduled_time < minute <= run.last_slot:
            return self._slot(minute) is not None
        if run.trigger not in _CLOCK or not run.missed_slots:
            return False
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
        yield from ticks(self.store, self.now)

    def _without_record(self, minute: datetime) -> Iterator[str]:
        decided = self._decided()
        if decided is None or decided < minute:
            yield "No tick has decided it yet; the next one does."
            yield from ticks(self.store, self.now)
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
