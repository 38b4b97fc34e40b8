"""Makes the files of this folder by other software than recon, so that the tests read what people send.

    python3 -m venv venv && venv/bin/pip install openpyxl==3.1.5 xlwt==1.3.0 odfpy==1.4.1 \
        msoffcrypto-tool pyarrow==26.0.1 duckdb==2.0.1 && npm install xlsx@0.18.5 && venv/bin/python make.py

trades.* hold the same rows in every kind; the others hold what only their kind has.
"""

import datetime as dt
import decimal
import io
import json
import re
import sqlite3
import subprocess
import zipfile

import duckdb
import msoffcrypto.format.ooxml
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import xlwt
from odf.opendocument import OpenDocumentSpreadsheet
from odf.number import DateStyle, Day, Hours, Minutes, Month, Text, Year
from odf.style import Style
from odf.table import Table, TableCell, TableRow
from odf.text import P

D = decimal.Decimal
ROWS = [
    (f"T-{n:03}", D(n * 137 + (n % 10 == 0)) / 100, 1000 + n, dt.date(2026, 1, 1 + n % 28),
     dt.datetime(2026, 1, 15, n % 24, 30, 0), n % 2 == 0, None if n % 5 == 0 else f"note {n}, \"x\" é")
    for n in range(1, 41)
]
NAMES = ["id", "amount", "quantity", "trade_date", "booked_at", "is_open", "note"]


def text(value):
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S")
    return str(value)


def workbook(epoch=None):
    book = openpyxl.Workbook()
    if epoch:
        book.epoch = epoch
    sheet = book.active
    sheet.title = "Trades"
    sheet.append(NAMES)
    for row in ROWS:
        sheet.append([float(v) if isinstance(v, D) else v for v in row])
        sheet.cell(sheet.max_row, 4).number_format = "dd/mm/yyyy"
        sheet.cell(sheet.max_row, 5).number_format = "yyyy-mm-dd hh:mm"
    return book


with open("trades.csv", "w", newline="") as out:
    quote = lambda t: '"' + t.replace('"', '""') + '"' if "," in t or '"' in t else t
    out.write(",".join(NAMES) + "\n")
    for row in ROWS:
        out.write(",".join(quote(text(v)) for v in row) + "\n")
with open("trades.jsonl", "w") as out:
    for row in ROWS:
        parts = [f'"{n}":{v if isinstance(v, (D, int)) and not isinstance(v, bool) else json.dumps(v if isinstance(v, bool) or v is None else text(v))}'
                 for n, v in zip(NAMES, row)]
        out.write("{" + ",".join(parts) + "}\n")
with open("trades.json", "w") as out:
    rows = [dict(zip(NAMES, (str(v) if isinstance(v, D) else v if isinstance(v, (bool, int)) or v is None else text(v) for v in row))) for row in ROWS]
    json.dump({"meta": {"count": len(rows)}, "data": {"trades": rows}}, out, indent=1)
with open("trades.txt", "w") as out:
    widths = [6, 10, 6, 10, 19, 5, 20]
    out.write("HDR2026\n")
    for row in ROWS:
        out.write("D" + "".join(text(v).ljust(w) for v, w in zip(row, widths)) + "\n")

workbook().save("trades.xlsx")
workbook(openpyxl.utils.datetime.CALENDAR_MAC_1904).save("trades_1904.xlsx")
stored = io.BytesIO()
workbook().save(stored)
stored.seek(0)
with open("password.xlsx", "wb") as out:
    msoffcrypto.format.ooxml.OOXMLFile(stored).encrypt("secret", out)

old = xlwt.Workbook()
sheet = old.add_sheet("Trades")
day, moment = xlwt.easyxf(num_format_str="dd/mm/yyyy"), xlwt.easyxf(num_format_str="yyyy-mm-dd hh:mm")
for r, row in enumerate([NAMES] + ROWS):
    for c, v in enumerate(row):
        if v is not None:
            style = moment if isinstance(v, dt.datetime) else day if isinstance(v, dt.date) else xlwt.Style.default_style
            sheet.write(r, c, float(v) if isinstance(v, D) else v, style)
old.save("trades.xls")

ods = OpenDocumentSpreadsheet()
table = Table(name="Trades")
for row in [NAMES] + ROWS:
    line = TableRow()
    for v in row:
        if v is None:
            cell = TableCell()
        elif isinstance(v, bool):
            cell = TableCell(valuetype="boolean", booleanvalue="true" if v else "false")
        elif isinstance(v, (D, int)):
            cell = TableCell(valuetype="float", value=str(v))
        elif isinstance(v, (dt.datetime, dt.date)):
            cell = TableCell(valuetype="date", datevalue=text(v))
        else:
            cell = TableCell(valuetype="string")
            cell.addElement(P(text=v))
        line.addElement(cell)
    table.addElement(line)
ods.spreadsheet.addElement(table)
ods.save("trades.ods")


def rezipped(path, change):
    with zipfile.ZipFile("trades.ods") as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            new.writestr(member.filename, change(member.filename, old.read(member)))


rezipped("trades_indented.ods", lambda name, xml: re.sub(rb">(</?table:)", rb">\n    \1", xml) if name == "content.xml" else xml)
# What marks an ods as encrypted; nobody decrypts it.
mark = b'<manifest:encryption-data manifest:checksum-type="SHA1/1K" manifest:checksum="x"/></manifest:file-entry>'
rezipped("password.ods", lambda name, xml: re.sub(rb'(full-path="content.xml"[^>]*)/>', rb"\1>" + mark, xml)
         if name == "META-INF/manifest.xml" else bytes(byte ^ 0x5A for byte in xml) if name == "content.xml" else xml)

# SheetJS writes cells of an xlsb without their columns.
subprocess.run(["node", "-e", "const x = require('xlsx'); const b = x.readFile('trades.xlsx', {cellNF: true, cellStyles: true}); "
                "x.writeFile(b, 'trades.xlsb', {bookType: 'xlsb', compression: true})"], check=True)

# The mark of the weakest encryption of xls (FILEPASS with type 0) after the first record.
old = xlwt.Workbook()
old.add_sheet("T").write(0, 0, "id")
plain = old.get_biff_data


def marked():
    stream = plain()
    head = 4 + int.from_bytes(stream[2:4], "little")
    return stream[:head] + bytes.fromhex("2f000600000034127856") + stream[head:]


old.get_biff_data = marked
old.save("password.xls")

# Midnight with a time in its format, a time that its format does not show, a time of the day, no result.
old = xlwt.Workbook()
sheet = old.add_sheet("Times")
clock = xlwt.easyxf(num_format_str="hh:mm")
for r, (name, value, style) in enumerate([
    ("id", "value", xlwt.Style.default_style), ("midnight", dt.datetime(2026, 1, 15), moment), ("day", dt.datetime(2026, 1, 15, 18, 30), day),
    ("clock", 0.75, clock), ("number", 46037.5, xlwt.Style.default_style)]):
    sheet.write(r, 0, name)
    sheet.write(r, 1, value, style)
old.save("times.xls")
old = xlwt.Workbook()
sheet = old.add_sheet("Sums")
for r, (name, value) in enumerate([("id", "value"), ("1", "x"), ("2", xlwt.Formula("A1"))]):
    sheet.write(r, 0, name)
    sheet.write(r, 1, value)
old.save("uncalculated.xls")
ods = OpenDocumentSpreadsheet()
for name, parts in (("day", [Day, Month, Year]), ("moment", [Year, Month, Day, Hours, Minutes])):
    style = DateStyle(name=name)
    for part in parts:
        style.addElement(part())
        style.addElement(Text(text="/"))
    ods.automaticstyles.addElement(style)
    ods.automaticstyles.addElement(Style(name=f"{name}-cell", family="table-cell", datastylename=name))
table = Table(name="Times & more")
for name, cell in [
    ("id", TableCell(valuetype="string")), ("midnight", TableCell(valuetype="date", datevalue="2026-01-15", stylename="moment-cell")),
    ("day", TableCell(valuetype="date", datevalue="2026-01-15T18:30:00", stylename="day-cell")),
    ("clock", TableCell(valuetype="time", timevalue="PT18H00M00S")), ("number", TableCell(valuetype="float", value="46037.5")),
    ("formula", TableCell(formula="of:=1+1"))]:
    line = TableRow()
    first = TableCell(valuetype="string")
    first.addElement(P(text=name))
    if name == "id":
        cell.addElement(P(text="value"))
    line.addElement(first)
    line.addElement(cell)
    table.addElement(line)
ods.spreadsheet.addElement(table)
ods.save("times.ods")

odd = openpyxl.Workbook()
sheet = odd.active
sheet.title = "Notes"
sheet.append(["nothing here"])
sheet = odd.create_sheet("Odd")
sheet.append(["Report of today"])
sheet.append(["id", "value", "day", None, "flag"])
sheet.append(["sum", 0.1 + 0.2, dt.datetime(2026, 1, 15), None, True])
sheet.append([])
sheet.append(["long", 1234567890.12345678, dt.datetime(2026, 1, 15, 18, 30), None, False])
sheet.append(["formula", "=1+1", None, None, None])
sheet.append(["error", "#N/A", None, "x", None])
sheet.append(["empty", None, None, None, None])
for r in (3, 5):
    sheet.cell(r, 3).number_format = "yyyy-mm-dd hh:mm:ss"
sheet.cell(7, 2).data_type = "e"
odd.save("odd.xlsx")

columns = list(zip(*ROWS))
types = [pa.string(), pa.decimal128(12, 2), pa.int64(), pa.date32(), pa.timestamp("us"), pa.bool_(), pa.string()]
table = pa.table({n: pa.array(c, t) for n, c, t in zip(NAMES, columns, types)})
for codec in ("snappy", "zstd", "gzip"):
    pq.write_table(table, f"trades_{codec}.parquet", compression=codec, row_group_size=16)
pq.write_table(table, "trades_lz4.parquet", compression="lz4")
pq.write_table(table, "trades_brotli.parquet", compression="brotli")
odd = pa.table({
    "id": pa.array(["a", "b", "c"]),
    "big": pa.array([2**63 - 1, None, -(2**63)], pa.int64()),
    "wide": pa.array([D("12345678901234567890123456789.0123456789"), D("-0.0000000001"), None], pa.decimal256(50, 10)),
    "unsigned": pa.array([2**64 - 1, 0, 1], pa.uint64()),
    "instant": pa.array([dt.datetime(2026, 1, 15, 9, 0, 0, 1), None, dt.datetime(1969, 12, 31, 23, 59, 59)], pa.timestamp("us", "Europe/Zurich")),
    "naive": pa.array([1768471200123456789, None, 0], pa.timestamp("ns")),
    "float": pa.array([0.1, 1e300, None], pa.float64()),
    "customer": pa.array([{"name": "Ann", "address": {"city": "Bern"}}, {"name": None, "address": None}, None]),
    "items": pa.array([[{"sku": "x", "n": 1}, {"sku": "y", "n": 2}], [], None]),
    "tags": pa.array([["p", None, "q"], ["r"], None]),
})
pq.write_table(odd, "odd.parquet")
duckdb.sql("COPY (SELECT * FROM 'trades_snappy.parquet') TO 'trades_duckdb.parquet' (FORMAT parquet, COMPRESSION zstd)")

database = sqlite3.connect("trades.db")
database.execute("CREATE TABLE trades (id TEXT, amount TEXT, quantity INTEGER, trade_date TEXT, booked_at TEXT, is_open TEXT, note TEXT)")
database.executemany("INSERT INTO trades VALUES (?, ?, ?, ?, ?, ?, ?)",
                     [[v if isinstance(v, int) and not isinstance(v, bool) else None if v is None else text(v) for v in row] for row in ROWS])
database.commit()
