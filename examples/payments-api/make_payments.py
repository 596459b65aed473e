"""Make a file of payments up: ``python make_payments.py 2026-01 120 >payments-2026-01.csv``."""

import csv
import random
import sys

SUPPLIERS = {
    "Abacus": "DE02120300000000202051",
    "Brook": "DE02500105170137075030",
    "City Water": "DE02100500000054540402",
    "Dale Energy": "DE02300209000106531065",
}

month, number = sys.argv[1], int(sys.argv[2])
draw = random.Random(month)
rows = csv.writer(sys.stdout, lineterminator="\n")
rows.writerow(["number", "supplier", "iban", "date", "amount"])
for n in range(1, number + 1):
    supplier = draw.choice(list(SUPPLIERS))
    amount = f"{draw.randint(100, 500_000) / 100:.2f}"
    rows.writerow([f"{month}-{n:05}", supplier, SUPPLIERS[supplier], f"{month}-15", amount])
