"""Which scheduler is chosen, and how long the first tick is waited for."""

from __future__ import annotations

import sys
from datetime import timedelta

import pytest

from ccs.engine import install, sight
from ccs.engine.clock import Clock
from ccs.errors import CcsError, MissingDependency
from ccs.host.install import cron, entry, systemd
from ccs.host.install.machine import Found, Machine

PATH = "/usr/bin:/bin"


class Minutes:
    """A clock that only its sleepers move; `at` says what happens when so many seconds are over."""

    def __init__(self, now, at=()):
        self.start, self.gone, self.to_come = now, 0.0, sorted(at)
        self.clock = Clock(
            lambda: now + timedelta(seconds=self.gone), lambda: self.gone, self.sleep
        )

    def sleep(self, seconds):
        self.gone += seconds
        while self.to_come and self.to_come[0][0] <= self.gone:
            self.to_come.pop(0)[1]()


def planned(backend="cron"):
    mine = entry.of({"HOME": "/home/you", "PATH": PATH}, "/home/you/.claude-scheduler")
    return install.Plan(backend, mine, [], None, {}, {}, [], False)


class TestWaiting:
    def wait(self, store, now, *happens, shown=None):
        sight.expect(store.home, "cron", now)
        minutes = Minutes(now, happens)
        show = (shown if shown is not None else []).append
        return install.first_tick(planned(), store.home, now, minutes.clock, show), minutes

    def looks(self, store, now, seconds, backend="cron", path=PATH):
        environ = {"PATH": path, "HOME": "/home/you"}
        moment = now + timedelta(seconds=seconds)
        return seconds, lambda: sight.look(store, environ, backend, moment)

    def test_ends_with_the_tick_and_tells_the_seconds(self, store, now):
        shown = []
        told, minutes = self.wait(store, now, self.looks(store, now, 31), shown=shown)
        assert told["backend"] == "cron"
        assert 31 <= minutes.gone < 32
        assert shown == sorted(shown) and shown[-1] > 30

    def test_gives_up_after_seventy_seconds(self, store, now):
        told, minutes = self.wait(store, now)
        assert told == {}
        assert 70 <= minutes.gone < 71

    @pytest.mark.parametrize("other", [{"backend": "systemd"}, {"path": "/opt/bin"}])
    def test_does_not_take_another_entrys_tick_for_it(self, store, now, other):
        told, _ = self.wait(store, now, self.looks(store, now, 10, **other))
        assert told == {}

    def test_does_not_take_an_earlier_tick_for_it(self, store, now):
        sight.look(store, {"PATH": PATH}, "cron", now - timedelta(seconds=1))
        assert self.wait(store, now)[0] == {}

    def test_waits_a_little_longer_for_what_the_client_says_and_tells_the_rest(
        self, store, now, monkeypatch
    ):
        def never(*_):
            raise KeyboardInterrupt  # killed while it asked

        def look():
            monkeypatch.setattr(sight, "_login", never)
            with pytest.raises(KeyboardInterrupt):
                sight.look(store, {"PATH": PATH}, "cron", now + timedelta(seconds=60))

        told, minutes = self.wait(store, now, (60, look))
        assert told["login"] == "asking"
        assert told["path"] == PATH
        assert 90 <= minutes.gone < 91


class TestChoosing:
    @pytest.fixture
    def has(self, monkeypatch):
        def make(manager=False, lingers=False, crontab=False, daemon=False):
            monkeypatch.setattr(sys, "platform", "linux")
            monkeypatch.setattr(systemd, "fits", lambda _: "" if manager else "no bus")
            monkeypatch.setattr(systemd, "lingers", lambda _: lingers)
            monkeypatch.setattr(cron, "fits", lambda _: "" if crontab else "no crontab")
            monkeypatch.setattr(cron, "has_daemon", lambda machine: daemon)

        return make

    def chosen(self, ours=None, faults=None):
        return install._chosen(Machine({}), ours or {}, faults or {})

    @pytest.mark.parametrize(
        ("there", "name"),
        [
            ({"manager": True, "lingers": True, "crontab": True, "daemon": True}, "systemd"),
            ({"manager": True, "crontab": True, "daemon": True}, "cron"),
            ({"manager": True, "crontab": True}, "systemd"),
            ({"manager": True}, "systemd"),
            ({"crontab": True, "daemon": True}, "cron"),
            ({"crontab": True}, "cron"),
        ],
    )
    def test_on_linux_what_will_go_on_after_the_logout(self, has, there, name):
        has(**there)
        assert self.chosen() == name

    def test_with_neither_it_says_what_to_install(self, has):
        has()
        with pytest.raises(MissingDependency, match="no bus"):
            self.chosen()

    def test_who_may_not_use_cron_gets_systemd(self, has):
        has(manager=True, crontab=True, daemon=True)
        assert self.chosen(faults={"cron": CcsError("not allowed")}) == "systemd"

    @pytest.mark.parametrize(("system", "name"), [("darwin", "launchd"), ("win32", "schtasks")])
    def test_elsewhere_the_systems_own(self, has, monkeypatch, system, name):
        has(manager=True, lingers=True)
        monkeypatch.setattr(sys, "platform", system)
        assert self.chosen() == name

    def test_what_is_installed_stays(self, has):
        has(manager=True, lingers=True)
        assert self.chosen({"cron": Found("crontab line 1", ours=True)}) == "cron"
