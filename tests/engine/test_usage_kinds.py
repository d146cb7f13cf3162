"""Schedules that go by a usage window, from the stateless tick: known, unknown, and after days."""

from __future__ import annotations

import pytest
from histories import at, task, uid
from nights import MINUTE, facts

from ccs.model.profile import Profile
from ccs.usage import ledger
from ccs.usage.windows import Reading


def by(kind, number=1, overlap="skip", **fields):
    return task(number, None, overlap=overlap).changed(schedule={"schedule_type": kind, **fields})


@pytest.fixture
def told(night):
    """A status line tells of a window."""

    def tell(used, resets, now, window="five_hour"):
        found = Reading("status_line", at(now), None, used, at(resets))
        night.store.ledger.update(
            "default", lambda one: ledger.observe(one, window, found, at(now))
        )

    return tell


def fires(night, first, last, step=1):
    """The minutes at which something was launched; it succeeds at once."""
    moment, seen = at(first), []
    while moment <= at(last):
        for run_id in night.tick(moment).launched:
            assert night.started(run_id)
            night.end(run_id, message=None)
            seen.append(f"{moment:%d %H:%M}")
        moment += step * MINUTE
    return seen


class TestUsageReset:
    def test_once_at_each_reset(self, night, told):
        night.store.tasks.put(by("usage_reset"))
        told(0.5, "20 12:00", "20 10:00")
        assert fires(night, "20 10:01", "20 13:00") == ["20 12:00"]
        told(0.1, "20 17:20", "20 13:00")
        assert fires(night, "20 13:01", "20 18:00") == ["20 17:20"]

    def test_so_long_after_it(self, night, told):
        night.store.tasks.put(by("usage_reset", offset="10m"))
        told(0.5, "20 12:00", "20 10:00")
        assert fires(night, "20 10:01", "20 13:00") == ["20 12:10"]

    def test_a_reset_that_is_told_a_little_differently_is_the_same_one(self, night, told):
        night.store.tasks.put(by("usage_reset"))
        told(0.5, "20 12:00", "20 10:00")
        assert fires(night, "20 10:01", "20 11:58") == []
        told(0.6, "20 12:01", "20 11:59")
        assert fires(night, "20 11:59", "20 13:00") == ["20 12:01"]

    def test_after_days_of_downtime_once_and_it_says_what_it_assumes(self, night, told):
        night.store.tasks.put(by("usage_reset"))
        told(0.5, "20 12:00", "20 10:00")
        night.tick("20 10:01")
        done = night.tick("24 09:00")
        assert night.started(done.launched[0])
        night.end(done.launched[0], message=None)
        assert "nobody told of the five_hour window since" in done.notes[0]
        assert fires(night, "24 09:01", "24 10:00") == []

    def test_nothing_known_it_runs_at_once_and_then_each_length_of_the_window(self, night):
        night.store.tasks.put(by("usage_reset"))
        done = night.tick("20 10:01")
        assert len(done.launched) == 1
        assert "taken to have just reset" in done.notes[0]
        assert night.started(done.launched[0])
        night.end(done.launched[0], message=None)
        assert fires(night, "20 10:02", "20 21:00") == ["20 15:01", "20 20:01"]

    def test_a_weekly_window(self, night, told):
        night.store.tasks.put(by("usage_reset", window="seven_day"))
        told(0.5, "22 08:00", "20 10:00", "seven_day")
        assert fires(night, "20 10:01", "22 09:00", step=7) == ["22 08:06"]

    def test_a_weekly_reset_missed_while_the_machine_was_off(self, night, told):
        night.store.tasks.put(by("usage_reset", window="seven_day"))
        told(0.5, "22 08:00", "20 10:00", "seven_day")
        night.tick("20 10:01")
        assert fires(night, "25 10:00", "25 11:00") == ["25 10:00"]


class TestWhenAvailable:
    def test_as_soon_as_there_is_room_once_a_window(self, night, told):
        night.store.tasks.put(by("when_available", headroom=30))
        told(0.9, "20 12:00", "20 10:00")
        assert fires(night, "20 10:01", "20 11:59") == []
        told(0.6, "20 17:00", "20 12:05")
        assert fires(night, "20 12:05", "20 12:30") == ["20 12:05"]
        told(0.2, "20 17:00", "20 12:31")
        assert fires(night, "20 12:31", "20 16:59") == []

    def test_room_is_what_the_headroom_says(self, night, told):
        night.store.tasks.put(
            by("when_available", 1, headroom=30), by("when_available", 2, headroom=31)
        )
        told(0.7, "20 12:00", "20 10:00")
        [run_id] = night.tick("20 10:01").launched
        assert night.store.runs.get(run_id).task_id == uid(1)

    def test_no_window_is_open_so_it_is_free(self, night):
        night.store.tasks.put(by("when_available"))
        done = night.tick("20 10:01")
        assert len(done.launched) == 1
        assert "taken to be free" in done.notes[0]
        assert night.started(done.launched[0])
        night.hears(done.launched[0], facts("allowed", used=0.1, resets=at("20 15:00")))
        night.end(done.launched[0], message=None)
        assert fires(night, "20 10:02", "20 14:59") == []

    def test_a_refused_window_has_no_room(self, night, told):
        night.store.tasks.put(by("when_available"))
        found = Reading("hook", at("20 10:00"), "rejected", 1.0, at("20 12:00"))
        night.store.ledger.update(
            "default", lambda one: ledger.observe(one, "five_hour", found, at("20 10:00"))
        )
        assert fires(night, "20 10:01", "20 11:59") == []


class TestBeforeReset:
    def test_with_the_lead_and_below_the_share_only(self, night, told):
        night.store.tasks.put(by("before_reset", lead="45m", below=80))
        told(0.5, "20 12:00", "20 10:00")
        assert fires(night, "20 10:01", "20 11:59") == ["20 11:15"]

    def test_what_is_used_up_is_not_added_to(self, night, told):
        night.store.tasks.put(by("before_reset", below=80))
        told(0.8, "20 12:00", "20 10:00")
        assert fires(night, "20 10:01", "20 12:30") == []

    def test_nothing_known_it_does_nothing_and_says_why(self, night):
        night.store.tasks.put(by("before_reset"))
        assert fires(night, "20 10:01", "20 10:30") == []

    def test_it_is_late_and_there_is_still_time(self, night, told):
        night.store.tasks.put(by("before_reset"))
        told(0.5, "20 12:00", "20 10:00")
        assert fires(night, "20 11:50", "20 11:55") == ["20 11:50"]

    def test_it_is_too_late(self, night, told):
        night.store.tasks.put(by("before_reset"))
        told(0.5, "20 12:00", "20 10:00")
        assert fires(night, "20 12:00", "20 12:30") == []

    def test_held_past_the_reset_it_is_given_up(self, night, told):
        """In the fresh window it would use what was to be kept."""
        night.store.tasks.put(by("before_reset"))
        told(0.5, "20 12:00", "20 10:00")
        night.tick("20 10:01")
        other = Reading("hook", at("20 11:14"), "rejected", 1.0, at("20 13:00"))
        night.store.ledger.update(
            "default", lambda one: ledger.observe(one, "seven_day", other, at("20 11:14"))
        )
        night.tick("20 11:15")
        [waiting] = night.runs
        assert waiting.held_reason == "limit"
        night.tick("20 12:00")
        found = night.store.runs.get(waiting.id)
        assert (found.status, found.reason) == ("skipped", "expired")


class TestMarks:
    @pytest.mark.parametrize("kind", ["usage_reset", "when_available", "before_reset"])
    def test_one_from_a_wrong_clock_does_not_stop_the_schedule(self, night, told, kind):
        night.store.tasks.put(by(kind))
        entry = {"id": uid(1), "window_reset": "2027-11-20T10:00:00.000Z"}
        night.store.cursors.write(night.store.cursors.read(), [entry])
        told(0.5, "20 12:00", "20 10:00")
        assert fires(night, "20 10:01", "20 12:05") != []

    @pytest.mark.parametrize("kind", ["usage_reset", "when_available"])
    def test_a_kill_before_the_cursor_moved_doubles_nothing(self, night, monkeypatch, kind):
        """Nothing is known of the window, so the mark is another one each minute."""
        night.store.tasks.put(by(kind, overlap="allow"))
        with monkeypatch.context() as broken:
            broken.setattr("ccs.engine.tick._Tick._move_cursors", killed)
            with pytest.raises(KeyboardInterrupt):
                night.tick("20 10:01")
        night.tick("20 10:02")
        night.tick("20 10:03")
        assert len(night.runs) == 1


def killed(*_):
    raise KeyboardInterrupt


class TestAnchor:
    def test_held_for_longer_than_its_grace_it_is_given_up(self, night):
        night.store.tasks.put(by("anchor", anchor_time="06:00"))
        night.tick("21 05:00")
        other = Reading("hook", at("21 05:30"), "rejected", 1.0, at("21 12:00"))
        night.store.ledger.update(
            "default", lambda one: ledger.observe(one, "seven_day", other, at("21 05:30"))
        )
        night.tick("21 06:00")
        [waiting] = night.runs
        assert waiting.held_reason == "limit"
        night.tick("21 07:02")
        assert night.store.runs.get(waiting.id).reason == "expired"

    def test_it_opens_a_window_unless_one_is_open(self, night, told):
        night.store.tasks.put(by("anchor", anchor_time="06:00"))
        assert fires(night, "21 05:55", "21 06:05") == ["21 06:00"]
        told(0.2, "22 08:00", "22 05:00")
        assert fires(night, "22 05:55", "22 06:05") == []
        last = night.runs[-1]
        assert (last.status, last.reason) == ("skipped", "open")

    def test_opening_one_at_noon_is_not_what_was_meant(self, night):
        """The machine woke hours late."""
        night.store.tasks.put(by("anchor", anchor_time="06:00"))
        night.tick("21 05:00")
        assert night.tick("21 12:00").launched == []

    def test_half_an_hour_late_still_serves(self, night):
        night.store.tasks.put(by("anchor", anchor_time="06:00"))
        night.tick("21 05:00")
        assert len(night.tick("21 06:30").launched) == 1


def idle(night, moment, monkeypatch):
    """Whether the cheap look would leave it at that."""
    from ccs import __version__
    from ccs.store import agenda

    monkeypatch.setattr(agenda.time, "time", lambda: at(moment).timestamp())
    return agenda.idle(night.store.home.path, __version__)


class TestTheCheapLook:
    def parked(self, night):
        night.store.tasks.put(task(1, "15 10 * * *"))
        [run_id] = night.tick("20 10:15").launched
        assert night.started(run_id)
        night.hears(run_id, facts("rejected", used=1, resets=at("20 10:50")))
        night.meet_limit(run_id, at("20 10:50"))
        night.tick("20 10:16")

    def test_it_sleeps_while_a_run_is_parked_and_wakes_for_it(self, night, monkeypatch):
        self.parked(night)
        assert idle(night, "20 10:17", monkeypatch)
        assert idle(night, "20 10:50", monkeypatch)
        assert not idle(night, "20 10:52", monkeypatch)

    def test_news_of_the_window_wake_it(self, night, told, monkeypatch):
        self.parked(night)
        told(0.1, "20 15:40", "20 10:20")
        assert not idle(night, "20 10:20", monkeypatch)
        assert len(night.tick("20 10:20").launched) == 1

    def test_a_change_of_profiles_wakes_it_while_its_account_holds_a_run(self, night, monkeypatch):
        self.parked(night)
        assert idle(night, "20 10:17", monkeypatch)
        born = at("20 10:00")
        fields = {"id": uid(20), "name": "p", "created_at": born, "updated_at": born}
        night.store.profiles.put(Profile.checked(fields))
        assert not idle(night, "20 10:17", monkeypatch)

    def test_where_nothing_waits_for_it_a_status_line_wakes_nobody(self, night, told, monkeypatch):
        night.store.tasks.put(task(1, "0 12 * * *"))
        night.tick("20 10:15")
        told(0.1, "20 15:00", "20 10:16")
        assert idle(night, "20 10:16", monkeypatch)

    def test_it_wakes_for_a_reset_that_a_schedule_goes_by(self, night, told, monkeypatch):
        night.store.tasks.put(by("usage_reset"))
        told(0.5, "20 10:40", "20 10:00")
        night.tick("20 10:01")
        assert idle(night, "20 10:39", monkeypatch)
        assert not idle(night, "20 10:40", monkeypatch)
