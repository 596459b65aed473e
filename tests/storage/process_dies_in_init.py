"""Run as a process: make a store, killed at the first statement, then at the third, and so on.

Each attempt is a child that kills itself with SIGKILL after its n-th statement. After each the
store has to be as if nothing had happened; the attempt that lives has to make it whole. Prints how
many were killed.
"""

from __future__ import annotations

import os
import signal
import sys
from itertools import count

import sqlalchemy as sa
from sqlalchemy import event

from storno.domain.errors import StoreMissingError
from storno.storage.engine import create_engine
from storno.storage.migrate import check, init

url = sys.argv[1]


def die_after(statements: int) -> None:
    done = 0

    @event.listens_for(sa.Engine, "after_cursor_execute")
    def executed(*_arguments: object) -> None:
        nonlocal done
        done += 1
        if done == statements:
            os.kill(os.getpid(), signal.SIGKILL)


for statements in count(1, 2):
    child = os.fork()
    if not child:
        die_after(statements)
        init(url)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status == 0:
        print(statements // 2)
        break
    assert os.WTERMSIG(status) == signal.SIGKILL, status
    engine = create_engine(url)
    try:
        check(engine)
    except StoreMissingError:
        pass
    else:
        raise AssertionError(f"killed after statement {statements}, and there is a store")
    engine.dispose()
