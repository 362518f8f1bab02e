"""Checkpoints of finished jobs, so that an interrupted run can be continued.

A result is stored under a digest of everything that it depends on: the source of the suite, and the job, whose row has
the digest of its plugin's modules (core.base.digest).  If any of it changes, nothing is found.  Files are JSON, written
atomically.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from core.base.files import write_atomically
from core.conformance import Result
from core.explore.model import Step
from core.run.isolate import INTERRUPTED, Job
from core.table.jobs import Counted, VerdictJob


class Kept:
    """The results of finished jobs, in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def get(self, job: Job) -> Any:
        """The stored result of `job`; None if there is none, or its file cannot be read."""
        try:
            stored = json.loads(self._path(job).read_text(encoding="utf-8"))
            return _result(stored) if isinstance(job, VerdictJob) else Counted(**stored)
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def put(self, job: Job, answer: Any) -> None:
        """Store a result. Errors and interrupted searches are not stored, so that they are tried again."""
        unfinished = getattr(answer, "verdict", "") == "error" or getattr(answer, "problem", "")
        if not unfinished and not getattr(answer, "bounds", "").startswith(INTERRUPTED):
            write_atomically(self._path(job), json.dumps(asdict(answer)))

    def _path(self, job: Job) -> Path:
        digest = hashlib.sha256(f"{suite_digest()} {job!r}".encode()).hexdigest()
        return self.directory / f"{digest[:32]}.json"


@lru_cache
def suite_digest() -> str:
    """A digest of every source file of the suite and of the project's plugins."""
    digest = hashlib.sha256()
    for package in ("core", "arch_plugins"):
        root = Path(str(files(package)))
        for path in sorted(root.rglob("*.py")):
            digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()


def _result(stored: dict[str, Any]) -> Result:
    steps = [_step(**step) for step in stored.pop("trace")]
    return Result(**{**stored, "reductions": tuple(stored["reductions"])}, trace=tuple(steps))


def _step(changes: list[Any], finds: list[Any], **rest: Any) -> Step:
    return Step(**rest, changes=tuple(map(tuple, changes)), finds=tuple(map(tuple, finds)))
