"""Ticks driven minute by minute through nights on which the clocks change, against the oracle."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from histories import task, uid

sys.path.insert(0, str(Path(__file__).parent.parent / "schedule"))
from oracle import fires

EXPRESSIONS = ["*/10 * * * *", "30 1 * * *", "30 2 * * *", "0 3 * * *", "5-50/15 1 * * *"]
# zone, a UTC time before the change, hours
NIGHTS = [
    ("Europe/London", "2026-03-29T00:30", 3),
    ("Europe/London", "2026-10-25T00:10", 3),
    ("Europe/Berlin", "2026-03-29T00:10", 3),
    ("Europe/Berlin", "2026-10-24T23:40", 3),
    ("America/New_York", "2026-03-08T05:50", 3),
    ("America/New_York", "2026-11-01T04:50", 3),
    ("Australia/Lord_Howe", "2026-04-04T14:00", 3),
    ("Australia/Lord_Howe", "2026-10-03T14:30", 3),
]


@pytest.mark.parametrize(("zone", "start", "hours"), NIGHTS)
def test_a_night_of_ticks_launches_what_cron_would_once_each(store, ticks, zone, start, hours):
    begin = datetime.fromisoformat(start).replace(tzinfo=UTC)
    end = begin + timedelta(hours=hours)
    store.write_settings(store.settings().changed(max_concurrent_tasks=50))
    for number, expression in enumerate(EXPRESSIONS, 1):
        one = task(number, cron=None, born=begin - timedelta(minutes=1))
        schedule = {"schedule_type": "cron", "cron": expression, "timezone": zone}
        store.tasks.put(one.changed(schedule=schedule))
    seen = []
    moment = begin
    while moment < end:
        for run_id in ticks.tick(moment).launched:
            run = ticks.begin(run_id)
            assert run.trigger == "schedule"
            seen.append((run.scheduled_time, run.task_id))
            ticks.end(run_id)
        moment += timedelta(minutes=1)
    expected = []
    for number, expression in enumerate(EXPRESSIONS, 1):
        for slot in fires(expression, ZoneInfo(zone), begin - timedelta(minutes=1)):
            if slot >= end:
                break
            expected.append((slot, uid(number)))
    assert sorted(seen) == sorted(expected)
