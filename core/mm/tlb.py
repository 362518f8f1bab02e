"""include/asm-generic/tlb.h: the gather, and the range that it has to flush.

Data types
    Batch(max, nr, slots)     struct mmu_gather_batch
    MmuGather                 struct mmu_gather: lives in its program, changed only by it and by plain hooks
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from core.mm.mm import Mm
from core.mm.stand_in import or_c
from core.mm.swap import Slot, Table

ALL_ONES = 2**64 - 1
"""~0UL: the start and end of a whole-mm gather."""

TASK_SIZE = 2**47
"""Above every virtual page number: the start of an empty range."""


@dataclass
class Batch:
    """struct mmu_gather_batch: `nr` slots in use, of `max`."""

    max: int
    nr: int = 0
    slots: list[Slot] = field(default_factory=list)


@dataclass
class MmuGather:
    """struct mmu_gather. `batches[0]` is the one on the stack, `active` the one being filled.

    `reclaim_pt` is that of struct zap_details: the operation may free page tables that it empties.  `page_size`, in
    pages, is 0 before the first entry, and always without CONFIG_MMU_GATHER_PAGE_SIZE.  `arch` is the architecture's
    own, any immutable value: None in a new gather, and left alone by the core.
    """

    mm: Mm
    fullmm: bool
    batches: list[Batch]
    active: int = 0
    tables: list[Table] | None = None
    start: int = 0
    end: int = 0
    need_flush_all: bool = False
    freed_tables: bool = False
    unshared_tables: bool = False
    fully_unshared_tables: bool = False
    delayed_rmap: bool = False
    cleared_ptes: bool = False
    cleared_pmds: bool = False
    cleared_puds: bool = False
    cleared_p4ds: bool = False
    vma_pfn: bool = False
    page_size: int = 0
    reclaim_pt: bool = False
    arch: Any = None

    @property
    def room(self) -> int:
        """Entries that the gather can take before it has to look for room again; at least 1."""
        batch = self.batches[self.active]
        return max(batch_full(self.mm, batch) - batch.nr, 1) if self.mm.facts.gather else ALL_ONES


# ---- the range -----------------------------------------------------------------------------------------------


def reset_range(tlb: MmuGather) -> None:
    """__tlb_reset_range()."""
    if tlb.fullmm:
        tlb.start = tlb.end = ALL_ONES
    else:
        tlb.start, tlb.end = TASK_SIZE, 0
    tlb.freed_tables = tlb.unshared_tables = False
    tlb.cleared_ptes = tlb.cleared_pmds = tlb.cleared_puds = tlb.cleared_p4ds = False


def adjust_range(tlb: MmuGather, addr: int, size: int) -> None:
    """__tlb_adjust_range()."""
    tlb.start = min(tlb.start, addr)
    tlb.end = max(tlb.end, addr + size)


@or_c
def tlb_flush_pte_range(tlb: MmuGather, addr: int, size: int) -> None:
    """The entries of `size` pages from `addr` have been cleared."""
    adjust_range(tlb, addr, size)
    tlb.cleared_ptes = True


def tlb_get_unmap_size(tlb: MmuGather) -> int:
    """Pages per cleared entry at the lowest level cleared."""
    pmd, pud, p4d = tlb.mm.span
    if tlb.cleared_ptes:
        return 1
    if tlb.cleared_pmds:
        return pmd
    if tlb.cleared_puds:
        return pud
    return p4d if tlb.cleared_p4ds else 1


def flush_flags(tlb: MmuGather, kind: str) -> tuple[str, ...]:
    """The kind and levels of a flush, for logs."""
    flags = {
        "full": tlb.fullmm,
        "ptes": tlb.cleared_ptes,
        "pmds": tlb.cleared_pmds,
        "puds": tlb.cleared_puds,
        "p4ds": tlb.cleared_p4ds,
        "tables": tlb.freed_tables,
    }
    return (kind, *(name for name, on in flags.items() if on))


# ---- batches ---------------------------------------------------------------------------------------------------


def batch_full(mm: Mm, batch: Batch) -> int:
    """The number of slots at which a batch is full: all, or all but one where an entry may need two."""
    return batch.max - 1 if mm.era.folio_entries else batch.max
