"""Account names as beancount and hledger take them: legal there, and to be turned back again.

Storno lets an account have any printable name. Names are mapped one by one, without a look at the
others, so a name is the same in every export; no two names are mapped alike.

beancount asks for one of five roots, and for components that begin with a capital letter or a
digit and go on with letters, digits and hyphens (``beancount.core.account``). Within a component:

- a lower-case letter at its beginning becomes a capital; a capital that was there is told by a
  hyphen at the end: ``rent`` is ``Rent``, ``Rent`` is ``Rent-``.
- a component that can begin neither way gets an ``X`` in front and two hyphens at the end.
- a blank before a letter or a digit is a hyphen; all else that is no letter or digit is ``--`` and
  two hexadecimal digits for each byte of its UTF-8.

hledger takes nearly anything; what it would read as its own is written ``%`` and two digits.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

from msgspec import Struct, field

ROOTS: Final = ("Assets", "Liabilities", "Equity", "Income", "Expenses")
"""beancount's five kinds of accounts."""

OTHER_ROOT: Final = "Equity"
"""Of accounts that no rule knows."""

USUAL: Final[Mapping[str, tuple[str, ...]]] = {
    "Assets": ("asset", "assets", "bank", "cash", "debtors", "receivable", "receivables"),
    "Liabilities": ("liability", "liabilities", "creditors", "payable", "payables", "loans"),
    "Equity": ("equity", "capital"),
    "Income": ("income", "revenue", "revenues", "sales"),
    "Expenses": ("expense", "expenses", "cost", "costs"),
}
"""What the first component of an account's name says of its kind, where no pattern does.

The first of each is left out behind its root: ``expense:rent`` is ``Expenses:Rent``.
"""

_FIRST_OF_ROOT: Final = {root: words[0] for root, words in USUAL.items()}
_ROOT_OF_WORD: Final = {word: root for root, words in USUAL.items() for word in words}
_ESCAPED: Final = re.compile("(?:--[0-9A-F]{2})+")
_PERCENT: Final = re.compile("(?:%[0-9A-F]{2})+")
_HLEDGERS_OWN: Final = re.compile(
    r"^[^\w]|(?<=:)[^\w]|[ ](?=[ :])|[ ]$|:(?=:)|^:|:$|;|%(?=[0-9A-F]{2})"
)


class AccountNames(Struct, frozen=True):
    """The mapping of a project's account names to other programs'.

    Attributes:
        roots: root to names or shell patterns of storno's accounts that belong below it; they go
            before what the first component says.
    """

    roots: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def root(self, account: str) -> str:
        """Which of the five roots an account belongs below."""
        for root in ROOTS:
            if any(fnmatchcase(account, pattern) for pattern in self.roots.get(root, ())):
                return root
        return _ROOT_OF_WORD.get(account.partition(":")[0].lower(), OTHER_ROOT)

    def to_beancount(self, account: str) -> str:
        """The name in beancount: ``expense:rent`` is ``Expenses:Rent``."""
        root = self.root(account)
        first, _, rest = account.partition(":")
        # What is left must not be the name of another account below the same root.
        if first == _FIRST_OF_ROOT[root] and rest and self.root(rest) != root:
            account = rest
        return ":".join((root, *map(_component, account.split(":"))))

    def from_beancount(self, name: str) -> str:
        """The account whose name ``to_beancount`` gives."""
        root, _, rest = name.partition(":")
        account = ":".join(map(_original, rest.split(":")))
        return account if self.root(account) == root else f"{_FIRST_OF_ROOT[root]}:{account}"


def to_hledger(account: str) -> str:
    """The name in hledger, which is the same but for what hledger would read as its own."""
    return _HLEDGERS_OWN.sub(lambda found: percent(found[0]), account)


def from_hledger(name: str) -> str:
    """The account whose name ``to_hledger`` gives."""
    return _PERCENT.sub(lambda found: bytes.fromhex(found[0].replace("%", "")).decode(), name)


def percent(text: str) -> str:
    """``%`` and two hexadecimal digits for each byte of the text."""
    return "".join(f"%{byte:02X}" for byte in text.encode())


def _component(text: str) -> str:
    first, body = text[:1], _body(text)
    if first.isdecimal():
        return body
    if unicodedata.category(first or " ") == "Lu":
        return f"{body}-"
    capital = first.upper()
    if len(capital) == 1 and capital != first and capital.lower() == first:
        return _body(capital + text[1:])
    return f"X{body}--"


def _original(name: str) -> str:
    """The component that ``_component`` was given."""
    if name.endswith("--"):
        return _text(name[1:-2])
    if name.endswith("-"):
        return _text(name[:-1])
    text = _text(name)
    return text[:1].lower() + text[1:]


def _body(text: str) -> str:
    return "".join(
        letter
        if _is_plain(letter)
        else "-"
        if letter == " " and _is_plain(text[index + 1 : index + 2])
        else "".join(f"--{byte:02X}" for byte in letter.encode())
        for index, letter in enumerate(text)
    )


def _text(body: str) -> str:
    """What ``_body`` was given: escapes first, since a hyphen of theirs stands for no blank."""
    parts, end = [], 0
    for found in _ESCAPED.finditer(body):
        parts += [body[end : found.start()].replace("-", " ")]
        parts += [bytes.fromhex(found[0].replace("--", "")).decode()]
        end = found.end()
    return "".join((*parts, body[end:].replace("-", " ")))


def _is_plain(letter: str) -> bool:
    """Whether beancount takes it within a component: a letter or a digit, of any script."""
    return letter.isalpha() or letter.isdecimal()
