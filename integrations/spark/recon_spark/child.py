"""Runs `recon shard` on an executor, between the batches that come in and those that go out.

Spark ships this module by value with each task: executors need pyarrow and the binary, not this package. So it imports
nothing but the standard library, pyarrow and pyspark.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import IO, Any, Optional

import pyarrow as pa

# Precedes a problem in the message of an exception, as one line of JSON.
MARK = "recon-problem: "
# What is kept of a child's standard error.
KEPT_LINES = 200
KEPT_CHARACTERS = 4_000


class ChildFailed(Exception):
    """Carries a problem through Spark as text; `errors.unwrapped` reads it on the driver."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(MARK + json.dumps(problem))
        self.problem = problem


class Step:
    """One step of `recon shard` as the function that `mapInArrow` calls with the batches of a partition."""

    def __init__(self, binary: str, arguments: list[str], files: dict[str, bytes]) -> None:
        self.binary = binary
        self.arguments = arguments
        # Given to the child as `--NAME FILE`.
        self.files = files

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rest = iter(batches)
        first = next(rest, None)
        if first is not None:
            yield from self.run(chain([first], rest), first.schema)

    def run(
        self, batches: Iterable[pa.RecordBatch], schema: Optional[pa.Schema], extra: Iterable[str] = ()
    ) -> Iterator[pa.RecordBatch]:
        """Streams the batches through one child. Nothing is kept, and the child never outlives the task."""
        with tempfile.TemporaryDirectory(prefix="recon-") as folder:
            command = [find_binary(self.binary), "--log-format", "json", "shard", *self.arguments, *extra]
            for name, content in self.files.items():
                path = os.path.join(folder, name)
                with open(path, "wb") as file:
                    file.write(content)
                command += [f"--{name}", path]
            child = start(command)
            stderr = Tail(child.stderr)
            feeder = Feeder(child, batches, schema)
            try:
                yield from read(child, feeder, stderr)
            finally:
                child.kill()
                child.wait()
                feeder.join()
                stderr.join()
                for pipe in (child.stdin, child.stdout, child.stderr):
                    with contextlib.suppress(OSError):
                        pipe.close()  # type: ignore[union-attr]


class ReadStep(Step):
    """A step that opens the files of a source itself. The partition's rows are the numbers of the files to read."""

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield from self.run((), None, ["--read", str(number)])


class Feeder(threading.Thread):
    """Writes the batches into the child, while the task's own thread reads what comes out."""

    def __init__(
        self, child: subprocess.Popen[bytes], batches: Iterable[pa.RecordBatch], schema: Optional[pa.Schema]
    ) -> None:
        super().__init__(daemon=True)
        self.child = child
        self.batches = batches
        self.schema = schema
        self.failed: Optional[BaseException] = None
        self.start()

    def run(self) -> None:
        stdin = self.child.stdin
        assert stdin is not None
        try:
            if self.schema is not None:
                writer = pa.ipc.new_stream(stdin, self.schema)
                for batch in self.batches:
                    writer.write_batch(batch)
                writer.close()
            stdin.close()
        except BrokenPipeError as error:
            # The child stopped reading; its exit tells why, unless it claims success.
            self.failed = None if self.child.wait() else error
        except BaseException as error:
            self.failed = error
            # Its input must not look complete.
            self.child.kill()


class Tail(threading.Thread):
    """Reads standard error to its end, and keeps the last lines and the first error."""

    def __init__(self, stderr: Optional[IO[bytes]]) -> None:
        super().__init__(daemon=True)
        assert stderr is not None
        self.stderr = stderr
        self.lines: collections.deque[str] = collections.deque(maxlen=KEPT_LINES)
        self.problem: Optional[dict[str, Any]] = None
        self.start()

    def run(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while line := self.stderr.readline(64 * 1024):
                text = line.decode("utf-8", "replace").rstrip()
                self.problem = self.problem or error_of(text)
                self.lines.append(text[:KEPT_CHARACTERS])


def start(command: list[str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as error:
        raise ChildFailed(no_binary(f"{command[0]} does not start on {socket.gethostname()}: {error}")) from None


def read(child: subprocess.Popen[bytes], feeder: Feeder, stderr: Tail) -> Iterator[pa.RecordBatch]:
    """The batches that the child writes. Its end is good only if the child says so and has read everything."""
    cut: Optional[Exception] = None
    try:
        yield from pa.ipc.open_stream(child.stdout)
        if child.stdout.read(1):  # type: ignore[union-attr]
            cut = ValueError("there is more after the end of the stream")
    except (pa.ArrowException, OSError) as error:
        cut = error
    if cut:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(10)
        child.kill()
    exit_code = child.wait()
    feeder.join()
    stderr.join()
    if feeder.failed is not None:
        raise feeder.failed
    if exit_code != 0:
        raise ChildFailed(problem_of(exit_code, stderr.problem, list(stderr.lines)))
    if cut:
        raise ChildFailed(
            problem("cut-stream", 5, f"the output of recon on {socket.gethostname()} is cut off or damaged: {cut}")
        )


def find_binary(name: str) -> str:
    """The program: a path as it is; else a file that Spark distributed (`--files`); else from the PATH."""
    here = socket.gethostname()
    if os.sep in name:
        if os.access(name, os.X_OK) and os.path.isfile(name):
            return name
        raise ChildFailed(no_binary(f"{here} has no program {name}"))
    with contextlib.suppress(Exception):  # A driver of Spark Connect has no SparkFiles.
        from pyspark import SparkFiles

        shipped = os.path.abspath(SparkFiles.get(name))
        if os.access(shipped, os.X_OK) and os.path.isfile(shipped):
            return shipped
    found = shutil.which(name)
    if found is None:
        raise ChildFailed(no_binary(f"`{name}` is neither among the files of the Spark job nor on the PATH of {here}"))
    return found


def problem(code: str, exit_code: int, message: str, help: Optional[str] = None) -> dict[str, Any]:
    return {"code": code, "exit_code": exit_code, "message": message, "help": help}


def no_binary(message: str) -> dict[str, Any]:
    help = "ship it with `spark-submit --files`, install it on every executor, or give its path there as `binary`"
    return problem("no-binary", 2, message, help)


def error_of(line: str) -> Optional[dict[str, Any]]:
    """The problem on a line of recon's JSON log, if it is an error."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and entry.get("level") == "error" else None


def problem_of(exit_code: int, error: Optional[dict[str, Any]], stderr: list[str]) -> dict[str, Any]:
    """What a failed child said, else how it ended."""
    if error is not None:
        return {**error, "exit_code": exit_code}
    ended = f"was killed by signal {-exit_code}" if exit_code < 0 else f"ended with exit code {exit_code}"
    said = "; ".join(line for line in stderr[-3:] if line)[-KEPT_CHARACTERS:]
    return problem(
        "child-failed", exit_code, f"recon {ended} on {socket.gethostname()}" + (f": {said}" if said else "")
    )


def message_of(line: str) -> str:
    """What a line of recon's JSON log says."""
    try:
        entry = json.loads(line)
        return str(entry["message"])
    except (ValueError, KeyError, TypeError):
        return line
