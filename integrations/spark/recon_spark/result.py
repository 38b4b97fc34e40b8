"""The result of a run, as DataFrames."""

from __future__ import annotations

import json
import os
from typing import Any, Optional
from urllib.parse import urlparse

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recon_spark.errors import ReconError, clear_errors

# A difference's number is that of its record times this, and its field.
FIELDS = 1024
IDS = ("run_id", "record_id", "diff_id", "attribution_id")


class Result:
    """The tables of a run; its books are closed. Columns are those of the store's tables of the same names."""

    def __init__(self, results: DataFrame, closed: dict[str, Any], run_json: bytes) -> None:
        self._results = results
        self._ids: dict[str, Any] = closed["ids"]
        self._run_json = run_json
        #: What `recon run --json` prints.
        self.summary: dict[str, Any] = closed["run"]
        self.run_id: str = self._ids["run_id"]

    @property
    def records(self) -> DataFrame:
        return self._table("record", self._record_id())

    @property
    def differences(self) -> DataFrame:
        return self._table("difference", self._difference_id("difference", "diff_id"), self._record_id())

    @property
    def attributions(self) -> DataFrame:
        ids = (self._difference_id("attribution", "attribution_id"), self._difference_id("difference", "diff_id"))
        return self._table("attribution", *ids, F.col("difference.field"))

    @property
    def members(self) -> DataFrame:
        """The rows of groups that matching made."""
        return self._table("member", self._record_id())

    @property
    def rejected(self) -> DataFrame:
        return self._table("rejected")

    def write(self, path: str, mode: str = "errorifexists") -> None:
        """Writes a folder that `recon import` loads: Parquet for each table and, when these are complete, run.json."""
        with clear_errors():
            for name, (_, table) in self._tables().items():
                table.write.mode(mode).parquet(f"{path.rstrip('/')}/{name}")
            self._write_file(f"{path.rstrip('/')}/run.json")

    def write_jdbc(
        self, url: str, properties: Optional[dict[str, str]] = None, mode: str = "append", schema: str = ""
    ) -> None:
        """Writes the tables over JDBC, under the store's names, and counts what has arrived.

        A task that dies after its commit is tried again and writes its rows a second time, which JDBC cannot prevent:
        that raises ReconError here.
        """
        given = properties or {}
        with clear_errors():
            for name, table in self._tables().values():
                target = f"{schema}.{name}" if schema else name
                # Spark's text is a CLOB in some databases, which cannot be compared.
                types = ", ".join(f"{column} VARCHAR(36)" for column in table.columns if column in IDS)
                table.write.option("createTableColumnTypes", types).jdbc(url, target, mode, given)
                stored = table.sparkSession.read.jdbc(url, target, properties=given)
                arrived, expected = stored.where(F.col("run_id") == self.run_id).count(), table.count()
                if arrived != expected:
                    message = f"{target} has {arrived} rows of run {self.run_id} instead of {expected}"
                    raise ReconError(message, code="rows-lost", exit_code=5, help="delete them, and write again")

    def unpersist(self) -> None:
        """Frees what Spark keeps of the result; reading a table afterwards computes it again."""
        self._results.unpersist()

    def __enter__(self) -> Result:
        return self

    def __exit__(self, *_: object) -> None:
        self.unpersist()

    def _tables(self) -> dict[str, tuple[str, DataFrame]]:
        return {
            "records": ("recon_records", self.records),
            "differences": ("data_differences", self.differences),
            "attributions": ("attributions", self.attributions),
            "rejected": ("rejected_rows", self.rejected),
            "members": ("recon_members", self.members),
        }

    def _table(self, part: str, *ids: Column) -> DataFrame:
        rows = self._results.where(F.col(part).isNotNull())
        return rows.select(*ids, F.lit(self.run_id).alias("run_id"), "slot", "index", f"{part}.*")

    def _record_number(self) -> Column:
        first = F.from_json(F.lit(json.dumps(self._ids["first"])), "array<bigint>")
        return F.element_at(first, F.col("slot") + 1) + F.col("index")

    def _record_id(self) -> Column:
        return id_of(self._ids["record_prefix"], self._record_number()).alias("record_id")

    def _difference_id(self, of: str, name: str) -> Column:
        number = self._record_number() * FIELDS + F.col("difference.field")
        return id_of(self._ids[f"{of}_prefix"], number).alias(name)

    def _write_file(self, path: str) -> None:
        if urlparse(path).scheme in ("", "file"):
            os.makedirs(os.path.dirname(urlparse(path).path), exist_ok=True)
            with open(urlparse(path).path, "wb") as file:
                file.write(self._run_json)
            return
        # Other file systems, by the client that Spark has for them.
        session: Any = self._results.sparkSession
        jvm = session.sparkContext._jvm
        target = jvm.org.apache.hadoop.fs.Path(path)
        out = target.getFileSystem(session._jsc.hadoopConfiguration()).create(target, True)
        try:
            out.write(bytearray(self._run_json))
        finally:
            out.close()


def id_of(prefix: str, number: Column) -> Column:
    return F.concat(F.lit(prefix), F.lpad(F.lower(F.hex(number)), 12, "0"))
