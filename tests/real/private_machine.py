"""A cron or a user's systemd of this test's own, in name spaces that end with it.

Both see the file system of this machine but for what is theirs: cron its spool and its tables,
systemd the cgroups and /run. systemd moves every process of the cgroup it takes for its root, so
it gets a cgroup of its own as root and is not started where that cannot be proved.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from real_program import _system_tests

_NAME_SPACES = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_WITHIN = 60.0

_CRON = """
spool=/var/spool/cron/crontabs
mount -t tmpfs -o mode=1730,gid="$(stat -c %g $spool)" tmpfs $spool
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /etc/cron.d
: > /run/none
mount --bind /run/none /etc/crontab
echo ready
exec sh -c 'until [ -e "$1/start-cron" ]; do sleep 0.2; done; exec cron -f' sh "$1"
"""
_SYSTEMD = """
grep -q 'name=systemd:/$' /proc/self/cgroup
mount -t tmpfs tmpfs /sys/fs/cgroup
mkdir /sys/fs/cgroup/systemd /sys/fs/cgroup/unified
mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified
# The root that is seen is our own: nobody is in it but this shell and what it starts.
grep -qx $$ /sys/fs/cgroup/systemd/cgroup.procs
! grep -qx 0 /sys/fs/cgroup/systemd/cgroup.procs
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system /run/user/0
chmod 700 /run/user/0
env -i HOME="$2" XDG_RUNTIME_DIR=/run/user/0 PATH=/usr/bin:/bin \\
  /lib/systemd/systemd --user --show-status=0 &
echo ready
wait
"""


class PrivateMachine(_system_tests().Program):
    """`ccs` inside the name spaces, in a home and from an interpreter whose paths are hostile."""

    environ: dict[str, str] = {}

    def __init__(self, root: Path) -> None:
        odd = root / "sp ace %h %%é"
        odd.mkdir()
        super().__init__(odd)
        self.root = odd
        (odd / "$venv").symlink_to(sys.prefix)
        self.home = odd / "back\\slash 'quo\"tes"
        self.home.mkdir()
        self.env["HOME"] = str(self.home)
        self.python = str(odd / "$venv/bin/python")
        self.env["PATH"] = f"{odd}/bin:{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin"
        self.settings(mock_mode=True)
        self.store.chmod(0o700)
        self.within: list[str] = []

    def start_inside(self, script: str) -> subprocess.Popen[str]:
        argv = ["sh", "-eu", "-c", script, "sh", str(self.root), str(self.home)]
        cgroup = ["--cgroup"] if script is _SYSTEMD else []
        into = ["sh", "-eu", "-c", _INTO_CGROUP, "sh", f"ccs-test-{os.getpid()}"] if cgroup else []
        process = subprocess.Popen(
            [*into, *_NAME_SPACES, *cgroup, *argv],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ),
        )  # fmt: skip
        if process.stdout.readline() != "ready\n":
            process.kill()
            pytest.skip(f"name spaces are not to be had here: {process.communicate()[1]}")
        [first] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        self.within = ["nsenter", "-t", first, "--mount", "--pid"]
        return process

    def inside(self, *argv: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*self.within, *argv], input=stdin, env={**self.env, **self.environ},
            capture_output=True, cwd="/", timeout=120, check=False,
        )  # fmt: skip

    def __call__(self, *words: str, stdin=None, **env):
        done = self.inside(self.python, "-P", "-m", "ccs", *words)
        from ccs_system_conftest import Result

        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


_INTO_CGROUP = """
for kind in systemd unified; do
  mkdir "/sys/fs/cgroup/$kind/$1"
  echo $$ > "/sys/fs/cgroup/$kind/$1/cgroup.procs"
done
shift
exec "$@"
"""


def need(*programs: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make the name spaces")
    missing = [one for one in (*programs, "unshare", "nsenter") if not shutil.which(one)]
    if missing:
        pytest.skip(f"not here: {', '.join(missing)}")


def cron(root: Path):
    """Yields the machine; cron waits for the file start-cron in its root."""
    need("crontab", "cron")
    machine = PrivateMachine(root)
    process = machine.start_inside(_CRON)
    try:
        yield machine
    finally:
        end(process)


def systemd(root: Path):
    need("systemctl")
    if not all(Path(f"/sys/fs/cgroup/{kind}").is_dir() for kind in ("systemd", "unified")):
        pytest.skip("the cgroups here are not of the kind that this test can set apart")
    machine = PrivateMachine(root)
    machine.environ = {"XDG_RUNTIME_DIR": "/run/user/0"}
    before = Path("/proc/1/cgroup").read_text()
    process = machine.start_inside(_SYSTEMD)
    try:
        deadline = time.monotonic() + _WITHIN
        while machine.inside("systemctl", "--user", "is-system-running").stdout.strip() not in (
            *(b"running", b"degraded"),
        ):
            if time.monotonic() > deadline:
                pytest.skip("no user's systemd came up in its name spaces")
            time.sleep(0.2)
        yield machine
    finally:
        end(process)
        remove_cgroups()
        assert Path("/proc/1/cgroup").read_text() == before


def end(process: subprocess.Popen[str]) -> None:
    """With the first process of its name space everything in it ends."""
    process.kill()
    process.communicate(timeout=60)


def remove_cgroups() -> None:
    deadline = time.monotonic() + _WITHIN
    for kind in ("systemd", "unified"):
        top = Path(f"/sys/fs/cgroup/{kind}/ccs-test-{os.getpid()}")
        while top.exists() and time.monotonic() < deadline:
            for directory in sorted(top.glob("**/"), reverse=True):
                try:
                    directory.rmdir()
                except OSError:
                    time.sleep(0.1)  # what was killed is not gone yet
