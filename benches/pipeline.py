#!/usr/bin/env python3
"""The same reconciliation as a script of three steps, the way it is written before there is a tool.

    benches/pipeline.py FOLDER

reads source_a.csv and source_b.csv, stores records as JSON, reads them back to compare them, reads the
differences back to give them reasons, in SQLite, with nothing but Python's own library. Prints how many
differences there are by field. benches/run measures it.
"""
import csv
import json
import sqlite3
import sys
import uuid
from decimal import Decimal
from pathlib import Path

SIDES = {"B": "BUY", "S": "SELL"}
FIELDS = ["trade_date", "settlement_date", "counterparty", "buy_sell", "currency", "amount", "trader_id"]


def read(path):
    rows = {}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for field in ("transaction_id", "counterparty", "buy_sell", "currency", "trader_id"):
                row[field] = row[field].strip().upper()
            row["buy_sell"] = SIDES.get(row["buy_sell"], row["buy_sell"])
            rows[row["transaction_id"]] = row
    return rows


def ingest(db, folder):
    a, b = read(folder / "source_a.csv"), read(folder / "source_b.csv")
    side = lambda row: None if row is None else json.dumps(row)  # noqa: E731
    rows = ((str(uuid.uuid4()), key, side(a.get(key)), side(b.get(key))) for key in a.keys() | b.keys())
    db.executemany("INSERT INTO records VALUES (?, ?, ?, ?)", rows)
    db.commit()


def compare(a, b):
    if a is None or b is None:
        yield "ENTIRE_RECORD", "MISSING_IN_SOURCE_A" if a is None else "MISSING_IN_SOURCE_B", None, None
        return
    for field in FIELDS:
        if a[field] == b[field]:
            continue
        if field == "amount":
            if abs(Decimal(a[field]) - Decimal(b[field])) > Decimal("0.005"):
                yield field, "NUMERIC_MISMATCH", a[field], b[field]
        else:
            yield field, "DATE_MISMATCH" if field.endswith("_date") else "STRING_MISMATCH", a[field], b[field]


def diff(db):
    found = []
    for record_id, a, b in db.execute("SELECT record_id, data_a, data_b FROM records"):
        for difference in compare(a and json.loads(a), b and json.loads(b)):
            found.append((str(uuid.uuid4()), record_id, *difference))
    db.executemany("INSERT INTO differences VALUES (?, ?, ?, ?, ?, ?)", found)
    db.commit()


def reason(kind, a, b):
    if kind.startswith("MISSING"):
        return kind.replace("MISSING_IN", "MISSING"), 1.0
    if kind == "NUMERIC_MISMATCH":
        a, b = Decimal(a), Decimal(b)
        if abs(a - b) < Decimal("0.02"):
            return "ROUNDING_DIFF", 0.95
        if a and Decimal("0.005") < abs(a - b) / abs(a) < Decimal("0.03"):
            return "FX_VARIANCE", 0.80
    if kind == "STRING_MISMATCH":
        plain = lambda text: text.replace(".", "").replace(",", "").strip()  # noqa: E731
        if plain(a) == plain(b):
            return "MANUAL_ENTRY_ERR", 0.90
    return "UNKNOWN", 0.0


def attribute(db):
    given = []
    for diff_id, kind, a, b in db.execute("SELECT diff_id, diff_type, value_a, value_b FROM differences"):
        given.append((str(uuid.uuid4()), diff_id, *reason(kind, a, b)))
    db.executemany("INSERT INTO attributions VALUES (?, ?, ?, ?)", given)
    db.commit()


def main():
    folder = Path(sys.argv[1])
    db = sqlite3.connect(folder / "pipeline.db")
    db.executescript(
        "CREATE TABLE records (record_id TEXT PRIMARY KEY, ref TEXT, data_a TEXT, data_b TEXT);"
        "CREATE TABLE differences (diff_id TEXT PRIMARY KEY, record_id TEXT, field TEXT, diff_type TEXT,"
        " value_a TEXT, value_b TEXT);"
        "CREATE TABLE attributions (attribution_id TEXT PRIMARY KEY, diff_id TEXT, reason TEXT, confidence REAL);"
    )
    ingest(db, folder)
    diff(db)
    attribute(db)
    print(json.dumps(dict(db.execute("SELECT field, count(*) FROM differences GROUP BY 1"))))


if __name__ == "__main__":
    main()
