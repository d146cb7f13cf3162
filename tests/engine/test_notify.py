"""Histories of notifications: owed with the run's end, delivered, refused, killed in between."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from typing import Any

import pytest
from histories import Ticks, at, run, task, uid

from ccs import instant
from ccs.engine import channels, deliver, notify, settle, tick
from ccs.engine.clock import Clock
from ccs.engine.rest import Rest
from ccs.host.notify import NotDelivered
from ccs.model.notify import Told
from ccs.model.settings import Settings
from ccs.report import state, untold
from ccs.store.asked import as_it_ran
from ccs.store.owed import Owed
from ccs.store.records import Records
from ccs.usage import ledger

HOUR = timedelta(hours=1)


class World:
    """A server behind every channel. `down`: it does not answer; `refuses`: it answers no."""

    def __init__(self, ticks: Ticks, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ticks = ticks
        self.store = ticks.store
        self.down = self.refuses = False
        self.answers: dict[str, NotDelivered] = {}
        self.asked: list[str] = []
        self.got: list[tuple[str, str]] = []
        self.ids: list[str] = []
        self.children = 0
        monkeypatch.setattr(notify, "start_ccs", self._child)
        monkeypatch.setattr(deliver.out, "post", self._post)

    def settings(
        self, *channel_names: str, kind: str = "webhook", path: str = "", **told: Any
    ) -> None:
        made = [
            {"name": one, "kind": kind, "url": f"http://h/{one}-secret{path}"}
            for one in channel_names
        ]
        fields = {"timezone": "UTC", "channels": made, **told}
        self.store.write_settings(Settings.checked({"notifications": fields}))

    def deliver(self, when: str | None = None) -> None:
        moment = at(when) if when else self.ticks.now
        deliver.deliver(self.store, {}, Clock(lambda: moment, lambda: 0.0, lambda _: None))

    def failed(self, run_id: str) -> None:
        self.ticks.begin(run_id)
        self.ticks.end(run_id, "failed", "error", message="it broke")

    @property
    def owed(self) -> list[dict[str, Any]]:
        return Owed(self.store.home).read().owed

    def _child(self, home: str, words: list[str], environment: dict[str, str]) -> None:
        assert words == ["notify-owed"]
        self.children += 1

    def _post(self, url: str, body: bytes, headers: dict[str, str]) -> str:
        self.asked.append(url)
        if self.down:
            raise NotDelivered(f"no way to {url}", silent=True)
        for part, answer in self.answers.items():
            if part in url:
                raise answer
        if self.refuses:
            raise NotDelivered("answered 500")
        event = json.loads(body)["event"] if body.startswith(b"{") else ""
        self.got.append((event, url.partition("?")[0]))
        self.ids.append(headers["Idempotency-Key"])
        return "answered 200"


@pytest.fixture
def world(ticks, monkeypatch):
    return World(ticks, monkeypatch)


def launched(world: World, **fields: Any) -> str:
    world.store.tasks.put(task(1, **fields))
    (run_id,) = world.ticks.tick("20 10:15").launched
    return run_id


def test_a_failure_is_told_once_and_the_tick_only_starts_the_child(world):
    world.settings("phone", "team", on_failure=["phone", "team"])
    world.failed(launched(world))
    world.ticks.tick("20 10:16")
    assert (world.children, world.asked) == (1, [])
    world.deliver()
    world.deliver()
    assert world.got == [("failure", "http://h/phone-secret"), ("failure", "http://h/team-secret")]
    assert world.owed == []
    world.ticks.tick("20 10:17")
    assert world.children == 1


def test_what_nobody_wants_to_know_writes_nothing(world):
    world.failed(launched(world))
    world.settings("phone", on_success=["phone"])
    (again,) = world.ticks.tick("20 10:30").launched
    world.ticks.begin(again)
    world.ticks.end(again, "cancelled", "stopped")
    world.ticks.tick("20 10:31")
    assert not os.path.exists(world.store.home.file("notify.json"))
    assert world.children == 0


def test_killed_between_owing_and_the_record_it_is_still_told_once(world, monkeypatch):
    world.settings("phone", on_failure=["phone"])
    run_id = launched(world)
    world.ticks.begin(run_id)
    world.ticks.end(run_id, "failed", "error", merged=False)
    real = Records.replace

    def killed(self: Records, *words: Any) -> Any:
        if self.name == "runs":
            raise OSError("killed here")
        return real(self, *words)

    with monkeypatch.context() as patch:
        patch.setattr(Records, "replace", killed)
        with pytest.raises(OSError, match="killed here"):
            settle.merge(world.store.home, world.store.rundir(run_id), run_id, world.ticks.now)
    assert world.store.runs.get(run_id).status == "running"
    world.deliver()  # before any tick has merged it
    assert len(world.got) == 1
    assert world.ticks.tick("20 10:16").settled == [run_id]
    world.deliver()
    assert len(world.got) == 1
    assert world.store.runs.get(run_id).status == "failed"


def test_killed_between_delivery_and_its_record_it_comes_again_under_the_same_id(
    world, monkeypatch
):
    world.settings("phone", on_failure=["phone"])
    world.failed(launched(world))
    with monkeypatch.context() as patch:
        patch.setattr(Owed, "locked_change", lambda *_: (_ for _ in ()).throw(OSError("killed")))
        with pytest.raises(OSError, match="killed"):
            world.deliver()
    world.deliver()
    assert len(world.ids) == 2
    assert len(set(world.ids)) == 1
    assert world.owed == []


def test_two_children_at_once_send_it_once(world):
    world.settings("phone", on_failure=["phone"])
    world.failed(launched(world))
    real = world._post

    def meanwhile(*words: Any) -> str:
        world.deliver()  # finds the first one at work
        return real(*words)

    deliver.out.post = meanwhile
    world.deliver()
    assert len(world.got) == 1


def test_a_server_that_was_down_gets_it_when_it_is_up_again(world):
    world.settings("phone", on_failure=["phone"])
    world.failed(launched(world, schedule={"schedule_type": "cron", "cron": "15 10 20 11 *"}))
    world.down = True
    tried, moment = [], at("20 10:16")
    while moment < at("20 13:00"):
        before = world.children
        world.ticks.tick(moment)
        if world.children > before:
            tried.append(int((moment - at("20 10:16")) / timedelta(minutes=1)))
            deliver.deliver(world.store, {}, Clock(lambda m=moment: m, lambda: 0.0, lambda _: None))
        moment += timedelta(minutes=1)
    assert tried == [0, 1, 3, 7, 15, 31, 63, 123]
    assert world.owed[0]["tries"] == 8
    world.down = False
    world.deliver("20 14:10")
    assert len(world.got) == 1


def test_the_agenda_wakes_for_the_next_try(world):
    world.settings("phone", on_failure=["phone"])
    world.failed(launched(world, schedule={"schedule_type": "cron", "cron": "15 10 20 11 *"}))
    world.refuses = True
    for minute in (16, 17, 19):
        world.ticks.tick(f"20 10:{minute}")
        world.deliver()
    world.ticks.tick("20 10:20")
    with open(world.store.home.agenda, encoding="ascii") as file:
        _, _, _, wake, _, busy = file.readline().split()[:6]
    assert (int(wake), busy) == (int(at("20 10:23").timestamp()), "0")


def test_given_up_after_a_day_it_is_a_word_in_health_until_the_channel_works_again(world):
    world.settings("phone", on_failure=["phone"])
    world.failed(launched(world))
    world.refuses = True
    world.deliver("20 10:16")
    world.deliver("21 10:30")
    assert world.owed == []
    assert untold.words(world.store) == ["1 notification to 'phone' given up: answered 500"]
    world.ticks.tick("21 10:31")
    os.utime(world.store.home.last_tick, (at("21 10:31").timestamp(),) * 2)
    found = state.health(world.store, at("21 10:32"))
    assert (found["status"], found["problems"]) == ("untold", untold.words(world.store))
    world.refuses = False
    (again,) = world.ticks.tick("21 10:45").launched
    world.failed(again)
    world.deliver()
    assert untold.words(world.store) == []


def test_a_machine_that_slept_for_days_tries_once_before_it_gives_up(world):
    world.settings("phone", on_failure=["phone"])
    world.failed(launched(world))
    world.deliver("24 09:00")
    assert len(world.got) == 1


def test_a_channel_that_does_not_answer_is_asked_once_for_all_it_would_get(world):
    world.settings("phone", "team", on_failure=["phone", "team"])
    world.store.tasks.put(*(task(number) for number in range(1, 4)))
    for run_id in world.ticks.tick("20 10:15").launched:
        world.failed(run_id)
    world.down = True
    world.deliver()
    assert len(world.asked) == 2
    assert len(world.owed) == 6
    assert "secret" not in " ".join(one["error"] for one in world.owed)
    world.down = False
    world.deliver("20 10:20")
    assert len(world.got) == 6


def test_a_message_that_is_refused_does_not_keep_the_others_back(world):
    world.settings("phone", on_failure=["phone"])
    world.store.tasks.put(task(1), task(2))
    for run_id in world.ticks.tick("20 10:15").launched:
        world.failed(run_id)
    world.refuses = True
    world.deliver()
    assert len(world.asked) == 2


def test_what_would_be_refused_again_is_given_up_at_once(world):
    world.settings("phone", on_failure=["phone"])
    world.failed(launched(world))
    world.answers["phone"] = NotDelivered("answered 404", refused=True)
    world.deliver()
    assert world.owed == []
    assert untold.words(world.store) == ["1 notification to 'phone' given up: answered 404"]


@pytest.mark.parametrize("long", ["", "x" * 190])
def test_no_answer_brings_a_secret_into_the_store(world, long):
    world.settings("phone", on_failure=["phone"], path="/{task}/deep-secret?key=its-secret")
    world.failed(launched(world, name="nightly"))
    said = f"answered 500: {long} no phone-secret/nightly/deep-secret, key 'its-secret'"
    world.answers["phone"] = NotDelivered(f"{said} at http://h/phone-secret/nightly/deep-secret")
    world.deliver()
    (entry,) = world.owed
    assert entry["error"].startswith("answered 500")
    assert "secret"[:3] not in entry["error"].replace("answered", "")


class TestPings:
    def test_an_address_that_fails_keeps_back_no_other_of_its_channel(self, world):
        world.settings("check", kind="ping", path="/{task}", on_failure=["check"])
        world.answers["bad"] = NotDelivered("answered 500")
        world.store.tasks.put(task(1, name="bad"), task(2, name="good"))
        for run_id in world.ticks.tick("20 10:15").launched:
            world.failed(run_id)
        world.deliver()
        assert [url for _, url in world.got] == ["http://h/check-secret/good/fail"]

    def test_they_go_in_their_order_so_that_an_old_failure_undoes_no_success(self, world):
        world.settings("check", kind="ping", on_success=["check"], on_failure=["check"])
        world.failed(launched(world))
        world.refuses = True
        world.deliver()
        (again,) = world.ticks.tick("20 10:30").launched
        world.ticks.begin(again)
        world.ticks.end(again)
        world.refuses = False
        world.deliver("20 10:15")  # the failure is not due again yet
        assert world.got == []
        world.deliver("20 10:31")
        assert [url for _, url in world.got] == [
            "http://h/check-secret/fail",
            "http://h/check-secret",
        ]

    def test_a_start_is_not_sent_behind_the_end_of_its_run(self, night, monkeypatch):
        world = World(night, monkeypatch)
        world.settings("check", kind="ping", on_start=["check"], on_success=["check"])
        night.store.tasks.put(task(1))
        (run_id,) = night.tick("20 10:15").launched
        assert night.started(run_id)
        assert [one["event"] for one in world.owed] == ["start"]
        night.end(run_id)
        world.deliver()
        assert [url for _, url in world.got] == ["http://h/check-secret"]
        assert world.owed == []


class TestWhoIsTold:
    def test_the_task_goes_before_the_settings_event_by_event(self, world):
        world.settings("phone", "team", on_failure=["phone"], on_success=["phone"])
        told = Told(on_failure=["team"], on_success=[])
        world.failed(launched(world, notifications=told.record()))
        (again,) = world.ticks.tick("20 10:30").launched
        world.ticks.begin(again)
        world.ticks.end(again)
        assert [(one["event"], one["channel"]) for one in world.owed] == [("failure", "team")]

    def test_a_task_of_the_prior_system_says_yes_or_no(self, world):
        world.settings("phone", on_failure=["phone"], on_success=["phone"])
        run_id = launched(world)
        asked = as_it_ran(world.store.home, run_id)
        asked["task"]["notifications"] = {"on_end": False, "on_failure": True}
        with open(world.store.home.as_run(run_id), "w", encoding="utf-8") as file:
            json.dump(asked, file)
        world.ticks.begin(run_id)
        world.ticks.end(run_id)
        assert world.owed == []

    def test_a_channel_that_is_gone_is_told_of_in_health(self, world):
        world.settings("phone", on_failure=["phone"])
        world.failed(launched(world, notifications={"on_success": ["pigeon"]}))
        world.settings("team")
        world.deliver()
        assert untold.words(world.store) == [
            "no channel 'pigeon', though events go to it",
            "1 notification to 'phone' given up: there is no channel 'phone'",
        ]

    def test_a_channel_that_is_taken_away_is_owed_nothing_any_more(self, world):
        world.settings("phone", "team", on_failure=["phone", "team"])
        world.failed(launched(world))
        world.answers["phone"] = NotDelivered("answered 404", refused=True)
        world.deliver()
        (again,) = world.ticks.tick("20 10:30").launched
        world.failed(again)
        channels.remove(world.store, "phone")
        assert [one["channel"] for one in world.owed] == ["team"]
        assert untold.words(world.store) == []

    def test_a_channel_that_is_taken_away_is_named_by_nobody_any_more(self, world):
        world.settings("phone", "team", on_failure=["phone", "team"])
        world.store.tasks.put(task(1, notifications={"on_success": ["phone"]}))
        channels.remove(world.store, "phone")
        assert world.store.tasks.get(uid(1)).notifications.on_success == []
        assert world.store.settings().notifications.on_failure == ["team"]
        assert untold.words(world.store) == []


class TestWhatIsTold:
    def test_a_failure_that_is_tried_again_is_told_when_it_was_the_last(self, world):
        world.settings("phone", on_failure=["phone"])
        retry = {"max_attempts": 2, "delay": "1m", "on": ["error"]}
        world.failed(launched(world, retry=retry))
        assert world.owed == []
        (again,) = world.ticks.tick("20 10:20").launched
        world.failed(again)
        assert [one["facts"]["run"]["attempt"] for one in world.owed] == [2]

    def test_a_failure_whose_retry_was_replaced_is_told_and_counted(self, world):
        world.settings("phone", on_failure=["phone"])
        retry = {"max_attempts": 2, "delay": "1m", "on": ["error"]}
        first = launched(world, retry=retry, overlap="replace", disable_after=2)
        world.failed(first)
        (again,) = world.ticks.tick("20 10:20").launched
        world.ticks.begin(again)
        world.ticks.tick("20 10:30")
        assert world.owed == []
        world.ticks.end(again, "cancelled", "replaced")
        assert [one["facts"]["run"]["id"] for one in world.owed] == [first]
        world.store.tasks.put(world.store.tasks.get(uid(1)).changed(retry={"max_attempts": 1}))
        (following,) = world.ticks.tick("20 10:31").launched
        world.failed(following)
        assert not world.store.tasks.get(uid(1)).enabled

    def test_a_limit_says_when_the_run_goes_on_and_then_that_it_does(self, night, monkeypatch):
        world = World(night, monkeypatch)
        world.settings("phone", on_limit=["phone"], on_resume=["phone"], on_start=["phone"])
        night.store.tasks.put(task(1))
        (run_id,) = night.tick("20 10:15").launched
        assert night.started(run_id)
        night.meet_limit(run_id, at("20 12:00"))
        start, limit = world.owed
        assert (start["event"], limit["event"]) == ("start", "limit")
        (parked,) = night.parked()
        assert limit["facts"]["goes_on_at"] == instant.text(parked.not_before)
        assert night.tick("20 12:05").launched == [parked.id]
        assert night.started(parked.id)
        assert world.owed[-1]["event"] == "resume"

    def test_a_run_whose_directory_was_taken_away_is_told_as_lost(self, world):
        world.settings("phone", on_failure=["phone"])
        kept = task(1)
        world.store.tasks.put(kept)
        world.store.runs.put(run(5, kept, status="running", start_time=at("20 10:01")))
        world.ticks.tick("20 10:02")
        assert world.owed[0]["facts"]["run"]["status"] == "lost"

    def test_an_alarm_is_told_once_with_its_account(self, world):
        world.settings("phone", on_failure=["phone"])
        alarm(world, "work", "outage", "old news", "20 09:00")
        world.ticks.tick("20 10:01")
        assert world.owed == []
        alarm(world, "work", "unknown_text", "what is this", "20 10:02")
        alarm(world, "work", "unknown_text", "what is this", "20 10:03")
        alarm(world, "home", "overage", "paid", "20 10:02")
        for minute in (4, 5):
            world.ticks.tick(f"20 10:0{minute}")
            world.deliver()
        assert world.got == [("alarm", "http://h/phone-secret")] * 2
        world.ticks.tick("20 10:06")
        assert world.owed == []
        alarm(world, "work", "unknown_text", "what is this", "20 12:00")
        world.ticks.tick("20 12:01")
        assert world.owed[0]["facts"]["account"] == "work"

    def test_an_alarm_wakes_the_next_tick(self, world):
        world.settings("phone", on_alarm=["phone"])
        world.ticks.tick("20 10:00")
        assert os.path.exists(world.store.home.agenda)
        alarm(world, "work", "outage", "no way in", "20 10:01")
        assert not os.path.exists(world.store.home.agenda)

    def test_an_alarm_between_the_look_and_the_agenda_wakes_the_next_tick_too(
        self, world, monkeypatch
    ):
        def after_an_alarm(*args, written=Rest.agenda):
            alarm(world, "work", "outage", "no way in", "20 10:00")
            return written(*args)

        world.settings("phone", on_alarm=["phone"])
        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(Rest, "agenda", after_an_alarm)
            world.ticks.tick("20 10:00")
        assert world.owed == []
        assert not os.path.exists(world.store.home.agenda)


def alarm(world: World, account: str, kind: str, words: str, when: str) -> None:
    world.store.ledger.update(account, lambda one: ledger.alarm(one, kind, words, at(when)))


class TestDigest:
    def test_it_comes_once_a_day_with_what_happened_since_the_last(self, world):
        world.settings("phone", on_digest=["phone"], digest_at="07:30")
        world.ticks.tick("20 10:00")
        world.failed(launched(world))
        (good,) = world.ticks.tick("20 10:30").launched
        world.ticks.begin(good)
        world.ticks.end(good, cost_usd=0.5, message=None)
        assert world.owed == []
        world.ticks.tick("21 07:29")
        assert world.owed == []
        world.ticks.tick("21 07:30")
        world.ticks.tick("21 07:31")
        (entry,) = world.owed
        told: list[dict[str, Any]] = []
        deliver.out.post = lambda url, body, headers: told.append(json.loads(body)) or "ok"
        world.deliver()
        assert told[0]["counts"] == {"success": 1, "failed": 1}
        assert told[0]["failures"][0]["reason"] == "error"
        assert told[0]["cost_usd"] == 0.5
        assert told[0]["id"] == entry["id"]

    def test_after_a_long_sleep_there_is_one_for_all_the_days(self, world):
        world.settings("phone", on_digest=["phone"], digest_at="07:30")
        world.ticks.tick("20 10:00")
        world.ticks.tick("24 12:00")
        world.ticks.tick("24 12:01")
        assert [one["facts"]["since"] for one in world.owed] == ["2026-11-20T10:00:01.000Z"]
        world.ticks.tick("25 07:31")
        assert len(world.owed) == 2


class TestNothingOfItStopsARun:
    @pytest.mark.parametrize("content", ["{", "[]x", '{"format": 99, "owed": []}', '{"owed": 3}'])
    def test_a_broken_file_is_for_health_and_the_run_ends_all_the_same(self, world, content):
        world.settings("phone", on_failure=["phone"])
        run_id = launched(world)
        path = world.store.home.file("notify.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)
        world.failed(run_id)
        assert world.store.runs.get(run_id).status == "failed"
        with open(path, encoding="utf-8") as file:
            assert file.read() == content
        with open(world.store.home.log(run_id), encoding="utf-8") as file:
            assert "-- nobody is told of its failure: " in file.read()

    @pytest.mark.parametrize(
        "told",
        [
            *(3, [], {"on_failure": 3}, {"on_failure": [3]}, {"channels": 3}, {"channels": [3]}),
            {"channels": [{"name": ["phone"]}], "on_failure": [["phone"]]},
            {"channels": [{"name": "\ud800"}], "on_failure": ["\ud800"]},
        ],
    )
    def test_settings_of_any_shape_let_a_run_end(self, world, told):
        run_id = launched(world)
        with open(world.store.home.settings, "w", encoding="utf-8") as file:
            json.dump({"format": 1, "notifications": told}, file)
        world.failed(run_id)
        assert world.store.runs.get(run_id).status == "failed"
        assert not Owed(world.store.home).read().owed

    def test_entries_of_any_shape_do_not_keep_the_others_back(self, world):
        world.settings("phone", on_failure=["phone"])
        world.failed(launched(world))
        path = world.store.home.file("notify.json")
        with open(path, encoding="utf-8") as file:
            kept = json.load(file)
        odd = [{"id": "a"}, {"id": "b", "channel": "phone", "facts": 3, "at": 5, "tries": "x"}]
        odd += [{"id": "c", "channel": "phone", "event": "digest", "facts": {"since": 1}}, 7]
        kept["owed"] = [*odd, *kept["owed"]]
        with open(path, "w", encoding="utf-8") as file:
            json.dump(kept, file)
        world.deliver()
        assert ("failure", "http://h/phone-secret") in world.got
        assert channels.owed(world.store)

    def test_what_is_owed_is_bounded(self, world):
        world.settings("phone", on_failure=["phone"])
        made = [
            {"id": f"{number}", "event": "failure", "channel": "phone", "at": "x"}
            for number in range(700)
        ]
        Owed(world.store.home).locked_change(lambda notices: notices.add(*made))
        notices = Owed(world.store.home).read()
        assert len(notices.owed) == 500
        assert len(notices.given_up) == 20
        assert channels.forget(world.store) == 520
        assert Owed(world.store.home).read().owed == []


def test_a_simulation_tells_nobody(world, store):
    world.settings("phone", on_failure=["phone"], on_digest=["phone"])
    world.failed(launched(world))
    tick.tick(store, at("21 10:16"), {}, spawn=lambda *_: None)
    assert world.children == 0
