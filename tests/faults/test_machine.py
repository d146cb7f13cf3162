"""What a machine does to a scheduler: full disks, wrong clocks, PIDs used again, new boots."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from cases import MUTATING, Case
from size import FULL, SEED, SHARE, SIZE
from warm import Done
from world import OWN_EXIT_CODES, World

from ccs import instant
from ccs.engine.tick import tick
from ccs.host import process
from ccs.model.task import Task
from ccs.store.home import Home
from ccs.store.store import Store

# They only write: whether they had room is told by what they say and by what is there.
_WRITING = [case for case in MUTATING if not case.launches and case.begin is None]
WRITING = _WRITING if FULL else random.Random(SEED).sample(_WRITING, 6)
PAGE = 4096


# Room -----------------------------------------------------------------------------


@contextmanager
def small_disk(world: World) -> Iterator[None]:
    """The kept store on a file system of its own, of a megabyte."""
    world.restore()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(world.store)]
    kept = world.root / "aside"
    shutil.copytree(world.store, kept, symlinks=True)
    try:
        if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("a small file system can be mounted by root only, and not everywhere")
        try:
            shutil.copytree(kept, world.store, symlinks=True, dirs_exist_ok=True)
            yield
        finally:
            world.end_everything()
            subprocess.run(["umount", "--lazy", str(world.store)], check=True)
    finally:
        shutil.rmtree(kept)


def fill(world: World, pages_left: int) -> Path:
    ballast = world.store / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * PAGE)
        except OSError:
            file.truncate(max(0, file.tell() - pages_left * PAGE))
    return ballast


@pytest.mark.parametrize("case", WRITING, ids=lambda case: case.id)
def test_on_a_full_disk(case: Case, world, seeded):
    case.prepare(world)
    world.keep()
    staying = world.identities()
    after = _undisturbed(world, case)
    staying &= world.identities()
    rooms = sorted(seeded.sample(range(12), min(SIZE, 12)))
    for pages in rooms:
        with small_disk(world):
            ballast = fill(world, pages)
            done = world(*case.argv(world), stdin=case.stdin)
            _assert_honest(world, case, done, after)
            ballast.unlink()
            again = world(*case.argv(world), stdin=case.stdin)
            assert again.code in (case.code, *case.again), f"{pages} pages: {again.out}"
            world.assert_whole()
            world.assert_nothing_lost(staying)


@pytest.mark.parametrize("case", WRITING, ids=lambda case: case.id)
def test_a_write_that_takes_only_a_part(case: Case, world, seeded):
    """A limit on the size of files cuts a write short, and refuses the next one."""
    case.prepare(world)
    world.keep()
    after = _undisturbed(world, case)
    for _ in range(min(SIZE, 20)):
        world.restore()
        done = world(
            *case.argv(world), stdin=case.stdin, longest_file=seeded.choice([1, 300, 1500, 5000])
        )
        _assert_honest(world, case, done, after)
        again = world(*case.argv(world), stdin=case.stdin)
        assert again.code in (case.code, *case.again), again.out


def _undisturbed(world: World, case: Case) -> dict[str, str]:
    world.restore()
    done = world(*case.argv(world), stdin=case.stdin)
    assert done.code == case.code, done.out
    return world.snapshot()


def _assert_honest(world: World, case: Case, done: Done, after: dict[str, str]) -> None:
    assert "Traceback" not in done.out
    assert done.code in {case.code, *OWN_EXIT_CODES}, done.out
    world.assert_whole()
    if done.code == 0 and not case.best_effort:
        present = world.snapshot()
        wrong = [name for name in after if present.get(name) != after[name]]
        assert not wrong, f"exit 0, and {wrong} are not as they were to be"


# Clocks ----------------------------------------------------------------------------

JUMPS = [
    *(timedelta(seconds=one) for one in (1, 59, 60, 600, 2 * 3600, 3 * 3600, 4 * 3600)),
    *(timedelta(days=one) for one in (1, 31, 365)),
]


def test_clocks_that_jump_launch_no_slot_twice(tmp_path, seeded):
    for history in range(max(2, round(50 * SHARE))):
        _history(Store(Home(str(tmp_path / str(history)))), seeded)


def _history(store: Store, chance: random.Random) -> None:
    """Ticks under a clock that is set now and then, by a second or by a year, there and back."""
    store.home.create()
    now = datetime(2026, 11, 20, 10, 0, 30, tzinfo=UTC)
    store.tasks.put(*(_task(cron, now) for cron in ("* * * * *", "*/15 * * * *", "0 3 * * *")))
    slots: Counter[str] = Counter()
    newest = now
    for _ in range(40):
        now += timedelta(minutes=1)
        if chance.random() < 0.2:
            now += chance.choice([1, -1]) * chance.choice(JUMPS)
        if chance.random() < 0.02:
            now = chance.choice(
                [datetime(1970, 1, 1, tzinfo=UTC), datetime(2038, 1, 20, tzinfo=UTC)]
            )
        known = {run.id for run in store.every_run()}
        done = tick(store, now, {}, None, lambda *_: None)
        assert done is not None
        assert done.problems == []
        fresh = [run for run in store.runs.all() if run.id in done.launched]
        slots.update(f"{run.task_id} {run.scheduled_time}" for run in fresh)
        if newest - timedelta(hours=3) <= now <= newest:
            again = [run for run in fresh if run.id not in known and run.scheduled_time < now]
            assert not again, (
                f"moved back to {now} from {newest}, and {again[0].scheduled_time} ran"
            )
        # Back by more is taken for a correction: what counts from then on is the new time.
        newest = now if now < newest - timedelta(hours=3) else max(newest, now)
        for run in store.runs.all():
            if run.unfinished:
                store.runs.put(run.changed(status="success", end_time=now, held_reason=None))
    twice = {slot: count for slot, count in slots.items() if count > 1}
    assert not twice


def _task(cron: str, born: datetime) -> Task:
    schedule = {"schedule_type": "cron", "cron": cron, "timezone": "UTC"}
    times = dict.fromkeys(("active_since", "created_at", "updated_at"), born)
    return Task.checked(
        {"id": str(uuid4()), "name": cron, "prompt": "go", "schedule": schedule,
         "working_directory": "/", **times}
    )  # fmt: skip


# Processes -------------------------------------------------------------------------


@pytest.fixture
def innocent() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with any run."""
    found = subprocess.Popen(["sleep", "600"])
    yield found
    found.kill()
    found.wait()


def _left_running(world: World, owner: dict[str, object]) -> str:
    """A run that its supervisor left behind, whose PID is now another's."""
    run_id = str(uuid4())
    began = instant.text(datetime.now(UTC) - timedelta(minutes=9))
    run = {"id": run_id, "task_id": world.ids["task"], "trigger": "manual", "status": "running"}
    run |= {"scheduled_time": began, "start_time": began, "mock": True}
    world.edit("runs", lambda runs: runs.append(run))
    rundir = world.store / "runs" / run_id
    rundir.mkdir(mode=0o700)
    for name, text in {"lock": "", "started": "", "owner": json.dumps(owner)}.items():
        (rundir / name).write_text(text)
        (rundir / name).chmod(0o600)
    return run_id


@pytest.mark.parametrize("change", [{"started": 1}, {"boot": "another"}], ids=["pid", "boot"])
@pytest.mark.parametrize("words", ["tick", "runs stop {run}", "runs delete --force --yes {run}"])
def test_a_pid_that_is_used_again_is_left_alone(world, innocent, words, change):
    """By a later process, or by the same one after a boot: neither is the run's supervisor."""
    owner = {**process.identity(innocent.pid), **change}
    run_id = _left_running(world, owner)
    world(*words.format(run=run_id).split())
    world.settle()
    assert innocent.poll() is None
    assert [one["status"] for one in world.all_runs() if one["id"] == run_id] in (
        [["lost"]] if words == "tick" else [["lost"], ["cancelled"], []]
    )
    world.assert_launched_once()


def test_a_new_boot_fires_startup_tasks_once_and_takes_nothing_for_running(world, innocent):
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("another boot id can be shown by root only, with unshare")
    startup = world.named("startup", "tasks", "create", "--prompt", "go", "--startup")
    world.settle()
    before = len([one for one in world.all_runs() if one["task_id"] == startup])
    left = _left_running(world, process.identity(innocent.pid))
    for boot in (str(uuid4()), str(uuid4())):
        for _ in range(3):
            _tick_after_boot(world, boot)
        before += 1
        runs = [one for one in world.all_runs() if one["task_id"] == startup]
        assert len(runs) == before
    assert [one["status"] for one in world.all_runs() if one["id"] == left] == ["lost"]
    assert innocent.poll() is None
    world.assert_launched_once()


def _tick_after_boot(world: World, boot: str) -> None:
    shown = world.root / "boot_id"
    shown.write_text(boot + "\n")
    script = 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"'
    tick = [sys.executable, "-P", "-m", "ccs", "tick"]
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, str(shown), *tick],
        env=world.env, cwd=world.work, capture_output=True, text=True,
    )  # fmt: skip
    if "mount" in done.stderr:
        pytest.skip("another boot id cannot be shown here")
    assert (done.returncode, done.stderr) == (0, "")
    world.until(lambda: not world.processes())


_HOLDER = """
import sys
from ccs.store.lock import Lock
lock = Lock(sys.argv[1])
lock.acquire_within(10, "the holder")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def stopped_holder(path: Path) -> Iterator[None]:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdin and holder.stdout and holder.stdout.readline() == "held\n"
    os.kill(holder.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(holder.pid, signal.SIGCONT)
        holder.communicate()


def test_ticks_leave_at_once_while_a_stopped_one_holds_the_lock(world):
    with stopped_holder(world.store / "locks" / "tick.lock"):
        before = world.snapshot()
        began = time.process_time()
        assert [world("tick").code for _ in range(10)] == [0] * 10
        assert time.process_time() - began < 10
        assert world.snapshot() == before
    world.settle()


def test_a_stopped_writer_makes_others_say_so_and_breaks_nothing(world):
    with stopped_holder(world.store / "locks" / "store.lock"):
        before = world.snapshot()
        done = world("tasks", "create", "--prompt", "x", "--manual")
        assert done.code == 7
        assert "the holder" in done.out
        assert world.snapshot() == before
    world.ok("tasks", "create", "--prompt", "x", "--manual")
    world.settle()
