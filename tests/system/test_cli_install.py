"""ccs install, uninstall and status, with stand-ins for the systems' schedulers."""

from __future__ import annotations

import json
import os
import plistlib
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from schedulers import Schedulers
from terminal import Terminal

from ccs.host.install import cron, machine

THEIRS = b"# mine\nMAILTO=me\n0 5 * * * date +\\%s\n"
CALL = b"/ccs/__main__.py tick --backend cron"
HAND = b"* * * * * PATH=/usr/bin ccs tick\n"


@pytest.fixture
def put(quick, tmp_path, monkeypatch, inside):
    """`put(*names)`: this machine has these schedulers and no others; cron's daemon runs."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "cat", "rm", "mv", "cp", "touch", "tail", "dirname", "sleep", "git"):
        (tools / name).symlink_to(shutil.which(name))
    monkeypatch.setattr(machine, "_BESIDE", ())
    monkeypatch.setattr(cron, "has_daemon", lambda machine: True)

    def make(*names):
        made = Schedulers(tmp_path / "schedulers", *names)
        quick.env["PATH"] = f"{made.directory}:{tools}"
        return made

    return make


@pytest.fixture
def install(quick, inside):
    def call(*options):
        return inside(quick, "install", "--yes", "--no-start", *options)

    return call


class TestCron:
    def test_comes_into_a_crontab_and_leaves_it_as_it_was(self, put, install, quick, inside):
        on = put("crontab")
        on.table = THEIRS
        done = install()
        assert done.code == 0, done.err
        assert on.table.endswith(THEIRS)
        line = on.table.decode().splitlines()[1]
        assert f"CCS_HOME={quick.store}" in line
        assert line.endswith(" tick --backend cron >/dev/null 2>&1")
        assert install().code == 0, "a second one finds it in place"
        assert on.table.count(CALL) == 1
        assert inside(quick, "uninstall").code == 0
        assert on.table == THEIRS

    def test_of_somebody_without_a_crontab_is_made_and_removed(self, put, install, quick, inside):
        on = put("crontab")
        assert install().code == 0
        assert on.table.startswith(b"# BEGIN ccs ")
        gone = inside(quick, "uninstall")
        assert "removed crontab line 1" in gone.err
        assert on.table is None
        again = inside(quick, "uninstall")
        assert (again.code, again.err) == (0, "nothing was installed by ccs install\n")

    def test_one_made_by_hand_is_named_and_refused(self, put, install, quick, inside):
        on = put("crontab")
        on.table = THEIRS + HAND
        quick.env.pop("CCS_HOME")
        done = install("--backend", "cron")
        assert done.code == 4
        assert "crontab line 4, made by hand: * * * * * PATH=/usr/bin ccs tick" in done.err
        assert on.table == THEIRS + HAND
        assert install("--replace").code == 0
        assert on.table.endswith(THEIRS + b"# replaced by ccs install: " + HAND)

    def test_what_cannot_be_read_is_never_written_over(self, put, install):
        on = put("crontab")
        on.table = THEIRS
        on.has("refuses")
        done = install()
        assert done.code == 1
        assert "not allowed to use this program" in done.err
        assert "cron.allow" in done.err
        assert on.table == THEIRS

    def test_what_crontab_refuses_leaves_the_old_one(self, put, install):
        on = put("crontab")
        on.table = THEIRS
        on.has("full")
        done = install()
        assert done.code == 1
        assert "No space left on device" in done.err
        assert on.table == THEIRS

    def test_what_reads_back_otherwise_is_an_error(self, put, install):
        put("crontab").has("meddles")
        done = install()
        assert done.code == 1
        assert "is not what was written" in done.err

    def test_without_a_daemon_it_says_so_and_is_unhealthy(self, put, install, monkeypatch):
        monkeypatch.setattr(cron, "has_daemon", lambda machine: False)
        on = put("crontab")
        done = install()
        assert done.code == 6
        assert "no cron daemon runs" in done.err
        assert CALL in on.table

    def test_without_a_crontab_program_a_dependency_is_missing(self, put, install):
        put()
        assert install("--backend", "cron").code == 8
        none = install()
        assert none.code == 8
        assert "neither cron nor a systemd" in none.err


class TestOthers:
    def test_systemd_is_told_enabled_and_taken_out(self, put, install, quick, inside):
        on = put("systemctl", "loginctl")
        units = quick.home / ".config/systemd/user"
        quick.env.pop("CCS_HOME")
        done = install()
        assert done.code == 0, done.err
        assert {path.name for path in units.iterdir()} == {"ccs-tick.service", "ccs-tick.timer"}
        order = [
            line for line in on.calls("systemctl") if line.split()[0] in ("daemon-reload", "enable")
        ]
        assert order == ["daemon-reload", "enable --now ccs-tick.timer"]
        assert "removed" in inside(quick, "uninstall").err
        assert [*units.iterdir()] == []
        assert not (on.directory / "active.ccs-tick.timer").exists()

    def test_a_user_manager_out_of_reach_is_a_missing_dependency(self, put, install):
        put("systemctl", "loginctl").has("no-manager")
        done = install("--backend", "systemd")
        assert done.code == 8
        assert "No medium found" in done.err

    def test_a_unit_of_ours_edited_by_hand_is_shown_and_written_anew(self, put, install, quick):
        put("systemctl", "loginctl")
        assert install().code == 0
        [path] = (quick.home / ".config/systemd/user").glob("*.service")
        written = path.read_text()
        path.write_text(written.replace("KillMode=process\n", ""))
        done = install()
        assert "to be changed to:" in done.err
        assert path.read_text() == written

    def test_a_foreign_unit_in_its_place_is_refused_and_then_kept_beside(self, put, install, quick):
        put("systemctl", "loginctl")
        units = quick.home / ".config/systemd/user"
        units.mkdir(parents=True)
        quick.env.pop("CCS_HOME")
        own = "[Service]\nExecStart=/x/ccs tick\n"
        (units / "ccs-tick.service").write_text(own)
        done = install()
        assert done.code == 4
        assert "made by hand: ExecStart=/x/ccs tick" in done.err
        assert (units / "ccs-tick.service").read_text() == own
        assert install("--replace").code == 0
        assert (units / "ccs-tick.service.replaced").read_text() == own

    def test_a_timer_made_by_hand_under_another_name_is_named_and_disabled(
        self, put, install, quick
    ):
        on = put("systemctl", "loginctl")
        units = quick.home / ".config/systemd/user"
        units.mkdir(parents=True)
        own = f"[Service]\nEnvironment=CCS_HOME={quick.store}\nExecStart=/x/ccs tick\n"
        (units / "mine.service").write_text(own)
        (units / "other.service").write_text(own.replace(str(quick.store), "/srv/ccs"))
        assert install("--dry-run").code == 0, "they are not enabled"
        (units / "timers.target.wants").mkdir()
        for name in ("mine", "other"):
            (units / f"timers.target.wants/{name}.timer").symlink_to(units / f"{name}.timer")
        done = install()
        assert done.code == 4
        assert f"{units}/mine.service, made by hand" in done.err
        assert "other.service" not in done.err
        assert install("--replace").code == 0
        assert "disable --now mine.timer" in on.calls("systemctl")
        assert (units / "mine.service").read_text() == own
        assert install().code == 0

    def test_launchd_is_told_after_it_has_let_go_of_the_old_one(self, put, install, quick, inside):
        on = put("launchctl")
        quick.env.pop("CCS_HOME")
        for _ in range(2):
            done = install("--backend", "launchd")
            assert done.code == 0, done.err
        path = quick.home / "Library/LaunchAgents/ccs.tick.plist"
        assert plistlib.loads(path.read_bytes())["Label"] == "ccs.tick"
        target = f"gui/{os.getuid()}"
        once = [
            f"enable {target}/ccs.tick",
            f"bootstrap {target} {path}",
            f"print {target}/ccs.tick",
        ]
        assert on.calls("launchctl")[-4:-1] == once
        assert inside(quick, "uninstall").code == 0
        assert not path.exists()
        assert not (on.directory / "loaded").exists()

    def test_task_scheduler_is_told_and_asked(self, put, install, quick, inside):
        on = put("schtasks")
        done = install("--backend", "schtasks")
        assert done.code == 0, done.err
        assert (on.directory / "task.xml").read_bytes()[:2] in (b"\xff\xfe", b"\xfe\xff")
        assert "has the entry already" in install().err
        quick.env["PATH"] += ":/opt/'new' & <bin>"
        assert "to be changed to" in install().err
        assert "has the entry already" in install().err
        assert inside(quick, "uninstall").code == 0
        assert not (on.directory / "task.xml").exists()


class TestOneEntry:
    def test_a_second_backend_is_refused_and_replaces_when_told_to(self, put, install, quick):
        on = put("crontab", "systemctl", "loginctl")
        on.table = THEIRS
        assert install("--backend", "cron").code == 0
        done = install("--backend", "systemd")
        assert done.code == 4
        assert "crontab line 1, by ccs install (cron)" in done.err
        assert "cron has the entry already" in install().err, "auto keeps what there is"
        assert install("--backend", "systemd", "--replace").code == 0
        assert on.table == THEIRS
        assert len([*(quick.home / ".config/systemd/user").iterdir()]) == 2

    def test_two_stores_share_a_crontab(self, put, install, quick, inside):
        on = put("crontab")
        assert install().code == 0
        first, quick.env["CCS_HOME"] = quick.env["CCS_HOME"], str(quick.root / "second")
        assert install().code == 0
        assert on.table.count(CALL) == 2
        assert inside(quick, "uninstall").code == 0
        assert on.table.count(CALL) == 1
        assert f"CCS_HOME={first} ".encode() in on.table

    def test_two_stores_at_once_lose_neither(self, put, quick):
        on = put("crontab")
        on.table = THEIRS
        on.has("slow")  # long enough between reading and writing for the other to come between
        argv = [quick.program, "install", "--yes", "--no-start", "--backend", "cron"]
        both = [
            subprocess.Popen(
                argv,
                env={**quick.env, "CCS_HOME": str(quick.root / f"store{number}")},
                stderr=subprocess.DEVNULL,
            )
            for number in range(2)
        ]
        assert all(one.wait(timeout=60) in (0, 6) for one in both)
        assert on.table.count(CALL) == 2
        assert on.table.endswith(THEIRS)

    def test_who_may_not_use_cron_may_use_systemd(self, put, install, quick, inside):
        on = put("crontab", "systemctl", "loginctl")
        on.has("refuses")
        done = install()
        assert done.code == 0
        assert "warning: the crontab cannot be read" in done.err
        assert "removed" in inside(quick, "uninstall").err
        assert [*(quick.home / ".config/systemd/user").iterdir()] == []

    @pytest.mark.parametrize("option", ["--dry-run", "--print"])
    def test_showing_changes_nothing_not_even_the_store(self, put, quick, inside, option):
        on = put("crontab")
        quick.env["CCS_HOME"] = str(quick.root / "absent")
        done = inside(quick, "install", option)
        assert done.code == 0
        assert "* * * * * " in done.out + done.err
        assert on.table is None
        assert not (quick.root / "absent").exists()

    def test_what_is_printed_is_what_is_installed(self, put, install, quick):
        on = put("crontab")
        printed = quick.root / "printed"
        with printed.open("wb") as file:
            subprocess.run(
                [sys.executable, "-m", "ccs", "install", "--print", "--backend", "cron"],
                env=quick.env, stdout=file, check=True,
            )  # fmt: skip
        assert install().code == 0
        assert on.table == printed.read_bytes()

    def test_nobody_to_ask_needs_yes(self, put, quick, inside):
        on = put("crontab")
        done = inside(quick, "install")
        assert done.code == 2
        assert "--yes" in done.err
        assert on.table is None

    @pytest.mark.parametrize(("says", "code", "written"), [("n", 1, False), ("", 0, True)])
    def test_on_a_terminal_it_asks_and_return_is_yes(self, put, quick, says, code, written):
        put("systemctl", "loginctl")
        terminal = Terminal(quick, "install", "--no-start", "--backend", "systemd")
        terminal.until("Install this? [Y/n]:")
        terminal.answer(says)
        assert terminal.end() == code
        assert bool([*quick.home.glob(".config/systemd/user/*.timer")]) == written

    def test_a_home_with_a_line_break_is_refused(self, put, install, quick):
        on = put("crontab")
        quick.env["CCS_HOME"] = f"{quick.root}/new\nline"
        done = install()
        assert done.code == 2
        assert "line break" in done.err
        assert on.table is None

    def test_an_interpreter_that_finds_ccs_only_here_is_refused(self, put, install, monkeypatch):
        on = put("crontab")
        bare = shutil.which("python3", path="/usr/bin:/bin")
        if bare is None:
            pytest.skip("no other Python here")
        monkeypatch.setattr("ccs.host.install.entry.sys.executable", bare)
        done = install()
        assert done.code == 1
        assert "does not work without your shell's environment" in done.err
        assert on.table is None


def as_systemd(quick):
    """What systemd does in the next minute: the service's command, with its environment alone."""
    [path] = (quick.home / ".config/systemd/user").glob("*.service")
    told = [line.partition("=")[::2] for line in path.read_text().splitlines()]
    values = [value.strip('"') for name, value in told if name == "Environment"]
    variables = dict(value.split("=", 1) for value in values)
    [command] = [value for name, value in told if name == "ExecStart"]
    argv = [word.strip('"') for word in command.split()]
    subprocess.run(argv, env={"LANG": "C", **variables}, cwd=quick.home, check=True)


@pytest.fixture
def waiting(put, quick):
    """An install that waits for its first tick."""
    put("systemctl", "loginctl")
    process = quick.popen("install", "--yes", "--backend", "systemd")
    quick.until(lambda: [*quick.home.glob(".config/systemd/user/*.timer")])
    yield process
    process.kill()
    process.communicate()


class TestTheFirstTick:
    def test_is_waited_for_and_says_what_it_saw(self, waiting, quick):
        quick.settings()
        path, quick.env["PATH"] = quick.env["PATH"], os.environ["PATH"]
        client = Path(path.partition(":")[0]) / "claude"
        client.write_text('#!/bin/sh\necho \'{"loggedIn": true, "authMethod": "claude.ai"}\'\n')
        client.chmod(0o755)
        quick.ok("tick", "--backend", "cron")  # of another backend: it is not the one
        quick.until(lambda: (quick.store / "sight.json").exists())
        assert waiting.poll() is None
        as_systemd(quick)
        _, err = waiting.communicate(timeout=90)
        assert waiting.returncode == 0, err
        assert "systemd called ccs at " in err
        assert f"client  {client}" in err
        assert "login   logged in (claude.ai)" in err
        assert f"PATH    {path}" in err

    def test_interrupting_the_wait_leaves_the_entry(self, waiting, quick):
        quick.until(lambda: (quick.store / "installed.json").exists())
        waiting.send_signal(signal.SIGINT)
        _, err = waiting.communicate(timeout=90)
        assert waiting.returncode == 130
        assert "the entry is in place" in err or "interrupted" in err
        assert len([*quick.home.glob(".config/systemd/user/*.timer")]) == 1


class TestStatus:
    def told(self, quick, inside, *options):
        done = inside(quick, "status", "--json", *options)
        return done.code, json.loads(done.out)

    def test_is_judged_by_the_age_of_the_last_tick(self, put, install, quick, inside):
        put("crontab")
        assert install().code == 0
        code, found = self.told(quick, inside)
        assert (code, found["status"]) == (6, "no_tick")
        assert found["installed"] == [
            {"backend": "cron", "where": "crontab line 1", "by": "ccs install"}
        ]
        quick.ok("tick", "--backend", "cron")
        code, found = self.told(quick, inside)
        assert (code, found["status"], found["last_tick_backend"]) == (0, "ok", "cron")
        long_ago = time.time() - 300
        os.utime(quick.store / "tick.json", (long_ago, long_ago))
        code, found = self.told(quick, inside)
        assert (code, found["status"]) == (6, "late")
        assert found["last_tick_seconds_ago"] >= 300

    def test_a_tick_of_a_clock_that_was_moved_back_since_is_no_sign_of_life(
        self, put, quick, inside
    ):
        put()
        quick.ok("tick")
        tomorrow = time.time() + 86_400
        os.utime(quick.store / "tick.json", (tomorrow, tomorrow))
        code, found = self.told(quick, inside)
        assert (code, found["status"]) == (6, "late")
        assert "the clock was moved back" in inside(quick, "status", "-o", "table").out

    def test_a_tick_on_the_short_way_is_a_sign_of_life(self, put, quick, inside):
        put()
        quick.ok("tick")
        long_ago = time.time() - 300
        os.utime(quick.store / "tick.json", (long_ago, long_ago))
        whole = (quick.store / "tick.json").read_bytes()
        quick.ok("tick")
        assert (quick.store / "tick.json").read_bytes() == whole
        code, found = self.told(quick, inside)
        assert (code, found["status"], found["installed"]) == (0, "ok", [])

    def test_tells_what_the_scheduler_sees_otherwise_than_this_shell(self, put, quick, inside):
        on = put()
        quick.settings()
        quick.ok("tick", "--backend", "cron")
        quick.until(lambda: "asking" not in seen(quick))
        quick.env["PATH"] = f"{on.directory}:{quick.env['PATH']}:/opt/mine"
        (on.directory / "claude").write_text("#!/bin/sh\n")
        (on.directory / "claude").chmod(0o755)
        quick.env["ANTHROPIC_API_KEY"] = "sk-ant-secret"  # pragma: allowlist secret
        _, found = self.told(quick, inside)
        assert found["differences"] == [
            f"client: none there, {on.directory}/claude here",
            "PATH: not there: /opt/mine",
            "not set there: ANTHROPIC_API_KEY (a profile can set it)",
        ]
        assert "sk-ant-secret" not in json.dumps(found) + seen(quick)

    def test_an_entry_that_was_changed_is_told(self, put, install, quick, inside):
        on = put("crontab")
        assert install().code == 0
        on.table = on.table.replace(b" -IS ", b" ")
        _, found = self.told(quick, inside)
        assert found["problems"] == [
            "crontab line 1: it is not as ccs install would write it (ccs install mends it)"
        ]
        assert install().code == 0
        assert self.told(quick, inside)[1]["problems"] == []

    def test_a_broken_store_is_unhealthy_and_the_entry_is_told_all_the_same(
        self, put, install, quick, inside
    ):
        put("crontab")
        assert install().code == 0
        quick.files({"store/tasks.json": "{"})
        code, found = self.told(quick, inside)
        assert (code, found["status"]) == (6, "broken")
        assert len(found["installed"]) == 1


def seen(quick):
    path = quick.store / "sight.json"
    return path.read_text() if path.exists() else "asking"
