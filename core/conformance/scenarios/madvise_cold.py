"""MADV_COLD and MADV_PAGEOUT change entries that others use, under mmap_lock for reading.

Up to v6.10 an entry is emptied and set again to make it old: no bit that hardware sets in between may be lost, and
whoever finds it empty waits for the page-table lock.
"""

from __future__ import annotations

from core.conformance.properties import dirty_known_at_end, mapcount_is_ptes, no_lost_dirty, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import World, raw_stores
from core.explore.model import Model
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import newer_cell, ref_cell
from core.mm.era import Era
from core.mm.mm import Vma
from core.mm.page import mapcount_cell
from core.mm.syscalls import madvise_cold, madvise_pageout
from core.plugins.arch import Arch

VMA = Vma(0, 1)


def cold(arch: Arch, era: Era) -> Model:
    """A page of a file that one thread writes to while another calls it cold."""
    world = World(arch, era, {0: Pte(0, dirty=not arch.facts.hw_dirty)})
    world.task("user", raw_stores(0, [0]))
    world.task("cold", lambda mm: madvise_cold(mm, VMA, VMA.start, VMA.end))
    window = sometimes(
        "written", "the page has been written to", (newer_cell(0), pte_cell(0)), lambda newer, pte: newer and pte
    )
    ends = [dirty_known_at_end(0, [0]), mapcount_is_ptes(0, [0])]
    return world.model("madvise-cold", finally_=ends, sometimes=[window])


def paged_out(arch: Arch, era: Era) -> Model:
    """A page of shmem that one thread writes to while another has it reclaimed; a file's only kswapd would write."""
    world = World(arch, era, {0: Pte(0, dirty=True)}, more={"reclaims": True})
    world.memory[ref_cell(0)] = 2  # the mapping's, and the page cache's
    world.task("user", raw_stores(0, [0]))
    world.task("pageout", lambda mm: madvise_pageout(mm, VMA, VMA.start, VMA.end))
    window = sometimes(
        "unmapped", "the page is mapped no more", (pte_cell(0), mapcount_cell(0)), lambda pte, n: pte is None and not n
    )
    return world.model("madvise-pageout", always=[no_lost_dirty(0, [0])], sometimes=[window])


SCENARIOS = [
    Scenario(
        "madvise-cold",
        "MADV_COLD loses no dirty bit that is set while it makes an entry old",
        "mm/madvise.c:madvise_cold_or_pageout_pte_range",
        cold,
    ),
    Scenario(
        "madvise-pageout",
        "MADV_PAGEOUT writes a page to disk only when no CPU can write to it any more",
        "mm/madvise.c:madvise_cold_or_pageout_pte_range",
        paged_out,
        requires=("flush_before_free",),
    ),
]
