"""Reading a log that may still grow."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator


class Tail:
    """Lines of one file, each given once. A file that is not there yet has none."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._offset = 0

    def last(self, count: int | None = None) -> list[str]:
        """What is there now, or its last `count` lines."""
        return list(deque(self.fresh(), maxlen=count))

    def fresh(self) -> Iterator[str]:
        """Whole lines added since the last call; a line still being written waits."""
        try:
            file = open(self._path, "rb")
        except FileNotFoundError:
            return
        with file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                yield line[:-1].decode("utf-8", "replace")
