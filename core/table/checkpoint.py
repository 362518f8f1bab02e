"""Keeping what is finished, so that an interrupted run can go on where it was.

An answer is kept under a digest of everything it depends on: the suite's own source and the job, whose row has the
digest of its plugin's modules (core.base.digest).  Change any of it and nothing is found.  Files are JSON, each written
whole or not at all.
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
    """Answers of finished jobs in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def get(self, job: Job) -> Any:
        """The kept answer of `job`, or None. A file that cannot be read is as good as none."""
        try:
            stored = json.loads(self._path(job).read_text(encoding="utf-8"))
            return _result(stored) if isinstance(job, VerdictJob) else Counted(**stored)
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def put(self, job: Job, answer: Any) -> None:
        """Keep an answer; an error and what was interrupted are not kept, so they are tried again."""
        unfinished = getattr(answer, "verdict", "") == "error" or getattr(answer, "problem", "")
        if not unfinished and not getattr(answer, "bounds", "").startswith(INTERRUPTED):
            write_atomically(self._path(job), json.dumps(asdict(answer)))

    def _path(self, job: Job) -> Path:
        digest = hashlib.sha256(f"{suite_digest()} {job!r}".encode()).hexdigest()
        return self.directory / f"{digest[:32]}.json"


@lru_cache
def suite_digest() -> str:
    """Of every source file of the suite and the shipped plugins."""
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
