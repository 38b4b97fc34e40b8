"""What a failed run raises, and how it is found in Spark's stack traces."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Optional

from recon_spark.child import MARK, ChildFailed

_MARKED = re.compile(re.escape(MARK) + r"(\{.*\})")


class ReconError(Exception):
    """A run failed. The fields are those of recon's problem.

    ``code`` is its name in docs/errors.md, or one of this package: ``no-binary``, ``child-failed``, ``cut-stream``,
    ``rows-lost``.
    ``exit_code`` is that of recon's command line: 2 configuration, 3 a source, 4 the store, 5 an inconsistent result.
    """

    def __init__(
        self,
        message: str,
        *,
        code: Optional[str] = None,
        exit_code: Optional[int] = None,
        help: Optional[str] = None,
        file: Optional[str] = None,
        line: Optional[int] = None,
        column: Optional[int] = None,
        **_: Any,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.exit_code = exit_code
        self.help = help
        self.file = file
        self.line = line
        self.column = column

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        lines = [f"{self.code}: {self.message}" if self.code else self.message]
        lines += [f"  at {place}"] if place else []
        lines += [f"  help: {self.help}"] if self.help else []
        return "\n".join(lines)


@contextmanager
def clear_errors() -> Iterator[None]:
    """Raises the problem of a child as a ReconError, wherever the child ran. Spark's own errors stay as they are."""
    try:
        yield
    except ChildFailed as error:
        raise ReconError(**error.problem) from None
    except Exception as error:
        found = _found(str(error))
        if found is None:
            raise
        raise found from error


def _found(trace: str) -> Optional[ReconError]:
    marked = _MARKED.search(trace)
    if marked is None:
        return None
    try:
        # A trace may go on after the object on the same line.
        problem, _ = json.JSONDecoder().raw_decode(marked.group(1))
        return ReconError(**problem)
    except (ValueError, TypeError):
        return None
