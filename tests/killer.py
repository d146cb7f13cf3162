"""Kills a supervisor at a function's edge, from inside: Python loads this as it starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_KILLER = """
import importlib, os, signal, sys

if "supervise" in sys.orig_argv and ":" in os.environ["KILLED_AT"]:
    where, edge = os.environ["KILLED_AT"].split()
    module, _, path = where.partition(":")
    owner = importlib.import_module(module)
    *outer, name = path.split(".")
    for one in outer:
        owner = getattr(owner, one)
    real = getattr(owner, name)

    def die():
        try:
            os.close(os.open(os.environ["KILLED"], os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    def killed(*words, **named):
        if edge == "before":
            die()
        found = real(*words, **named)
        die()
        return found

    setattr(owner, name, killed)
"""


def arm(program: Any, where: str) -> Path:
    """The first supervisor that comes there dies; then the path is there that is returned.

    `where`: `module:function before` or `after`. Any other word is for the program's own client.
    """
    folder, mark = program.root / "killer", program.root / "killed"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_KILLER)
    program.env |= {"KILLED_AT": where, "KILLED": str(mark), "PYTHONPATH": str(folder)}
    assert isinstance(mark, Path)
    return mark
