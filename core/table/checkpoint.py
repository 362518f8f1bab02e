"""Checkpoints of finished jobs, so that an interrupted run can be continued.

A result is stored under a digest of everything that it depends on: the source of the suite, and the job, whose row has
the digest of its plugin's modules (core.base.digest).  If any of it changes, nothing is found.  Files are JSON, written
atomically: the answer as plain data (core.base.plain), and a sum of it and of its key.  What does not fit its sum was
damaged or edited: it is not taken, and its name is kept in `Kept.damaged`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.base import plain
from core.base.caches import cache
from core.base.files import write_atomically
from core.run.isolate import INTERRUPTED, Job, kind_of

ROOT = Path(__file__).parents[2]
"""Where the project's packages are."""

KEPT = "kept"
"""The directory of the cache that checkpoints are in."""

SOURCE = "source"
"""A file there: the digest of the source, and of which state of its files."""

SETTLED = 2 * 10**9
"""Nanoseconds after which another write to a file has another time, on any file system."""


def place(output: Path) -> Path:
    """Where the checkpoints of runs that write their reports to `output` are: in the cache, of this source alone."""
    return _of_output(output) / suite_digest()[:16]


def forget_others(output: Path) -> None:
    """Remove the checkpoints of runs to `output` that were made with another source: nothing would find them."""
    with suppress(OSError):
        for directory in _of_output(output).iterdir():
            if directory != place(output):
                shutil.rmtree(directory, ignore_errors=True)


def _of_output(output: Path) -> Path:
    return cache() / KEPT / hashlib.sha256(os.fsencode(output.resolve())).hexdigest()[:16]


class Kept:
    """The results of finished jobs, in a directory; `damaged` are the files that were not what was written."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.damaged: list[Path] = []

    def get(self, job: Job) -> Any:
        """The stored result of `job`; None if there is none, or its file is damaged or was edited."""
        path = self._path(job)
        try:
            text = path.read_bytes().decode()
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            return self._damaged(path)
        try:
            stored = json.loads(text)
            if stored["sum"] == _sum(path, stored["answer"]):
                answer = plain.load(kind_of(type(job)), stored["answer"])
                wrong = getattr(job, "wrong", None)
                if wrong is None or not wrong(answer):
                    return answer
        except (ValueError, TypeError, KeyError, RecursionError):
            pass
        return self._damaged(path)

    def _damaged(self, path: Path) -> None:
        self.damaged.append(path)

    def put(self, job: Job, answer: Any) -> None:
        """Store a result. Errors and interrupted searches are not stored, so that they are tried again."""
        unfinished = getattr(answer, "verdict", "") == "error" or getattr(answer, "problem", "")
        if not unfinished and not getattr(answer, "bounds", "").startswith(INTERRUPTED):
            path, text = self._path(job), plain.dump(kind_of(type(job)), answer)
            write_atomically(path, json.dumps({"sum": _sum(path, text), "answer": text}))

    def _path(self, job: Job) -> Path:
        digest = hashlib.sha256(f"{suite_digest()} {job!r}".encode("utf-8", "surrogatepass")).hexdigest()
        return self.directory / f"{digest[:32]}.json"


def _sum(path: Path, answer: str) -> str:
    """Of the key too: a file under another's name is no answer."""
    return hashlib.sha256(f"{path.name} {answer}".encode("utf-8", "surrogatepass")).hexdigest()


@lru_cache
def suite_digest() -> str:
    """A digest of every source file of the suite and of the project's plugins.

    It is kept beside the checkpoints: as long as no file has been written since, which the kernel notes of each, it is
    not computed again.  Not if a file was written just now: a second write might have the same time.
    """
    files = [entry for package in ("core", "arch_plugins") for entry in _sources(str(ROOT / package))]
    files.sort(key=lambda entry: entry.path)
    written = hashlib.sha256(repr([(entry.path, *_written(entry)) for entry in files]).encode()).hexdigest()
    known = cache() / KEPT / SOURCE
    with suppress(OSError, ValueError):
        then, digest = known.read_text(encoding="utf-8").split()
        if then == written and len(digest) == len(written):
            return digest
    digest = _digest(files)
    if time.time_ns() - max(entry.stat().st_ctime_ns for entry in files) > SETTLED:
        with suppress(OSError):
            write_atomically(known, f"{written} {digest}\n")
    return digest


def _written(entry: os.DirEntry[str]) -> tuple[int, ...]:
    """What changes with every write to a file, or in its place. (Nobody can set the time of the last change, ctime.)"""
    found = entry.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _digest(files: Iterable[os.DirEntry[str]]) -> str:
    digest = hashlib.sha256()
    for entry in files:
        digest.update(entry.path.removeprefix(str(ROOT)).encode())
        with open(entry, "rb", buffering=0) as file:
            digest.update(file.read())
    return digest.hexdigest()


def _sources(directory: str) -> Iterator[os.DirEntry[str]]:
    """The Python files in a directory and below. Not by pathlib, which takes longer than to read them."""
    for entry in os.scandir(directory):
        if entry.is_dir(follow_symlinks=False):
            yield from _sources(entry.path)
        elif entry.name.endswith(".py"):
            yield entry
