"""What reversals ask for: approvals, reason codes, their form; as a project or a job says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from .errors import DefinitionError, UsageError
from .money import AmountError, UnknownCurrencyError, from_minor, to_minor
from .reversal import FORMS, Form
from .suggest import did_you_mean

REASONS: Final = (
    "duplicate",
    "wrong-amount",
    "wrong-account",
    "wrong-period",
    "wrong-input",
    "run-failed",
    "other",
)
"""Reason codes where nobody names others."""

MAX_CODE_CHARACTERS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ReversalPolicy:
    """Who has to agree to a reversal, for which reasons it is made, and in which form.

    What is None is not said here: a job leaves it to ``storno.toml``, that to the default.

    Attributes:
        approvals: how many people other than the requester have to agree; 0 by default.
        above: goes with ``approvals``: currency to an amount in major units. A reversal that
            debits no more than that in each of its currencies needs no approval; in a currency
            that is not named, every reversal does.
        reasons: the reason codes that a request may give; ``REASONS`` by default.
        form: black or red, where the request does not say; black by default.
        year_begins: the number of the month in which a fiscal year begins; 1, January, by default.
            A reversal into another one is flagged (accounting-rules, 11).

    Raises:
        DefinitionError: a value cannot be meant; the message names it.
    """

    approvals: int | None = None
    above: Mapping[str, Decimal | int | str] | None = None
    reasons: tuple[str, ...] | None = None
    form: Form | None = None
    year_begins: int | None = None

    def __post_init__(self) -> None:
        _check_approvals(self.approvals)
        if self.above is not None:
            if not self.approvals:
                raise _fault(
                    "above says from which amount on others have to agree: name how many, such as "
                    "approvals = 1."
                )
            object.__setattr__(self, "above", _limits_of(self.above))
        if self.form is not None and self.form not in FORMS:
            known = ", ".join(FORMS)
            suggestion = did_you_mean(str(self.form), FORMS)
            raise _fault(f"form {self.form!r} is none of {known}.{suggestion}")
        _check_month(self.year_begins)
        if self.reasons is not None:
            object.__setattr__(self, "reasons", _codes_of(self.reasons))

    @property
    def codes(self) -> tuple[str, ...]:
        """The reason codes that a request may give."""
        return REASONS if self.reasons is None else self.reasons

    @property
    def first_month(self) -> int:
        """The month in which a fiscal year begins."""
        return self.year_begins or 1

    @property
    def limits(self) -> Mapping[str, Decimal]:
        """Currency to the amount in major units up to which nobody has to agree."""
        return {currency: Decimal(amount) for currency, amount in (self.above or {}).items()}

    def overridden_by(self, job: ReversalPolicy | None) -> ReversalPolicy:
        """This policy, a project's, with what a job says of its own.

        A job that names ``approvals`` without ``above`` asks for them always: the project's limits
        go with the project's number.
        """
        if job is None:
            return self
        return ReversalPolicy(
            approvals=self.approvals if job.approvals is None else job.approvals,
            above=self.above if job.approvals is None else job.above,
            reasons=self.reasons if job.reasons is None else job.reasons,
            form=self.form if job.form is None else job.form,
            year_begins=self.year_begins if job.year_begins is None else job.year_begins,
        )

    def approvals_for(self, debits: Mapping[str, tuple[int, int]]) -> int:
        """How many people other than the requester have to agree to a reversal.

        Args:
            debits: what it debits in all: currency to minor units and the currency's exponent, as
                its lines store it; ``{"EUR": (1_000_000, 2)}`` is EUR 10,000.00. The sign, which
                is negative for a red storno, does not matter. Empty where it moves nothing in the
                ledger, as when it takes back effects alone: then no limit says that it is small.
        """
        limits = self.limits
        small = (
            currency in limits and abs(from_minor(minor, exponent)) <= limits[currency]
            for currency, (minor, exponent) in debits.items()
        )
        if debits and all(small):
            return 0
        return self.approvals or 0

    def check_code(self, code: str) -> None:
        """Make sure that a request may give this reason code.

        Raises:
            UsageError: it may not; the message says which it may.
        """
        if code not in self.codes:
            raise UsageError(
                f"{code!r} is no reason code.{did_you_mean(code, self.codes)} "
                f"Known: {', '.join(self.codes)}."
            )

    def form_for(self, named: Form | None = None) -> Form:
        """The form of a reversal: the one its request names, else the policy's, else black."""
        return named or self.form or "black"


def _check_approvals(approvals: object) -> None:
    if approvals is None:
        return
    if isinstance(approvals, bool) or not isinstance(approvals, int) or approvals < 0:
        raise _fault(f"approvals is a whole number from 0 on, not {approvals!r}.")


def _check_month(month: object) -> None:
    if month is None:
        return
    if isinstance(month, bool) or not isinstance(month, int) or not 1 <= month <= 12:
        raise _fault(f"year_begins is the number of a month, 1 to 12, not {month!r}.")


def _limits_of(above: object) -> dict[str, Decimal]:
    if not isinstance(above, Mapping) or not above:
        raise _fault(
            f'above names an amount for each currency, such as EUR = "10000.00", not {above!r}.'
        )
    return {_currency(currency): _limit(currency, amount) for currency, amount in above.items()}


def _currency(currency: object) -> str:
    if not isinstance(currency, str):
        raise _fault(f"above: {currency!r} is no currency: write its code, such as EUR.")
    return currency


def _limit(currency: str, amount: object) -> Decimal:
    """The amount, if it is one that the currency can hold."""
    if isinstance(amount, bool) or not isinstance(amount, (Decimal, int, str)):
        raise _fault(
            f'above: {currency} = {amount!r}: write the amount as text, such as "10000.00".'
        )
    try:
        limit = Decimal(amount)
        minor = to_minor(limit, currency)
    except UnknownCurrencyError as error:
        raise _fault(f"above: {error}.") from None
    except (ArithmeticError, AmountError):
        raise _fault(
            f"above: {currency} = {amount} is no amount that {currency} can hold."
        ) from None
    if minor < 0:
        raise _fault(f"above: {currency} = {amount} is below zero.")
    return limit


def _codes_of(reasons: object) -> tuple[str, ...]:
    codes = tuple(reasons) if isinstance(reasons, (tuple, list)) else ()
    if not codes:
        raise _fault(f"reasons is a list of at least one reason code, not {reasons!r}.")
    for number, code in enumerate(codes):
        if not _is_code(code):
            raise _fault(
                f"reasons: {code!r} is no reason code: printable characters without spaces, at "
                f"most {MAX_CODE_CHARACTERS}."
            )
        if code in codes[:number]:
            raise _fault(f"reasons: {code!r} is listed twice.")
    return codes


def _is_code(code: object) -> bool:
    return (
        isinstance(code, str)
        and 0 < len(code) <= MAX_CODE_CHARACTERS
        and code.isprintable()
        and " " not in code
    )


def _fault(text: str) -> DefinitionError:
    return DefinitionError(f"reversals: {text}")
