"""Run as a process: follow a store's log until a number of events was seen, and print positions.

It starts to read at once, while others write, and asks for whatever comes after the last position
seen, as every reader of the log does.
"""

from __future__ import annotations

import sys

from storno.storage.engine import create_engine
from storno.storage.log import EventLog
from storno.storage.subscription import commit_signal

url, wanted = sys.argv[1], int(sys.argv[2])
log = EventLog(create_engine(url))
signal = commit_signal(log)
seen: list[int] = []
print("ready", flush=True)
while len(seen) < wanted:
    rows = log.read_log(after_position=seen[-1] if seen else 0, limit=50)
    seen += [row.position for row in rows]
    if not rows:
        signal.wait()
print(*seen)
