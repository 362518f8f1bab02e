"""Jobs that the tests of pools, interrupts and executors run."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass

from core.table.jobs import VerdictJob
from core.table.rows import load

ROWS = {row.name: row for row in load(None)}


JOBS = [
    VerdictJob(ROWS[name], scenario)
    for name in ("smp-6.1", "s390")
    for scenario in ("lost-dirty-munmap", "use-after-free")
]


@dataclass(frozen=True)
class Trouble:
    """A job that goes wrong in a way of its own."""

    kind: str
    guest: str = ""

    def run(self) -> str:
        if self.kind == "hang":
            time.sleep(60)
        if self.kind == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "eat":
            return str(len(bytearray(1 << 40)))
        if self.kind == "raise":
            raise ValueError("no")
        return "fine"

    def failed(self, reason: str) -> str:
        return reason
