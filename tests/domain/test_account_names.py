"""Account names for beancount and hledger: legal, never two alike, and turned back."""

from __future__ import annotations

import pytest
from beancount.core.account import is_valid
from hypothesis import given
from hypothesis import strategies as st

from storno.domain.account_names import AccountNames, from_hledger, to_hledger

NAMES = AccountNames()
OWN = AccountNames({"Assets": ("4*", "rent"), "Expenses": ("*:elm*",)})

WORDS = ("expense", "liability", "creditors", "rent", "Rent", "X", "x", "elm", " ", "-", "--", "20")
SIGNS = ("a", "B", " ", "-", "%", "2", "0", "2F", ":", "X", "é", "租")

printable = st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" "))
likely = st.lists(st.sampled_from([*WORDS, ""])).map(":".join)
glued = st.lists(st.sampled_from(SIGNS)).map("".join)
accounts = st.one_of(printable, likely, glued).filter(bool)


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        ("expense:rent", "Expenses:Rent"),
        ("bank", "Assets:Bank"),
        ("creditors", "Liabilities:Creditors"),
        ("creditors:Elm Stationers", "Liabilities:Creditors:Elm-Stationers-"),
        ("liability:creditors", "Liabilities:Liability:Creditors"),  # the other one has the name
        ("expense", "Expenses:Expense"),
        ("4400", "Equity:4400"),
        ("expense:co-op", "Expenses:Co--2Dop"),
        ("expense:Büro & Miete", "Expenses:Büro--20--26-Miete-"),
        ("expense:租金", "Expenses:X租金--"),
        ("expense:", "Expenses:Expense:X--"),
    ],
)
def test_names_in_beancount(account: str, expected: str) -> None:
    assert NAMES.to_beancount(account) == expected


@pytest.mark.parametrize("names", [NAMES, OWN])
@given(account=accounts)
def test_beancount_takes_every_name_and_it_can_be_turned_back(
    names: AccountNames, account: str
) -> None:
    """What can be turned back is never the name of two."""
    name = names.to_beancount(account)

    assert is_valid(name)
    assert names.from_beancount(name) == account


def test_a_projects_patterns_go_first() -> None:
    assert OWN.to_beancount("4400") == "Assets:4400"
    assert OWN.to_beancount("creditors:elm") == "Expenses:Creditors:Elm"
    assert OWN.to_beancount("expense:rent") == "Expenses:Rent"
    assert OWN.to_beancount("rent") == "Assets:Rent"


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        ("creditors:Elm Stationers", "creditors:Elm Stationers"),
        ("expense:a  b", "expense:a%20 b"),
        ("(x)", "%28x)"),
        ("a::b", "a%3A%3Ab"),
        ("100%25", "100%2525"),
        ("100% rent; paid", "100% rent%3B paid"),
    ],
)
def test_names_in_hledger(account: str, expected: str) -> None:
    assert to_hledger(account) == expected


@given(account=accounts)
def test_hledgers_names_can_be_turned_back(account: str) -> None:
    name = to_hledger(account)

    assert from_hledger(name) == account
    assert "  " not in name
    assert ";" not in name
    assert name == name.strip()
