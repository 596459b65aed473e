"""The job of ``payments`` in a run that is long from its first commit.

The variable CRASH_INTERPRETER names what starts the process that commits.
"""

from __future__ import annotations

import os
import sys

from .payments import payments
from .writers import make_runs_long

__all__ = ["payments"]

sys.executable = os.environ["CRASH_INTERPRETER"]
make_runs_long()
