"""One bad record never stops the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ccs.errors import CcsError
from ccs.store.tasklist import ChangedMeanwhile


@contextmanager
def spared(problems: list[str], what: str) -> Iterator[None]:
    """Whatever goes wrong inside is written down under `what`, and the rest goes on.

    Every exception, because a file edited by hand reaches code in ways nobody foresaw, and a tick
    that stops at it would stop every other task of the store as well. What somebody changes while
    the tick goes on is no fault: the next tick looks at it anew.
    """
    try:
        yield
    except ChangedMeanwhile:
        pass
    except CcsError as error:
        mend = f" ({error.hint})" if error.hint else ""
        problems.append(f"{what}: {error.message}{mend}")
    except Exception as error:
        problems.append(f"{what}: {error or type(error).__name__}")
