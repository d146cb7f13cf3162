"""Whether something calls what stands in the crontab."""

from __future__ import annotations

import psutil
import pytest

from ccs.host.install import cron
from ccs.host.install.machine import Machine

SYSTEMCTL = "#!/bin/sh\n[ \"$*\" = '--system is-active cron.target' ] && exit {}\nexit 9\n"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """`machine(code)`: no daemon runs, and systemctl ends so when asked for cron.target."""
    monkeypatch.setattr(psutil, "process_iter", lambda _: iter(()))
    monkeypatch.setattr(cron.sys, "platform", "linux")

    def make(code):
        program = tmp_path / "systemctl"
        program.write_text(SYSTEMCTL.format(code))
        program.chmod(0o755)
        return Machine({"PATH": f"{tmp_path}:/usr/bin:/bin"})

    return make


def test_systemd_cron_is_one_although_no_process_is_seen(machine):
    assert cron.has_daemon(machine(0))


@pytest.mark.parametrize("code", [1, 3, 4])
def test_a_systemd_without_its_target_is_none(machine, code):
    assert not cron.has_daemon(machine(code))
