"""Jobs whose records end or hang their process; run as a program, because it may not survive.

``python -m tests.scenarios.mishaps`` reads a ``Case`` as JSON and prints how the run ended.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from storno import Context, Effect, Entry, Job, Store, iterable, job, run_job

from .. import forking
from .lab import ACTOR, Lab, Payment, entry_of, ordinal_of, payments

ROOT = Path(__file__).parents[2]
ROWS = sa.table("rows_of_the_job", sa.column("number", sa.Text))

HOWS: dict[str, Callable[[], object]] = {
    "exit": lambda: os._exit(3),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hang": lambda: sum(repeat(0)),  # in C, with the interpreter's lock, and deaf to signals
}


@dataclass
class Case:
    """What to run, and what goes wrong.

    Attributes:
        mode: ``posts``, ``effect`` or ``writes``.
        mishaps: ordinal to how its record ends the process.
        times: how often each mishap happens; None for always.
        folder: where the calls are written down; they survive the process.
    """

    url: str
    folder: str
    mode: str = "posts"
    count: int = 20
    chunk_size: int = 5
    mishaps: dict[int, str] = field(default_factory=dict)
    times: int | None = None
    record_seconds: float | None = None

    def start(self) -> dict[str, Any] | None:
        """Run it in a process of its own; None where the process did not survive."""
        program = [sys.executable, "-m", "tests.scenarios.mishaps", json.dumps(asdict(self))]
        ended = forking.run(
            program,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
        )
        if not ended.stdout:
            assert "Traceback" not in ended.stderr, ended.stderr
            return None
        result: dict[str, Any] = json.loads(ended.stdout)
        return result

    def start_until_it_ends(self, most: int = 12) -> tuple[dict[str, Any], int]:
        """Start it again and again; how it ended, and how often it was started."""
        for starts in range(1, most + 1):
            if (result := self.start()) is not None:
                return result, starts
        raise AssertionError(f"the run did not end in {most} starts")

    def calls(self) -> list[tuple[int, int, str]]:
        """Ordinal, attempt and idempotency key of each call of the function, in order."""
        lines = Path(self.folder, "calls").read_text().splitlines()
        fields = [line.split() for line in lines]
        return [(int(ordinal), int(attempt), key) for ordinal, attempt, key in fields]


def make_job(case: Case) -> Job:
    calls = Path(case.folder, "calls")

    def act(payment: Payment, context: Context) -> None:
        ordinal = ordinal_of(payment)
        earlier = calls.read_text().split("\n") if calls.exists() else []
        with calls.open("a") as file:
            file.write(f"{ordinal} {context.attempt} {context.idempotency_key}\n")
        if case.mode == "writes":
            context.connection.execute(sa.insert(ROWS).values(number=payment.number))
        happened = sum(line.startswith(f"{ordinal} ") for line in earlier)
        if ordinal in case.mishaps and (case.times is None or happened < case.times):
            HOWS[case.mishaps[ordinal]]()

    def post(payment: Payment, context: Context) -> Entry:
        act(payment, context)
        return entry_of(payment)

    def call_out(payment: Payment, context: Context) -> Effect:
        act(payment, context)
        return Effect(output={"receipt": payment.number}, entries=[entry_of(payment)])

    define = job(
        key="number",
        source=iterable(payments(case.count)),
        name="payments",
        chunk_size=case.chunk_size,
        effect=case.mode == "effect",
        irreversible="only a line in a file" if case.mode == "effect" else None,
        writes=case.mode == "writes",
        record_seconds=case.record_seconds,
    )
    return define(call_out if case.mode == "effect" else post)


def make_table(lab: Lab) -> None:
    """The table that the job with ``writes`` fills; the number is unique in it."""
    with lab.store.engine.connect() as connection:
        driver = connection.execution_options(storno_writes=True)
        with driver.begin():
            driver.execute(sa.text(f"CREATE TABLE {ROWS.name} (number TEXT PRIMARY KEY)"))


def rows_in_table(lab: Lab) -> list[str]:
    """What jobs wrote, in order."""
    with lab.store.engine.connect() as connection:
        return sorted(connection.execute(sa.select(ROWS.c.number)).scalars())


def main(text: str) -> None:
    settings = json.loads(text)
    settings["mishaps"] = {int(ordinal): how for ordinal, how in settings["mishaps"].items()}
    case = Case(**settings)
    store = Store.open(case.url)
    result = run_job(store, make_job(case), {}, ACTOR)
    store.close()
    counts = result.counts
    print(
        json.dumps(
            {
                "state": result.state,
                "attempt": result.attempt,
                "succeeded": counts.succeeded,
                "failed": counts.failed,
                "read": counts.read,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1])
