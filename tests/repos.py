"""Real git repositories in temporary directories."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from ccs.host.git import Git

HOME = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


class Repo:
    """`repo.git("log")` is what git prints; files are written by name."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._open(path)
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.email", "someone@example.org")
        self.git("config", "user.name", "Someone")

    def _open(self, path: Path) -> None:
        self.path = path.resolve()
        self.variables = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **HOME}

    def at(self, path: str | Path) -> Repo:
        """The same, in another working tree of it."""
        return Repo.opened(path)

    @classmethod
    def opened(cls, path: str | Path) -> Repo:
        """One that is there."""
        repo = object.__new__(cls)
        repo._open(Path(path))
        return repo

    def git(self, *words: str, code: int = 0) -> str:
        done = subprocess.run(
            ["git", *words],
            cwd=self.path,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, f"git {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout.rstrip("\n")

    def write(self, **files: str) -> None:
        """`write(a="x")`; see `put` for names that are no words."""
        for name, text in files.items():
            self.put(name, text)

    def put(self, name: str, text: str = "x\n") -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def commit(self, message: str = "work", **files: str) -> str:
        self.write(**files)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.head

    def hook(self, name: str, script: str) -> None:
        hooks = Path(self.git("rev-parse", "--git-path", "hooks"))
        path = self.path / hooks / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    def status(self) -> str:
        return self.git("status", "--porcelain", "--untracked-files=all", "--no-renames")

    def committed(self, commit: str = "HEAD") -> list[str]:
        """The paths of a commit."""
        return self.git("show", "--format=", "--name-only", "--no-renames", "-z", commit).split(
            "\0"
        )[:-1]

    def handle(self, **more: Any) -> Git:
        return Git(str(self.path), self.variables, **more)
