"""Learning from a client used by hand: its status line, and its turns that fail."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from usage_words import HOUR, MINUTE, WEEKLY, epoch, failed, line, stamp, used, windows

from ccs import instant
from ccs.engine import statusline
from ccs.errors import BrokenStore
from ccs.store.home import Home
from ccs.store.lock import Lock
from ccs.store.store import Store
from ccs.usage import ledger
from ccs.usage.windows import Reading


class TestStatusLine:
    def test_what_is_no_news_is_not_written(self, home, now):
        assert statusline.record(home, "default", line(now), now)
        before = stamp(home)
        assert not statusline.record(home, "default", line(now), now + MINUTE)
        assert stamp(home) == before
        assert statusline.record(home, "default", line(now, 41), now + MINUTE)
        assert used(home, now) == 0.41

    def test_that_it_still_holds_is_news_after_a_while(self, home, now):
        statusline.record(home, "default", line(now), now)
        later = now + 6 * MINUTE
        assert statusline.record(home, "default", line(now), later)
        assert windows(home, later)["five_hour"].best.seen_at == later

    def test_all_windows_are_one_write(self, home, now):
        ahead = epoch(now + HOUR)
        both = {n: {"used_percentage": 9, "resets_at": ahead} for n in ("five_hour", "seven_day")}
        statusline.record(home, "a", json.dumps({"rate_limits": both}).encode(), now)
        assert sorted(windows(home, now, "a")) == ["five_hour", "seven_day"]
        assert not os.path.exists(home.usage + ".prev")

    def test_no_store_is_made_for_nothing(self, tmp_path, now):
        home = Home(str(tmp_path / "new"))
        assert not statusline.record(home, "default", b"{}", now)
        assert not statusline.hook(home, "default", failed("overloaded"), now)
        assert not os.path.exists(home.path)

    def test_a_store_that_is_made_is_private(self, tmp_path, now):
        home = Home(str(tmp_path / "new"))
        assert statusline.record(home, "default", line(now), now)
        modes = {stat.S_IMODE(os.stat(path).st_mode) for path in (home.path, home.file("locks"))}
        assert modes == {0o700}

    def test_less_use_of_the_same_window_is_an_old_sessions_memory(self, home, now):
        statusline.record(home, "default", line(now, 60), now)
        assert not statusline.record(home, "default", line(now, 20), now + MINUTE)
        assert used(home, now) == 0.6
        assert statusline.record(home, "default", line(now, 59), now + MINUTE)  # rounded otherwise

    def test_it_is_believed_after_an_hour_for_a_window_may_be_reset_early(self, home, now):
        statusline.record(home, "default", line(now, 60), now)
        later = now + HOUR + MINUTE
        assert statusline.record(home, "default", line(now, 20), later)
        assert used(home, later) == 0.2

    def test_less_use_of_the_next_window_is_news(self, home, now):
        statusline.record(home, "default", line(now, 90, ahead=5 * MINUTE), now)
        later = now + 10 * MINUTE
        assert statusline.record(home, "default", line(later, 1, ahead=5 * HOUR), later)
        assert used(home, later) == 0.01

    def test_the_window_before_is_no_news(self, home, now):
        statusline.record(home, "default", line(now, 1, "seven_day", ahead=160 * HOUR), now)
        later = now + MINUTE
        assert not statusline.record(home, "default", line(now, 80, "seven_day", HOUR), later)

    def test_an_old_sessions_memory_lifts_no_refusal(self, home, now):
        statusline.hook(home, "default", failed("rate_limit", WEEKLY), now)
        ahead = windows(home, now)["seven_day"].resets_at - now
        statusline.record(home, "default", line(now, 70, "seven_day", ahead), now + 10 * MINUTE)
        assert windows(home, now)["seven_day"].rejected

    def test_a_guess_is_outdone_by_anything(self, home, now):
        late = Reading("estimate", now, None, 0.9, now + 5 * HOUR)
        Store(home).ledger.update(
            "default", lambda one: ledger.observe(one, "five_hour", late, now)
        )
        assert statusline.record(home, "default", line(now, 3), now)
        assert used(home, now) == 0.03

    def test_a_broken_ledger_is_told_to_the_caller_and_left_alone(self, home, now):
        Path(home.usage).write_text("{")
        os.chmod(home.usage, 0o600)
        with pytest.raises(BrokenStore):
            statusline.record(home, "default", line(now), now)
        assert Path(home.usage).read_text() == "{"

    def test_nobody_is_waited_for_when_there_is_no_news(self, home, now):
        statusline.record(home, "default", line(now), now)
        with Lock(home.usage_lock) as lock:
            assert lock.acquire()
            assert not statusline.record(home, "default", line(now), now)


class TestHook:
    def test_a_limit_is_a_refusal_of_its_window(self, home, now):
        assert statusline.hook(home, "work", failed("rate_limit", WEEKLY), now)
        window = windows(home, now, "work")["seven_day"]
        assert (window.best.source, window.utilization) == ("hook", 1.0)
        assert instant.text(window.refused_until) == "2026-11-23T22:32:00.000Z"

    def test_a_limit_of_no_named_window_is_one_of_five_hours(self, home, now):
        message = "You've hit your limit · resets 3pm (UTC)"
        statusline.hook(home, "default", failed("rate_limit", message), now)
        assert instant.text(windows(home, now)["five_hour"].refused_until).startswith(
            "2026-11-20T15:00"
        )

    def test_a_reset_lies_at_most_a_window_ahead(self, home, now):
        message = "You've hit your 5-hour limit · resets Nov 27 at 9pm (UTC)"
        statusline.hook(home, "default", failed("rate_limit", message), now)
        assert windows(home, now)["five_hour"].refused_until == now + 5 * HOUR

    @pytest.mark.parametrize(
        ("error", "message", "reason"),
        [
            ("authentication_failed", "Not logged in · Please run /login", "auth"),
            ("oauth_org_not_allowed", None, "auth"),
            ("billing_error", "Credit balance is too low", "billing"),
            ("rate_limit", "You've hit your monthly spend limit", "billing"),
        ],
    )
    def test_a_broken_login_or_purse_is_an_outage_with_one_alarm(
        self, home, now, error, message, reason
    ):
        assert statusline.hook(home, "default", failed(error, message), now)
        assert not statusline.hook(home, "default", failed(error, message), now + MINUTE)
        found = Store(home).ledger.account("default")
        assert found["outage"]["reason"] == reason
        assert len(found["alarms"]) == 1

    def test_an_unknown_text_is_an_alarm_once(self, home, now):
        for minute in range(3):
            text = failed("rate_limit", "Your allotment is exhausted")
            statusline.hook(home, "default", text, now + minute * MINUTE)
        found = Store(home).ledger.account("default")
        [alarm] = found["alarms"]
        assert alarm["kind"] == "unknown_text"
        assert "allotment" in alarm["message"]
        assert found["windows"] == {}

    def test_the_users_own_texts_are_known(self, home, now):
        own = {"id": "mine", "kind": "limit", "window": "seven_day", "pattern": "Your allotment"}
        own |= {"example": "Your allotment is exhausted", "since": "now"}
        Path(home.limit_texts).write_text(json.dumps({"format": 1, "texts": [own]}))
        os.chmod(home.limit_texts, 0o600)
        text = failed("rate_limit", "Your allotment is exhausted")
        assert statusline.hook(home, "default", text, now)
        assert windows(home, now)["seven_day"].rejected

    @pytest.mark.parametrize(
        "text",
        [
            failed("overloaded", "API Error: 529 Overloaded."),
            failed("server_error", WEEKLY),
            failed("invalid_request", WEEKLY),
            failed(
                "rate_limit",
                "API Error: Server is temporarily limiting requests (not your usage limit) · x",
            ),
            failed("rate_limit", "You've used 98% of your session limit · resets 8:40pm (UTC)"),
            failed("rate_limit"),
            failed("rate_limit", ""),
            failed("rate_limit", ["a"]),
            failed(None, WEEKLY),
            failed(["rate_limit"], WEEKLY),
            # the words of a model, in a turn that ended well
            failed("rate_limit", WEEKLY, hook_event_name="Stop"),
            json.dumps({"error": "rate_limit", "transcript": WEEKLY, "prompt": WEEKLY}).encode(),
            b"",
            b"[]",
            b"{",
            b"\xff",
        ],
    )
    def test_nothing_else_is_learnt_from(self, home, now, text):
        assert not statusline.hook(home, "default", text, now)
        assert not os.path.exists(home.usage)
