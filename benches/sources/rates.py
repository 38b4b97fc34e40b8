#!/usr/bin/env python3
"""How fast each kind of source is read.

    python3 -m venv venv && venv/bin/pip install duckdb openpyxl && venv/bin/python benches/sources/rates.py [ROWS]

Writes the same trades in every kind into a temporary folder, reads each by `recon ingest`, and prints rows read in a second
(both sides, by the summary's `seconds.read`) beside the rate of CSV. RECON names the program (default target/release/recon);
RECON_BENCH_POSTGRES, a URL of an empty database, adds SQL by COPY. The workbook has at most 100,000 rows.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import duckdb
import openpyxl

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
RECON = os.path.abspath(os.environ.get("RECON", "target/release/recon"))
POSTGRES = os.environ.get("RECON_BENCH_POSTGRES")
QUERY = """
SELECT 'T' || lpad(i::VARCHAR, 9, '0') AS id, (i * 7919 % 100000000 / 100)::DECIMAL(18, 2) AS amount,
       DATE '2026-01-01' + (i % 365)::INTEGER AS day, 'BOOK' || (i % 40) AS book, 'CP' || (i % 997) AS counterparty,
       (i % 2000)::BIGINT AS quantity, ['EUR', 'USD', 'CHF'][i % 3 + 1] AS currency, 'note ' || (i % 50) AS note
FROM range({rows}) t(i)
"""
# The memory of this process would count as the memory of what it starts.
MEASURED = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""
FIELDS = {"id": "text", "amount": "decimal", "day": "date", "book": "text", "counterparty": "text",
          "quantity": "integer", "currency": "text", "note": "text"}


def rate(folder, name, read, rows):
    sides = "".join(
        f"  {side}:\n    system: {side.upper()}\n    read: {json.dumps(read)}\n"
        f"    map: {json.dumps({field: field for field in FIELDS})}\n" for side in "ab")
    fields = "".join(f"  {field}: {{ type: {kind} }}\n" for field, kind in FIELDS.items())
    (folder / "recon.yaml").write_text(
        f"version: 1\njob: rates\nsources:\n{sides}key: [id]\nfields:\n{fields}options: {{ memory_limit: 256MiB }}\n")
    for store in folder.glob("recon.db*"):
        shutil.rmtree(store) if store.is_dir() else store.unlink()
    before = time.time()
    said = subprocess.run([sys.executable, "-c", MEASURED, RECON, "ingest", "--json"], cwd=folder, capture_output=True, text=True)
    if said.returncode not in (0, 1):
        print(f"{name:<22} failed: {said.stderr[:300]}")
        return None
    summary = json.loads(said.stdout)
    read_rows = summary["records"]["a"] + summary["records"]["b"]
    assert read_rows == 2 * rows, summary["records"]
    seconds = summary["seconds"]["read"]
    memory = int(said.stderr.split()[-1]) // 1024
    return name, read_rows / max(seconds, 1e-6), seconds, time.time() - before, memory


with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    database = duckdb.connect()
    table = QUERY.format(rows=ROWS)
    database.sql(f"COPY ({table}) TO '{folder}/t.csv' (HEADER)")
    database.sql(f"COPY ({table}) TO '{folder}/t.jsonl' (FORMAT json)")
    database.sql(f"COPY ({table}) TO '{folder}/t.json' (FORMAT json, ARRAY true)")
    database.sql(f"COPY ({table}) TO '{folder}/t.parquet' (FORMAT parquet, COMPRESSION zstd)")
    (folder / "many").mkdir()
    database.sql(f"COPY (SELECT *, hash(id) % 10000 AS part FROM ({table})) TO '{folder}/many' (FORMAT csv, HEADER, PARTITION_BY part)")
    with open(folder / "t.txt", "w") as out:
        for row in database.sql(table).fetchall():
            out.write("".join(str(cell).ljust(width) for cell, width in zip(row, (10, 14, 10, 8, 8, 6, 3, 10))) + "\n")
    starts, start = [], 1
    for field, width in zip(FIELDS, (10, 14, 10, 8, 8, 6, 3, 10)):
        starts.append({"name": field, "start": start, "width": width})
        start += width
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Trades")
    small = min(ROWS, 100_000)
    sheet.append(list(FIELDS))
    for row in database.sql(QUERY.format(rows=small)).fetchall():
        sheet.append([float(cell) if field == "amount" else cell for field, cell in zip(FIELDS, row)])
    book.save(folder / "t.xlsx")
    kinds = [
        ("csv", {"csv": {"path": "t.csv"}}, ROWS),
        ("csv, 10,000 files", {"csv": {"path": "many/*/*.csv"}}, ROWS),
        ("json lines", {"json": {"path": "t.jsonl"}}, ROWS),
        ("json array", {"json": {"path": "t.json"}}, ROWS),
        ("parquet", {"parquet": {"path": "t.parquet"}}, ROWS),
        ("fixed", {"fixed": {"path": "t.txt", "columns": starts}}, ROWS),
        ("excel", {"excel": {"path": "t.xlsx"}}, small),
    ]
    if POSTGRES:
        subprocess.run(["psql", "-q", POSTGRES, "-c", "CREATE TABLE trades (id text, amount numeric, day date, book text, "
                        "counterparty text, quantity bigint, currency text, note text)", "-c", f"\\copy trades FROM '{folder}/t.csv' CSV HEADER"],
                       check=True)
        kinds.append(("sql (postgres)", {"sql": {"url": POSTGRES, "query": "SELECT * FROM trades"}}, ROWS))
    base = None
    print(f"{'kind':<22}{'rows/s':>12}{'of csv':>9}{'read s':>9}{'total s':>9}{'peak MiB':>10}")
    for name, read, rows in kinds:
        found = rate(folder, name, read, rows)
        if found:
            name, rows_a_second, seconds, total, memory = found
            base = base or rows_a_second
            print(f"{name:<22}{rows_a_second:>12,.0f}{rows_a_second / base:>9.2f}{seconds:>9.2f}{total:>9.2f}{memory:>10}")
