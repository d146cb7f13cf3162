"""Reading files that a task or a profile names: anything may stand under that name. Lean."""

from __future__ import annotations

import os
import stat

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


def open_regular(path: str, follow: bool = True) -> int:
    """A descriptor for reading. Raises OSError, ValueError as below."""
    if not follow and os.path.islink(path):
        raise ValueError(f"{path} is a link")
    no_link = 0 if follow else getattr(os, "O_NOFOLLOW", 0)
    fd = os.open(path, _FLAGS | no_link | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise ValueError(f"{path} is not a regular file")
    return fd


def read_regular(path: str, most: int, follow: bool = True) -> bytes:
    """Raises OSError, ValueError. A pipe would hold a supervisor up for ever, a device fill it.

    `follow`: whether the name itself may be a link.
    """
    fd = open_regular(path, follow)
    try:
        if os.fstat(fd).st_size > most:
            raise ValueError(f"{path} is larger than {most:,} bytes")
        parts, left = [], most
        while part := os.read(fd, 1 << 20):
            left -= len(part)
            if left < 0:  # it grows while it is read
                raise ValueError(f"{path} is larger than {most:,} bytes")
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(fd)
