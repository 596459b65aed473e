"""The trial balance that the archive's files must come to, worked out without storno."""

import csv
import sys
from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

seen, balances = set(), defaultdict(Decimal)
for file in sorted(Path(sys.argv[1]).glob("*.csv")):
    for line in file.read_bytes().splitlines():
        try:
            text = line.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = line.decode("cp1252")
        _, _, _, number, _, amount, _, _, _, area, _, code, _ = next(csv.reader([text]))
        if amount not in {"", "Amount"} and (number, area) not in seen:
            seen.add((number, area))
            pounds = Decimal(amount.replace(",", "")).quantize(Decimal("0.01"), ROUND_HALF_UP)
            balances[f"expense:{code}"] += pounds
            balances["creditors"] -= pounds
for account, balance in sorted(balances.items()):
    print(f"{account:17}{balance:>20,.2f}")
