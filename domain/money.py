"""Money: ``Decimal`` at the surface, whole minor units inside and in the store, never float."""

from __future__ import annotations

import decimal
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache

from .errors import StornoError

MAX_MINOR_UNITS = 10**15
"""The largest amount of one line, in minor units: SQLite's sum() fails when it overflows."""

MAX_WHOLE_DIGITS = 10
"""Amounts of so many digits before the point are under the cap, whatever their currency."""

# Wide enough for any amount under the cap at any exponent; what does not fit raises, never rounds.
_EXACT = decimal.Context(prec=64, traps=[decimal.InvalidOperation, decimal.Inexact])


class AmountError(StornoError):
    """An amount that cannot be stored exactly, or not at all."""


class UnknownCurrencyError(StornoError):
    """A code that ISO 4217 does not list, or one without minor units."""


class Rounding(StrEnum):
    """How an amount finer than its currency is rounded, where a job asks for it."""

    HALF_UP = "half-up"
    HALF_EVEN = "half-even"
    HALF_DOWN = "half-down"
    UP = "up"
    DOWN = "down"
    CEILING = "ceiling"
    FLOOR = "floor"

    @property
    def rule(self) -> str:
        """The name that the decimal module gives the rule."""
        return "ROUND_" + self.value.upper().replace("-", "_")


@lru_cache(maxsize=512)
def exponent(currency: str) -> int:
    """How many decimals ISO 4217 gives the currency: 2 for EUR, 0 for JPY, 3 for BHD."""
    from iso4217 import Currency  # loads a table of all currencies; only jobs that post need it

    try:
        places = Currency(currency).exponent
    except ValueError:
        places = None
    if places is None:
        raise UnknownCurrencyError(
            f"{currency!r} is no ISO 4217 currency with minor units: "
            "write the three-letter code, such as EUR"
        )
    return int(places)


def to_minor(amount: Decimal | int, currency: str, rounding: Rounding | None = None) -> int:
    """The amount in whole minor units.

    Args:
        amount: in major units; never a float.
        currency: an ISO 4217 code.
        rounding: the rule for an amount finer than the currency; None refuses it.

    Raises:
        AmountError: not a number, finer than the currency without a rule, or over the cap.
        UnknownCurrencyError: the currency is not in ISO 4217.
    """
    return at_places(amount, currency, exponent(currency), rounding)


def at_places(
    amount: Decimal | int, currency: str, places: int, rounding: Rounding | None = None
) -> int:
    """``to_minor`` where the currency's exponent is known already."""
    if amount.__class__ is not Decimal:
        amount = _as_decimal(amount)
    # The usual amount is written with just its currency's decimals: its digits are the number.
    whole, _, fraction = str(amount).partition(".")
    if len(fraction) == places and len(whole) <= MAX_WHOLE_DIGITS:
        try:
            return int(whole + fraction)
        except ValueError:
            pass  # NaN, Infinity, or an exponent
    return _by_arithmetic(amount, currency, places, rounding)


def _by_arithmetic(
    amount: Decimal | int, currency: str, places: int, rounding: Rounding | None
) -> int:
    try:
        scaled = _EXACT.scaleb(amount, places)
        minor = int(scaled)
    except (decimal.DecimalException, ValueError, OverflowError):
        raise AmountError(f"{amount} is no amount that {currency} can hold") from None
    if scaled != minor:
        if rounding is None:
            raise AmountError(
                f"{amount} {currency} is finer than the currency's {places} decimals: correct it, "
                "or name the job's rounding rule, such as rounding='half-up'"
            )
        minor = int(scaled.to_integral_value(rounding=rounding.rule))
    if not -MAX_MINOR_UNITS <= minor <= MAX_MINOR_UNITS:
        raise AmountError(f"{amount} {currency} is over the cap of 10^15 minor units a line")
    return minor


def _as_decimal(amount: object) -> Decimal:
    if isinstance(amount, Decimal):
        return amount
    if isinstance(amount, int) and not isinstance(amount, bool):
        return Decimal(amount)
    raise AmountError(
        f"an amount must be a Decimal or an int, not {type(amount).__name__} ({amount!r})"
    )


def from_minor(minor: int, places: int) -> Decimal:
    """The amount in major units, with exactly ``places`` decimals."""
    return _EXACT.scaleb(Decimal(minor), -places)


def format_minor(minor: int, places: int) -> str:
    """The amount as scripts read it: ``1250.00``, a minus sign in front where it is negative."""
    return f"{from_minor(minor, places):f}"
