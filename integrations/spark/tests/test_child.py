"""A child process between two streams, without Spark: programs of a few lines stand in for recon."""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from recon_spark.child import ChildFailed, Step, find_binary

ECHO = "import shutil; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"
DEADLINE_SECONDS = 60


def program(folder: Path, code: str) -> str:
    path = folder / "program"
    path.write_text(f"#!{sys.executable}\nimport json, os, sys, time\n{code}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def batches(count: int = 3, size: int = 10) -> Iterator[pa.RecordBatch]:
    for number in range(count):
        yield pa.record_batch({"number": pa.array([number] * size, pa.int64())})


def through(binary: str, given: Iterator[pa.RecordBatch]) -> list[pa.RecordBatch]:
    return list(Step(binary, ["step"], {"job": b"the job"})(given))


def failure(binary: str, given: Iterator[pa.RecordBatch]) -> dict:
    with pytest.raises(ChildFailed) as caught:
        through(binary, given)
    return caught.value.problem


def test_batches_come_back_and_the_child_gets_its_arguments_and_files(tmp_path: Path) -> None:
    told = tmp_path / "told"
    code = f"open({str(told)!r}, 'w').write(json.dumps([sys.argv[1:-1], open(sys.argv[-1]).read()]))\n{ECHO}"
    out = through(program(tmp_path, code), batches())
    assert [batch.column(0)[0].as_py() for batch in out] == [0, 1, 2]
    assert json.loads(told.read_text()) == [["--log-format", "json", "shard", "step", "--job"], "the job"]


def test_a_child_that_answers_at_once_and_one_that_answers_last_are_both_fine(tmp_path: Path) -> None:
    # 64 MB are far more than a pipe holds.
    out = through(program(tmp_path, ECHO), batches(8, 1_000_000))
    assert sum(batch.num_rows for batch in out) == 8_000_000
    out = through(
        program(tmp_path, "all = sys.stdin.buffer.read(); sys.stdout.buffer.write(all)"), batches(8, 1_000_000)
    )
    assert sum(batch.num_rows for batch in out) == 8_000_000


def test_no_batches_start_no_child(tmp_path: Path) -> None:
    assert through(str(tmp_path / "missing"), iter(())) == []


def test_the_problem_on_standard_error_is_raised_with_the_exit_code(tmp_path: Path) -> None:
    problem = {"level": "error", "code": "max-rejected", "message": "too many", "help": "look"}
    code = f"sys.stderr.write('warm\\n' + {json.dumps(problem)!r} + '\\n'); sys.exit(3)"
    assert failure(program(tmp_path, code), batches(8, 1_000_000)) == {**problem, "exit_code": 3}


def test_an_exit_without_a_problem_is_told_with_the_end_of_standard_error(tmp_path: Path) -> None:
    problem = failure(program(tmp_path, "sys.stderr.write('a panic\\n'); sys.exit(101)"), batches())
    assert (problem["code"], problem["exit_code"]) == ("child-failed", 101)
    assert "a panic" in problem["message"]


def test_standard_error_never_blocks_the_child_and_is_bounded(tmp_path: Path) -> None:
    code = "sys.stderr.write('x' * 10_000_000 + '\\n' + 'y\\n' * 100_000); sys.exit(1)"
    assert len(failure(program(tmp_path, code), batches())["message"]) < 10_000


def test_a_killed_child_is_told(tmp_path: Path) -> None:
    problem = failure(program(tmp_path, "sys.stdin.buffer.read(100); os.kill(os.getpid(), 9)"), batches(8, 1_000_000))
    assert "killed by signal 9" in problem["message"]


def test_output_that_is_cut_off_is_told_though_the_child_claims_success(tmp_path: Path) -> None:
    code = "all = sys.stdin.buffer.read(); sys.stdout.buffer.write(all[:-500])"
    assert failure(program(tmp_path, code), batches(3, 1_000))["code"] == "cut-stream"


def test_what_fails_before_the_child_is_raised_and_the_child_sees_no_complete_input(tmp_path: Path) -> None:
    complete = tmp_path / "complete"

    def failing() -> Iterator[pa.RecordBatch]:
        yield from batches()
        raise ValueError("the source is gone")

    code = f"sys.stdin.buffer.read(); open({str(complete)!r}, 'w').close()"
    with pytest.raises(ValueError, match="the source is gone"):
        through(program(tmp_path, code), failing())
    assert not complete.exists()


def test_the_child_ends_with_the_task(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    code = f"open({str(pid)!r}, 'w').write(str(os.getpid()))\n{ECHO}\nsys.stdout.flush(); os.close(1); time.sleep(600)"
    running = Step(program(tmp_path, code), [], {})(batches())
    next(running)
    running.close()
    child = int(pid.read_text())
    until = time.monotonic() + DEADLINE_SECONDS
    while Path(f"/proc/{child}").exists() and time.monotonic() < until:
        time.sleep(0.01)
    assert not Path(f"/proc/{child}").exists()


def test_a_missing_program_is_told_with_what_to_do(tmp_path: Path) -> None:
    for name in (str(tmp_path / "missing"), "no-such-program"):
        with pytest.raises(ChildFailed) as caught:
            find_binary(name)
        assert caught.value.problem["code"] == "no-binary"
        assert "--files" in caught.value.problem["help"]


def test_a_program_on_the_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert find_binary("program") == str(tmp_path / "program")
