"""Reading a log that may still grow."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator


class Tail:
    """Lines of one file, each given once. A file that is not there yet has none."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._offset = 0

    def last(self, count: int, ended: bool) -> Iterator[str]:
        """The last `count` lines of what is there now."""
        return iter(deque(self.fresh(ended), maxlen=count))

    def fresh(self, ended: bool) -> Iterator[str]:
        """Lines added since the last call; one still being written waits, unless it has `ended`."""
        try:
            file = open(self._path, "rb")
        except FileNotFoundError:
            return
        with file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n") and not ended:
                    return
                self._offset += len(line)
                yield line.removesuffix(b"\n").decode("utf-8", "replace")
