"""`make bench`: what ccs costs, side by side with Python itself, in ratios.

    python tests/bench [--quick] [--program PATH/ccs] [--only WORD]

Absolute times tell of the machine and of who else uses it; each ratio is the median of pairs that
were measured within one round.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import parts
from measure import Row, show


def main() -> None:
    words = argparse.ArgumentParser(prog="bench")
    words.add_argument("--quick", action="store_true", help="fewer rounds, smaller stores")
    words.add_argument("--program", default=str(Path(sys.executable).with_name("ccs")))
    words.add_argument("--only", default="", help="only the parts whose name contains this")
    asked = words.parse_args()
    rounds = 5 if asked.quick else 21
    most = 10_000 if asked.quick else 1_000_000
    with tempfile.TemporaryDirectory(prefix="ccs-bench-") as place:
        os.chmod(place, 0o700)
        bench = parts.Bench(Path(place), asked.program, rounds, most)
        print(f"{platform.platform()}, {os.cpu_count()} CPUs, Python {platform.python_version()}")
        print(f"load before: {os.getloadavg()[0]:.1f}; {rounds} rounds; {bench.wrapper()}\n")
        rows: list[Row] = []
        for part in parts.PARTS:
            if asked.only in part.__name__:
                print(f"-- {(part.__doc__ or '').strip().splitlines()[0]}", flush=True)
                found = part(bench)
                show(found)
                rows += found
        missed = [row for row in rows if row.kept is False]
        print(f"{len(rows)} figures, {len(missed)} beyond their target")


main()
