"""The installed program, run in a directory built from a dict of files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CCS = str(Path(sys.executable).with_name("ccs"))


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        return json.loads(self.err.splitlines()[-1])["error"]


class Program:
    """`ccs` with a store, a home and a working directory of its own. Mock mode by default."""

    program = CCS

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = root / "store"
        self.work = root / "work"
        self.home = root / "home"
        self.ledger = root / "ledger"
        self.work.mkdir()
        self.home.mkdir()
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "CCS_HOME": str(self.store),
            "CCS_MOCK_LEDGER": str(self.ledger),
            "TMPDIR": str(root),
            "TZ": "UTC",
        }

    def files(self, tree: dict[str, str]) -> None:
        for name, text in tree.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.write_text(text)
            path.chmod(0o600)

    def settings(self, **values: Any) -> None:
        self.files({"store/settings.json": json.dumps({"format": 1, **values})})

    def __call__(self, *words: str, stdin: str | None = None, **env: str) -> Result:
        done = subprocess.run(
            [CCS, *words],
            cwd=self.work,
            env={**self.env, **env},
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def ok(self, *words: str, **kwargs: Any) -> Result:
        done = self(*words, **kwargs)
        assert done.code == 0, f"ccs {' '.join(words)}: {done.code}\n{done.out}\n{done.err}"
        return done

    def task(self, prompt: str, *options: str) -> str:
        """The id of a new task."""
        return self.ok("tasks", "create", "--prompt", prompt, "-q", *options).out.strip()

    def start(self, task: str, *options: str, **env: str) -> str:
        """The id of a run started by hand."""
        return self.ok("tasks", "run", task, "-q", *options, **env).out.strip()

    def run(self, run_id: str) -> dict[str, Any]:
        return self.ok("runs", "get", run_id, "-o", "json").json

    def until(self, happened: Any, seconds: float = 30.0) -> Any:
        """Polls, without assuming how long anything takes; what came out, or a failure."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = happened()
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError("it never happened")

    def recorded(self) -> list[dict[str, Any]]:
        path = self.store / "runs.json"
        return json.loads(path.read_text())["runs"] if path.exists() else []

    def ended(self, run_id: str) -> dict[str, Any]:
        """The run, once it has ended."""

        def look() -> dict[str, Any] | None:
            for run in self.recorded():
                if run["id"] == run_id and run["status"] not in ("upcoming", "running"):
                    return run
            return None

        return self.until(look)

    def running(self, run_id: str) -> dict[str, Any]:
        """The run, once its client has been started (its line stands in the ledger)."""
        self.until(lambda: any(line.startswith(run_id) for line in self.launches()))
        return self.run(run_id)

    def saved(self, name: str) -> list[dict[str, Any]]:
        """The records of one file, as they stand in it."""
        path = self.store / f"{name}.json"
        return json.loads(path.read_text())[name] if path.exists() else []

    def save(self, name: str, *records: dict[str, Any]) -> None:
        self.files({f"store/{name}.json": json.dumps({"format": 1, name: records})})

    def snapshot(self) -> dict[str, bytes]:
        """Every file of the store but the locks, which are signed by who takes them."""
        return {
            str(path.relative_to(self.store)): path.read_bytes()
            for path in sorted(self.store.rglob("*"))
            if path.is_file() and path.parent.name != "locks"
        }

    def popen(self, *words: str, **streams: Any) -> subprocess.Popen[str]:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
        return subprocess.Popen([CCS, *words], cwd=self.work, env=self.env, text=True, **streams)

    def launches(self) -> list[str]:
        return self.ledger.read_text().splitlines() if self.ledger.exists() else []

    @staticmethod
    def carriers(run_id: str) -> list[int]:
        """PIDs that carry the run's marker: its client, its tools, its check."""
        entry = f"CCS_RUN_ID={run_id}".encode()
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):  # gone meanwhile, or not ours
                if entry in path.read_bytes().split(b"\0"):
                    found.append(int(path.parent.name))
        return found

    def end_everything(self) -> None:
        """Whatever a failed test left running: all of it carries this store in its environment."""
        mine = f"CCS_HOME={self.store}".encode()
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                if mine in path.read_bytes().split(b"\0"):
                    os.kill(int(path.parent.name), signal.SIGKILL)
            except OSError:
                continue  # gone, or not ours to read


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """One store for many questions that must not change it."""
    program = Program(tmp_path_factory.mktemp("shared"))
    program.settings(mock_mode=True)
    program.store.chmod(0o700)
    yield program
    program.end_everything()


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """`inside(program, *words)`: the same door without a process of its own, a hundred times as
    fast; for commands that start and wait for nothing.
    """
    from ccs.cli.main import main

    def call(program: Program, *words: str) -> Result:
        for name, value in program.env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(program.work)
        monkeypatch.setattr(tempfile, "tempdir", None)  # it remembers what it found
        monkeypatch.setattr(sys, "argv", ["ccs", *words])
        with pytest.raises(SystemExit) as stop:
            main()
        assert isinstance(stop.value.code, int)
        return Result(stop.value.code, *capsys.readouterr())

    return call


@pytest.fixture
def quick(tmp_path: Path, inside: Any) -> Iterator[Program]:
    """`ccs`, but what only reads and writes records is done inside this process."""

    class Quick(Program):
        def __call__(self, *words: str, stdin: str | None = None, **env: str) -> Result:
            starts = {"run", "stop", "restart", "log", "tick", "delete"} & set(words[:2])
            if starts or env or stdin is not None:
                return super().__call__(*words, stdin=stdin, **env)
            done = inside(self, *words)
            assert isinstance(done, Result)
            return done

    program = Quick(tmp_path)
    program.settings(mock_mode=True)
    program.store.chmod(0o700)
    yield program
    program.end_everything()


@pytest.fixture
def ccs(tmp_path: Path) -> Iterator[Program]:
    program = Program(tmp_path)
    program.settings(mock_mode=True)
    program.store.chmod(0o700)
    yield program
    program.end_everything()


@pytest.fixture
def git(ccs: Program) -> Any:
    """A repository in the working directory; calls git in it, or in another directory."""

    def call(*words: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            ["git", "-c", "user.name=t", "-c", "user.email=t@t", *words],
            cwd=cwd or ccs.work,
            capture_output=True,
            text=True,
            check=True,
            env={**ccs.env, "GIT_CONFIG_NOSYSTEM": "1"},
        )
        return done.stdout.strip()

    call("init", "-q", "-b", "main")
    call("config", "user.name", "t")
    call("config", "user.email", "t@t")
    (ccs.work / "kept.txt").write_text("before\n")
    call("add", "-A")
    call("commit", "-qm", "first")
    return call


@pytest.fixture
def real(ccs: Program) -> Program:
    """A client that counts as a real one, and plays what the stand-in plays."""
    client = ccs.root / "claude"
    client.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m ccs.claude.mock "$@"\n')
    client.chmod(0o755)
    ccs.settings(claude_path=str(client))
    return ccs
