"""One of many writers: creates tasks in a shared job and deletes its own again.

Prints the ids that are to be left, and how often the lock could not be had in time.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime

from ccs.engine import tasks
from ccs.engine.clock import Clock
from ccs.errors import LockTimeout
from ccs.store.home import Home
from ccs.store.store import Store

MOST_ALIVE = 3


def main(home: str, job: str, changes: int) -> None:
    store = Store(Home(home))
    clock = Clock(lambda: datetime.now(UTC), time.monotonic, time.sleep)
    alive: list[str] = []
    refused = done = 0
    while done < changes:
        try:
            if len(alive) < MOST_ALIVE:
                fields = {"name": "written", "prompt": "x", "job_id": job}
                alive.append(tasks.create(store, fields, clock.now()).id)
            else:
                tasks.delete(store, alive[0], False, clock)
                del alive[0]
            done += 1
        except LockTimeout:
            refused += 1
    print(refused, *alive)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
