"""The difference between what a plan said and what is so."""

from __future__ import annotations

import pytest

from storno.compensations.difference import difference
from storno.compensations.plan import Blocker, Foreseen
from storno.domain.reversal import NetLine

NOTHING = Foreseen("a")
ONE = Blocker("P-1", "irreversible: cash")


@pytest.mark.parametrize(
    ("now", "then", "said"),
    [
        (NOTHING, NOTHING, "it would take back other records, or other postings of them"),
        (Foreseen("b", blocked=1, blockers=(ONE,)), Foreseen("a", blocked=1, blockers=()), ""),
        (
            Foreseen("b", blocked=1, blockers=(ONE,)),
            Foreseen("a", blocked=1, blockers=(Blocker("P-1", "no-handler: none"),)),
            "blocked now: P-1 (irreversible: cash); blocked no more: P-1 (no-handler: none)",
        ),
        (
            Foreseen("b", net=(NetLine("main", "bank", "JPY", 0, 7, 0),)),
            Foreseen("a", net=(NetLine("main", "bank", "EUR", 2, 700, 0),)),
            "bank EUR debit 0.00 and credit 0.00, not debit 7.00 and credit 0.00 / bank JPY",
        ),
    ],
)
def test_what_is_told(now: Foreseen, then: Foreseen, said: str) -> None:
    """Beyond the blockers that are named nothing is said of any: some may have been there."""
    assert said in difference(now, then)
    assert said or "blocked" not in difference(now, then)
