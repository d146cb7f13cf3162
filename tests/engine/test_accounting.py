"""Every slot is accounted for, once: random histories of ticks, sleep, load and kills."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from histories import at, task, uid

from ccs.model import key
from ccs.schedule.plan import BY_SCHEDULE
from ccs.schedule.slots import COUNTED, passed

GAPS = [timedelta(minutes=m) for m in (2, 59, 61, 24 * 60 + 1)] + [
    timedelta(days=d) for d in (3, 8, 32, 400)
]


@pytest.mark.parametrize("policy", ["one", "none", "all"])
@pytest.mark.parametrize("gap", GAPS, ids=str)
def test_after_any_sleep_the_slots_add_up_and_few_run(store, ticks, gap, policy):
    store.tasks.put(task(cron="0 * * * *", catch_up=policy, overlap="queue"))
    ticks.tick("20 10:01")
    woke = at("20 10:01") + gap
    ticks.tick(woke)
    runs = store.runs.all()
    count, _ = passed(store.tasks.all()[0].schedule, at("20 10:00"), woke + timedelta(seconds=1))
    assert sum(1 + run.missed_slots for run in runs) == min(count, COUNTED)
    to_run = [run for run in runs if run.unfinished]
    assert len(to_run) <= {"one": 1, "none": 1, "all": 10}[policy]


@pytest.mark.parametrize("seed", range(8))
def test_no_slot_is_lost_and_none_is_launched_twice(store, ticks, seed):
    dice = random.Random(seed)
    store.write_settings(store.settings().changed(max_concurrent_tasks=2))
    policies = ["skip", "queue", "allow", "replace"]
    for number in (1, 2, 3):
        store.tasks.put(
            task(
                number,
                cron=dice.choice(["*/15 * * * *", "7 * * * *", "*/5 * * * *"]),
                overlap=dice.choice(policies),
                catch_up=dice.choice(["one", "none", "all"]),
                priority=dice.randrange(3),
            )
        )
    moment, going = at("20 10:00"), {}
    for _ in range(45):
        moment += timedelta(minutes=dice.choice([1, 1, 1, 2, 5, 16, 61, 200]))
        for run_id in ticks.tick(moment).launched:
            if run_id not in going and dice.random() < 0.9:  # else its supervisor was killed
                going[run_id] = ticks.begin(run_id).task_id
        for run_id in [one for one in going if dice.random() < 0.4]:
            del going[run_id]
            ticks.end(run_id)
    records = list(store.every_run())
    assert len({run.id for run in records}) == len(records)
    for number in (1, 2, 3):
        mine = [run for run in records if run.task_id == uid(number)]
        assert all(run.trigger in BY_SCHEDULE for run in mine)
        assert all(run.id == key.for_slot(run.task_id, run.scheduled_time) for run in mine)
        schedule = store.tasks.get(uid(number)).schedule
        slots = 0
        begin = at("20 10:00")
        while begin < moment:  # piece by piece: counting stops at a hundred
            end = min(begin + timedelta(hours=4), moment + timedelta(seconds=1))
            slots += passed(schedule, begin, end)[0]
            begin = end
        assert sum(1 + run.missed_slots for run in mine) == slots
