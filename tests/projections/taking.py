"""A reversal as a history knows it, and what it moves."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from storno.domain.entry import PostedLine
from storno.domain.reversal import NetLine

from .run_history import InputRun

SWAPPED = {"D": "C", "C": "D"}


@dataclass
class Taking:
    """A reversal as the history knows it.

    Attributes:
        targets: the ordinals it takes back, in its order.
        todo: those of them that are neither taken back nor settled.
        pending: those that the attempt under way has not come to.
        letters: version and ordinal of what was set aside.
    """

    id: str
    run: InputRun
    red: bool
    targets: list[int]
    approvals: int
    state: str = "requested"
    approved: int = 0
    attempt: int = 0
    number: int = 0
    reversed: int = 0
    todo: list[int] = field(default_factory=list)
    pending: list[int] = field(default_factory=list)
    letters: dict[int, int] = field(default_factory=dict)

    @property
    def stream(self) -> str:
        return f"reversal/{self.id}"


def reversed_line(line: PostedLine, *, red: bool) -> PostedLine:
    if red:
        return msgspec.structs.replace(line, minor=-line.minor)
    return msgspec.structs.replace(line, side=SWAPPED[line.side])


def net_of(run: InputRun, targets: list[int], red: bool) -> tuple[NetLine, ...]:
    lines = [
        reversed_line(line, red=red)
        for ordinal in targets
        for entry in run.posted[ordinal][1].entries
        for line in entry.lines
    ]
    return tuple(
        NetLine(
            "main",
            account,
            currency,
            2,
            *(
                sum(
                    line.minor
                    for line in lines
                    if (line.account, line.currency, line.side) == (account, currency, side)
                )
                for side in "DC"
            ),
        )
        for account, currency in sorted({(line.account, line.currency) for line in lines})
    )
