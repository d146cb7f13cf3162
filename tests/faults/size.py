"""How much is tried: a sample by default, all of it with CCS_FAULTS=full (`make faults`), and with
a number that many faults of a kind for each command, the rest in proportion.

CCS_FAULTS_SEED chooses the sample and every random history; CCS_FAULTS_POINT=ID tries one fault
alone. A failure prints what reproduces it.
"""

from __future__ import annotations

import os

_SIZES = {"sample": 2, "full": 1000}
_TOLD = os.environ.get("CCS_FAULTS", "sample")
# Faults of a kind for each command.
SIZE = _SIZES[_TOLD] if _TOLD in _SIZES else int(_TOLD)
# Of what is counted in thousands.
SHARE = SIZE / _SIZES["full"]
FULL = SHARE >= 1
SEED = int(os.environ.get("CCS_FAULTS_SEED", "1"))
