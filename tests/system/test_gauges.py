"""Usage windows in lines for people: what they say, and that they fit the terminal."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from ccs import instant
from ccs.cli.gauges import Gauges

NOW = datetime(2026, 11, 20, 10, 0, 30, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
RUN = "7a5c0001-0000-4000-8000-000000000000"


def reading(source, used=None, resets=None, age=MINUTE, status=None):
    return {
        "source": source,
        "status": status,
        "utilization": used,
        "resets_at": resets and instant.text(NOW + resets),
        "seen_at": instant.text(NOW - age),
    }


def view(*readings, name="five_hour", state="ok", note=None, alarms=(), parked=(), **fields):
    best = readings[0] if readings else {}
    window = {"window": name, "note": note, **best, "readings": readings}
    window["guessed"] = best.get("source") in ("estimate", "ccusage")
    return {
        **{"account": "default", "state": state, "since": None, "until": None, "reason": None},
        **{"message": None, "windows": [window] if readings else [], "parked": parked},
        **{"alarms": alarms, **fields},
    }


@pytest.fixture(autouse=True)
def zone(monkeypatch):
    """`zone(name)`: where the machine is. UTC until told."""

    def moved(name):
        monkeypatch.setenv("TZ", name)
        time.tzset()

    moved("UTC")
    yield moved
    monkeypatch.undo()
    time.tzset()


def shown(view, width=80, encoding="utf-8"):
    lines = list(Gauges(NOW, width, encoding).account(view))
    assert max(map(len, lines)) <= width
    return "\n".join(lines)


def test_a_window_is_a_bar_a_reset_and_who_says_so():
    found = shown(view(reading("event", 0.45, 130 * MINUTE, 3 * MINUTE)), 100)
    assert found == (
        "default: ok\n"
        "  five_hour █████████░░░░░░░░░░░  45%  resets 12:10 (in 2h 10m)  from event, 3m ago"
    )


def test_times_are_those_of_the_place(zone):
    zone("Asia/Tokyo")
    assert "resets 21:00 (in 1h 59m)" in shown(view(reading("event", 0.1, 2 * HOUR - MINUTE / 2)))
    assert "resets Sat 00:00 (in 4h 59m)" in shown(
        view(reading("event", 0.1, 5 * HOUR - MINUTE / 2))
    )


def test_in_eighty_columns_and_in_ascii():
    name = "seven_day_overage_included"
    found = shown(view(reading("status_line", 0.45, 130 * HOUR), name=name), 80, "ascii")
    assert found.splitlines()[1:] == [
        "  seven_day_overage_i… #########-----------  45%  resets Wed 20:00 (in 5d 10h)",
        "                       from status_line, 1m ago",
    ]


@pytest.mark.parametrize(
    ("used", "cells", "percent"),
    [
        (0.0, 0, "  0%"),
        (0.001, 1, "  0%"),
        (0.29, 6, " 29%"),
        (0.5, 10, " 50%"),
        (0.9999, 19, " 99%"),
        (1.0, 20, "100%"),
        (None, 0, "   ?"),
    ],
)
def test_what_is_not_quite_full_does_not_look_it(used, cells, percent):
    found = shown(view(reading("event", used)), 80, "latin-1").splitlines()[1]
    assert found.startswith(f"  five_hour {'#' * cells}{'-' * (20 - cells)} {percent}")


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (reading("status_line", 0.5, 2 * HOUR), "but status_line said 50%, resets 12:00"),
        (reading("refresh", 0.41, 2 * HOUR + 11 * MINUTE), "but refresh said 41%"),
        (reading("hook", 1.0, None, 2 * HOUR), "but hook said 100%  2h ago"),
        (reading("status_line", 0.44, 2 * HOUR + 9 * MINUTE), None),
        (reading("status_line", 0.9, -MINUTE), None),
        (reading("status_line", None, 2 * HOUR), None),
        (reading("estimate", None, 4 * HOUR), None),
        (reading("ccusage", 0.9, 4 * HOUR), None),
    ],
)
def test_another_source_is_shown_when_it_says_something_else(other, words):
    found = shown(view(reading("event", 0.4, 2 * HOUR), other), 100)
    assert ("but" in found) == (words is not None)
    assert words is None or words in found


def test_guesses_are_marked():
    found = shown(view(reading("estimate", None, HOUR)))
    assert "an estimate, 1m ago" in found
    found = shown(view(reading("ccusage", None, HOUR), reading("event", 0.1, HOUR)))
    assert "an estimate by ccusage" in found
    assert "but" not in found


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"state": "limited", "until": "2026-11-20T12:00:00.000Z"},
            "default: limited, used up until 12:00 (in 1h 59m)",
        ),
        (
            {"state": "outage", "since": "2026-11-19T08:00:00.000Z", "reason": "auth"},
            "default: outage since Thu 08:00, one run an hour tries: auth",
        ),
        (
            {"state": "overage", "since": "2026-11-01T08:00:00.000Z"},
            "default: living on paid credits since 01 Nov 08:00",
        ),
        ({"state": "unproven"}, "default: unproven: the reset has come, one run tries first"),
        ({"state": "outage", "since": 7, "reason": []}, "since an unknown time"),
        ({"account": "/a/very/long/way" * 20, "state": "ok"}, "/a/very/long/way/a/very"),
    ],
)
def test_how_the_account_stands_comes_first(fields, words):
    assert shown(view(**fields)).startswith(words[:75]) or words in shown(view(**fields))


def test_what_waits_and_what_was_alarming_come_after():
    run = {"run_id": RUN, "task_name": "nightly\x1b[2J", "reason": "limit"}
    run["not_before"] = instant.text(NOW + 3 * HOUR)
    alarms = [
        {"kind": "parked", "at": instant.text(NOW), "message": f"{number} " + "word " * 30}
        for number in range(7)
    ]
    found = shown(view(parked=[run, {**run, "not_before": None}], alarms=alarms))
    assert "waiting: nightly (limit, not before 13:00 (in 3h)) 7a5c0001" in found
    assert "waiting: nightly (limit) 7a5c0001" in found
    assert "2 older alarms" in found
    assert "alarm 10:00: 2 word" in found
    assert "alarm 10:00: 1 word" not in found
    assert found.endswith("once seen: ccs usage clear default")
