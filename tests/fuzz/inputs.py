"""Every kind of input, sound, with the command that reads it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

DATA = Path(__file__).parents[1] / "data"

ARCHES = """
[defaults]
era = "6.12"

[prices]
ipi = [700, 900]

[[arch]]
name = "one"
plugin = "arch_plugins.generic:Smp"
era = "6.2-fix"
facts = { bundle = 8, max_gather_batch = 64, smp = true, preemption = "none", page_size = 4096, levels = 4 }
prices = { zap_page = 40, ipi = [1, 2] }

[arch.expect]
own-tlb = "a reason"

[[arch]]
name = "two"
plugin = "arch_plugins.s390:S390"

[[workload]]
name = "mine"
like = "checkpoint"
pages = 4096
every = 8

[[workload]]
name = "steps"
title = "of its own"
steps = [{ how = "unmap", times = 3, runs = [["anon_dirty", 512], [256, [["file_dirty", 1], ["file_clean", 7]]]] }]
"""

PRICES = """
schema = "shootdown-prices 1"
machine = "a machine"
base = "zen4"
[coefficients.ipi]
low = 11000.0
high = 12500.0
source = "measured"
"""

COUNTS = {"flushes": 1, "pte_flushes": 0, "ipis": 1, "lock_holds": 4, "batch_pages": 3, "max_held": 9, "max_delayed": 2}
STEP = {"cpu": 0, "thread": "t", "step": "s", "changes": [], "finds": []}
REPORT = {
    "schema": {"name": "shootdown-run", "version": "1.0"},
    "suite": {"version": "1.0", "memory_model": "sc", "seed": 1, "searcher": "auto", "python": "3", "bounds": "none"},
    "architectures": [{"name": "one", "plugin": "p", "source": [], "family": "f", "capabilities": [], "facts": {}}],
    "results": [
        {
            "architecture": "one",
            "scenario": name,
            "area": "gather",
            "tier": "required",
            "verdict": verdict,
            "reason": "",
            "violated": "",
            "sentence": "",
            "exhaustive": True,
            "states": 10,
            "transitions": 20,
            "depth": 5,
            "bounds": "",
            "trace": [STEP] if verdict == "fail" else None,
        }
        for name, verdict in (("own-tlb", "pass"), ("freed-once", "fail"))
    ],
    "costs": [
        {"architecture": "one", "workload": "w", "counts": COUNTS, "price": {"low": 1, "high": 2, "unpriced": []}}
    ],
}

RECORDING = (
    "mmap> 0 0x3000 3 0x22 0xffffffff 0",
    "mmap< 0x700000000000",
    "pf 700000000000 6",
    "pf 700000001000 6",
    "munmap> 0x700000000000 0x3000",
    "F 2 0",
    "munmap< 0x0",
)


class Input(NamedTuple):
    """A kind of input: a `sound` file, its `name`, and the arguments for it."""

    name: str
    sound: bytes
    arguments: Callable[[str], list[str]]


def _recording() -> bytes:
    lines = [f"{number}\t0\t1\t" + line.replace(" ", "\t", 1) for number, line in enumerate(RECORDING)]
    return "\n".join(lines).encode()


def _lines(name: str, number: int) -> bytes:
    return b"".join(gzip.decompress((DATA / name).read_bytes()).splitlines(keepends=True)[:number])


def inputs(beside: Path) -> dict[str, Input]:
    """By name; `beside` is a directory for the sound files that some commands compare with."""
    (beside / "sound.json").write_text(json.dumps(REPORT))
    sound = str(beside / "sound.json")
    return {
        "rows": Input("arches.toml", ARCHES.encode(), lambda file: ["list", "arches", "--config", file]),
        "workloads": Input(
            "arches.toml",
            ARCHES[ARCHES.index("[[arch]]") :].encode(),
            lambda file: ["workloads", "--config", file, "--arch", "two", "--workload", "mine", "--workload", "steps"],
        ),
        "prices": Input("prices.toml", PRICES.encode(), lambda file: ["prices", "--prices", file]),
        "old report": Input("old.json", json.dumps(REPORT).encode(), lambda file: ["diff", file, sound]),
        "new report": Input("new.json", json.dumps(REPORT).encode(), lambda file: ["diff", sound, file]),
        "recording": Input("rec.tsv", _recording(), lambda file: ["replay", file, "--arch", "smp-6.12"]),
        "golden": Input("golden.jsonl", _lines("golden_public.jsonl.gz", 3), lambda file: ["golden", file]),
        "measured": Input("measured.jsonl", _lines("measured_public.jsonl.gz", 3), lambda file: ["measured", file]),
        "emulated": Input("emulated.jsonl", _lines("emulated_public.jsonl.gz", 3), lambda file: ["measured", file]),
    }


AXES = ("bundle=1,8", "pages=4,8", "dirty=50:100:50", "ceiling=0,33", "cpus=1,2", "page_size=4096")
"""What `sweep` is given: on the command line, not in a file."""
