"""Recordings made up for tests, and the one that the project has."""

from __future__ import annotations

import gzip
from pathlib import Path

from core.mm.era import ERAS
from core.plugins.arch import load_object, set_up
from core.truth.recorded.differences import Replayed
from core.truth.recorded.replay import replay

DATA = Path(__file__).parents[2] / "data"
RECORDING = DATA / "recording_py_import.tsv.gz"
SMP = "arch_plugins.generic:Smp"
ARCHS = {era: (set_up("smp", load_object(SMP), SMP), ERAS[era]) for era in ("6.1", "6.12")}


def write(path: Path, *lines: str) -> Path:
    """Lines of 'code arguments', all of thread 1 on CPU 0 unless 'cpu tid code arguments'."""
    text = []
    for n, line in enumerate(lines):
        head, _, rest = line.partition(" ")
        cpu, tid, code, args = ("0", "1", head, rest)
        if head.isdigit():
            cpu, tid, code, args = (*line.split(" ", 3), "")[:4]
        text.append(f"{n}\t{cpu}\t{tid}\t{code}\t{args}")
    path.write_bytes(gzip.compress("\n".join(text).encode()))
    return path


MAPPED = ("mmap> 0 0x3000 3 0x22 0xffffffff 0", "mmap< 0x700000000000")
WRITTEN = tuple(f"pf 70000000{n}000 6" for n in range(3))


def at(time: int, *event: str) -> str:
    """A line at a given microsecond, of thread 1 on CPU 0."""
    return "\t".join((str(time), "0", "1", *event))


def replayed(tmp_path: Path, *lines: str) -> list[Replayed]:
    path = tmp_path / "r.tsv"
    path.write_text("\n".join(lines))
    return list(replay(path, {}))
