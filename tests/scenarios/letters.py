"""What the scenarios of dead letters share."""

from __future__ import annotations

from storno.execution import dead_letters

from .lab import Payment, ordinal_of


class Bad(set[int]):
    """Payments that fail, as long as they are in it."""

    def __call__(self, payment: Payment) -> None:
        if ordinal_of(payment) in self:
            raise ValueError(f"no {payment.number}")


def outcomes(result: dead_letters.Retry) -> dict[int, str]:
    return {each.letter.ordinal: each.outcome for each in result.tried}
