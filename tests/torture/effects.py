"""Whom a job calls: pays once for each idempotency key, and refunds once, whoever dies meanwhile.

It is a file of calls in the folder of a life. A line is written at once, so a caller that is killed
has called, or has not.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

SLOW_TO_ANSWER = "00"
"""Calls whose idempotency key begins so are answered from the second time on, in each process."""


@dataclass
class Bank:
    """The bank as a process sees it."""

    folder: Path
    _called: set[str] = field(default_factory=set)

    def pay(self, key: str, number: str, minor: int) -> str:
        """Pay; the receipt is the same however often this key is used.

        Raises:
            TimeoutError: it is done, and the answer is lost.
        """
        self._call("pay", key, number, str(minor))
        return f"receipt-{key}"

    def refund(self, key: str, number: str, receipt: str) -> None:
        """Pay back, once for each key.

        Raises:
            TimeoutError: it is done, and the answer is lost.
        """
        self._call("refund", key, number, receipt)

    def _call(self, *words: str) -> None:
        key = words[1]
        line = "\t".join(words) + "\n"
        file = os.open(self.folder / "bank", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, line.encode())
        os.close(file)
        if key.startswith(SLOW_TO_ANSWER) and key not in self._called:
            self._called.add(key)
            raise TimeoutError("the bank did not answer in time")


@dataclass
class Statement:
    """What the bank did, once for each key.

    Attributes:
        paid: receipt to number and minor units.
        refunded: receipt to the keys by which it was paid back; there should be one.
        faults: keys that were used for more than one thing.
    """

    paid: dict[str, tuple[str, int]] = field(default_factory=dict)
    refunded: dict[str, set[str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, folder: Path) -> Statement:
        """From the calls."""
        statement = cls()
        used: dict[str, tuple[str, ...]] = {}
        path = folder / "bank"
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            kind, key, *about = line.split("\t")
            if used.setdefault(key, (kind, *about)) != (kind, *about):
                statement.faults.append(f"key {key} was used for {used[key]} and {kind} {about}")
            elif kind == "pay":
                statement.paid[f"receipt-{key}"] = (about[0], int(about[1]))
            else:
                statement.refunded.setdefault(about[1], set()).add(key)
        statement.faults += [
            f"{receipt} was paid back {len(keys)} times"
            for receipt, keys in statement.refunded.items()
            if len(keys) > 1
        ]
        statement.faults += [
            f"{receipt} was paid back and never paid"
            for receipt in statement.refunded.keys() - statement.paid.keys()
        ]
        return statement
