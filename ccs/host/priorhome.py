"""Where the prior system may have kept its files on this machine."""

from __future__ import annotations

import os

import platformdirs

_NAME = "claude-code-scheduler"


def places() -> list[str]:
    """It wrote to the first, its documents name the last; the other is where systems put such."""
    candidates = (
        os.path.join("~", ".config", _NAME),
        platformdirs.user_config_dir(_NAME, appauthor=False),
        os.path.join("~", ".claude-scheduler"),
    )
    return list(dict.fromkeys(map(os.path.expanduser, candidates)))
