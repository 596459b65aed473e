"""Money: exact, in whole minor units, or refused."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storno.domain.money import (
    MAX_MINOR_UNITS,
    AmountError,
    Rounding,
    UnknownCurrencyError,
    exponent,
    format_minor,
    from_minor,
    to_minor,
)

PLACES = {"EUR": 2, "JPY": 0, "BHD": 3, "CLF": 4, "USD": 2, "KWD": 3}


@pytest.mark.parametrize(("currency", "places"), PLACES.items())
def test_exponents_are_those_of_iso_4217(currency: str, places: int) -> None:
    assert exponent(currency) == places


@pytest.mark.parametrize("currency", ["", "EURO", "eur", "XXX", "XAU", "ZZZ", "EU"])
def test_what_is_no_currency_is_named(currency: str) -> None:
    with pytest.raises(UnknownCurrencyError, match="ISO 4217"):
        to_minor(Decimal(1), currency)


@given(st.integers(-MAX_MINOR_UNITS, MAX_MINOR_UNITS), st.sampled_from(sorted(PLACES)))
def test_every_amount_comes_back(minor: int, currency: str) -> None:
    amount = from_minor(minor, PLACES[currency])

    assert to_minor(amount, currency) == minor
    assert to_minor(Decimal(format_minor(minor, PLACES[currency])), currency) == minor


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12))
def test_an_amount_is_exact_or_refused(amount: Decimal) -> None:
    with localcontext(prec=100):
        cents = amount * 100
    if cents == cents.to_integral_value():
        assert to_minor(amount, "EUR") == cents
    else:
        with pytest.raises(AmountError, match=r"finer than|can hold"):
            to_minor(amount, "EUR")


@pytest.mark.parametrize(("currency", "places"), PLACES.items())
@pytest.mark.parametrize("sign", [1, -1])
def test_the_cap_holds_at_every_exponent(currency: str, places: int, sign: int) -> None:
    most = from_minor(sign * MAX_MINOR_UNITS, places)

    assert to_minor(most, currency) == sign * MAX_MINOR_UNITS
    with pytest.raises(AmountError, match="over the cap"):
        to_minor(most + sign * from_minor(1, places), currency)


@pytest.mark.parametrize("rule", Rounding)
@given(st.decimals(places=6, min_value=-(10**9), max_value=10**9))
def test_rounding_is_the_decimal_modules(rule: Rounding, amount: Decimal) -> None:
    expected = amount.quantize(Decimal("0.01"), rounding=rule.rule)

    assert to_minor(amount, "EUR", rule) == int(expected * 100)


def test_half_up_and_half_even_differ_in_the_middle() -> None:
    assert (Rounding.HALF_UP.rule, Rounding.HALF_EVEN.rule) == (ROUND_HALF_UP, ROUND_HALF_EVEN)
    assert to_minor(Decimal("2.505"), "EUR", Rounding.HALF_UP) == 251
    assert to_minor(Decimal("2.505"), "EUR", Rounding.HALF_EVEN) == 250


@pytest.mark.parametrize(
    ("amount", "told"),
    [
        (Decimal("NaN"), "is no amount that EUR can hold"),
        (Decimal("sNaN"), "is no amount that EUR can hold"),
        (Decimal("Infinity"), "is no amount that EUR can hold"),
        (Decimal("1E+999999"), "EUR"),
        (Decimal("1E-999999"), "EUR"),
        (Decimal("0.001"), "finer than the currency's 2 decimals"),
        (Decimal("10000000000000.01"), "over the cap of 10^15"),
        (Decimal("-10000000000000.01"), "over the cap of 10^15"),
        (Decimal("9" * 70), "EUR"),
        (0.1, "not float (0.1)"),
        ("1", "not str ('1')"),
        (True, "not bool (True)"),
        (None, "not NoneType"),
    ],
)
def test_what_cannot_be_stored_is_refused(amount: Any, told: str) -> None:
    with pytest.raises(AmountError) as error:
        to_minor(amount, "EUR")

    assert told in str(error.value)


@pytest.mark.parametrize(("amount", "minor"), [(7, 700), (-7, -700), (0, 0), (Decimal("-0"), 0)])
def test_whole_numbers_and_zeros(amount: Any, minor: int) -> None:
    assert to_minor(amount, "EUR") == minor


def test_a_decimal_of_ones_own_is_a_decimal() -> None:
    class Price(Decimal):
        pass

    assert to_minor(Price("1.25"), "EUR") == 125


def test_the_callers_context_has_no_part_in_it() -> None:
    with localcontext(prec=3):
        assert to_minor(Decimal("1234567.89"), "EUR") == 123456789
        assert from_minor(123456789, 2) == Decimal("1234567.89")


@pytest.mark.parametrize(
    ("minor", "places", "text"),
    [(125000, 2, "1250.00"), (-5, 2, "-0.05"), (0, 2, "0.00"), (7, 0, "7"), (1234, 3, "1.234")],
)
def test_amounts_are_written_as_scripts_read_them(minor: int, places: int, text: str) -> None:
    assert format_minor(minor, places) == text
