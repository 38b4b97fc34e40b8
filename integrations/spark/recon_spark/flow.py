"""The way of the rows through Spark: prepare, one shuffle (and one for each matching pass), join."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import reduce
from typing import Any, Optional

from pyspark import cloudpickle
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.storagelevel import StorageLevel

from recon_spark import child
from recon_spark.driver import Driver
from recon_spark.errors import clear_errors
from recon_spark.result import Result

# Executors need not have this package.
cloudpickle.register_pickle_by_value(child)  # type: ignore[no-untyped-call]

SHARD_ROWS = "slot int, payload binary"
# Rows with a key, records that matching made, and rows that are open between passes have each their range of slots.
SLOTS = 4096
FIRST_SETTLED = SLOTS
FIRST_OPEN = 2 * SLOTS

BATCH = "spark.sql.execution.arrow.maxRecordsPerBatch"
LINE = "_recon_line"
FILE = "_recon_file"

RESULTS = """slot int, index bigint,
record struct<source_a_ref_id: string, source_b_ref_id: string, normalized_data_a: string, normalized_data_b: string,
  line_a: bigint, offset_a: bigint, line_b: bigint, offset_b: bigint, gate_status: string, kind: string,
  partner_rejected: boolean, is_break: boolean, file_a: string, file_b: string, match_pass: string, match_shape: string,
  match_certificate: string, match_alternatives: int, members_a: int, members_b: int, match_details: string,
  input_a: int, input_b: int>,
difference struct<field: int, field_name: string, value_a: string, value_b: string, diff_type: string,
  severity: string>,
attribution struct<reason_code: string, confidence_score: double, status: string, assigned_by: string,
  explanation: string, signature: string, signature_label: string, amount_abs: double>,
member struct<side: string, file: string, line: bigint, offset: bigint, ref_id: string, normalized_data: string,
  input: int>,
rejected struct<side: string, file: string, line: bigint, offset: bigint, code: string, text: string, message: string,
  key: string, input: int>,
counts binary"""


def run(
    spark: SparkSession,
    config: str,
    a: Optional[DataFrame],
    b: Optional[DataFrame],
    *,
    date: Optional[str] = None,
    names: Optional[dict[str, str]] = None,
    store: Optional[str] = None,
    run_id: Optional[str] = None,
    started: Optional[str] = None,
    binary: str = "recon",
    partitions: Optional[int] = None,
    storage: StorageLevel = StorageLevel.MEMORY_AND_DISK,
) -> Result:
    """Reconciles two DataFrames by the job in ``config``, and returns the tables of the run.

    The columns of ``a`` and ``b`` are those that ``sources.a`` and ``sources.b`` map, as text or typed. A side that is
    None is read by recon itself from the configuration's files, which every executor must reach; see `files`.
    A column ``_recon_line`` (and ``_recon_file``, ``_recon_offset``) tells where a row comes from. Without it rows are
    numbered by partition and row.

    ``date`` is the business date; ``names`` says what the run calls the sources (``{"a": "s3://…"}``); ``store`` has
    the champion model, if there is one; ``run_id`` and ``started`` repeat the ids and times of another run.
    ``binary`` is a path on every executor, or the name of a file of ``--files`` or of a program on the PATH.
    ``partitions`` is the number of tasks after the shuffle (default ``spark.sql.shuffle.partitions``).

    Raises ReconError if the job is refused, a source or rule stops it, or its books do not close.
    """
    frames = {side: frame for side, frame in (("a", a), ("b", b)) if frame is not None}
    width = partitions or int(spark.conf.get("spark.sql.shuffle.partitions") or 200)
    with clear_errors(), ExitStack() as stack:
        driver = Driver(binary, stack.enter_context(tempfile.TemporaryDirectory(prefix="recon-")))
        sources = {side: source(frame, (names or {}).get(side, f"spark:{side}")) for side, frame in frames.items()}
        options = {"config": config, "batch-date": date, "store": store, "run-id": run_id, "started": started}
        plan = driver.plan(sources, options)

        def kept(frame: DataFrame) -> DataFrame:
            """Computed once and kept until the result is there; lost parts are computed again by Spark."""
            frame = frame.persist(storage)
            stack.callback(frame.unpersist)
            return frame

        read = [
            prepared(driver, side, frames[side]) if side in frames else opened(spark, driver, side, plan["reads"][side])
            for side in ("a", "b")
        ]
        moving = kept(reduce(DataFrame.union, read))
        decided = driver.decide(for_driver(moving))
        stack.enter_context(small_batches(spark))

        final = [moving.where(F.col("slot") >= 0)]
        for number in range(plan["passes"]):
            rows = final.pop() if number == 0 else moving.where(F.col("slot") >= FIRST_OPEN)
            matched = gathered(rows, width).mapInArrow(driver.step("match", "--pass", str(number)), SHARD_ROWS)
            moving = kept(matched)
            decided = driver.decide(for_driver(moving))
            final.append(moving.where(F.col("slot").between(0, FIRST_OPEN - 1)))
        rows = reduce(DataFrame.union, final)
        whole = gathered(rows, width)

        survey = decided["survey"]
        if survey["needed"]:
            if plan["survey"] == "all":
                whole = kept(whole)
                looked_at = whole
            else:
                low = (F.col("slot") <= survey["max_slot"]) | (F.col("slot") >= FIRST_SETTLED)
                looked_at = gathered(rows.where(low), width if plan["passes"] else 1)
            driver.decide(for_driver(looked_at.mapInArrow(driver.step("survey"), SHARD_ROWS)))

        results = whole.mapInArrow(driver.step("join"), RESULTS).persist(storage)
        try:
            counts = results.where(F.col("counts").isNotNull()).select("counts").collect()
            closed = driver.close(bytes(row[0]) for row in counts)
        except BaseException:
            results.unpersist()
            raise
        return Result(results, closed, driver.content("run.json"))


def files(spark: SparkSession, config: str, **options: Any) -> Result:
    """Reconciles the files that ``config`` names, one task for each file; the options are those of `run`.

    The driver and every executor must reach the files by the paths of the configuration. Lines and offsets are those
    of `recon run`. A large file is read by one task: read it as a DataFrame if Spark should split it.
    """
    return run(spark, config, None, None, **options)


def source(frame: DataFrame, name: str) -> dict[str, Any]:
    """What the plan must know about a DataFrame."""
    told: dict[str, Any] = {"name": name, "columns": [name for name in frame.columns if not name.startswith("_recon_")]}
    if FILE in frame.columns:
        told["files"] = sorted(row[0] for row in frame.select(FILE).distinct().collect() if row[0] is not None)
    return told


def prepared(driver: Driver, side: str, frame: DataFrame) -> DataFrame:
    if LINE not in frame.columns:
        frame = frame.withColumn(LINE, F.monotonically_increasing_id() + 1)
    return frame.mapInArrow(driver.step("prepare", "--side", side), SHARD_ROWS)


def opened(spark: SparkSession, driver: Driver, side: str, reads: int) -> DataFrame:
    numbers = spark.range(0, reads, 1, reads)
    return numbers.mapInArrow(driver.step("prepare", "--side", side, read=True), SHARD_ROWS)


def gathered(rows: DataFrame, partitions: int) -> DataFrame:
    """Whole slots, in order."""
    return rows.repartition(partitions, "slot").sortWithinPartitions("slot")


@contextmanager
def small_batches(spark: SparkSession) -> Iterator[None]:
    """Payloads hold many rows, so that Spark's 10,000 in a batch would be gigabytes."""
    before = str(spark.conf.get(BATCH))
    spark.conf.set(BATCH, "256")
    try:
        yield
    finally:
        spark.conf.set(BATCH, before)


def for_driver(rows: DataFrame) -> list[bytes]:
    return [bytes(row[0]) for row in rows.where(F.col("slot") < 0).select("payload").collect()]
