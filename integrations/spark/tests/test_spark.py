"""A run on Spark gives what `recon run` gives on one machine, row by row."""

from __future__ import annotations

import contextlib
import csv
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from conftest import DATE, REPOSITORY, Job, Program
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType

import recon_spark
from recon_spark import ReconError, Result
from recon_spark.flow import RESULTS

TABLES = {
    "records": "SELECT * FROM recon.recon_records",
    "differences": "SELECT * FROM recon.data_differences",
    "attributions": "SELECT x.*, c.code AS reason_code FROM recon.attributions x"
    " JOIN recon.reason_codes c ON c.reason_id = x.reason_id",
    "rejected": "SELECT * FROM recon.rejected_rows",
    "members": "SELECT * FROM recon.recon_members",
}
# A run of another time or store differs in these.
TIMES = {"ingested_at", "created_at", "assigned_at", "rejected_row_id", "run_no", "seconds"}
# A DataFrame has no offsets.
OFFSETS = {"offset", "offset_a", "offset_b"}

MakeJob = Callable[..., Job]


def comparable(value: Any) -> Any:
    """SQLite has no booleans, and the order of keys in a JSON text says nothing."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and value[:1] in ("{", "["):
        return json.dumps(json.loads(value), sort_keys=True)
    return value


def rows_of(rows: list[dict[str, Any]], columns: set[str]) -> list[tuple[Any, ...]]:
    return sorted((tuple(comparable(row[column]) for column in sorted(columns)) for row in rows), key=repr)


def assert_same(result: Result, job: Job, summary: dict[str, Any], but: set[str] = TIMES) -> None:
    """The tables of both runs are the same in every column that both have."""
    assert without_times(result.summary) == without_times(summary)
    for name, query in TABLES.items():
        stored = job.recon.sql(job.store, f"SELECT * FROM ({query}) t WHERE run_id = '{summary['run_id']}'", job.folder)
        table: DataFrame = getattr(result, name)
        got = [row.asDict() for row in table.collect()]
        assert len(got) == len(stored), name
        if stored:
            shared = set(table.columns) & set(stored[0]) - but
            assert {"records": "record_id", "differences": "diff_id", "attributions": "diff_id"}.get(
                name, "run_id"
            ) in shared
            assert rows_of(got, shared) == rows_of(stored, shared), name


def without_times(summary: dict[str, Any]) -> dict[str, Any]:
    """The summary but for times, and what is known of a file only: its size and hash."""
    kept = {key: value for key, value in summary.items() if key not in TIMES}
    kept["sources"] = {
        side: {key: value for key, value in source.items() if key not in ("bytes", "sha256")}
        for side, source in summary["sources"].items()
    }
    return kept


def names(summary: dict[str, Any]) -> dict[str, str]:
    """What the run on one machine calls its sources, so that places read the same."""
    return {side: source["path"] for side, source in summary["sources"].items()}


def assert_imports(result: Result, job: Job, summary: dict[str, Any]) -> None:
    """A store that imports the written result holds what the store of the local run holds."""
    result.write(str(job.folder / "result"))
    imported = f"sqlite:{job.folder / 'imported.db'}"
    job.recon("import", str(job.folder / "result"), "--store", imported, cwd=job.folder)
    for name, query in TABLES.items():
        query = f"SELECT * FROM ({query}) t WHERE run_id = '{summary['run_id']}'"
        here, there = (job.recon.sql(store, query, job.folder) for store in (job.store, imported))
        columns = set(here[0]) - TIMES - {"reason_id"} if here else set()
        assert rows_of(there, columns) == rows_of(here, columns), name
    job.recon("audit", "verify", "--store", imported, cwd=job.folder)


@pytest.mark.parametrize(
    "example",
    [
        "payments_ledger",
        "custody_positions",
        "awkward_files",
        "bank_statement",
        "bank_to_ledger",
        "payouts",
    ],
)
def test_an_example_gives_the_result_of_one_machine_and_can_be_imported(
    example: str, spark: SparkSession, job: MakeJob
) -> None:
    made = job(f"examples/{example}")
    summary = made.run()
    with recon_spark.files(spark, made.config, **made.like(summary)) as result:
        assert_same(result, made, summary)
        assert_imports(result, made, summary)


def test_the_example_of_the_repository_gives_the_result_of_one_machine(spark: SparkSession, job: MakeJob) -> None:
    made = job()
    shutil.copy(REPOSITORY / "recon.yaml", made.config)
    shutil.copytree(REPOSITORY / "rules", made.folder / "rules")
    shutil.copytree(REPOSITORY / "examples/fx_trades", made.folder / "examples/fx_trades")
    summary = made.run()
    assert summary["records"]["rejected_a"] > 0
    assert summary["records"]["duplicates_a"] > 0
    with recon_spark.files(spark, made.config, **made.like(summary)) as result:
        assert_same(result, made, summary)
        assert_imports(result, made, summary)


@pytest.mark.parametrize("partitions", [1, 64])
def test_trades_give_the_result_of_one_machine_at_any_number_of_partitions(
    partitions: int, spark: SparkSession, trades: tuple[Job, dict[str, Any]]
) -> None:
    made, summary = trades
    with recon_spark.files(spark, made.config, partitions=partitions, **made.like(summary)) as result:
        assert_same(result, made, summary)


def numbered(path: Path, delimiter: str) -> Path:
    """The file with the number of each row's first line, as Spark has no such column."""
    target = path.with_suffix(".numbered.csv")
    with open(path, newline="") as source, open(target, "w", newline="") as sink:
        rows, out = csv.reader(source, delimiter=delimiter), csv.writer(sink)
        out.writerow([*next(rows), "_recon_line"])
        line = rows.line_num + 1
        for row in rows:
            out.writerow([*row, line])
            line = rows.line_num + 1
    return target


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_data_frames_give_the_result_of_one_machine(
    kind: str, spark: SparkSession, trades: tuple[Job, dict[str, Any]], tmp_path: Path
) -> None:
    made, summary = trades
    frames = []
    for side, delimiter in (("a", ","), ("b", ";")):
        path = numbered(made.folder / f"source_{side}.csv", delimiter)
        if kind == "csv":
            frame = spark.read.csv(str(path), header=True, nullValue="").repartition(7)
        else:
            parquet = tmp_path / f"{side}.parquet"
            table = pyarrow.csv.read_csv(
                path, convert_options=pyarrow.csv.ConvertOptions(strings_can_be_null=True, column_types=texts(path))
            )
            pyarrow.parquet.write_table(table, parquet)
            frame = spark.read.parquet(str(parquet))
        frames.append(frame.withColumn("_recon_line", frame["_recon_line"].cast("long")))
    with recon_spark.run(
        spark, made.config, *frames, partitions=7, names=names(summary), **made.like(summary)
    ) as result:
        assert_same(result, made, summary, TIMES | OFFSETS)


def texts(path: Path) -> dict[str, pa.DataType]:
    with open(path) as file:
        return {name: pa.string() for name in file.readline().strip().split(",")}


TYPED = """
version: 1
job: typed
store: sqlite:recon.db
sources:
  a: { system: LEFT, read: { parquet: { path: a.parquet } }, map: { id: id, amount: amount, day: day, at: at, live: live } }
  b: { system: RIGHT, read: { parquet: { path: b.parquet } }, map: { id: id, amount: amount, day: day, at: at, live: live } }
key: [id]
fields:
  id:     { type: integer }
  amount: { type: decimal }
  day:    { type: date }
  at:     { type: datetime }
  live:   { type: boolean }
"""
TYPED_ROWS = """
SELECT id,
  CAST(id * CAST('12345678901234567890.01' AS DECIMAL(22, 2)) + {shift} * CAST(id % 5 = 0 AS INT) AS DECIMAL(38, 2)) AS amount,
  CASE WHEN id % 10 = 0 THEN NULL ELSE DATE_ADD(DATE '2026-01-01', CAST(id AS INT)) END AS day,
  TIMESTAMP_MICROS(1767225600123456 + id * 1000001) AS at,
  id % 3 = 0 AS live
FROM RANGE(1, 200)"""


def test_typed_columns_reach_recon_exactly(spark: SparkSession, job: MakeJob) -> None:
    made = job()
    Path(made.config).write_text(TYPED)
    spark.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    for side, shift in (("a", 0), ("b", 1)):
        folder = made.folder / f"{side}.spark"
        spark.sql(TYPED_ROWS.format(shift=shift)).coalesce(1).write.parquet(str(folder))
        (written,) = folder.glob("*.parquet")
        shutil.copy(written, made.folder / f"{side}.parquet")
    summary = made.run()
    assert summary["records"]["breaks"] == 39
    frames = (spark.read.parquet(str(made.folder / f"{side}.parquet")) for side in "ab")
    with recon_spark.run(spark, made.config, *frames, names=names(summary), **made.like(summary)) as result:
        assert_same(result, made, summary, TIMES | OFFSETS | {"line_a", "line_b"})


def test_one_side_may_be_a_file_and_the_other_a_data_frame(spark: SparkSession, job: MakeJob) -> None:
    made = job("examples/orders_api")
    summary = made.run()
    query = """SELECT row_number() OVER (ORDER BY o.rowid) AS _recon_line,
          o.id, o.placed_at, o.state, o.currency, o.total_cents, c.name, c.country
        FROM orders o JOIN customers c ON c.id = o.customer WHERE date(o.placed_at) = '2026-01-15'"""
    with contextlib.closing(sqlite3.connect(made.folder / "shop.sqlite")) as shop:
        rows = shop.execute(query).fetchall()
    columns = "_recon_line long, id long, placed_at string, state string, currency string"
    frame = spark.createDataFrame(rows, f"{columns}, total_cents long, name string, country string")
    with recon_spark.run(spark, made.config, None, frame, names=names(summary), **made.like(summary)) as result:
        assert_same(result, made, summary, TIMES | {"line_b", "offset_b"})


SKEWED = """
version: 1
job: skewed
store: sqlite:recon.db
sources:
  a: { system: LEFT, read: { csv: { path: a.csv } }, map: { id: id, amount: amount, note: note } }
  b: { system: RIGHT, read: { csv: { path: b.csv } }, map: { id: id, amount: amount, note: note } }
key: [id]
currency_field: note
fields:
  id:     { type: integer }
  amount: { type: decimal, monetary: true }
  note:   { type: text }
"""


def write_rows(path: Path, rows: list[tuple[Any, ...]]) -> None:
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["id", "amount", "note"])
        out.writerows(rows)


def skewed(job: MakeJob) -> Job:
    """Half of the rows have one key, some have none, and some keys are no numbers."""
    made = job()
    Path(made.config).write_text(SKEWED)
    for side, copies in (("a", 1_000), ("b", 900)):
        rows: list[tuple[Any, ...]] = [(7, number % 50, "EUR") for number in range(copies)]
        rows += [(number, number if side == "a" or number % 9 else number + 1, "USD") for number in range(100, 1_100)]
        rows += [("", 1, "EUR"), ("seven", 2, "EUR"), ("7.5", 3, "EUR")]
        write_rows(made.folder / f"{side}.csv", rows)
    return made


def test_a_skewed_key_duplicates_and_rejected_rows_give_the_result_of_one_machine(
    spark: SparkSession, job: MakeJob
) -> None:
    made = skewed(job)
    summary = made.run()
    assert summary["records"]["duplicates_a"] == 100
    assert summary["records"]["rejected_a"] == 3
    frames = (spark.read.csv(str(numbered(made.folder / f"{side}.csv", ",")), header=True) for side in "ab")
    frames = (frame.withColumn("_recon_line", frame["_recon_line"].cast("long")).repartition(5) for frame in frames)
    with recon_spark.run(
        spark, made.config, *frames, partitions=7, names=names(summary), **made.like(summary)
    ) as result:
        assert_same(result, made, summary, TIMES | OFFSETS)


def test_the_champion_of_a_store_attributes_as_on_one_machine(
    spark: SparkSession, recon: Program, job: MakeJob
) -> None:
    made = job()
    recon("generate", "--rows", "300", "--seed", "5", "--force", "-o", str(made.folder), cwd=made.folder)
    made.edit("attribute: [rules/attribution.rhai]", "attribute: []")
    made.run()
    recon("train", "-c", made.config, "--store", made.store, "--labels", "labels.csv", cwd=made.folder)
    summary = made.run()
    assert summary["attributions"]["by_source"]["model"] > 0
    with recon_spark.files(spark, made.config, store=made.store, **made.like(summary)) as result:
        assert_same(result, made, summary)


# Ends a process in its middle, after some of the output: the child, or the Python process of the task.
KILL = """if [ "$4" = {step} ] && mkdir "{folder}/killed" 2>/dev/null; then
  "$RECON" "$@" | head -c 3000
  kill -9 {victim}
fi"""


@pytest.mark.parametrize("step", ["prepare", "join"])
@pytest.mark.parametrize("victim", ["$$", "$PPID"], ids=["child", "task"])
def test_a_killed_task_is_tried_again_and_nothing_is_doubled_or_lost(
    victim: str, step: str, spark: SparkSession, recon: Program, job: MakeJob
) -> None:
    made = skewed(job)
    summary = made.run()
    killer = recon.wrapped(made.folder, KILL.format(step=step, folder=made.folder, victim=victim))
    with recon_spark.files(spark, made.config, **{**made.like(summary), "binary": killer}) as result:
        assert (made.folder / "killed").is_dir()
        assert_same(result, made, summary)


def test_tables_are_written_over_jdbc(spark: SparkSession, job: MakeJob) -> None:
    made = job("examples/payments_ledger")
    summary = made.run()
    url = f"jdbc:derby:{made.folder / 'derby'};create=true"
    properties = {"driver": "org.apache.derby.jdbc.EmbeddedDriver"}
    with recon_spark.files(spark, made.config, **made.like(summary)) as result:
        result.write_jdbc(url, properties)
    differences = spark.read.jdbc(url, "data_differences", properties=properties)
    assert differences.count() == summary["differences"]["total"]
    assert spark.read.jdbc(url, "recon_records", properties=properties).count() > 0


def test_the_program_may_be_a_file_that_spark_ships(
    spark: SparkSession, recon: Program, job: MakeJob, tmp_path: Path
) -> None:
    made = job("examples/custody_positions")
    shutil.copy(recon.path, tmp_path / "recon-shipped")
    spark.sparkContext.addFile(str(tmp_path / "recon-shipped"))
    summary = made.run()
    with recon_spark.files(spark, made.config, **{**made.like(summary), "binary": "recon-shipped"}) as result:
        assert_same(result, made, summary)


def failure(spark: SparkSession, made: Job, binary: Optional[str] = None) -> ReconError:
    with pytest.raises(ReconError) as caught:
        recon_spark.files(spark, made.config, date=DATE, binary=binary or made.recon.path)
    return caught.value


def test_a_rule_that_fails_stops_the_run_as_on_one_machine(spark: SparkSession, job: MakeJob) -> None:
    made = job("examples/custody_positions")
    (made.folder / "fails.rhai").write_text('fn attribute_fails(d) { throw "this rule fails"; }\n')
    text = Path(made.config).read_text()
    assert "rules:" not in text
    Path(made.config).write_text(text + "\nrules: { attribute: [fails.rhai] }\noptions: { on_rule_error: stop }\n")
    local = json.loads(made.run(code=2)["problems"].splitlines()[-1])
    error = failure(spark, made)
    assert (error.exit_code, error.code, error.line) == (2, local["code"], local["line"])
    assert "this rule fails" in error.message


def test_too_many_rejected_rows_stop_the_run_as_on_one_machine(spark: SparkSession, job: MakeJob) -> None:
    made = skewed(job)
    with open(made.config, "a") as file:
        file.write("options: { max_rejected: 2 }\n")
    local = [json.loads(line) for line in made.run(code=3)["problems"].splitlines()]
    error = failure(spark, made)
    assert error.exit_code == 3
    assert error.code in {problem["code"] for problem in local if problem["level"] == "error"}


def test_a_refused_configuration_names_its_place(spark: SparkSession, job: MakeJob) -> None:
    made = skewed(job)
    made.edit("key: [id]", "key: [nothing]")
    error = failure(spark, made)
    assert error.exit_code == 2
    assert error.file is not None and error.file.endswith("recon.yaml") and error.line


def test_an_executor_without_the_program_is_a_clear_error(spark: SparkSession, recon: Program, job: MakeJob) -> None:
    made = skewed(job)
    # It is there for the driver, and removes itself.
    gone = recon.wrapped(made.folder, 'rm "$0"')
    error = failure(spark, made, gone)
    assert error.code == "no-binary"
    assert "--files" in (error.help or "")
    assert error.__cause__ is not None


def test_output_that_is_cut_off_is_a_clear_error(spark: SparkSession, recon: Program, job: MakeJob) -> None:
    made = skewed(job)
    cutter = recon.wrapped(made.folder, 'if [ "$4" = join ]; then "$RECON" "$@" | head -c 3000; exit 0; fi')
    error = failure(spark, made, cutter)
    assert (error.code, error.exit_code) == ("cut-stream", 5)


def test_rows_that_are_lost_are_an_inconsistent_result(spark: SparkSession, recon: Program, job: MakeJob) -> None:
    made = skewed(job)
    # A join says that its rows are no records, and claims success.
    nothing = made.folder / "nothing.arrow"
    with pa.ipc.new_stream(str(nothing), to_arrow_schema(StructType.fromDDL(RESULTS))):
        pass
    lost = f'[ "$4" = join ] && mkdir "{made.folder}/lost" 2>/dev/null'
    quiet = recon.wrapped(made.folder, f'if {lost}; then cat >/dev/null; cat "{nothing}"; exit 0; fi')
    error = failure(spark, made, quiet)
    assert error.exit_code == 5


def test_a_program_of_another_version_is_refused_by_both_versions(
    spark: SparkSession, recon: Program, job: MakeJob
) -> None:
    made = skewed(job)
    # The executors' job is that of another version.
    older = recon.wrapped(
        made.folder,
        'if [ "$4" = prepare ]; then for job do :; done\n'
        'sed -i \'s/"version":"[0-9.]*"/"version":"0.0.1"/\' "$job"; fi',
    )
    error = failure(spark, made, older)
    assert error.exit_code == 2
    assert "0.0.1" in error.message
