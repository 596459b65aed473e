"""The trial balance that the twelve files must come to, worked out without storno."""

import csv
import sys
from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

seen, balances = set(), defaultdict(Decimal)
for file in sorted(Path(sys.argv[1]).glob("*.csv")):
    for row in csv.DictReader(file.open(encoding="utf-8-sig", newline="")):
        if row["Transaction Number"] not in seen:  # the first row of a number holds
            seen.add(row["Transaction Number"])
            amount = Decimal(row["Amount"]).quantize(Decimal("0.01"), ROUND_HALF_UP)
            balances[f"expense:{row['Expense Code']}"] += amount
            balances["creditors"] -= amount
for account, balance in sorted(balances.items()):
    print(f"{account:14}{balance:>18,.2f}")
