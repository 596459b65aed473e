"""What reversals ask for: whose approval, which reason codes, which form."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from storno.domain.errors import DefinitionError, UsageError
from storno.domain.policy import REASONS, ReversalPolicy

LIMITED = ReversalPolicy(approvals=2, above={"EUR": "10000.00", "JPY": 500_000, "BHD": "1.005"})


def test_nothing_said_is_nobody_asked_the_usual_reasons_and_black() -> None:
    policy = ReversalPolicy()

    assert policy.approvals_for({"EUR": (10**15, 2)}) == 0
    assert policy.codes == REASONS
    assert policy.form_for() == "black"


def test_without_a_limit_every_reversal_needs_approval() -> None:
    policy = ReversalPolicy(approvals=1)

    assert policy.approvals_for({"EUR": (1, 2)}) == 1
    assert policy.approvals_for({}) == 1


@pytest.mark.parametrize(
    ("debits", "needed"),
    [
        ({"EUR": (1_000_000, 2)}, 0),
        ({"EUR": (1_000_001, 2)}, 2),
        ({"EUR": (-1_000_001, 2)}, 2),  # red storno
        ({"EUR": (-1_000_000, 2)}, 0),
        ({"EUR": (0, 2)}, 0),
        ({"JPY": (500_000, 0)}, 0),
        ({"JPY": (500_001, 0)}, 2),
        ({"BHD": (1_005, 3)}, 0),
        ({"BHD": (1_006, 3)}, 2),
        ({"EUR": (1, 2), "JPY": (500_001, 0)}, 2),  # one of two is too large
        ({"EUR": (1, 2), "JPY": (1, 0)}, 0),
        ({"EUR": (1, 2), "USD": (1, 2)}, 2),  # nothing says that a dollar is small
        ({}, 2),  # effects alone: nobody knows how large they are
    ],
)
def test_a_limit_frees_what_does_not_exceed_it(
    debits: dict[str, tuple[int, int]], needed: int
) -> None:
    assert LIMITED.approvals_for(debits) == needed


def test_the_exponent_is_that_of_the_lines() -> None:
    """Lines store their own exponent: a currency that ISO 4217 redefines stays what it was."""
    assert LIMITED.approvals_for({"EUR": (10_000_000, 3)}) == 0
    assert LIMITED.approvals_for({"EUR": (10_000_001, 3)}) == 2


def test_a_limit_of_zero_frees_nothing_that_moves_money() -> None:
    policy = ReversalPolicy(approvals=1, above={"EUR": 0})

    assert policy.approvals_for({"EUR": (1, 2)}) == 1


def test_an_unknown_reason_code_gets_did_you_mean() -> None:
    ReversalPolicy().check_code("wrong-period")
    with pytest.raises(UsageError, match="Did you mean 'wrong-period'") as raised:
        ReversalPolicy().check_code("wrong-perod")
    assert "run-failed" in str(raised.value)
    with pytest.raises(UsageError, match="Known: 01, 02"):
        ReversalPolicy(reasons=("01", "02")).check_code("duplicate")


def test_a_request_may_choose_its_form() -> None:
    policy = ReversalPolicy(form="red")

    assert (policy.form_for(), policy.form_for("black")) == ("red", "black")
    assert ReversalPolicy().form_for("red") == "red"


def test_a_job_says_only_what_differs() -> None:
    """Asking for a red storno does not drop the approval that the project asks for."""
    project = ReversalPolicy(approvals=1, above={"EUR": "100.00"}, reasons=("a", "b"))

    red = project.overridden_by(ReversalPolicy(form="red"))

    assert red == ReversalPolicy(
        approvals=1, above={"EUR": Decimal(100)}, reasons=("a", "b"), form="red"
    )
    assert project.overridden_by(None) is project
    assert project.overridden_by(ReversalPolicy(reasons=("c",))).codes == ("c",)
    assert project.overridden_by(ReversalPolicy(approvals=0)).approvals_for({}) == 0


def test_the_number_of_a_job_comes_without_the_limits_of_the_project() -> None:
    project = ReversalPolicy(approvals=1, above={"EUR": "100.00"})

    strict = project.overridden_by(ReversalPolicy(approvals=2))

    assert strict.approvals_for({"EUR": (1, 2)}) == 2


def test_reasons_may_be_a_list() -> None:
    settings: Any = {"reasons": ["01", "Fehlbuchung"]}

    assert ReversalPolicy(**settings).reasons == ("01", "Fehlbuchung")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"approvals": -1}, "a whole number from 0 on, not -1"),
        ({"approvals": True}, "not True"),
        ({"approvals": 1.0}, "not 1.0"),
        ({"approvals": "1"}, "not '1'"),
        ({"above": {"EUR": "1"}}, "name how many, such as approvals = 1"),
        ({"approvals": 0, "above": {"EUR": "1"}}, "name how many"),
        ({"approvals": 1, "above": {}}, "above names an amount for each currency"),
        ({"approvals": 1, "above": "10000.00"}, "above names an amount for each currency"),
        ({"approvals": 1, "above": {"EUR": 10000.0}}, "EUR = 10000.0: write the amount as text"),
        ({"approvals": 1, "above": {"EUR": True}}, "write the amount as text"),
        ({"approvals": 1, "above": {"EUR": "a lot"}}, "EUR = a lot is no amount"),
        ({"approvals": 1, "above": {"EUR": "NaN"}}, "EUR = NaN is no amount"),
        ({"approvals": 1, "above": {"EUR": "Infinity"}}, "EUR = Infinity is no amount"),
        ({"approvals": 1, "above": {"EUR": "0.001"}}, "EUR = 0.001 is no amount that EUR can hold"),
        ({"approvals": 1, "above": {"EUR": "-1"}}, "EUR = -1 is below zero"),
        ({"approvals": 1, "above": {"EURO": "1"}}, "'EURO' is no ISO 4217 currency"),
        ({"approvals": 1, "above": {1: "1"}}, "1 is no currency"),
        ({"form": "rde"}, "'rde' is none of black, red. Did you mean 'red'?"),
        ({"year_begins": 0}, "year_begins is the number of a month, 1 to 12, not 0"),
        ({"year_begins": 13}, "not 13"),
        ({"year_begins": "4"}, "not '4'"),
        ({"reasons": ()}, "at least one reason code"),
        ({"reasons": "duplicate"}, "at least one reason code, not 'duplicate'"),
        ({"reasons": ("wrong period",)}, "'wrong period' is no reason code"),
        ({"reasons": ("",)}, "'' is no reason code"),
        ({"reasons": ("a\nb",)}, "is no reason code"),
        ({"reasons": ("x" * 101,)}, "is no reason code"),
        ({"reasons": (1,)}, "1 is no reason code"),
        ({"reasons": ("a", "b", "a")}, "'a' is listed twice"),
    ],
)
def test_what_cannot_be_meant_is_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(DefinitionError) as raised:
        ReversalPolicy(**settings)

    assert str(raised.value).startswith("reversals: ")
    assert told in str(raised.value)
