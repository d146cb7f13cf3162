"""How far a run has come, from its events, in one line."""

from __future__ import annotations

from datetime import timedelta

from ccs import duration
from ccs.claude.events import Stream
from ccs.claude.render import tokens, tool_call
from ccs.claude.values import Event, listing, mapping, word
from ccs.text import shorten


class Progress:
    """Of one client or, when the session was begun afresh, of both together."""

    def __init__(self) -> None:
        self.turns = 0
        self.tool = ""
        self._stream = Stream()
        self._message: str | None = None

    def feed(self, event: Event) -> None:
        self._stream.feed(event)
        if event.get("type") != "assistant":
            return
        message = mapping(event.get("message"))
        blocks = map(mapping, listing(message.get("content")))
        for block in blocks:
            if block.get("type") == "tool_use":
                self.tool = tool_call(block).removeprefix("→ ")
        if event.get("parent_tool_use_id"):
            return  # a subagent's turn is none of the run's
        # One message comes in an event for each of its blocks.
        if (one := word(message.get("id"))) is None or one != self._message:
            self.turns += 1
        self._message = one

    def line(self, elapsed: timedelta, width: int) -> str:
        """The client tells what it cost with each result; until then there are only tokens."""
        used, cost = self._stream.usage, self._stream.cost_usd
        output = used["output"]
        parts = [
            duration.text(timedelta(seconds=max(0, int(elapsed.total_seconds())))),
            f"{self.turns} turn{'' if self.turns == 1 else 's'}",
            "" if cost is None else f"${cost:.4f}",
            f"{tokens(sum(used.values()) - output)} in / {tokens(output)} out",
            self.tool,
        ]
        return shorten(" · ".join(part for part in parts if part), width)
