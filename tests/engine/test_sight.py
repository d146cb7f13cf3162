"""When a tick has somebody look around, and that an idle one stays idle."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest

from ccs import __version__
from ccs.engine import sight, tick
from ccs.store import agenda

LATER = timedelta(minutes=11)
CRON = {"PATH": "/usr/bin:/bin", "HOME": "/home/you"}


@pytest.fixture
def children(monkeypatch):
    """The argv of what was started; nothing is."""
    started = []
    monkeypatch.setattr(sight, "detached", lambda argv, environ: started.append(argv[-2:]))
    return started


def busy(home):
    with open(home.agenda) as file:
        return file.readline().split()[5] == "1"


def looks(store, now, backend="cron", **environ):
    sight.look(store, {**CRON, **environ}, backend, now)


class TestWhoLooks:
    def test_a_tick_by_hand_never_does(self, store, now, children):
        tick.tick(store, now, CRON)
        assert children == []
        assert not busy(store.home)

    def test_the_first_tick_of_a_backend_does_and_later_ones_do_not(self, store, now, children):
        tick.tick(store, now, CRON, "cron")
        assert children == [["sight", "cron"]]
        looks(store, now)
        tick.tick(store, now + timedelta(minutes=1), CRON, "cron")
        assert len(children) == 1
        assert not busy(store.home)

    @pytest.mark.parametrize("changed", [{"PATH": "/opt/bin"}, {"HOME": "/home/other"}])
    def test_one_whose_surroundings_changed_does(self, store, now, children, changed):
        looks(store, now)
        tick.tick(store, now + LATER, {**CRON, **changed}, "cron")
        assert len(children) == 1

    def test_one_of_another_backend_does(self, store, now, children):
        looks(store, now)
        tick.tick(store, now + LATER, CRON, "systemd")
        assert children == [["sight", "systemd"]]

    def test_two_that_take_turns_do_not_each_minute(self, store, now, children):
        looks(store, now)
        for minute in range(1, 9):
            tick.tick(store, now + timedelta(minutes=minute), CRON, ("systemd", "cron")[minute % 2])
        assert children == []

    def test_one_does_when_the_last_look_is_a_day_old(self, store, now, children):
        looks(store, now)
        tick.tick(store, now + timedelta(hours=23), CRON, "cron")
        assert children == []
        tick.tick(store, now + timedelta(hours=25), CRON, "cron")
        assert len(children) == 1

    @pytest.mark.parametrize("torn", [b"", b"{", b"[]", b'{"at": 1}', b'{"at": "x", "backend": 1}'])
    def test_a_torn_file_counts_as_absent(self, store, now, children, torn):
        with open(store.home.sight, "wb", opener=_private) as file:
            file.write(torn)
        with open(store.home.installed, "wb", opener=_private) as file:
            file.write(torn)
        done = tick.tick(store, now, CRON, "cron")
        assert done is not None and done.problems == []
        assert len(children) == 1


class TestWhatIsExpected:
    def test_keeps_every_tick_whole_until_the_installed_backend_has_looked(
        self, store, now, children
    ):
        looks(store, now)
        tick.tick(store, now, CRON, "cron")
        assert not busy(store.home)
        sight.expect(store.home, "cron", now + timedelta(seconds=1))
        assert not agenda.idle(store.home.path, __version__)
        for backend in (None, "systemd"):
            tick.tick(store, now + timedelta(seconds=10), CRON, backend)
            assert busy(store.home)
        tick.tick(store, now + timedelta(minutes=1), CRON, "cron")
        assert children[-1] == ["sight", "cron"]
        looks(store, now + timedelta(minutes=1))
        tick.tick(store, now + timedelta(minutes=2), CRON, "cron")
        assert not busy(store.home)

    def test_is_given_up_after_an_hour(self, store, now, children):
        sight.expect(store.home, "cron", now)
        tick.tick(store, now + timedelta(minutes=59), CRON)
        assert busy(store.home)
        tick.tick(store, now + timedelta(minutes=61), CRON)
        assert not busy(store.home)

    def test_is_forgotten_with_the_entry(self, store, now, children):
        sight.expect(store.home, "cron", now)
        sight.forget(store.home)
        tick.tick(store, now, CRON)
        assert not busy(store.home)

    def test_a_simulation_looks_at_nothing(self, store, now, children):
        tick.tick(store, now, CRON, "cron", spawn=lambda *_: None)
        assert children == []


class TestWhatIsSeen:
    @pytest.mark.parametrize(
        ("says", "told"),
        [
            ('echo \'{"loggedIn": true, "authMethod": "claude.ai"}\'', "logged in (claude.ai)"),
            ("echo '{\"loggedIn\": false}'; exit 1", "not logged in"),
            ("echo unknown command; exit 1", "unknown: the client does not say"),
            ("kill -9 $$", "unknown: the client does not say"),
        ],
    )
    def test_the_client_says_whether_it_is_logged_in(self, store, now, tmp_path, says, told):
        client = tmp_path / "claude"
        client.write_text(f"#!/bin/sh\n{says}\n")
        client.chmod(0o755)
        looks(store, now, PATH=f"{tmp_path}:/usr/bin:/bin")
        seen = sight.seen(store.home)
        assert (seen["client"], seen["login"]) == (str(client), told)

    def test_of_secrets_only_the_names_are_kept(self, store, now):
        looks(store, now, ANTHROPIC_API_KEY="sk-ant-hidden", OTHER="x")  # pragma: allowlist secret
        assert sight.seen(store.home)["variables"] == ["ANTHROPIC_API_KEY"]
        with open(store.home.sight) as file:
            assert "sk-ant-hidden" not in file.read()

    def test_a_broken_store_is_said_and_hides_nothing_else(self, store, now):
        with open(store.home.settings, "w", opener=_private) as file:
            file.write("{")
        looks(store, now)
        seen = sight.seen(store.home)
        assert seen["client"] is None
        assert "settings.json" in seen["problem"]
        assert seen["path"] == CRON["PATH"]


def _private(path, flags):
    return os.open(path, flags, 0o600)
