"""The gather's own guarantees, with batches so small that three pages fill several, and allocations that may fail."""

from __future__ import annotations

from collections.abc import Callable

from core.conformance.monitor import Rule, batch_limit, covering, delay_ends, delayed_in_last_batch, watched
from core.conformance.properties import all_freed, mapcount_is_ptes, sometimes
from core.conformance.scenario import Build, Scenario
from core.conformance.world import World
from core.explore.model import Model
from core.facts import Facts
from core.machine.pte import Pte, pte_cell
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


FOLIO = Vma(0, 3)


def with_folio(arch: Arch, era: Era) -> Model:
    """A page and then a folio of two, of which one entry has two slots, with a batch of two.

    What is freed at once is one entry, so that a folio would be separated from its number of pages.
    """
    keeps = batch_limit(arch.facts)

    async def unmap(mm: Mm) -> None:
        pays_later = "flush_mm" in mm.facts.capabilities
        await covering(watched(madvise_dontneed(mm, FOLIO, FOLIO.start, FOLIO.end), keeps), pays_later)

    small = {"bundle": min(arch.facts.bundle, 2), "max_gather_batch_count": 0}
    one = {"folios_per_free": 1} if era.folio_entries else {}
    folio = {"folio": lambda page: (1, 2) if page else (0, 1)}
    pages = range(FOLIO.end)
    world = World(arch, era, {page: Pte(page) for page in pages}, frozenset(pages), geometry=small, more=folio | one)
    world.task("unmap", unmap)
    window = sometimes(
        "freed-before",
        "the page is free, and the folio is mapped",
        (ref_cell(0), pte_cell(2)),
        lambda ref, pte: not ref and pte is not None,
    )
    freed = [check for page in pages for check in (all_freed(page, 0), mapcount_is_ptes(page, [page]))]
    return world.model("folio-batch", finally_=freed, sometimes=[window])


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
    Scenario(
        "folio-batch",
        "a folio of the gather has room for its number of pages, and is freed with it",
        "mm/mmu_gather.c:__tlb_remove_folio_pages_size",
        with_folio,
        tier="optional",
        requires=("gather", "thp"),
    ),
]
"""All of them also say that the flushes cover what was cleared (flushed-covers-cleared), and that rmap follows the
entries (mapcount-is-ptes)."""
