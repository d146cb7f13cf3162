"""Starting the stand-in client as ccs does: the module by name, and only the environment given."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ccs.claude.values import parse

ROOT = Path(__file__).parents[2]
STREAM = ("-p", "--output-format", "stream-json", "--verbose")
SESSION = "11111111-1111-4111-8111-111111111111"


def command(*argv: str) -> list[str]:
    return [sys.executable, "-P", "-m", "ccs.claude.mock", *argv]


def surroundings(**more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **more}


def play(
    prompt: str, *argv: str, cwd: Path | None = None, **more: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command(*STREAM, *argv),
        input=prompt.encode(),
        capture_output=True,
        cwd=cwd,
        env=surroundings(**more),
        timeout=60,
    )


def told(ended: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    return [event for line in ended.stdout.splitlines() if (event := parse(line))]
