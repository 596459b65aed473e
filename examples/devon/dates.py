"""Which runs posted payments to another month than that of the payment's date.

It reads what ``storno ledger account creditors --json`` prints. A payment that was taken back does
not count.
"""

import json
import sys
from collections import Counter, defaultdict
from decimal import Decimal

payments: Counter[tuple[str, str, str]] = Counter()
amounts: defaultdict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
for line in json.load(sys.stdin):
    posted_to, paid_in = line["posting"][:7], line["effective"][:7]
    if posted_to != paid_in:
        found = (line["run"], posted_to, paid_in)
        payments[found] += -1 if line["reversal"] else 1
        amounts[found] += Decimal(line["credit"]) - Decimal(line["debit"])
wrong = sorted(found for found, number in payments.items() if number)
for found in wrong:
    run, posted_to, paid_in = found
    print(f"{run} posted {payments[found]:,} payments of {paid_in} to {posted_to}:", end=" ")
    print(f"GBP {amounts[found]:,.2f}")
if not wrong:
    print("every payment is posted to the month of its date")
