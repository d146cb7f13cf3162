"""Every command that changes a store, each with the store it works on and what it is to come to.

`MUTATING` and `READING` together are the whole tree of commands: one that is in neither fails
`test_commands.py`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from world import World

from ccs import instant
from ccs.engine.tick import tick
from ccs.store.agenda import boot_id
from ccs.store.home import Home
from ccs.store.store import Store

YEARLY = ("--cron", "0 0 1 1 *")
_RESETS = int(datetime.now(UTC).timestamp()) // 3600 * 3600 + 7200
_STATUS_LINE = {"rate_limits": {"five_hour": {"used_percentage": 41.0, "resets_at": _RESETS}}}
_HOOK = {
    "hook_event_name": "StopFailure",
    "error": "authentication_failed",
    "last_assistant_message": "Please run /login",
}


@dataclass(frozen=True)
class Case:
    """`words` may name what `furnish` made, as in {task}. `command`: its place in the tree."""

    command: str
    words: str
    prepare: Callable[[World], None] = lambda world: None
    # After each restoring: what cannot be kept in files.
    begin: Callable[[World], None] | None = None
    stdin: str = ""
    code: int = 0
    # What a repetition may say when the first time came through.
    again: tuple[int, ...] = (0,)
    # Tasks of which one run is launched.
    launches: tuple[str, ...] = ()
    # Ends well whatever happens: what it could not write was no more than news.
    best_effort: bool = False
    variant: str = ""

    @property
    def id(self) -> str:
        return "-".join(filter(None, (*self.command.split(), self.variant)))

    def argv(self, world: World) -> list[str]:
        return [word.format(**world.ids, work=world.work) for word in self.words.split()]


def furnish(world: World) -> None:
    """A store as people have them: a job of two steps, tasks, a profile, a run, a channel."""
    world.store.mkdir(mode=0o700)
    world.settings(mock_mode=True, max_concurrent_tasks=20)
    world.named("job", "jobs", "create", "--name", "job")
    world.named("other_job", "jobs", "create", "--name", "other")
    for step in ("first", "second"):
        create = ("tasks", "create", "--name", step, "--prompt", "go", "--job", world.ids["job"])
        world.named(step, *create)
    for name in ("task", "ran", "waiter"):
        world.named(name, "tasks", "create", "--name", name, "--prompt", "go", *YEARLY)
    world.named("off", "tasks", "create", "--name", "off", "--prompt", "go", "--disabled", *YEARLY)
    world.named("profile", "profiles", "create", "--name", "profile", "--env", "A=bcdefgh")
    world.ok("notify", "add", "log", "command", "--on", "failure", "--", "true")
    editor = world.root / "editor"
    changes = 's/"go"/"gone"/; s/"runs_kept": 200/"runs_kept": 70/'
    editor.write_text(f"#!/bin/sh\nexec sed -i '{changes}' \"$1\"\n")
    editor.chmod(0o755)
    world.env["EDITOR"] = str(editor)
    world.named("run", "tasks", "run", world.ids["ran"])
    world.until(lambda: world.saved("runs")[0]["status"] == "success" and not world.processes())
    world.ok("tick")


# Stores that a command finds --------------------------------------------------


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _record(world: World, name: str, task: str, **fields: Any) -> None:
    """A run by hand."""
    world.ids[name] = f"00000000-0000-4000-8000-{abs(hash(name)) % 10**12:012}"
    of = next(one for one in world.saved("tasks") if one["name"] == task)
    run = {
        "id": world.ids[name],
        "task_id": of["id"],
        "job_id": of.get("job_id"),
        "task_name": task,
        "trigger": "manual",
        "scheduled_time": instant.text(_now() - timedelta(minutes=5)),
        "mock": True,
        **fields,
    }
    world.edit("runs", lambda runs: runs.append(run))


def _waiting(world: World) -> None:
    tomorrow = instant.text(_now() + timedelta(days=1))
    _record(world, "waiting", "waiter", status="upcoming", held_reason="limit", not_before=tomorrow)


def _job_waits(world: World) -> None:
    """In progress, its first step parked until tomorrow."""
    _in_progress(world)
    tomorrow = instant.text(_now() + timedelta(days=1))
    held = {"status": "upcoming", "held_reason": "limit", "not_before": tomorrow}
    _record(world, "step", "first", trigger="job", job_run=world.ids["job_run"], **held)


def _in_progress(world: World) -> None:
    world.ids["job_run"] = "00000000-0000-4000-8000-00000000000a"
    order = [world.ids["first"], world.ids["second"]]

    def begin(jobs: list[dict[str, Any]]) -> None:
        job = next(one for one in jobs if one["name"] == "job")
        job.update(status="in_progress", run={"id": world.ids["job_run"], "order": order})

    world.edit("jobs", begin)


def _between_steps(world: World) -> None:
    """The supervisor of the first step died before it recorded the second."""
    _in_progress(world)
    ended = {"status": "success", "end_time": instant.text(_now())}
    _record(world, "step", "first", trigger="job", job_run=world.ids["job_run"], **ended)


def _due(world: World) -> None:
    """Two slots of two kinds that have come, and a first tick of the day."""
    soon = instant.text(_now() + timedelta(seconds=30))
    world.named("once", "tasks", "create", "--name", "once", "--prompt", "go", "--at", soon)
    daily = f"0 {(_now().hour - 6) % 24} * * *"
    create = ("tasks", "create", "--name", "daily", "--prompt", "go", "--grace", "24h")
    world.named("daily", *create, "--cron", daily, "--tz", "UTC")
    past = _now() - timedelta(hours=20)

    def earlier(tasks: list[dict[str, Any]]) -> None:
        for one in tasks:
            if one["name"] in ("once", "daily"):
                one["active_since"] = instant.text(past)
            if one["name"] == "once":
                one["schedule"]["at"] = instant.text(_now() - timedelta(minutes=10))

    world.edit("tasks", earlier)
    (world.store / "tidied.json").unlink(missing_ok=True)


def _parked(world: World) -> None:
    """A resume whose window has reset, and the run that it resumes."""
    session = "00000000-0000-4000-8000-0000000000aa"
    ended = {"status": "limited", "reason": "usage_limit", "session_id": session}
    _record(world, "limited", "task", **ended, end_time=instant.text(_now()))
    _record(
        world, "resume", "task", trigger="resume", resumed_from=world.ids["limited"],
        session_id=session, held_reason="limit", parks=1, cwd=str(world.work),
        not_before=instant.text(_now() - timedelta(minutes=1)),
    )  # fmt: skip


def _retried(world: World) -> None:
    ended = {"status": "failed", "reason": "overloaded", "end_time": instant.text(_now())}
    _record(world, "failed", "task", **ended)
    _record(
        world, "retry", "task", trigger="retry", retry_of=world.ids["failed"], attempt=2,
        held_reason="retry", not_before=instant.text(_now() - timedelta(minutes=1)),
    )  # fmt: skip


def _ended_unmerged(world: World) -> None:
    """An outcome that nobody merged, beside a run whose supervisor died under it."""
    for name, task in (("unmerged", "task"), ("orphan", "waiter")):
        began = instant.text(_now() - timedelta(minutes=3))
        _record(world, name, task, status="running", start_time=began)
        rundir = world.store / "runs" / world.ids[name]
        rundir.mkdir(mode=0o700)
        for file in ("lock", "started", "starts"):
            (rundir / file).touch(0o600)
    owner = {"pid": 2**22 - 1, "started": 1, "boot": boot_id()}
    _private(rundir / "owner", json.dumps(owner))
    ended = {"status": "success", "reason": None, "message": None, "exit_code": 0}
    outcome = world.store / "runs" / world.ids["unmerged"] / "outcome.json"
    _private(outcome, json.dumps(ended))


def _private(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)


def _full_of_runs(world: World) -> None:
    """More finished runs than runs.json keeps."""
    world.settings(runs_kept=10)
    for number in range(70):
        slot = instant.text(_now() - timedelta(days=40, minutes=number))
        ended = {"status": "success", "scheduled_time": slot, "end_time": slot}
        _record(world, f"old{number}", "task", **ended)


def _logged(world: World) -> None:
    """Old runs to let go and an old log to compress."""
    _full_of_runs(world)
    world.settings(prune_keep=1)
    log = world.store / "logs" / f"run_{world.ids['run']}.log"
    os.utime(log, (0, 0))


def _owing(world: World) -> None:
    """Something to tell."""
    owed = {"id": "00000000-0000-4000-8000-0000000000bb", "event": "failure", "channel": "log"}
    owed |= {"at": instant.text(_now()), "facts": {"run": {"id": world.ids["run"]}}}
    world.edit("notify", lambda entries: entries.append(owed))


def _refused_account(world: World) -> None:
    outage = {"reason": "auth", "since": instant.text(_now()), "message": "logged out"}
    account = {"id": "default", "windows": {}, "outage": outage}
    world.edit("usage", lambda accounts: accounts.append(account))


def _asked_client(world: World) -> None:
    """One that tells how much of its windows is used."""
    window = {"utilization": 41.0, "resets_at": instant.text(_now() + timedelta(hours=2))}
    usage = {"rate_limits_available": True, "rate_limits": {"five_hour": window}}
    answer = {"subtype": "success", "request_id": "usage", "response": usage}
    client = world.root / "client"
    told = json.dumps({"type": "control_response", "response": answer})
    client.write_text(f"#!/bin/sh\ncat >/dev/null\necho '{told}'\n")
    client.chmod(0o755)
    world.settings(mock_mode=False, claude_path=str(client))


def _watching(world: World) -> None:
    watched = world.root / "watched"
    watched.mkdir(exist_ok=True)
    (watched / "file").touch()
    create = ("tasks", "create", "--name", "watch", "--prompt", "go", "--watch", str(watched))
    world.named("watch", *create)


def _unapproved(world: World) -> None:
    _record(world, "held", "task", status="upcoming", held_reason="approval", unapproved="x")
    far = instant.text(_now() + timedelta(days=1))
    world.edit("runs", lambda runs: runs[-1].update(not_before=far))


def _recorded(prompt: str, **fields: Any) -> Callable[[World], None]:
    """A run that a tick has recorded, and whose supervisor is still to come."""

    def prepare(world: World) -> None:
        def change(tasks: list[dict[str, Any]]) -> None:
            one = next(one for one in tasks if one["name"] == "task")
            due = {"schedule_type": "once", "at": instant.text(_now() - timedelta(minutes=1))}
            since = instant.text(_now() - timedelta(minutes=2))
            one.update(prompt=prompt, schedule=due, active_since=since, **fields)

        world.edit("tasks", change)
        _plan(world)
        upcoming = [one for one in world.saved("runs") if one["status"] == "upcoming"]
        (world.ids["recorded"],) = [one["id"] for one in upcoming]

    return prepare


def _first_step(world: World) -> None:
    _in_progress(world)
    _record(world, "recorded", "first", trigger="job", job_run=world.ids["job_run"])
    _plan(world)


def _plan(world: World) -> None:
    """A tick whose supervisors never start."""
    tick(Store(Home(str(world.store))), datetime.now(UTC), {}, None, lambda *_: None)


def _running(world: World) -> None:
    """A client that will not end by itself."""
    world.edit("tasks", lambda tasks: [one.update(prompt="[[mock: hang]]") for one in tasks])


def _start_run(world: World) -> None:
    world.named("hanging", "tasks", "run", world.ids["task"])
    world.until(world.launches)


def _start_job(world: World) -> None:
    world.ok("jobs", "run", world.ids["job"])
    world.until(world.launches)


def _exported(world: World) -> None:
    path = str(world.work / "export.json")
    world.ok("jobs", "export", world.ids["job"], "-o", path, "--force")


def _of_the_prior_system(world: World) -> None:
    """Its files, bare lists, beside the store."""
    prior = world.work / "prior"
    prior.mkdir(exist_ok=True)
    job, task = "00000000-0000-4000-8000-0000000000c1", "00000000-0000-4000-8000-0000000000c2"
    schedule = {"schedule_type": "manual"}
    tasks = [{"id": task, "job_id": job, "name": "theirs", "prompt": "go", "schedule": schedule}]
    jobs = [{"id": job, "name": "theirs", "task_order": [task]}]
    for name, records in {"jobs": jobs, "tasks": tasks}.items():
        (prior / f"{name}.json").write_text(json.dumps(records))


def _left_by_a_killed_supervisor(world: World) -> None:
    _ended_unmerged(world)


_STEPS = ("first", "second")
MUTATING = [
    Case("jobs create", "jobs create --name new"),
    Case("jobs update", "jobs update {job} --description changed"),
    Case("jobs set-order", "jobs set-order {job} {second} {first}"),
    Case("jobs delete", "jobs delete {job} --yes", again=(0, 3)),
    Case("jobs run", "jobs run {job}", again=(0, 4), launches=_STEPS),
    Case("jobs stop", "jobs stop {job}", _job_waits, again=(0, 4), variant="waiting"),
    Case("jobs stop", "jobs stop {job}", _running, _start_job, again=(0, 4), variant="running"),
    Case("jobs import", "jobs import {work}/export.json", _exported),
    Case(
        "jobs import",
        "jobs import --keep-ids --force {work}/export.json",
        _exported,
        variant="replacing",
    ),
    Case("import-store", "import-store {work}/prior", _of_the_prior_system),
    Case("tasks create", "tasks create --name new --prompt x --job {job}"),
    Case("tasks update", "tasks update {task} --prompt changed --daily 03:00"),
    Case("tasks update", "tasks update {first} --job {other_job}", variant="moved"),
    Case("tasks delete", "tasks delete {first} --yes", again=(0, 3), variant="step"),
    Case("tasks delete", "tasks delete {ran} --yes", again=(0, 3), variant="with-runs"),
    Case("tasks enable", "tasks enable {off}"),
    Case("tasks disable", "tasks disable {task}"),
    Case("tasks duplicate", "tasks duplicate {task}"),
    Case("tasks edit", "tasks edit {task}"),
    Case("tasks approve", "tasks approve {task}", _unapproved),
    Case("tasks run", "tasks run {task}", again=(0, 4), launches=("task",)),
    Case("profiles create", "profiles create --name new --env B=cdefghi"),
    Case("profiles update", "profiles update {profile} --env A=changed"),
    Case("profiles delete", "profiles delete {profile} --yes", again=(0, 3)),
    Case("runs stop", "runs stop {waiting}", _waiting, again=(0, 4), variant="waiting"),
    Case("runs stop", "runs stop {hanging}", _running, _start_run, again=(0, 4), variant="running"),
    Case("runs delete", "runs delete {run} --yes", again=(0, 3)),
    Case("runs prune", "runs prune --keep 0 --older-than 1d --yes", _full_of_runs),
    Case("runs prune", "runs prune --compress-logs 1d --yes", _logged, variant="logs"),
    Case("runs restart", "runs restart {run}", launches=("ran",), again=(0, 4)),
    Case("runs continue", "runs continue {run}", launches=("ran",), again=(0, 4)),
    Case(
        "runs wait",
        "runs wait {unmerged} {orphan}",
        _left_by_a_killed_supervisor,
        code=5,
        again=(5,),
    ),
    Case("usage clear", "usage clear", _refused_account),
    Case("usage hook", "usage hook", stdin=json.dumps(_HOOK), best_effort=True),
    Case("usage record", "usage record", stdin=json.dumps(_STATUS_LINE), best_effort=True),
    Case("usage refresh", "usage refresh", _asked_client, best_effort=True),
    Case("notify add", "notify add more command --on failure -- true", again=(0, 4)),
    Case("notify forget", "notify forget", _owing),
    Case("notify on", "notify on limit log"),
    Case("notify remove", "notify remove log", again=(0, 3)),
    Case("notify test", "notify test log"),
    Case("settings edit", "settings edit"),
    Case("settings set", "settings set runs_kept 50"),
    Case("settings unset", "settings unset max_concurrent_tasks"),
    Case("tick", "tick", _due, launches=("once", "daily"), variant="launching"),
    Case("tick", "tick", _parked, launches=("task",), variant="resuming"),
    Case("tick", "tick", _retried, launches=("task",), variant="retrying"),
    Case("tick", "tick", _between_steps, launches=("second",), variant="next-step"),
    Case("tick", "tick", _ended_unmerged, variant="reaping"),
    Case("tick", "tick", _full_of_runs, variant="archiving"),
    Case("tick", "tick", _owing, variant="telling"),
]
# What the program starts by itself, and nobody types.
DETACHED = [
    Case("supervise", "supervise {recorded}", _recorded("go"), launches=("task",),
         variant="succeeding"),
    Case("supervise", "supervise {recorded}", _recorded("[[mock: limit resets=86400]]"),
         launches=("task",), variant="limited"),
    Case("supervise", "supervise {recorded}",
         _recorded("[[mock: overloaded]]", retry={"max_attempts": 2, "delay": "1d"}),
         launches=("task",), variant="to-be-retried"),
    Case("supervise", "supervise {recorded}", _first_step, launches=_STEPS,
         variant="first-step"),
    Case("scan", "scan {watch}", _watching),
    Case("tidy", "tidy", _logged),
    Case("notify-owed", "notify-owed", _owing),
]  # fmt: skip
READING = {
    "jobs export": "jobs export {job}",
    "jobs get": "jobs get {job}",
    "jobs list": "jobs list",
    "jobs tasks": "jobs tasks {job}",
    "jobs worktree list": "jobs worktree list",
    # These four change repositories, not the store.
    "jobs worktree merge": "jobs worktree merge {job}",
    "jobs worktree path": "jobs worktree path {job}",
    "jobs worktree prune": "jobs worktree prune",
    "jobs worktree remove": "jobs worktree remove {job}",
    # What they change is the system's; here they only look at it.
    "install": "install --dry-run --backend cron",
    "uninstall": "uninstall --dry-run",
    "status": "status",
    "completion": "completion bash",
    "help": "help exit-codes",
    "tasks get": "tasks get {task}",
    "tasks list": "tasks list",
    "runs attach": "runs attach {run}",
    "runs diff": "runs diff {run}",
    "runs get": "runs get {run}",
    "runs list": "runs list",
    "runs log": "runs log {run}",
    "runs open": "runs open {run}",
    "profiles get": "profiles get {profile}",
    "profiles list": "profiles list",
    "schedule explain": "schedule explain 5m",
    "schedule next": "schedule next {task}",
    "usage": "usage",
    "notify channels": "notify channels",
    "notify list": "notify list",
    "plan": "plan",
    "why": "why {task}",
    "simulate": "simulate --days 1",
    "health": "health",
    "state": "state",
    "settings get": "settings get runs_kept",
    "settings list": "settings list",
    "settings path": "settings path",
    "doctor": "doctor",
    "debug all": "debug all",
    "debug env": "debug env {profile}",
    "debug log": "debug log {run}",
    "debug logs": "debug logs",
    "debug options": "debug options",
    "debug profiles": "debug profiles",
    "debug run": "debug run {run}",
    "debug runs": "debug runs",
    "debug settings": "debug settings",
    "debug task": "debug task {task}",
    "debug tasks": "debug tasks",
    "scheduler": "scheduler",
    "version": "version",
}
