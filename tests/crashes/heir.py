"""Run as a process: leaves an heir, who keeps its files open, and waits to be killed.

``python -m tests.crashes.heir URL MOMENT``; the interpreter for its process that commits is named
by CRASH_INTERPRETER. It says the heir's process id; at the moment ``ordering`` it then waits for a
line, and gives an order that no pipe holds.
"""

from __future__ import annotations

import os
import signal
import sys

from storno.domain.events import Actor, RunStopRequested
from storno.execution.sealing import seal
from storno.execution.writer_process import WriterProcess
from storno.projections.changes import Recorded

from .writers import Prompt

ACTOR = Actor(name="heir", os_user="heir", host="host")


def main(url: str, moment: str) -> None:
    sys.executable = os.environ["CRASH_INTERPRETER"]
    process = (WriterProcess if moment == "starting" else Prompt)(url)
    heir = os.fork()
    if heir:
        print(heir, flush=True)
    else:
        signal.pause()
    if moment == "ordering":
        sys.stdin.readline()
        event = RunStopRequested(actor=ACTOR, reason="x" * 3_000_000)
        process.submit(seal([Recorded("run/payments/once", 1, event)]), {})
    signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
