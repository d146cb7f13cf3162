"""What adds up from many sources: who is believed, what lifts a refusal, what breaks nothing."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccs.claude.events import limit_facts
from ccs.usage import gate, ledger, windows
from ccs.usage.gate import Begun, Terms
from ccs.usage.parking import resume_at
from ccs.usage.window import Window, windows_of
from ccs.usage.windows import Reading

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
RESET = NOW + 2 * HOUR


def known(*readings, window="five_hour", **fields):
    account = {**ledger.empty("default"), **fields}
    for one in readings:
        ledger.observe(account, window, one, one.seen_at)
    return account


def of(account, now=NOW, window="five_hour"):
    return windows_of(account, now)[window]


def refusal(source="event", seen=NOW, resets=RESET):
    return Reading(source, seen, "rejected", 1.0, resets)


class TestWhoIsBelieved:
    def test_the_better_source_while_both_are_fresh(self):
        account = known(
            Reading("event", NOW - MINUTE, "allowed", 0.5, RESET),
            Reading("status_line", NOW, None, 0.4, RESET),
        )
        assert of(account).utilization == 0.5
        assert [one.source for one in of(account).readings] == ["event", "status_line"]

    def test_the_fresher_one_after_a_while(self):
        account = known(
            Reading("event", NOW - HOUR, "allowed", 0.5, RESET),
            Reading("status_line", NOW, None, 0.7, RESET),
        )
        assert of(account).utilization == 0.7

    @pytest.mark.parametrize("source", windows.GUESSES)
    def test_a_guess_never_outdoes_what_was_told(self, source):
        account = known(
            Reading("message", NOW - 4 * HOUR, None, 0.5, RESET),
            Reading(source, NOW, None, None, RESET + HOUR),
        )
        assert of(account).resets_at == RESET

    def test_what_a_wrong_clock_wrote_yields_to_whatever_arrives(self):
        account = known(Reading("event", NOW + 400 * HOUR, "allowed", 0.9, NOW + 404 * HOUR))
        ledger.observe(account, "five_hour", Reading("estimate", NOW, None, None, RESET), NOW)
        assert [one.source for one in of(account).readings] == ["estimate"]

    def test_the_same_again_is_no_news(self):
        account = known(Reading("status_line", NOW, None, 0.4, RESET))
        for minute in range(1, 5):
            again = Reading("status_line", NOW + minute * MINUTE, None, 0.4, RESET)
            assert not ledger.observe(account, "five_hour", again, again.seen_at)
        later = Reading("status_line", NOW + 5 * MINUTE, None, 0.4, RESET)
        assert ledger.observe(account, "five_hour", later, later.seen_at)

    def test_no_program_can_fill_the_ledger_with_windows(self):
        account = known()
        for number in range(1000):
            ledger.observe(account, f"w{number}", Reading("event", NOW, "allowed"), NOW)
        assert len(account["windows"]) == 30


class TestRefusals:
    def test_it_holds_until_the_reset_and_is_unproven_after_it(self):
        account = known(refusal())
        assert of(account).refused_until == RESET
        after = of(account, RESET + MINUTE)
        assert (after.refused_until, after.unproven, after.rejected) == (None, True, True)

    def test_an_answer_to_a_later_run_lifts_it(self):
        account = known(refusal())
        assert ledger.answered(account, "sonnet", NOW + MINUTE, NOW + 2 * MINUTE)
        assert not of(account, NOW + 2 * MINUTE).rejected

    def test_an_answer_to_an_earlier_run_does_not_before_the_reset(self):
        account = known(refusal())
        assert not ledger.answered(account, "sonnet", NOW - MINUTE, NOW + MINUTE)
        assert of(account, NOW + MINUTE).refused_until == RESET
        assert ledger.answered(account, "sonnet", NOW - MINUTE, RESET + MINUTE)
        assert not of(account, RESET + MINUTE).rejected

    def test_an_answer_from_another_model_lifts_only_what_counts_that_model(self):
        account = known(refusal(), window="seven_day_opus")
        assert not ledger.answered(account, "sonnet", NOW + MINUTE, NOW + 2 * MINUTE)
        assert ledger.answered(account, "claude-opus-4-5", NOW + MINUTE, NOW + 2 * MINUTE)

    def test_refused_again_after_an_answer_it_counts_again(self):
        account = known(refusal())
        ledger.answered(account, "sonnet", NOW + MINUTE, NOW + MINUTE)
        again = refusal(seen=NOW + 2 * MINUTE)
        assert ledger.observe(account, "five_hour", again, again.seen_at)
        assert of(account, NOW + 2 * MINUTE).refused_until == RESET

    @pytest.mark.parametrize("source", ["hook", "transcript", "message"])
    def test_a_lesser_source_that_comes_later_is_believed(self, source):
        account = known(
            Reading("event", NOW - MINUTE, "allowed", 0.96, RESET), refusal(source, NOW)
        )
        assert of(account).refused_until == RESET

    @pytest.mark.parametrize("source", ["hook", "transcript", "message"])
    def test_one_that_was_answered_since_and_is_told_late_is_not(self, source):
        account = known(Reading("event", NOW, "allowed", 0.1, RESET))
        ledger.observe(account, "five_hour", refusal(source, NOW - HOUR), NOW)
        assert not of(account).rejected

    def test_of_the_window_after_it_whoever_tells_lifts_it(self):
        account = known(refusal(resets=NOW + HOUR))
        later = Reading("status_line", NOW + 2 * HOUR, None, 1.0, NOW + 6 * HOUR)
        ledger.observe(account, "five_hour", later, later.seen_at)
        assert not of(account, later.seen_at).rejected

    def test_whoever_asks_later_and_finds_room_lifts_it(self):
        account = known(refusal())
        found = Reading("refresh", NOW + HOUR, None, 0.1, RESET)
        ledger.observe(account, "five_hour", found, found.seen_at)
        assert not of(account, found.seen_at).rejected

    def test_a_share_told_with_an_older_run_s_answer_does_not(self):
        account = known(refusal())
        found = Reading("event", NOW + MINUTE, "allowed", 0.99, RESET)
        ledger.observe(account, "five_hour", found, found.seen_at)
        assert of(account, found.seen_at).refused_until == RESET

    def test_one_without_a_reset_holds_an_hour(self):
        account = known(refusal(resets=None))
        assert of(account).refused_until == NOW + HOUR

    def test_seen_in_the_future_it_is_lifted_by_what_arrives(self):
        account = known(refusal(seen=NOW + 3 * HOUR, resets=NOW + 4 * HOUR))
        assert ledger.answered(account, "x", NOW - HOUR, NOW)
        account = known(refusal(seen=NOW + 3 * HOUR, resets=NOW + 4 * HOUR))
        ledger.observe(account, "five_hour", Reading("event", NOW, "allowed", 0.1, RESET), NOW)
        assert not of(account).rejected

    @given(
        st.integers(-400 * 24, 400 * 24), st.integers(-400 * 24, 400 * 24),
        st.sampled_from(["five_hour", "seven_day", "seven_day_opus", "x"]),
    )  # fmt: skip
    def test_no_clock_makes_one_hold_longer_than_its_window_lasts(self, seen, resets, window):
        record = refusal(seen=NOW + seen * HOUR, resets=NOW + resets * HOUR).record()
        found = Window(window, {"refusal": record}, NOW)
        until = found.refused_until
        assert until is None or until <= NOW + windows.length(window) + HOUR


ABSURD = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**20), 10**20),
    st.floats(allow_nan=True, allow_infinity=True), st.text(max_size=8),
    st.sampled_from([0, -1, 1, 100, "1", "100", 32503680000, 10**400, "2026-11-20T12:00:00Z", ""]),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), st.integers()),
)  # fmt: skip
NAMES = st.sampled_from(
    ["five_hour", "seven_day", "seven_day_opus", "overage", "lunar_month", "", "\x00", "a" * 500]
)
TOLD = st.fixed_dictionaries(
    {},
    optional={
        "status": st.one_of(st.sampled_from(["allowed", "rejected", "allowed_warning"]), ABSURD),
        "rateLimitType": st.one_of(NAMES, ABSURD),
        "resetsAt": ABSURD,
        "utilization": ABSURD,
        "isUsingOverage": ABSURD,
        "overageStatus": ABSURD,
        "errorCode": ABSURD,
        "unifiedWindows": st.one_of(
            ABSURD,
            st.dictionaries(
                NAMES,
                st.one_of(
                    ABSURD,
                    st.fixed_dictionaries(
                        {}, optional={"utilization": ABSURD, "resetsAt": ABSURD, "status": ABSURD}
                    ),
                ),
                max_size=3,
            ),
        ),
    },
)


class TestWhateverIsTold:
    @given(st.lists(TOLD, max_size=4))
    def test_nothing_breaks_nothing_is_held_too_long_and_all_of_it_is_json(self, told):
        account = ledger.empty("default")
        for one in told:
            facts = limit_facts(one)
            assert facts is not None
            ledger.tell(account, facts, "sonnet", "event", NOW, NOW)
        kept = json.loads(json.dumps(account, allow_nan=False))
        for name, window in windows_of(ledger.sound(kept), NOW).items():
            assert window.utilization is None or 0 <= window.utilization <= 1
            longest = NOW + windows.length(name)
            assert window.refused_until is None or window.refused_until <= longest
            assert window.resets_at is None or NOW < window.resets_at <= longest
        hold = gate.held(ledger.sound(kept), Terms("0" * 8, "default"), [], NOW)
        week = NOW + windows.WEEK * 5 + 2 * gate.MARGIN
        assert hold is None or hold.until is None or hold.until <= week

    @given(ABSURD, st.booleans())
    def test_a_share_is_between_nothing_and_all(self, value, percent):
        found = windows.share(value, percent)
        assert found is None or 0 <= found <= 1
        assert found is None or not math.isnan(found)

    @pytest.mark.parametrize(
        ("told", "share"),
        [(0, 0), (1, 1), ("1", 1), (0.5, 0.5), (100, 1), (96, 0.96), ("0.3", 0.3), (1.2, 1)],
    )
    def test_a_share_however_it_is_written(self, told, share):
        assert windows.share(told) == share

    @pytest.mark.parametrize("told", [True, None, "x", -0.1, 2000, float("nan"), [], {}, "1e400"])
    def test_what_is_no_share(self, told):
        assert windows.share(told) is None

    @given(ABSURD, NAMES)
    def test_no_reset_lies_further_off_than_its_window_is_long(self, value, window):
        found = windows.reset(value, window, NOW)
        assert found is None or found <= NOW + windows.length(window)

    @given(
        st.one_of(st.none(), st.integers(-(10**6), 10**6)), st.integers(0, 10**6),
        st.one_of(st.none(), NAMES), st.floats(0, 3600),
    )  # fmt: skip
    def test_a_parked_run_tries_again_within_its_window(self, ahead, parks, window, margin):
        resets_at = None if ahead is None else NOW + ahead * MINUTE
        found = resume_at("ffffffff", window, resets_at, parks, NOW, margin)
        longest = windows.length(window or "five_hour") + timedelta(seconds=2 * margin)
        assert NOW <= found <= NOW + longest

    @pytest.mark.parametrize(
        "record",
        [
            {"id": "x", "windows": None},
            {"id": "x", "windows": {"five_hour": []}},
            {"id": "x", "windows": {"five_hour": {"readings": {}, "refusal": []}}},
            {"id": "x", "windows": {"five_hour": {"refusal": {"source": "event"}}}},
            {"id": "x", "windows": {"five_hour": {"refusal": {"status": "rejected"}}}},
            {"id": "x", "outage": [], "overage": 7, "alarms": "no", "cleared_at": 7},
            {"id": "x", "outage": {"tried_at": [], "since": 7}},
        ],
    )
    def test_what_a_hand_wrote_is_passed_over(self, record):
        account = ledger.sound(record)
        gate.held(account, Terms("0" * 8, "x"), [Begun(NOW, "x")], NOW)
        ledger.answered(account, "sonnet", NOW, NOW)
        ledger.observe(account, "five_hour", refusal(), NOW)
        assert of(account).refused_until == RESET


class TestJitter:
    @given(st.uuids())
    def test_it_is_the_task_s_own_and_at_most_the_margin_again(self, task):
        first = gate.spread(str(task), 90)
        assert first == gate.spread(str(task), 90)
        assert timedelta(seconds=90) <= first <= timedelta(seconds=180)

    def test_tasks_differ(self):
        found = {gate.spread(f"{number:08x}", 90) for number in range(0, 1 << 22, 1 << 16)}
        assert len(found) > 30
