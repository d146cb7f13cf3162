"""The parts of the benchmark, in the order in which they are shown."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from statistics import median

import peers
import stores
from measure import Command, Row, ms, ratio, side_by_side

from ccs.engine.begin import concerning
from ccs.store.records import Records
from ccs.store.store import Store

_NOBODY_ANSWERS = {
    "ANTHROPIC_API_KEY": "none",
    "ANTHROPIC_BASE_URL": "http://127.0.0.1:9",
    "CLAUDE_CODE_MAX_RETRIES": "0",
    "DISABLE_TELEMETRY": "1",
}


class Bench:
    def __init__(self, place: Path, program: str, rounds: int, most: int) -> None:
        self.place = place
        self.program = program
        self.python = str(Path(program).with_name("python"))
        self.rounds = rounds
        self.most = most
        self.home = place / "home"
        self.home.mkdir()
        self._made: dict[tuple[int, int], Store] = {}

    def store(self, tasks: int = 10, runs: int = 0) -> Store:
        """One that the first tick has seen already."""
        if (tasks, runs) not in self._made:
            place = self.place / f"{tasks}-{runs}"
            place.mkdir()
            made = stores.make(place / "store", tasks, runs)
            self._made[tasks, runs] = made
            self.ccs(made, "tick").once()
        return self._made[tasks, runs]

    def env(self, store: Store | None = None) -> dict[str, str]:
        found = {"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8"}
        return found if store is None else {**found, "CCS_HOME": store.home.path}

    def ccs(
        self, store: Store, *words: str, name: str = "", before: Callable[[], object] | None = None
    ) -> Command:
        argv = [self.program, *words]
        return Command(name or " ".join(words), argv, self.env(store), before)

    def settled(self, store: Store, tick: Command | None = None) -> None:
        tick = tick or self.ccs(store, "tick")
        tick.once()
        stores.settle(store, self.ccs(store, "tick").once)

    def py(self, code: str, *flags: str) -> Command:
        return Command(code, [self.python, *flags, "-c", code], self.env())

    def by_path(self, store: Store, *words: str) -> Command:
        entry = os.popen(f"{self.python} -c 'import ccs; print(ccs.__path__[0])'").read().strip()
        argv = [self.python, "-IS", f"{entry}/__main__.py", *words]
        return Command("by path", argv, self.env(store))

    def wrapper(self) -> str:
        """Old installers write one that imports `re`, which costs as much as half of Python."""
        old = "import re\n" in Path(self.program).read_text()
        return "wrapper of an old pip (imports re)" if old else "wrapper without imports"

    @cached_property
    def baseline(self) -> Command:
        return self.py("pass")


def idle(bench: Bench) -> list[Row]:
    """An idle tick, wall and CPU, over `python -c pass`"""
    pass_, small = bench.py("pass"), bench.store()
    many, old = bench.store(100_000 if bench.most > 10_000 else 1000), bench.store(10, bench.most)
    ticks = [bench.ccs(one, "tick") for one in (small, many, old)]
    path = bench.by_path(small, "tick")
    side_by_side([pass_, *ticks, path], bench.rounds)
    return [
        Row(
            "ccs tick, 10 tasks",
            ratio(ticks[0], pass_),
            target=1.15,
            note=f"{ms(pass_.wall):.1f} ms",
        ),
        Row("  its CPU", ratio(ticks[0], pass_, "cpu"), target=1.15),
        Row("ccs tick, 100,000 tasks over 10", ratio(ticks[1], ticks[0]), target=1.15),
        Row(f"ccs tick, {bench.most:,} runs over none", ratio(ticks[2], ticks[0]), target=1.15),
        Row("python -IS .../ccs/__main__.py tick", ratio(path, pass_), target=1.0),
    ]


def start(bench: Bench) -> list[Row]:
    """What answers without a store, over `python -c pass`"""
    pass_, store = bench.py("pass"), bench.store()
    version, usage = bench.ccs(store, "--version"), bench.ccs(store, "--help")
    words = {"_CCS_COMPLETE": "bash_complete", "COMP_WORDS": "ccs t", "COMP_CWORD": "1"}
    complete = Command("completion", [bench.program], {**bench.env(store), **words})
    side_by_side([pass_, version, usage, complete], bench.rounds)
    return [
        Row(f"ccs {one.name}", ratio(one, pass_), target=5.0) for one in (version, usage, complete)
    ]


def lists(bench: Bench) -> list[Row]:
    """Lists, over `python -c "import click, json"`; history of 1,000 runs and of many"""
    base, few = bench.py("import click, json"), bench.store(10, 1000)
    old, many = bench.store(10, bench.most), bench.store(10_000)
    first = stores.an_id(1_000_000_000)[:8]
    runs, runs_old = (bench.ccs(one, "runs", "list") for one in (few, old))
    get, get_old = (bench.ccs(one, "runs", "get", first) for one in (few, old))
    tasks = bench.ccs(few, "tasks", "list")
    tasks_many = bench.ccs(many, "tasks", "list", "-o", "table")
    tasks_json = bench.ccs(many, "tasks", "list")
    first = bench.ccs(many, "tasks", "list", before=lambda: _forget_list(many))
    side_by_side([base, runs, runs_old, get, get_old, tasks], bench.rounds)
    side_by_side([fresh := bench.py("import click, json"), tasks_many, tasks_json], bench.rounds)
    side_by_side([again := bench.py("import click, json"), first], 3)
    return [
        Row("ccs runs list", ratio(runs, base), target=1.5, note=f"{ms(base.wall):.0f} ms"),
        Row("ccs tasks list", ratio(tasks, base), target=1.5),
        Row("ccs tasks list, 10,000 tasks", ratio(tasks_many, fresh), target=3.0),
        Row("  in JSON", ratio(tasks_json, fresh), target=3.0),
        Row("  the first after a change", ratio(first, again)),
        Row(f"ccs runs list, {bench.most:,} runs over 1,000", ratio(runs_old, runs), target=1.25),
        Row(f"ccs runs get PREFIX, {bench.most:,} over 1,000", ratio(get_old, get), target=2.5),
    ]


def _forget_list(store: Store) -> None:
    Path(store.home.listing("tasks")).unlink(missing_ok=True)


def beside_a_run(bench: Bench) -> list[Row]:
    """A tick while a run goes on and nothing else is due, over an idle one (CPU)"""
    place = bench.place / "beside"
    place.mkdir()
    store = stores.make(place / "store", 10, due=1, client=_no_client(place, "sleep 300"))
    tick, idle = bench.ccs(store, "tick"), bench.ccs(bench.store(), "tick")
    tick.once()
    (pid,) = _supervisors(store, 1)
    (run,) = [one for one in store.runs.all() if one.status == "running"]
    store.tasks.put(store.tasks.find(run.task_id).changed(enabled=False))
    tick.once()
    side_by_side([idle, tick], bench.rounds)
    os.kill(pid, signal.SIGTERM)
    bench.settled(store)
    return [Row("ccs tick beside a run", ratio(tick, idle, "cpu"), target=1.15)]


def changes(bench: Bench) -> list[Row]:
    """A run's state change, fsynced, as a supervisor makes it; beside one file for all runs"""
    small, large = bench.store(10, 1000), bench.store(10, bench.most)
    rows = [_changed(one, bench.rounds) for one in (small, large)]
    whole = [peers.whole_file(bench.place, runs, 5) for runs in (1000, min(bench.most, 100_000))]
    return [
        Row("state change, 1,000 runs", rows[0], "ms", 6.0),
        Row(f"state change, {bench.most:,} runs over 1,000", rows[1] / rows[0], target=1.25),
        Row("one runs.json for all, 1,000 runs", whole[0], "ms"),
        Row("one runs.json for all, 100,000 runs", whole[1], "ms"),
    ]


def _changed(store: Store, rounds: int) -> float:
    """Milliseconds; what is done under the store lock by a supervisor that has its modules."""
    runs, taken = Records(store.home.collection("runs"), "runs"), []
    run_id = runs.read().records[-1]["id"]
    for number in range(rounds):
        with store.locked("bench"):
            begun = time.perf_counter()
            content = runs.read_some(concerning(run_id, "no session"))
            run = next(one for one in content.records if one["id"] == run_id)
            runs.change(content, [(run, {**run, "turns": number})])
            taken.append(time.perf_counter() - begun)
    return ms(taken)


def due(bench: Bench) -> list[Row]:
    """Long ticks: three due, of few tasks and of many, with little history and with much"""
    found: dict[str, tuple[float, float]] = {}
    sizes = {"10 tasks": (10, 0), "10,000 tasks": (10_000, 0), "much history": (10, bench.most)}
    rounds = max(bench.rounds // 4, 3)
    made = {}
    for name, (tasks, runs) in sizes.items():
        place = bench.place / f"due-{tasks}-{runs}"
        place.mkdir()
        made[name] = stores.make(place / "store", tasks, runs, due=3)
        bench.settled(made[name])
    for _ in range(rounds):
        for name, store in made.items():
            _next_minute(store)
            tick = bench.ccs(store, "tick")
            bench.settled(store, tick)
            wall, cpu = found.get(name, (99.0, 99.0))
            found[name] = min(wall, tick.wall[0]), min(cpu, tick.cpu[0])
    few, many, old = (1000 * found[name][1] for name in sizes)
    return [
        Row("ccs tick, 3 of 10 tasks due, CPU", few, "ms"),
        Row("  of 10,000 tasks: more CPU by", many - few, "ms", 40.0),
        Row(f"  {bench.most:,} runs over none, CPU", old / few, target=1.25),
    ]


def _next_minute(store: Store) -> None:
    """Without waiting for it: the cursors and the agenda say that the last minute is undecided."""
    for name in ("runs.json", "runs.json.prev"):
        Path(store.home.file(name)).unlink(missing_ok=True)
    stores.fire(store, 3)


def hundred(bench: Bench) -> list[Row]:
    """A hundred due at once, max_concurrent_tasks 100, a client that does nothing"""
    place = bench.place / "hundred"
    place.mkdir()
    store = stores.make(place / "store", 100, due=100, most=100, client=_no_client(place))
    tick = bench.ccs(store, "tick")
    begun = time.perf_counter()
    _adopt()
    tick.once()
    _wait_for_all()
    took = time.perf_counter() - begun
    ended = {run.status for run in store.runs.all()}
    assert ended == {"success"}, ended
    return [
        Row("all recorded within", took, "s", 2.5),
        Row("  its tick", tick.wall[0], "s"),
    ]


def one_run(bench: Bench) -> list[Row]:
    """ccs's own CPU for one run: the tick that starts it, its supervisor, its records"""
    place = bench.place / "one"
    place.mkdir()
    client = _no_client(place)
    store = stores.make(place / "store", 10, 200, due=1, client=client)
    runs, spent = Path(store.home.collection("runs")), []
    standing = runs.read_bytes()
    for _ in range(max(bench.rounds // 3, 3)):
        runs.write_bytes(standing)  # else the slot is known, and nothing is launched
        stores.fire(store, 1)
        spent.append(_cpu_of_a_run(bench, store))
        assert len(store.runs.all()) == 201
    real = shutil.which("claude")
    rows = [Row("ccs's own CPU for one run", 1000 * median(spent), "ms")]
    if real:
        begins = Command("claude", [real, "-p", "hi"], {**bench.env(), **_NOBODY_ANSWERS}, code=1)
        side_by_side([begins], 5)
        over = median(spent) / median(begins.cpu)
        rows.append(
            Row(
                "  over the real client's start", over, target=0.25, note=f"{ms(begins.cpu):.0f} ms"
            )
        )
    else:
        rows[0].note = "the real client is not installed; its start took 980 ms of CPU"
        rows[0].target = 245.0
    return rows


def _cpu_of_a_run(bench: Bench, store: Store) -> float:
    _adopt()
    begun = resource.getrusage(resource.RUSAGE_CHILDREN)
    os.posix_spawn(bench.program, [bench.program, "tick"], bench.env(store))
    _wait_for_all()
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime - begun.ru_utime - begun.ru_stime


def _adopt() -> None:
    """A subreaper inherits the supervisors, and so learns what they have used, and when they end
    without looking, which would take from them what it measures."""
    import ctypes

    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def _wait_for_all() -> None:
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


def waiting(bench: Bench) -> list[Row]:
    """Twenty supervisors that wait: what each more of them takes, and how often it wakes"""
    place = bench.place / "waiting"
    place.mkdir()
    store = stores.make(place / "store", 20, due=20, most=20, client=_no_client(place, "sleep 8"))
    bench.ccs(store, "tick").once()
    pids = _supervisors(store, 20)
    before = [_wakes(pid) for pid in pids]
    time.sleep(4)
    woken = [(_wakes(pid) - was) / 4 for pid, was in zip(pids, before, strict=True)]
    memory = median(_private(pid) for pid in pids) / 1024
    bench.settled(store)
    return [
        Row("memory of its own", memory, "MB", 5.0),
        Row("wakes a second", median(woken), "", 1.05),
    ]


def _supervisors(store: Store, count: int) -> list[int]:
    while True:
        running = [run for run in store.runs.all() if run.status == "running"]
        if len(running) == count:
            time.sleep(0.5)
            return [int(store.rundir(run.id).owner()["pid"]) for run in running]
        time.sleep(0.05)


def _wakes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])


def _private(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in rollup if line.startswith("Private_"))


def _no_client(place: Path, then: str = ":") -> str:
    """A client that answers like the real one and does nothing."""
    path = place / "client"
    init = '{"type":"system","subtype":"init","session_id":"s","model":"m"}'
    result = '{"type":"result","subtype":"success","is_error":false,"result":"","num_turns":1}'
    path.write_text(f"#!/bin/sh\ncat >/dev/null\necho '{init}'\n{then}\necho '{result}'\n")
    path.chmod(0o700)
    return str(path)


def others(bench: Bench) -> list[Row]:
    """A hundred jobs that do nothing, enqueued, run and recorded by others; where installed"""
    return peers.hundred(bench.place, bench.python)


PARTS = (idle, beside_a_run, start, lists, changes, due, hundred, one_run, waiting, others)
