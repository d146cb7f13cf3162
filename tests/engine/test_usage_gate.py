"""What an account does not admit is held and never failed: reserves, budgets, outages, credits."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from histories import at, job, run, task, uid
from nights import MINUTE, facts

from ccs.claude.outcome import ENDED_UNPAID
from ccs.engine import accounts, jobs, launch, profiles, tasks
from ccs.engine.usage import clear
from ccs.errors import Conflict, InvalidInput
from ccs.model.profile import Profile
from ccs.store import lock
from ccs.store.asked import as_it_ran
from ccs.usage import ledger
from ccs.usage.windows import Reading

ONCE = "15 10 * * *"


@pytest.fixture
def profile(store):
    def made(number=20, **fields):
        born = at("20 10:00")
        one = Profile.checked(
            {"id": uid(number), "name": f"p{number}", "created_at": born, "updated_at": born}
            | fields
        )
        store.profiles.put(one)
        return one.id

    return made


def seen(night, used, window="five_hour", resets="20 12:00", account="default", when=None):
    """A status line told it."""
    now = when or night.now
    found = Reading("status_line", now, None, used, at(resets))
    night.store.ledger.update(account, lambda one: ledger.observe(one, window, found, now))


def limit(night, resets="20 12:00", window="five_hour"):
    found = Reading("hook", night.now, "rejected", 1.0, at(resets))
    night.store.ledger.update("default", lambda one: ledger.observe(one, window, found, night.now))


def held(night):
    return {one.task_id: one.held_reason for one in night.runs if one.unfinished}


class TestReserve:
    def test_the_rest_is_left_to_people_until_the_reset(self, night, profile):
        night.store.tasks.put(task(1, ONCE, profile=profile(reserve={"five_hour": "80%"})))
        seen(night, 0.8)
        assert night.tick("20 10:15").launched == []
        [waiting] = night.runs
        assert (waiting.held_reason, waiting.not_before) == ("reserve", at("20 12:00"))
        assert night.tick("20 11:59").launched == []
        assert night.tick("20 12:00").launched == [waiting.id]

    def test_below_it_runs_start(self, night, profile):
        night.store.tasks.put(task(1, ONCE, profile=profile(reserve={"five_hour": "80%"})))
        seen(night, 0.79)
        assert len(night.tick("20 10:15").launched) == 1

    def test_it_holds_in_its_hours_only(self, night, profile):
        kept = {"five_hour": 50, "between": "09:00-11:00", "timezone": "UTC"}
        night.store.tasks.put(task(1, ONCE, profile=profile(reserve=kept)))
        seen(night, 0.9)
        night.tick("20 10:15")
        [waiting] = night.runs
        assert waiting.not_before == at("20 11:00")
        assert night.tick("20 10:59").launched == []
        assert night.tick("20 11:00").launched == [waiting.id]

    def test_on_its_days_only(self, night, profile):
        # The 20th of November 2026 is a Friday.
        kept = {"five_hour": 50, "days": "mon-thu"}
        night.store.tasks.put(task(1, ONCE, profile=profile(reserve=kept)))
        seen(night, 0.9)
        assert len(night.tick("20 10:15").launched) == 1

    def test_other_profiles_of_the_account_may_use_it_all(self, night, profile):
        night.store.tasks.put(
            task(1, ONCE, profile=profile(20, reserve={"five_hour": 50})),
            task(2, ONCE, profile=profile(21)),
        )
        seen(night, 0.9)
        night.tick("20 10:15")
        assert held(night) == {uid(1): "reserve", uid(2): None}

    def test_slots_meanwhile_are_one_run(self, night, profile):
        night.store.tasks.put(task(1, "*/15 * * * *", profile=profile(reserve={"five_hour": 50})))
        seen(night, 0.9)
        for minute in ("20 10:15", "20 10:30", "20 10:45"):
            night.tick(minute)
        [waiting] = night.runs
        assert waiting.missed_slots == 2

    def test_it_is_asked_again_when_the_supervisor_starts(self, night, profile):
        night.store.tasks.put(task(1, ONCE, profile=profile(reserve={"five_hour": 50})))
        [run_id] = night.tick("20 10:15").launched
        seen(night, 0.9)
        assert not night.started(run_id)
        assert night.store.runs.get(run_id).status == "upcoming"
        night.tick("20 10:16")
        assert held(night) == {uid(1): "reserve"}

    @pytest.mark.parametrize("force", [False, True])
    def test_by_hand_it_does_not_hold_but_a_limit_does_unless_forced(self, night, profile, force):
        kept = profile(reserve={"five_hour": 50})
        night.store.tasks.put(*(task(n, None, profile=kept) for n in (1, 2)))
        night.now = at("20 10:20")
        seen(night, 0.9)
        reserved = tasks.run_now(night.store, uid(2), False, night.now, {})
        assert reserved.held_reason is None
        night.launched.clear()
        limit(night)
        made = tasks.run_now(night.store, uid(1), force, night.now, {})
        assert made.held_reason == (None if force else "limit")
        assert night.launched == ([made.id] if force else [])


class TestBudgets:
    def spent(self, night, usd=0.0, tokens=0, when="20 10:00", number=90, of=1, **fields):
        owner = next(one for one in night.store.tasks.all() if one.id == uid(of))
        usage = {"input": tokens, "output": 0, "cache_read": 0, "cache_creation": 0}
        moment = at(when)
        more = {"status": "success", "scheduled_time": moment, "start_time": moment}
        more |= {"end_time": moment + MINUTE, "cost_usd": usd, "usage": usage, **fields}
        night.store.runs.put(run(number, owner, job_id=owner.job_id, **more))

    def test_a_day_s_dollars_hold_until_midnight_of_the_task_s_zone(self, night):
        schedule = {"schedule_type": "cron", "cron": "15 11 * * *", "timezone": "Europe/Berlin"}
        night.store.tasks.put(
            task(1, None, budgets=[{"per": "day", "usd": 2}]).changed(schedule=schedule)
        )
        self.spent(night, 1.5, when="19 23:30")
        self.spent(night, 0.5, when="20 08:00", number=91)
        night.tick("20 10:15")
        [waiting] = [one for one in night.runs if one.unfinished]
        assert (waiting.held_reason, waiting.not_before) == ("budget", at("20 23:00"))
        assert night.tick("20 22:59").launched == []
        assert night.tick("20 23:00").launched == [waiting.id]

    def test_what_was_spent_yesterday_does_not_count(self, night):
        night.store.tasks.put(task(1, ONCE, budgets=[{"usd": 2}]))
        self.spent(night, 5, when="19 22:00")
        assert len(night.tick("20 10:15").launched) == 1

    def test_tokens_of_a_window(self, night):
        night.store.tasks.put(task(1, ONCE, budgets=[{"per": "five_hour", "tokens": 1000}]))
        self.spent(night, tokens=1000, when="20 08:00")
        seen(night, 0.2, resets="20 12:00")
        night.tick("20 10:15")
        [waiting] = [one for one in night.runs if one.unfinished]
        assert (waiting.held_reason, waiting.not_before) == ("budget", at("20 12:00"))
        assert night.tick("20 12:00").launched == [waiting.id]

    def test_what_was_spent_in_the_window_before_does_not_count(self, night):
        night.store.tasks.put(task(1, ONCE, budgets=[{"per": "five_hour", "tokens": 1000}]))
        self.spent(night, tokens=5000, when="20 06:30")
        seen(night, 0.2, resets="20 12:00")
        assert len(night.tick("20 10:15").launched) == 1

    @pytest.mark.parametrize("scope", ["job", "profile"])
    def test_of_a_job_or_a_profile_all_its_tasks_spend(self, night, profile, scope):
        limit = [{"usd": 2}]
        owner = profile(budgets=limit if scope == "profile" else [])
        night.store.jobs.put(job(9, 1, 2, budgets=limit if scope == "job" else []))
        night.store.tasks.put(task(1, None, job_id=uid(9), profile=owner))
        night.store.tasks.put(task(2, ONCE, job_id=uid(9), profile=owner))
        self.spent(night, 2, profile=owner)
        night.tick("20 10:15")
        assert held(night) == {uid(2): "budget"}

    def test_what_is_left_is_the_most_a_run_may_spend(self, night):
        night.store.tasks.put(task(1, ONCE, budgets=[{"usd": 2}], max_budget_usd=1.5))
        self.spent(night, 1.25)
        [run_id] = night.tick("20 10:15").launched
        assert self.most(night, run_id) == "0.75"

    def test_a_run_s_own_limit_is_passed_on(self, night):
        night.store.tasks.put(task(1, ONCE, max_budget_usd=1.5))
        [run_id] = night.tick("20 10:15").launched
        assert self.most(night, run_id) == "1.5"

    def test_the_stand_in_s_money_is_none(self, night):
        night.store.tasks.put(task(1, ONCE, budgets=[{"usd": 2}]))
        self.spent(night, 50, mock=True)
        assert len(night.tick("20 10:15").launched) == 1

    @staticmethod
    def most(night, run_id):

        options = as_it_ran(night.store.home, run_id)["calls"][0]["options"]
        return options[options.index("--max-budget-usd") + 1]


class TestOutage:
    def broken(self, night, reason="auth"):
        night.store.tasks.put(task(1, ONCE), task(2, "*/15 * * * *"))
        night.tick("20 10:15")
        ids = {one.task_id: one.id for one in night.runs}
        assert night.started(ids[uid(1)])
        night.end(ids[uid(1)], "failed", reason, message="Please run /login")
        return ids[uid(2)]

    def test_everything_waits_and_one_alarm_is_given(self, night):
        other = self.broken(night)
        assert not night.started(other)
        assert night.tick("20 10:16").launched == []
        assert held(night) == {uid(2): "outage"}
        assert night.alarms() == ["outage"]

    def test_one_due_run_an_hour_tries(self, night):
        other = self.broken(night)
        tried = []
        moment = at("20 10:16")
        while moment < at("20 13:30"):
            for run_id in night.tick(moment).launched:
                if night.started(run_id):
                    tried.append(moment)
                    night.end(run_id, "failed", "auth", message="Please run /login")
            moment += MINUTE
        assert tried[0] == at("20 11:15")
        assert all(later - one >= timedelta(hours=1) for one, later in pairwise(tried))
        assert len(tried) == 3
        assert night.alarms() == ["outage"]
        assert other

    def test_the_first_success_lets_all_go_on(self, night):
        other = self.broken(night)
        night.store.tasks.put(task(3, "20 10 * * *"), task(4, "20 10 * * *"))
        night.tick("20 10:20")
        launched = night.tick("20 11:15").launched
        assert len(launched) == 1
        assert night.started(launched[0])
        night.end(launched[0], message=None)
        assert len(night.tick("20 11:16").launched) == 2
        assert other

    def test_by_hand_it_is_tried_at_once(self, night):
        self.broken(night)
        night.now = at("20 10:20")
        made = tasks.run_now(night.store, uid(1), False, night.now, {})
        assert made.held_reason is None
        assert night.started(made.id)

    def test_cleared_by_hand_all_go_on(self, night):
        other = self.broken(night, "billing")
        night.tick("20 10:16")
        clear(night.store, "default", at("20 10:20"))
        assert night.tick("20 10:21").launched == [other]

    def test_a_canary_that_is_silent_is_waited_for_ten_minutes(self, night):
        limit(night, "20 10:30")
        night.store.tasks.put(task(1, ONCE), task(2, ONCE), task(3, ONCE))
        night.tick("20 10:15")
        [silent] = night.tick("20 10:32").launched
        assert night.started(silent)
        assert night.tick("20 10:41").launched == []
        assert len(night.tick("20 10:43").launched) == 1

    def test_a_run_for_another_model_does_not_try_the_window_of_this_one(self, night):
        limit(night, "20 10:30", "seven_day_opus")
        night.store.tasks.put(task(1, ONCE, model="opus"), task(2, "31 10 * * *", model="sonnet"))
        night.tick("20 10:15")
        [sonnet] = night.tick("20 10:31").launched
        assert night.started(sonnet)
        [opus] = night.tick("20 10:32").launched
        assert night.store.runs.get(opus).task_id == uid(1)

    def test_a_run_from_before_it_does_not_lift_it(self, night):
        night.store.tasks.put(task(5, "10 10 * * *"))
        [old] = night.tick("20 10:10").launched
        assert night.started(old)
        self.broken(night)
        night.hears(old, facts("allowed", used=0.2, resets=at("20 12:00")))
        assert "outage" in night.store.ledger.account("default")


class TestPaidCredits:
    def start(self, night, profile, **fields):
        night.store.tasks.put(task(1, ONCE, profile=profile(**fields)), task(2, "20 10 * * *"))
        [run_id] = night.tick("20 10:15").launched
        assert night.started(run_id)
        paid = facts("allowed", used=1, resets=at("20 12:00"), isUsingOverage=True)
        night.hears(run_id, paid)
        return run_id

    def test_the_first_time_is_an_alarm_and_the_second_is_not(self, night, profile):
        run_id = self.start(night, profile)
        night.hears(run_id, facts("allowed", used=1, resets=at("20 12:00"), isUsingOverage=True))
        assert night.alarms() == ["overage"]

    def test_where_they_are_allowed_a_used_up_window_holds_nobody(self, night, profile):
        run_id = self.start(night, profile, on_overage="allow")
        night.hears(run_id, facts("rejected", used=1, resets=at("20 12:00"), isUsingOverage=True))
        night.store.tasks.put(task(3, "20 10 * * *", profile=uid(20)))
        night.tick("20 10:20")
        assert held(night)[uid(3)] is None
        assert held(night)[uid(2)] == "limit"

    def test_a_paid_answer_does_not_let_the_others_spend_too(self, night, profile):
        """The plan's window is used up, whatever the money buys."""
        night.store.tasks.put(task(3, "20 10 * * *"))
        run_id = self.start(night, profile, on_overage="allow")
        night.end(run_id, message=None)
        night.tick("20 10:20")
        assert held(night)[uid(2)] == "limit"
        assert held(night)[uid(3)] == "limit"
        assert len(night.tick("20 12:03").launched) == 1

    def test_ended_for_that_it_waits_for_the_plan_s_reset(self, night, profile):
        run_id = self.start(night, profile)
        told = {"limit_type": "five_hour", "resets_at": None, "message": ENDED_UNPAID}
        night.end(run_id, "limited", "usage_limit", **told)
        [parked] = night.parked()
        assert parked.parked_until > at("20 15:00")
        assert night.alarms() == ["overage"]

    def test_back_on_the_plan_they_are_over(self, night, profile):
        run_id = self.start(night, profile)
        night.hears(run_id, facts("allowed", used=0.1, resets=at("20 17:00")))
        assert "overage" not in night.store.ledger.account("default")


class TestAccounts:
    def test_what_befalls_one_leaves_the_others_alone(self, night, profile):
        night.store.tasks.put(
            task(1, ONCE, profile=profile(20, account="work")),
            task(2, "20 10 * * *", profile=profile(21, account="home")),
            task(3, "20 10 * * *", profile=profile(22, config_dir="/srv/work", account="work")),
        )
        [run_id] = night.tick("20 10:15").launched
        assert night.started(run_id)
        night.meet_limit(run_id, at("20 12:00"))
        night.tick("20 10:20")
        assert held(night) == {uid(1): "limit", uid(2): None, uid(3): "limit"}

    @pytest.mark.parametrize(
        ("fields", "name"),
        [
            ({}, "default"),
            ({"config_dir": "/srv/x"}, "/srv/x"),
            ({"config_dir": "/srv/x", "account": "work"}, "work"),
            ({"env_vars": [{"name": "ANTHROPIC_API_KEY", "source": "env", "value": "K"}]}, "p20"),
            ({"env_vars": [{"name": "ANTHROPIC_API_KEY", "source": "unset"}]}, "default"),
            (
                {"env_vars": [{"name": "CLAUDE_CONFIG_DIR", "source": "static", "value": "/y"}]},
                "/y",
            ),
        ],
    )
    def test_its_name_is_never_a_secret(self, store, profile, fields, name):
        assert accounts.account_of(store.profiles.get(profile(**fields))) == name

    def test_a_run_that_goes_on_keeps_its_account_whatever_its_task_says_now(self, night, profile):
        night.store.tasks.put(task(1, ONCE, profile=profile(20, account="work")))
        [run_id] = night.tick("20 10:15").launched
        assert night.started(run_id)
        night.meet_limit(run_id, at("20 12:00"))
        tasks.update(night.store, uid(1), {"profile": profile(21)}, at("20 11:00"))
        assert night.tick("20 11:30").launched == []
        [resumed] = night.tick("20 12:02").launched
        launcher = launch.Launcher(night.store, {}, night.now)
        found = night.store.runs.get(resumed)
        assert launcher.accounts.account(found, launcher.tasks.by_id[uid(1)]) == "work"


class TestBudgetsOfRunsThatGoOn:
    LIMIT = ({"per": "day", "usd": 10},)

    def due_together(self, night, profile, **fields):
        owner = profile(budgets=list(self.LIMIT))
        night.store.tasks.put(*(task(n, ONCE, profile=owner, **fields) for n in (1, 2, 3)))

    def test_due_together_they_may_not_spend_it_three_times(self, night, profile):
        self.due_together(night, profile)
        [run_id] = night.tick("20 10:15").launched
        assert TestBudgets.most(night, run_id) == "10"
        assert sorted(filter(None, held(night).values())) == ["budget", "budget"]

    def test_each_with_a_limit_of_its_own_they_run_beside_each_other(self, night, profile):
        self.due_together(night, profile, max_budget_usd=4)
        launched = night.tick("20 10:15").launched
        assert [TestBudgets.most(night, one) for one in launched] == ["4", "4", "2"]
        assert all(night.started(one) for one in launched)

    def test_what_the_first_has_left_over_the_next_may_spend(self, night, profile):
        self.due_together(night, profile)
        [run_id] = night.tick("20 10:15").launched
        assert night.started(run_id)
        assert night.tick("20 10:16").launched == []
        night.end(run_id, cost_usd=2.5, message=None)
        [following] = night.tick("20 10:17").launched
        assert TestBudgets.most(night, following) == "7.5"

    def test_of_tokens_nobody_knows_so_one_goes_after_the_other(self, night):
        night.store.jobs.put(job(9, 1, 2, budgets=[{"per": "day", "tokens": 500}], max_parallel=5))
        night.store.tasks.put(*(task(n, ONCE, job_id=uid(9)) for n in (1, 2)))
        assert len(night.tick("20 10:15").launched) == 1

    def test_two_supervisors_that_knew_nothing_of_each_other(self, night, profile):
        """Started by hand in the same second: each saw all of it left."""
        self.due_together(night, profile)
        night.now = at("20 10:05")
        first = tasks.run_now(night.store, uid(1), False, night.now, {})
        second = tasks.run_now(night.store, uid(2), False, night.now, {})
        assert night.launched == [first.id, second.id]
        assert night.started(first.id)
        assert not night.started(second.id)

    def test_a_job_that_spent_it_all_is_not_started_by_hand_without_a_bound(self, night):
        night.store.jobs.put(job(9, 1, budgets=[{"per": "day", "usd": 5}]))
        night.store.tasks.put(task(1, None, job_id=uid(9)))
        TestBudgets().spent(night, 9)
        night.now = at("20 10:20")
        _, [step] = jobs.run(night.store, uid(9), night.now, {})
        assert night.launched == []
        night.tick("20 10:21")
        assert held(night) == {uid(1): "budget"}
        assert step.id

    def test_an_old_record_hides_nothing(self, night):
        """A run that was held for long stands in runs.json, what was spent since in history."""
        night.store.tasks.put(task(1, ONCE, budgets=[{"usd": 5}]), task(2, None))
        moment = at("20 08:00")
        night.store.history.append(
            [
                run(100 + n, task(1), status="success", scheduled_time=moment, end_time=moment,
                    cost_usd=1).record()
                for n in range(6)
            ]
        )  # fmt: skip
        old = at("20 08:00") - timedelta(days=30)
        night.store.runs.put(run(61, task(2), status="success", scheduled_time=old))
        night.tick("20 10:15")
        assert held(night) == {uid(1): "budget"}

    def test_history_has_no_order_so_an_old_line_hides_nothing(self, night):
        """A run that stayed in runs.json for long reaches history after newer ones."""
        night.store.tasks.put(task(1, ONCE, budgets=[{"usd": 5}]), task(2, None))
        moment = at("20 08:00")
        spent = {"status": "success", "scheduled_time": moment, "end_time": moment, "cost_usd": 6}
        night.store.history.append([run(100, task(1), **spent).record()])
        old = at("20 08:00") - timedelta(days=15)
        night.store.history.append([run(61, task(2), status="failed", scheduled_time=old).record()])
        night.tick("20 10:15")
        assert held(night) == {uid(1): "budget"}

    def test_a_tick_reads_no_history_under_the_store_lock(self, night, monkeypatch):
        night.store.tasks.put(task(1, ONCE, budgets=[{"usd": 5}]))
        read, seen = night.store.history.newest_first, []

        def watched(*words):
            seen.append(lock.is_free(night.store.home.store_lock))
            return read(*words)

        monkeypatch.setattr(night.store.history, "newest_first", watched)
        night.tick("20 10:15")
        assert seen
        assert all(seen)


class TestProfilesThatCannotBeRead:
    @pytest.mark.parametrize("how", ["record", "file"])
    def test_nothing_runs_without_the_bounds_it_sets(self, night, profile, how):
        """Not even what its supervisor could run: budgets and reserve would be off."""
        owner = profile(account="work", budgets=[{"usd": 1}])
        night.store.tasks.put(task(1, ONCE, profile=owner))
        path = Path(night.store.profiles.file.path)
        good = path.read_text()
        path.write_text(good.replace("1.0", '"five"') if how == "record" else "{")
        night.tick("20 10:15")
        assert held(night) == {uid(1): "outage"}
        path.write_text(good)
        assert len(night.tick("20 10:16").launched) == 1


class TestTheStandIn:
    @pytest.mark.parametrize("mock", [False, True])
    def test_it_does_not_take_over_what_the_real_client_began_nor_the_other_way(self, night, mock):
        night.settings(mock_mode=mock)
        night.store.tasks.put(task(1, ONCE))
        [run_id] = night.tick("20 10:15").launched
        assert night.started(run_id)
        told = {"limit_type": "five_hour", "resets_at": "2026-11-20T12:00:00.000Z"}
        night.end(run_id, "limited", "usage_limit", mock=mock, **told)
        night.settings(mock_mode=not mock)
        assert night.tick("20 12:05").launched == []
        night.settings(mock_mode=mock)
        assert len(night.tick("20 12:06").launched) == 1


@pytest.mark.parametrize("period", ["week", "hour", "fivehour", "5h"])
def test_a_period_that_is_no_window_bounds_nothing_so_it_is_refused(profile, period):
    with pytest.raises(InvalidInput, match="no usage window"):
        task(1, ONCE, budgets=[{"per": period, "usd": 2}])
    with pytest.raises(InvalidInput, match="no usage window"):
        profile(reserve={period: 80})


def test_a_profile_that_a_parked_run_keeps_is_not_deleted(night, profile):
    night.store.tasks.put(task(1, ONCE, profile=profile(20)))
    [run_id] = night.tick("20 10:15").launched
    assert night.started(run_id)
    night.meet_limit(run_id, at("20 12:00"))
    tasks.update(night.store, uid(1), {"profile": None}, at("20 11:00"))
    with pytest.raises(Conflict, match="run "):
        profiles.delete(night.store, "p20", False)
