"""riscv: reclaim with one firmware call for a batch of pages.

The benchmark maps a megabyte, and 10 000 times reads it and gives it to MADV_PAGEOUT.  One round is run here with the
core's programs, so the calls are counted, not assumed.  Besides the batch's own call there is one where madvise() finds
the batch of the previous round still pending (flush_tlb_batched_pending()), and one where it closes its gather.  Where
the megabyte lies in two tables, each has its batch.

QEMU empties its whole software TLB at every SFENCE.VMA, whatever that is for (target/riscv/op_helper.c:
helper_tlb_flush()), and the refills are time of the benchmark that is attributed to no flushing function.  How much
follows from the first version of the patch, measured with one thread and so without calls: half of the time went away,
while only 4.8 % of it was in the function that flushes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from core.cost.coefficients import NAM_CAO
from core.machine.ipi import take_ipi
from core.machine.memory import Memory
from core.machine.op import Cpu, Op, Outcome, Tid
from core.machine.pte import Pte, pte_cell
from core.machine.schedule import run
from core.machine.task import Task
from core.machine.tlb import ref_cell
from core.mm.era import ERAS
from core.mm.mm import Mm, Vma
from core.mm.page import mapcount_cell
from core.mm.swap import pg_lru_cell
from core.mm.syscalls import madvise_pageout
from core.plugins.arch import load_object, set_up
from core.truth.published.effect import Effect, Range, across, exactly

RISCV = "arch_plugins.riscv:Riscv"
FIRST = "A. Ghiti, riscv: Add support for BATCHED_UNMAP_TLB_FLUSH, first version, 2024-01-02"
GHITI = "A. Ghiti, riscv: Add support for BATCHED_UNMAP_TLB_FLUSH, 54d7431af73e, 2024-01-08"

PAGES, ROUNDS = 256, 10_000
"""SIZE is 1 MiB in the benchmark of 43b3dfdd0455."""

ALONE_BEFORE, ALONE_AFTER = 121.135, 60.543
"""Seconds on QEMU, one thread."""
ALONE_SHARE_BEFORE, ALONE_SHARE_AFTER = 4.83, 0.14
"""Per cent of them in __flush_tlb_range()."""

SHARE_BEFORE, SHARE_AFTER, QEMU_LEFT = 68.17, 8.64, 19.0
"""Per cent in firmware calls on QEMU with threads on four CPUs, before and after, and the time that is left."""

NAM_BEFORE, NAM_AFTER = 36.674, 18.016
"""Seconds on a VisionFive 2."""

REMAINS = {"TH1520": 22.0, "Unmatched": 66.0}
"""Per cent of the time that is left, of boards of which neither a time nor a share is published."""


def riscv_batched_unmap() -> Iterator[Effect]:
    """The shares and the times of the benchmark."""
    before, after = calls(batched=False), (calls(batched=True), calls(batched=True, tables=2))
    fewer = [each / before for each in after]
    why = f"{before} calls a round become {after[0]}, or {after[1]} where it lies in two tables"
    yield Effect(
        "riscv batched unmap: share of flushes, one thread",
        "time in __flush_tlb_range() after it, 4.83 % before, QEMU",
        exactly(ALONE_SHARE_AFTER),
        across(*(ALONE_SHARE_BEFORE * less * ALONE_BEFORE / ALONE_AFTER for less in fewer)),
        "%",
        FIRST,
        f"{why}; the times before and after are given",
    )
    rest = 100 - SHARE_BEFORE
    refilled = rest * without_refills()
    yield Effect(
        "riscv batched unmap: QEMU",
        "time of the benchmark that is left",
        exactly(QEMU_LEFT),
        across(*(refilled + SHARE_BEFORE * less for less in fewer)),
        "%",
        GHITI,
        f"{why}; they were 68.17 %, and {100 - 100 * without_refills():.0f} % of the rest refills, from the first "
        "version with one thread",
    )
    yield Effect(
        "riscv batched unmap: share of SBI calls",
        "time in __sbi_rfence_v02_call() after it, 68.17 % before, QEMU",
        exactly(SHARE_AFTER),
        across(*(100 * SHARE_BEFORE * less / (refilled + SHARE_BEFORE * less) for less in fewer)),
        "%",
        GHITI,
        f"{why}; a call for everything is taken to last as long as one for a page",
    )
    for board, left in REMAINS.items():
        yield Effect(
            f"riscv batched unmap: {board}",
            "time of the benchmark that is left",
            exactly(left),
            exactly(100 * NAM_AFTER / NAM_BEFORE),
            "%",
            GHITI,
            f"neither time nor share is published for it: predicted to be as on the VisionFive 2 of {NAM_CAO}; calls "
            f"would have to be {(100 - left) / (1 - across(*fewer)[0]):.0f} % of the time before, there they were "
            f"{100 * (1 - NAM_AFTER / NAM_BEFORE) / (1 - across(*fewer)[0]):.0f} %",
        )


def without_refills() -> float:
    """What is left of QEMU's time outside the flushing function when hardly any flush empties its TLB."""
    outside_before = ALONE_BEFORE * (1 - ALONE_SHARE_BEFORE / 100)
    return ALONE_AFTER * (1 - ALONE_SHARE_AFTER / 100) / outside_before


def call_time() -> Range:
    """Nanoseconds of a firmware call on a VisionFive 2, with all its consequences, from the times of the benchmark."""
    saved = calls(batched=False) - calls(batched=True), calls(batched=False) - calls(batched=True, tables=2)
    return across(*(1e9 * (NAM_BEFORE - NAM_AFTER) / ROUNDS / calls_saved for calls_saved in saved))


# ---- the calls of one round ----------------------------------------------------------------------------------


def calls(batched: bool, tables: int = 1) -> int:
    """Firmware calls of a round of the benchmark other than the first: how often the other CPU is sent a flush."""
    arch = set_up(RISCV, load_object(RISCV), RISCV)
    capabilities = arch.facts.capabilities if batched else arch.facts.capabilities - {"batched_unmap"}
    geometry = {"capabilities": capabilities, "ptes_per_table": PAGES // tables}
    arch = set_up(RISCV, load_object(RISCV), RISCV, geometry)
    cells = Memory()
    mm = Mm(
        arch.facts,
        replace(ERAS["6.12"], folio_entries=False),  # the measured kernels are of before v6.9: see madvise_pageout()
        arch.hook,
        Task("reclaimer", Tid(1), Cpu(0)),
        mappings={page: (page,) for page in range(PAGES)},
        cpus=frozenset({Cpu(0), Cpu(1)}),
        reclaims=True,
    )
    asked = 0

    def emit(event: tuple[Any, ...]) -> None:
        nonlocal asked
        asked += event[0] == "ipi"

    for first in (True, False):
        for page in range(PAGES):
            cells[pte_cell(page)] = Pte(page, True, False)
            cells[ref_cell(page)] = cells[mapcount_cell(page)] = 1
            cells[pg_lru_cell(page)] = True
        call = madvise_pageout(mm, Vma(0, PAGES), 0, PAGES)
        run(call, cells, _only, emit, [take_ipi(Tid(1), Cpu(1), ())])
        if first:
            asked = 0
    return asked


def _only(op: Op, outcomes: Sequence[Outcome]) -> Outcome:
    raise ValueError(f"{op.name} has {len(outcomes)} outcomes")
