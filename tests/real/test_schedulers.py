"""The real cron and the real systemd: install, tick, run, status, uninstall."""

from __future__ import annotations

import json

import private_machine
import pytest

# Debian's `crontab -l` shows a carriage return and a backspace as two characters each.
TABLE = (
    b"# mine\r\nMAILTO=me\nSHELL=/bin/false\n"
    b"# caf\xe9 \xc2\x85 \x08 \\r \\b\n0 5 * * * date +\\%s\n"
)


@pytest.fixture
def cron(tmp_path):
    yield from private_machine.cron(tmp_path)


@pytest.fixture
def systemd(tmp_path):
    yield from private_machine.systemd(tmp_path)


def a_run_outlives_its_tick(machine, backend):
    """The whole cycle; the tick that starts the run is the one that `install` waits for."""
    task = machine.task("[[mock: tool seconds=12]]", "--every", "1m")
    done = machine("install", "--yes", "--backend", backend)
    assert done.code == 0, done.err
    assert f"{backend} called ccs at " in done.err
    [run] = machine.until(lambda: machine.recorded()[:1], 90)
    assert (run["task_id"], run["trigger"]) == (task, "schedule")
    machine.ok("tasks", "disable", task)
    ended = machine.ended(run["id"])
    assert (ended["status"], ended["reason"]) == ("success", None)
    assert ended["duration"] >= 12
    told = machine.ok("status", "--json").json
    assert (told["status"], told["last_tick_backend"]) == ("ok", backend)
    assert [(one["backend"], one["by"]) for one in told["installed"]] == [(backend, "ccs install")]
    seen = told["scheduler_sees"]
    assert (seen["path"], seen["home"]) == (machine.env["PATH"], machine.env["HOME"])
    assert json.loads((machine.store / "tick.json").read_text())["backend"] == backend
    assert machine("uninstall").err.startswith("removed ")
    assert machine.ok("status", "--json").json["installed"] == []


def test_cron_calls_it_and_a_run_outlives_its_tick(cron):
    assert cron.inside("crontab", "-", stdin=TABLE).returncode == 0
    unheard = cron("install", "--yes", "--no-start", "--backend", "cron")
    assert unheard.code == 6
    assert "no cron daemon runs" in unheard.err
    (cron.root / "start-cron").touch()
    cron.until(lambda: cron("install", "--dry-run").err.count("no cron daemon runs") == 0)
    a_run_outlives_its_tick(cron, "cron")
    assert spool(cron) == TABLE


def test_systemd_calls_it_and_a_run_outlives_its_tick(systemd):
    a_run_outlives_its_tick(systemd, "systemd")
    timers = systemd.inside("systemctl", "--user", "list-timers", "--all", "--plain")
    assert b"ccs" not in timers.stdout


class TestCrontab:
    """crontab(1) alone, in a spool of its own."""

    @pytest.mark.parametrize(
        "table",
        [
            TABLE,
            b"0 5 * * * true\n",
            b"# \\r is no carriage return here\n",
            b"# all \x01\x02\x0b\x0c\x1b\x7f\x80\xff\n0 5 * * * true\n",
        ],
    )
    def test_comes_back_byte_for_byte(self, cron, table):
        assert cron.inside("crontab", "-", stdin=table).returncode == 0
        cron("install", "--yes", "--no-start")
        assert spool(cron).startswith(b"# BEGIN ccs ")
        assert spool(cron).endswith(table)
        cron("install", "--yes", "--no-start")
        assert cron("uninstall").code == 0
        assert spool(cron) == table

    def test_of_somebody_without_one_is_gone_afterwards(self, cron):
        cron("install", "--yes", "--no-start")
        assert cron.inside("crontab", "-l").returncode == 0
        assert cron("uninstall").code == 0
        assert b"no crontab for" in cron.inside("crontab", "-l").stderr

    def test_a_line_that_it_would_refuse_is_refused_before(self, cron):
        cron.env["PATH"] += ":/" + "p" * 900
        done = cron("install", "--yes", "--no-start", "--backend", "cron")
        assert done.code == 2
        assert "of which cron takes 998" in done.err
        assert b"no crontab for" in cron.inside("crontab", "-l").stderr


def spool(machine):
    """The user's table itself, without the three lines that Debian's crontab puts before it."""
    content = machine.inside("cat", "/var/spool/cron/crontabs/root").stdout
    return content.split(b"\n", 3)[3]
