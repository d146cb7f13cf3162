"""What a task says to the client goes by files: every user of the machine can read a command line.

The files lie in the run's directory and go with it. Lean.
"""

from __future__ import annotations

import os

from ccs.store import atomic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PROMPT = "--append-system-prompt"
_SERVERS = "--mcp-config"


def unseen(options: list[str], asked: dict[str, Any], rundir: str) -> list[str]:
    """The options with such texts replaced by files that hold them. Raises OSError, BrokenStore.

    What the task adds by itself, `extra_args`, they end with; it stays as the user wrote it.
    """
    extra = asked["task"].get("extra_args") or []
    own = options[: len(options) - len(extra)] if extra else options
    shown: list[str] = []
    before = ""
    for number, word in enumerate(own):
        if before == _PROMPT:
            shown[-1] = f"{_PROMPT}-file"
            word = _kept(rundir, f"system-prompt-{number}", word)
        elif before == _SERVERS and word.lstrip().startswith("{"):
            word = _kept(rundir, f"mcp-{number}.json", word)
        shown.append(word)
        # A value that is spelt like an option is none.
        before = "" if before in (_PROMPT, _SERVERS) else word
    return shown + options[len(own) :]


def _kept(rundir: str, name: str, text: str) -> str:
    path = os.path.join(rundir, name)
    atomic.write(path, text.encode("utf-8", "surrogatepass"), durable=False)
    return path
