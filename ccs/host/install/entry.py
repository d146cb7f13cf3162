"""What the system's scheduler calls each minute for one store, and how such calls are recognised.

Only absolute paths: neither cron nor systemd nor launchd knows the PATH, the aliases or the version
managers of a shell, and none of them expands a variable.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from ccs.errors import InvalidInput
from ccs.host.program import scheduled

_DEFAULT_STORE = ".claude-scheduler"
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
# `ccs tick`, "/a b/ccs" tick, -m ccs tick, /lib/ccs/__main__.py tick, and by the long name with
# `cli` or options in between.
_TICK = re.compile(
    rb"""(?:^|[\s/\\"'>])(?:ccs(?:[/\\]__main__\.py)?|claude-code-scheduler)(?:\.exe)?["']?(?:\s+(?:cli|-\S+))*\s+["']?tick\b"""
)
_STORE = re.compile(rb"""\bCCS_HOME=("[^"\n]*"|'[^'\n]*'|[^\s"']*)""")


@dataclass(frozen=True)
class Entry:
    """`store`: absolute; `variables`: the whole environment that the entry sets."""

    store: str
    variables: Mapping[str, str]

    def command(self, backend: str) -> list[str]:
        return [*program(), "tick", "--backend", backend]

    @property
    def key(self) -> str:
        """Tells the entries of two stores apart."""
        return hashlib.sha256(os.fsencode(self.store)).hexdigest()[:8]

    @property
    def is_default(self) -> bool:
        return self.store == os.path.join(self.variables["HOME"], _DEFAULT_STORE)

    @property
    def name(self) -> str:
        """Of units and tasks."""
        return "ccs-tick" if self.is_default else f"ccs-tick-{self.key}"

    def serves(self, text: bytes) -> bool:
        """Whether a call of the tick in `text`, written by hand, is for this store."""
        named = _STORE.findall(text)
        if not named:
            return self.is_default
        home = self.variables["HOME"]
        path = os.fsdecode(named[-1]).strip("\"'").replace("$HOME", home).replace("${HOME}", home)
        path = os.path.join(home, path.removeprefix("~/")) if path.startswith("~/") else path
        return os.path.normpath(path) == self.store


def program() -> list[str]:
    """What stands before the words of a command of ccs.

    The running interpreter's own path: a shim of pyenv or asdf has resolved itself by now, and the
    link of a virtual environment must not be resolved, or its packages would be lost.
    """
    return scheduled()


def of(environ: Mapping[str, str], store: str) -> Entry:
    """The entry for this store as this environment has it. Raises InvalidInput."""
    home = environ.get("HOME") or os.path.expanduser("~")
    variables = {"HOME": os.path.abspath(home), "PATH": resolved(environ.get("PATH", ""))}
    if environ.get("CCS_HOME"):
        variables["CCS_HOME"] = store
    entry = Entry(store, variables)
    parts = {"the store": store, "the interpreter": sys.executable, **variables}
    for name, value in parts.items():
        if _CONTROLS.search(value):
            raise InvalidInput(
                f"{name} has a line break or another control character: {value!r}",
                "no scheduler takes that; rename the directory or leave it out",
            )
    return entry


def resolved(path: str) -> str:
    """PATH as anybody may use it: absolute directories only, each once, ~ written out."""
    directories = (os.path.expanduser(one) for one in path.split(os.pathsep))
    kept = dict.fromkeys(one for one in directories if os.path.isabs(one))
    return os.pathsep.join(kept) or os.defpath


def calls_tick(text: bytes) -> bool:
    return _TICK.search(text) is not None
