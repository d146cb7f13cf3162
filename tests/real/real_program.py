"""The installed ccs with the real client, and what /proc tells about the processes it started."""

import contextlib
import fcntl
import importlib.util
import json
import os
import signal
import sys
from pathlib import Path

_SYSTEM = Path(__file__).parents[1] / "system/conftest.py"


def _system_tests():
    """tests/system/conftest.py as a module: there is one Program for both folders."""
    spec = importlib.util.spec_from_file_location("ccs_system_conftest", _SYSTEM)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass looks itself up
    spec.loader.exec_module(module)
    return module


class RealProgram(_system_tests().Program):
    """`ccs` in a store of its own that calls the real client with the environment `env`."""

    def __init__(self, root, client, env):
        root.mkdir()
        super().__init__(root)
        self.client = os.path.realpath(client)
        self.env = {**env, "CCS_HOME": str(self.store), "TZ": "UTC"}
        self.settings()
        self.store.chmod(0o700)

    def settings(self, **values):
        """Unless told otherwise no run waits for another, nor longer than until a reset."""
        usual = {"claude_path": self.client, "max_concurrent_tasks": 50, "reset_margin": "0s"}
        super().settings(**{**usual, **values})

    def until(self, happened, seconds=90.0):
        return super().until(happened, seconds)

    def profile(self, name, *options):
        self.ok("profiles", "create", "--name", name, *options)
        return name

    def launch(self, prompt, *options, **env):
        """The id of a run of a new task, started by hand."""
        return self.start(self.task(prompt, *options), **env)

    def ticking(self, happened):
        """As `until`, with a tick before each look."""
        return self.until(lambda: self.ok("tick") and happened())

    def due(self, *tasks):
        """The ids of their runs, once their slots have come and a tick has recorded them."""

        def look():
            runs = {run["task_id"]: run["id"] for run in self.recorded()}
            return runs.keys() >= set(tasks) and [runs[task] for task in tasks]

        return self.ticking(look)

    def tick_starts(self):
        """The ids of the runs that one tick starts."""
        lines = self.ok("tick", "--verbose").err.splitlines()
        return [line.split()[1] for line in lines if line.startswith("launched")]

    def ticked_until_ended(self, run_id):
        """The run, once ticks have settled it."""

        def look():
            mine = (run for run in self.recorded() if run["id"] == run_id)
            return next((run for run in mine if run.get("end_time")), None)

        return self.ticking(look)

    def successes(self):
        return sum(run["status"] == "success" for run in self.recorded())

    def all_ended(self):
        return all(run["status"] not in ("upcoming", "running") for run in self.recorded())

    def following(self, run_id):
        """The recorded run that goes on with this one, None if there is none."""
        return next((r for r in self.recorded() if r.get("resumed_from") == run_id), None)

    def account(self, name="default"):
        """What usage.json knows of the account."""
        path = self.store / "usage.json"
        known = json.loads(path.read_text())["accounts"] if path.exists() else []
        return next((one for one in known if one["id"] == name), {"windows": {}})

    # What a run left behind

    def log(self, run_id):
        return (self.store / f"logs/run_{run_id}.log").read_text()

    def stream(self, run_id):
        path = self.store / f"logs/run_{run_id}.jsonl"
        return [json.loads(line) for line in path.read_bytes().splitlines()]

    def inits(self, run_id):
        return [event for event in self.stream(run_id) if event.get("subtype") == "init"]

    def transcript(self, session):
        """Where the client keeps the session."""
        [path] = Path(self.env["HOME"]).glob(f".claude/projects/*/{session}.jsonl")
        return path

    def files_with(self, words):
        """The files of the store that hold these bytes."""
        files = (path for path in self.store.rglob("*") if path.is_file())
        return sorted(str(p.relative_to(self.store)) for p in files if words in p.read_bytes())

    # Processes

    def supervisor(self, run_id):
        return json.loads((self.store / f"runs/{run_id}/owner").read_text())["pid"]

    def carriers(self, run_id):
        """PIDs of what the run started, tools included."""
        return processes_with(f"CCS_RUN_ID={run_id}")

    def client_of(self, run_id):
        """The PID of the run's client, once it is there."""
        return self.until(lambda: next(iter(self._clients(run_id)), None))

    def _clients(self, run_id):
        return [pid for pid in self.carriers(run_id) if executable(pid) == self.client]

    def lock_is_free(self, run_id):
        """As flock(2) says, asked from outside ccs."""
        fd = os.open(self.store / f"runs/{run_id}/lock", os.O_RDWR)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(fd)
        return True

    def end_everything(self):
        """What still runs of this store; a client or a tool carries CCS_HOME like its parents."""
        while pids := processes_with(f"CCS_HOME={self.store}"):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):  # it ended by itself just now
                    os.kill(pid, signal.SIGKILL)


SUCCESS = ("success", None)
LIMITED = ("limited", "usage_limit")
GOES_ON = "A usage limit interrupted this work"  # what ccs tells a session that it goes on with


def verdict(run):
    return run["status"], run["reason"]


def verdicts(runs):
    return sorted(verdict(run) for run in runs)


def processes_with(variable):
    """PIDs of the living processes with NAME=VALUE in their environment."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and variable in env(name)]


def env(pid):
    return _read(f"/proc/{pid}/environ")


def arguments(pid):
    return _read(f"/proc/{pid}/cmdline")


def executable(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return None  # gone


def _read(path):
    """A NUL-separated list of texts; empty when the process is gone."""
    try:
        return Path(path).read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []
