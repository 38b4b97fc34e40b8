"""The steps of `recon shard` that run once, on the driver."""

from __future__ import annotations

import json
import logging
import os
import subprocess
from collections.abc import Iterable
from typing import Any, Optional

import pyarrow as pa

from recon_spark import child

log = logging.getLogger("recon_spark")

SHARD_ROWS = pa.schema([pa.field("slot", pa.int32(), nullable=False), pa.field("payload", pa.binary(), nullable=False)])


class Driver:
    """A job and the state of one run of it, in a folder of its own."""

    def __init__(self, binary: str, folder: str) -> None:
        self.binary = binary
        self.folder = folder
        self.states = 0

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def content(self, name: str) -> bytes:
        with open(self.path(name), "rb") as file:
            return file.read()

    def plan(self, sources: dict[str, Any], options: dict[str, Optional[str]]) -> dict[str, Any]:
        with open(self.path("sources"), "w", encoding="utf-8") as file:
            json.dump(sources, file)
        given = [part for name, value in options.items() if value is not None for part in (f"--{name}", value)]
        return self.call("plan", *given, "--sources", self.path("sources"), "-o", self.path("job"))

    def decide(self, payloads: Iterable[bytes]) -> dict[str, Any]:
        """Goes on to the next state, from the rows that the tasks have for the driver."""
        before = self.state()
        self.states += 1
        return self.call("decide", *before, "-o", self.path(f"state{self.states}"), payloads=payloads)

    def close(self, payloads: Iterable[bytes]) -> dict[str, Any]:
        return self.call("close", *self.state(), "-o", self.path("run.json"), payloads=payloads)

    def state(self) -> list[str]:
        return ["--state", self.path(f"state{self.states}")] if self.states else []

    def step(self, *arguments: str, read: bool = False) -> child.Step:
        """A step for the executors, with the job and the present state."""
        files = {"job": self.content("job")}
        if self.states:
            files["state"] = self.content(f"state{self.states}")
        kind = child.ReadStep if read else child.Step
        return kind(self.binary, list(arguments), files)

    def call(self, step: str, *arguments: str, payloads: Optional[Iterable[bytes]] = None) -> dict[str, Any]:
        job = [] if step == "plan" else ["--job", self.path("job")]
        program = child.find_binary(self.binary)
        done = subprocess.run(
            [program, "--log-format", "json", "shard", step, *job, *arguments],
            input=b"" if payloads is None else shard_rows(payloads),
            capture_output=True,
        )
        said = done.stderr.decode("utf-8", "replace").splitlines()
        if done.returncode != 0:
            error = next(filter(None, map(child.error_of, said)), None)
            raise child.ChildFailed(child.problem_of(done.returncode, error, said))
        for line in said:
            log.warning(child.message_of(line))
        answer: dict[str, Any] = json.loads(done.stdout or b"{}")
        return answer


def shard_rows(payloads: Iterable[bytes]) -> bytes:
    """An exchange stream of rows that are all for the driver."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SHARD_ROWS) as stream:
        for payload in payloads:
            columns = [pa.array([-1], pa.int32()), pa.array([payload], pa.binary())]
            stream.write_batch(pa.RecordBatch.from_arrays(columns, schema=SHARD_ROWS))
    content: bytes = sink.getvalue().to_pybytes()
    return content
