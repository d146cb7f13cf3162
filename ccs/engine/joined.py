"""Two calls of one run, told as one. Lean."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Record = dict[str, Any]

_COUNTS = ("cost_usd", "turns")


def joined(before: Record, after: Record) -> Record:
    """Two calls of one run: how the later one ended, and what both have spent."""
    ended = dict(after)
    for name in _COUNTS:
        if before.get(name) is not None:
            ended[name] = before[name] + (after.get(name) or 0)
    if before.get("usage"):
        later = after.get("usage") or {}
        ended["usage"] = {name: n + later.get(name, 0) for name, n in before["usage"].items()}
    ended["models"] = sorted({*before["models"], *after["models"]})
    ended["permission_denials"] = [*before["permission_denials"], *after["permission_denials"]]
    ended["claude_version"] = after["claude_version"] or before["claude_version"]
    if before.get("quota"):
        later = (after.get("quota") or before["quota"])["after"]
        ended["quota"] = {"before": before["quota"]["before"], "after": later}
    return ended
