"""One Spark session for all tests, the program under test, and its runs on one machine to compare with."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

REPOSITORY = Path(__file__).parents[3]
DATE = "2026-01-15"


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    folder = tmp_path_factory.mktemp("spark")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = (
        SparkSession.builder.master("local[2,3]")  # A task has three attempts.
        .appName("recon")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.memory", "1g")
        .config("spark.sql.shuffle.partitions", "3")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.local.dir", str(folder))
        .config("spark.sql.warehouse.dir", str(folder / "warehouse"))
        .config("spark.driver.extraJavaOptions", f"-Dderby.stream.error.file={folder / 'derby.log'}")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


@dataclass
class Program:
    """The recon under test."""

    path: str

    def __call__(self, *arguments: str, cwd: Path, code: int = 0) -> str:
        done = subprocess.run([self.path, *arguments], cwd=cwd, capture_output=True, text=True, timeout=1200)
        assert done.returncode == code, f"recon {arguments} exits {done.returncode}: {done.stderr}{done.stdout}"
        return done.stdout if code == 0 else done.stderr

    def sql(self, store: str, query: str, cwd: Path) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(self("sql", "--store", store, "--format", "json", query, cwd=cwd))
        return rows

    def wrapped(self, folder: Path, script: str) -> str:
        """A shell script that stands before the program, which it has as $RECON."""
        path = folder / "recon-wrapped"
        path.write_text(f'#!/bin/sh\nRECON=\'{self.path}\'\n{script}\nexec "$RECON" "$@"\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)


@pytest.fixture(scope="session")
def recon() -> Program:
    path = os.environ.get("RECON", str(REPOSITORY / "target/debug/recon"))
    assert os.access(path, os.X_OK), f"{path} is missing: cargo build"
    return Program(path)


@dataclass
class Job:
    """A job in a folder of its own, and its run on one machine."""

    recon: Program
    folder: Path

    @property
    def config(self) -> str:
        return str(self.folder / "recon.yaml")

    @property
    def store(self) -> str:
        return f"sqlite:{self.folder / 'local.db'}"

    def edit(self, old: str, new: str) -> None:
        text = Path(self.config).read_text()
        assert old in text
        Path(self.config).write_text(text.replace(old, new))

    def run(self, code: int = 0) -> dict[str, Any]:
        arguments = ("run", "-c", self.config, "--store", self.store, "--batch-date", DATE)
        if code:
            return {"problems": self.recon(*arguments, "--log-format", "json", cwd=self.folder, code=code)}
        summary: dict[str, Any] = json.loads(self.recon(*arguments, "--json", cwd=self.folder))
        return summary

    def like(self, summary: dict[str, Any]) -> dict[str, Any]:
        """Options of a run on Spark that repeat ids and times of a run on one machine."""
        query = f"SELECT start_time FROM recon.recon_runs WHERE run_id = '{summary['run_id']}'"
        started = self.recon.sql(self.store, query, self.folder)[0]["start_time"]
        return {"date": DATE, "run_id": summary["run_id"], "started": started, "binary": self.recon.path}


@pytest.fixture
def job(recon: Program, tmp_path: Path) -> Any:
    """Makes a job of a folder of this repository, or an empty one."""

    def make(source: str = "") -> Job:
        folder = tmp_path / "job"
        if source:
            shutil.copytree(REPOSITORY / source, folder)
        else:
            folder.mkdir()
        return Job(recon, folder)

    return make


@pytest.fixture(scope="session")
def trades(recon: Program, tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, dict[str, Any]]:
    """A tenth of a million generated trades (RECON_SPARK_ROWS: as many as it says), and their run on one machine."""
    folder = tmp_path_factory.mktemp("trades")
    recon("generate", "--rows", os.environ.get("RECON_SPARK_ROWS", "100000"), "--seed", "1", "--force", "-o", str(folder), cwd=folder)
    made = Job(recon, folder)
    with open(made.config, "a") as file:
        file.write("\noptions: { keep: breaks }\n")
    return made, made.run()
