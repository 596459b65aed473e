"""``storno ledger export``: what other programs make of it is what the trial balance says."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from beancount import loader
from beancount.core.data import Open, Posting, Transaction

from storno.domain.account_names import AccountNames, from_hledger

from .command import Storno

NAMES = AccountNames({"Assets": ("float",)})
Balances = dict[tuple[str, str], Decimal]
FORMATS = ("beancount", "hledger", "csv", "parquet")

JOBS = """
import datetime as dt
from decimal import Decimal
from storno import Entry, Record, credit, csv_source, debit, job


class Row(Record):
    key: str
    amount: Decimal
    currency: str
    account: str
    contra: str
    day: dt.date
    posted: dt.date
    text: str
    book: str = "main"


@job(key="key", source=csv_source("input.csv"))
def books(row: Row) -> Entry:
    lines = [debit(row.account, row.amount, row.currency)]
    lines.append(credit(row.contra, row.amount, row.currency))
    return Entry(lines, effective=row.day, posting=row.posted, text=row.text, book=row.book)
"""

ACCOUNTS = (
    "expense:rent", "Expense:Rent", "creditors", "creditors:Elm Stationers", "liability:creditors",
    "rent", "Rent", "expense:Büro & Miete", "expense:租金", "(odd) name; x", "a::b", ":", "100%25",
    'quo"te\\d', "*star", "! bang", "expense:co-op", "expense:a  b", "4400", "float", "~tilde",
    "a: b", "1.000,00 EUR", "creditors:Elm-Stationers", "creditors:elm Stationers", "=",
    "account @ 5 EUR",
)  # fmt: skip
"""Names that are illegal elsewhere, or would be taken for one another."""

KEYS = ("K-1", "a b", "c,d", 'e"f', "g:h", "i/j", "ключ", "100%2C", "m;n")
TEXTS = (
    "Payment",
    'say "hi"; \\n',
    "two\nlines",
    "",
    " 5% | off, {}",
    "(code) ! * =",
    "bell\x07",
    "x  y",
)
AMOUNTS = {"EUR": ("1250.00", "-0.01", "0.00"), "JPY": ("1250", "-7"), "KWD": ("1.234", "1000.000")}


def rows() -> Iterator[dict[str, str]]:
    """Two rows for each account, in turn in each currency, with all keys, texts and amounts."""
    amounts = [(currency, each) for currency, listed in AMOUNTS.items() for each in listed]
    for number in range(2 * len(ACCOUNTS)):
        currency, amount = amounts[number % len(amounts)]
        day = dt.date(2026, 1, 1) + dt.timedelta(days=number)
        yield {
            "key": f"{KEYS[number % len(KEYS)]}.{number}",
            "amount": amount,
            "currency": currency,
            "account": ACCOUNTS[number % len(ACCOUNTS)],
            "contra": ACCOUNTS[(number + 1 + number // 7) % len(ACCOUNTS)],
            "day": str(day),
            "posted": str(day.replace(day=1)),
            "text": TEXTS[number % len(TEXTS)],
            "book": "tax" if number % 10 == 9 else "main",
        }


MAIN = [row for row in rows() if row["book"] == "main"]
REVERSED = sum(row["day"] < "2026-01-12" or row["day"] >= "2026-02-10" for row in MAIN)
POSTED_ANEW = 2


def fill(storno: Storno) -> Storno:
    """Post the rows, take some of them back in each form, and post a few of those anew."""
    (storno.folder / "jobs.py").write_text(JOBS)
    (storno.folder / "storno.toml").write_text('jobs = ["jobs.py"]\n[export]\nassets = ["float"]\n')
    with (storno.folder / "input.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(next(rows())))
        writer.writeheader()
        writer.writerows(rows())
    storno("db", "init")
    storno("run", "books")
    take_back(storno, "R-000001", "--where", "day<2026-01-12", "--red")
    take_back(storno, "R-000002", "--where", "day>=2026-02-10")
    storno("run", "books", "--again", "--reason", "mended", "--key", "K-1.0", "--key", "a b.1")
    return storno


def take_back(storno: Storno, name: str, *scope: str) -> None:
    plan = f"{name}.json"
    storno("reverse", "plan", "books/once", *scope, "--out", plan)
    storno("reverse", "submit", plan, "--reason-code", "other", "--reason", "test")
    storno("reverse", "execute", name, "--yes")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("books")
    return fill(Storno(folder, {})).folder


@pytest.fixture
def books(filled: Path, tmp_path: Path) -> Storno:
    shutil.copytree(filled, tmp_path / "books")
    return Storno(tmp_path / "books", {})


def trial_balance(storno: Storno, *words: str) -> Balances:
    accounts = storno.json("ledger", "trial-balance", *words)["accounts"]
    return {(row["account"], row["currency"]): Decimal(row["balance"]) for row in accounts}


def sides(storno: Storno, *words: str) -> dict[tuple[str, str], tuple[Decimal, Decimal]]:
    accounts = storno.json("ledger", "trial-balance", *words)["accounts"]
    return {
        (row["account"], row["currency"]): (Decimal(row["debit"]), Decimal(row["credit"]))
        for row in accounts
    }


def exported(storno: Storno, form: str, *words: str) -> str:
    return storno("ledger", "export", "--format", form, *words).stdout


def loaded(text: str, names: AccountNames = NAMES) -> tuple[list[Transaction], Balances]:
    """What beancount makes of it: no error, and every account called back by its name."""
    entries, errors, _ = loader.load_string(text)
    assert errors == []
    opened = {each.account: each.meta["account"] for each in entries if isinstance(each, Open)}
    assert opened == {name: names.from_beancount(name) for name in opened}
    balances: Balances = defaultdict(Decimal)
    transactions = [each for each in entries if isinstance(each, Transaction)]
    for transaction in transactions:
        for posting in transaction.postings:
            number, currency = amount_of(posting)
            balances[opened[posting.account], currency] += number
    return transactions, balances


def amount_of(posting: Posting) -> tuple[Decimal, str]:
    """What beancount, which fills in what is left out, read or filled in."""
    assert posting.units is not None
    assert posting.units.number is not None
    return posting.units.number, posting.units.currency


def places(number: Decimal) -> int:
    """How many decimals it is written with."""
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    return -exponent


def journal(text: str) -> Balances:
    """What a journal comes to, read as hledger's manual describes its format."""
    balances: Balances = defaultdict(Decimal)
    declared = {from_hledger(name) for name in re.findall(r"^account (.*?)  ;", text, re.MULTILINE)}
    for line in text.splitlines():
        if re.match(r"    [^ ;(\[*!]", line):
            name, amount, *_ = re.split(r"  +", line.strip())
            number, currency = amount.split(" ")
            assert re.fullmatch(r"-?\d+(\.\d+)?", number)
            assert from_hledger(name) in declared
            balances[from_hledger(name), currency] += Decimal(number)
        else:
            assert re.match(r"$|;|    ;|decimal-mark|commodity|account|\d{4}-\d\d-\d\d \* ?", line)
    return balances


def of_rows(found: Iterable[dict[str, Any]]) -> dict[tuple[str, str], tuple[Decimal, Decimal]]:
    """The sums of debits and credits of a table."""
    sums: dict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for row in found:
        side = ("debit", "credit").index(row["side"])
        sums[row["account"], row["currency"]][side] += Decimal(row["amount"])
    return {unit: (debit, credit) for unit, (debit, credit) in sums.items()}


def test_beancount_loads_it_and_every_balance_is_ours(books: Storno) -> None:
    transactions, balances = loaded(exported(books, "beancount"))

    assert balances == trial_balance(books)
    assert {account for account, _ in balances} == set(ACCOUNTS)
    decimals = {
        (currency, places(number))
        for each in transactions
        for number, currency in map(amount_of, each.postings)
    }
    assert decimals == {("EUR", 2), ("JPY", 0), ("KWD", 3)}


def test_beancounts_transactions_say_where_they_come_from(books: Storno) -> None:
    transactions, _ = loaded(exported(books, "beancount"))
    listed = books.json("ledger", "entry", "books", "a b.1")

    found = [each for each in transactions if each.meta["key"] == "a b.1"]

    found.sort(key=lambda each: each.meta["position"])
    assert [
        (
            each.meta["job"],
            each.meta["run"],
            each.meta.get("reversal"),
            str(each.meta["effective"]),
            str(each.meta["posting"]),
            each.meta["commit"],
            each.meta["recorded"],
            each.narration,
        )
        for each in found
    ] == [
        (
            "books",
            each["run"],
            each["reversal"],
            each["effective"],
            each["posting"],
            each["commit"],
            each["recorded"],
            each["text"],
        )
        for each in listed
    ]
    texts = {each.meta["key"]: each.narration for each in transactions}
    expected = {row["key"]: row["text"] for row in MAIN}
    assert texts == {key: text.replace("\x07", "\\x07") for key, text in expected.items()}


def test_reversals_are_transactions_of_their_own_linked_to_the_original(books: Storno) -> None:
    transactions, _ = loaded(exported(books, "beancount"))
    reversals = [each for each in transactions if "reversal" in each.tags]

    assert len(reversals) == REVERSED
    for reversal in reversals:
        (link,) = (each for each in reversal.links if not each.startswith("R-"))
        assert reversal.meta["reversal"] in reversal.links
        original, taken_back = sorted(
            (each for each in transactions if link in each.links),
            key=lambda each: each.meta["position"],
        )
        assert taken_back is reversal
        assert (original.meta["key"], original.tags) == (reversal.meta["key"], frozenset())
        undone = [(each.account, -amount_of(each)[0]) for each in original.postings]
        assert [(each.account, amount_of(each)[0]) for each in reversal.postings] == undone


def test_the_side_is_told_where_the_sign_does_not(books: Storno) -> None:
    """accounting-rules, 2: only red restores turnover; it would be lost."""
    transactions, _ = loaded(exported(books, "beancount"))

    found: dict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for posting in (each for transaction in transactions for each in transaction.postings):
        number, currency = amount_of(posting)
        side = (posting.meta or {}).get("side", "debit" if number >= 0 else "credit")
        unit = (NAMES.from_beancount(posting.account), currency)
        found[unit][side == "credit"] += -number if side == "credit" else number

    assert {unit: tuple(both) for unit, both in found.items()} == sides(books)


def test_hledgers_journal_comes_to_the_same(books: Storno) -> None:
    text = exported(books, "hledger")

    assert journal(text) == trial_balance(books)
    linked = re.findall(r"; record:(.*)", text)
    assert min(linked) == "books/-D0-BA-D0-BB-D1-8E-D1-87.15.1"
    assert linked.count("books/K-2D1.0.1") == 2
    assert linked.count("books/K-2D1.0.3") == 1
    assert text.count("; reversal:R-000001\n") == 10


@pytest.mark.skipif(shutil.which("hledger") is None, reason="hledger is not installed")
def test_hledger_itself_agrees(books: Storno) -> None:
    import subprocess

    text = exported(books, "hledger")
    command = ["hledger", "-f-", "balance", "-N", "--flat", "-E", "-O", "csv", "--layout=bare"]
    utf8 = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}

    said = subprocess.run(command, input=text, capture_output=True, text=True, env=utf8, check=True)

    found = {
        (from_hledger(row["account"]), row["commodity"]): Decimal(row["balance"])
        for row in csv.DictReader(io.StringIO(said.stdout))
    }
    expected = trial_balance(books)
    assert {unit: amount for unit, amount in found.items() if amount} == {
        unit: amount for unit, amount in expected.items() if amount
    }


def test_csv_and_parquet_are_read_back(books: Storno) -> None:
    books("ledger", "export", "--format", "parquet", "--out", "books.parquet")
    from_csv = list(csv.DictReader(io.StringIO(exported(books, "csv"))))
    from_parquet = pq.read_table(books.folder / "books.parquet").to_pylist()

    assert of_rows(from_csv) == of_rows(from_parquet) == sides(books)
    for text, row in zip(from_csv, from_parquet, strict=True):
        for name, value in row.items():
            if name == "recorded":
                assert text[name] == f"{value:%Y-%m-%dT%H:%M:%S.%fZ}"
            elif name == "amount":
                assert text[name] == f"{value:.{row['exponent']}f}"
            else:
                assert text[name] == ("" if value is None else str(value))
    posted = [row for row in from_csv if not row["reversal"] and row["side"] == "debit"]
    expected = {row["key"]: row for row in MAIN}
    for row in posted:
        original = expected[row["key"]]
        assert row["text"] == original["text"]
        assert (row["effective"], row["posting"]) == (original["day"], original["posted"])
        assert (row["account"], row["amount"]) == (original["account"], original["amount"])


@pytest.mark.parametrize("form", ["beancount", "csv"])
def test_days_books_and_moments_are_chosen(books: Storno, form: str) -> None:
    def balances(*words: str) -> Balances:
        text = exported(books, form, *words)
        if form == "beancount":
            return loaded(text)[1]
        both = of_rows(csv.DictReader(io.StringIO(text)))
        return {unit: debit - credit for unit, (debit, credit) in both.items()}

    before = books.json("ledger", "entry", "books", "K-1.0")[1]["recorded"]

    january = balances("--to", "2026-01-31")
    rest = balances("--from", "2026-02-01")
    assert january == trial_balance(books, "--posting-to", "2026-01-31")
    for unit, amount in rest.items():
        january[unit] = january.get(unit, Decimal(0)) + amount
    assert january == trial_balance(books)
    effective = balances("--by", "effective", "--to", "2026-01-20")
    assert effective == trial_balance(books, "--effective-to", "2026-01-20")
    assert balances("--book", "tax") == trial_balance(books, "--book", "tax") != {}
    assert balances("--as-of", before) == trial_balance(books, "--as-of", before)
    assert balances("--as-of", "2001-01-01") == {}


def test_dates_in_beancount(books: Storno) -> None:
    for by in ("posting", "effective"):
        transactions, _ = loaded(exported(books, "beancount", "--by", by))
        assert all(each.date == each.meta[by] for each in transactions)


def test_it_is_the_same_every_time(books: Storno) -> None:
    for form in FORMATS[:3]:
        assert exported(books, form) == exported(books, form)
    for name in ("one", "two"):
        books("ledger", "export", "--format", "parquet", "--out", name)
    assert (books.folder / "one").read_bytes() == (books.folder / "two").read_bytes()


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_is_written_once_unless_told(books: Storno, form: str) -> None:
    words = ("ledger", "export", "--format", form, "--out", "file")
    document = books.json(*words)
    first = (books.folder / "file").read_bytes()

    refused = books(*words, code=7)
    (books.folder / "file").write_text("mine")
    kept = books(*words, "--book", "nosuch", code=7)
    assert (books.folder / "file").read_text() == "mine"
    said = books(*words, "--force").stderr

    assert "file exists" in refused.stderr
    assert "--force" in kept.stderr
    assert (books.folder / "file").read_bytes() == first
    assert sorted(path.name for path in books.folder.glob("file*")) == ["file"]
    assert (document["bytes"], document["entries"]) == (
        len(first),
        len(MAIN) + REVERSED + POSTED_ANEW,
    )
    totals = books.json("ledger", "trial-balance")["totals"]
    assert document["totals"] == totals
    assert "Wrote 74 entries (148 lines) to file." in said


def test_what_cannot_be_written(books: Storno) -> None:
    parquet = books("ledger", "export", "--format", "parquet", code=2).stderr
    json = books("ledger", "export", "--format", "csv", "--json", code=2).stderr
    nowhere = books("ledger", "export", "--format", "csv", "--out", "no/where", code=6).stderr
    other = books("ledger", "export", "--format", "csv", "--book", "man").stderr

    assert "add --out FILE" in parquet
    assert "add --out FILE" in json
    assert "no folder no" in nowhere
    assert "Did you mean 'main'?" in other


def test_in_a_system_that_speaks_no_utf8(books: Storno) -> None:
    done = books("ledger", "export", "--format", "csv", PYTHONIOENCODING="ascii", LC_ALL="C")

    assert "expense:租金" in done.stdout


def test_on_postgresql(storno: Storno, postgres_url: str) -> None:
    books = fill(Storno(storno.folder, {"STORNO_STORE": postgres_url}))

    assert loaded(exported(books, "beancount"))[1] == trial_balance(books)
    assert of_rows(csv.DictReader(io.StringIO(exported(books, "csv")))) == sides(books)


def test_what_was_taken_out_is_noticed(books: Storno, take_out: Callable[[str], None]) -> None:
    take_out("DELETE FROM events WHERE position = 20")

    refused = books("ledger", "export", "--format", "csv", "--out", "file", code=5).stderr

    assert "commit 2 is not whole" in refused
    assert not (books.folder / "file").exists()


@pytest.fixture
def take_out(books: Storno) -> Callable[[str], None]:
    """An attacker with the file in hand."""
    import sqlite3

    def act(statement: str) -> None:
        with sqlite3.connect(books.folder / "storno.db") as database:
            database.execute("DROP TRIGGER events_no_delete")
            database.execute(statement)
        database.close()

    return act
