"""The gather's own guarantees, with batches so small that three pages fill several, and allocations that may fail."""

from __future__ import annotations

from collections.abc import Callable

from core.conformance.monitor import Rule, batch_limit, covering, delay_ends, delayed_in_last_batch, watched
from core.conformance.properties import all_freed, mapcount_is_ptes, sometimes
from core.conformance.scenario import Build, Scenario
from core.conformance.world import World
from core.explore.model import Model
from core.facts import Facts
from core.machine.pte import Pte
from core.machine.tlb import ref_cell
from core.mm.era import Era
from core.mm.mm import Choices, Mm, Vma
from core.mm.syscalls import madvise_dontneed
from core.plugins.arch import Arch

PAGES = 5
VMA = Vma(0, PAGES)
ANON = frozenset({0, 3})


def dontneed_watched(rule: Callable[[Facts], Rule], batches: int = 2, dirty: bool = True) -> Build:
    """MADV_DONTNEED of clean anonymous pages and of file pages, `dirty` or not, with at most `batches` allocated.

    `rule` is made of the facts that the architecture states.  Where rmaps are delayed, no third batch is begun.
    """

    def build(arch: Arch, era: Era) -> Model:
        keeps = rule(arch.facts)

        async def unmap(mm: Mm) -> None:
            pays_later = "flush_mm" in mm.facts.capabilities
            await covering(watched(madvise_dontneed(mm, VMA, 0, PAGES), keeps), pays_later)

        mapped = {addr: Pte(addr, dirty=dirty and addr not in ANON) for addr in range(PAGES)}
        small = {
            "bundle": min(arch.facts.bundle, 1),
            "max_gather_batch": min(arch.facts.batch_entries, 2),
            "max_gather_batch_count": min(arch.facts.batch_count, batches),
        }
        world = World(arch, era, mapped, ANON, Choices(alloc_fails=True), geometry=small)
        for page in range(PAGES):
            world.memory[ref_cell(page)] = 1 if page in ANON else 2
        world.task("unmap", unmap)
        window = sometimes(
            "freed-in-parts",
            "some pages are free and others still mapped",
            (ref_cell(0), ref_cell(PAGES - 1)),
            lambda first, last: first == 0 and last == 2,
        )
        freed = [all_freed(page, 0 if page in ANON else 1) for page in range(PAGES)]
        counted = [mapcount_is_ptes(page, [page]) for page in range(PAGES)]
        return world.model("gather", finally_=[*freed, *counted], sometimes=[window])

    return build


SCENARIOS = [
    Scenario(
        "delayed-in-last-batch",
        "only the batches that tlb_flush_rmaps() walks hold delayed entries",
        "5df397dec7c4, c47454823bd4",
        dontneed_watched(lambda own: delayed_in_last_batch),
        requires=("gather",),
    ),
    Scenario(
        "batch-limit",
        "the gather never holds more entries than its batches have slots",
        "mm/mmu_gather.c:tlb_next_batch",
        dontneed_watched(batch_limit, batches=1, dirty=False),
        requires=("gather",),
    ),
    Scenario(
        "delay-ends",
        "no flush is early and no walk of the batches for nothing because delayed_rmap stays set",
        "mm/mmu_gather.c:tlb_flush_rmaps",
        dontneed_watched(lambda own: delay_ends),
        requires=("gather",),
    ),
    Scenario(
        "freed-once",
        "each page is freed exactly once and none is leaked, even if batches cannot be allocated",
        "mm/mmu_gather.c:__tlb_remove_page_size",
        dontneed_watched(lambda own: lambda tlb, op: ""),
    ),
]
"""All of them also say that the flushes cover what was cleared (flushed-covers-cleared), and that rmap follows the
entries (mapcount-is-ptes)."""
