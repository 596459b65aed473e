"""Run as a process: append commits of several sizes to a store, from two threads."""

from __future__ import annotations

import sys
from threading import Thread

from storno.domain.seal import NewEvents
from storno.storage.engine import create_engine
from storno.storage.log import EventLog

url, name, commits = sys.argv[1], sys.argv[2], int(sys.argv[3])
log = EventLog(create_engine(url))


def write(thread: int) -> None:
    for number in range(commits):
        streams = [f"{name}/{thread}/{number:04d}/{event}" for event in range(number % 7 + 1)]
        log.append(NewEvents.of((stream, 1, "t.v1", b"{}") for stream in streams))


threads = [Thread(target=write, args=(number,)) for number in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
