"""A page of DAX is taken out of an address space while its file is written back.

Nothing holds the zap to flush under the page-table lock, as it does for a dirty page of the page cache: the page has no
rmap, and vm_normal_page() does not return it.

CPU0 user                    CPU1 MADV_DONTNEED            CPU2 fsync()
store: cached
                             clear the entry, unlock
                                                           finds the entry empty
                                                           writes CPU caches back
                                                           clears the tag
store through the stale entry
                             flush
"""

from __future__ import annotations

from core.conformance.properties import no_lost_dirty, sometimes
from core.conformance.scenario import Build, Scenario
from core.conformance.world import World, raw_stores
from core.explore.model import Model
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import newer_cell
from core.mm.dax import dax_writeback_one
from core.mm.era import Era
from core.mm.mm import Mm, Vma
from core.mm.page import mapcount_cell, pg_dirty_cell
from core.mm.syscalls import madvise_dontneed
from core.plugins.arch import Arch

VMA = Vma(0, 1)


async def dontneed(mm: Mm) -> None:
    """MADV_DONTNEED of the mapping; the page stays in the file."""
    await madvise_dontneed(mm, VMA, VMA.start, VMA.end)


def built(name: str, unmaps: bool) -> Build:
    """With somebody who takes the mapping away, or without."""

    def build(arch: Arch, era: Era) -> Model:
        world = World(arch, era, {0: Pte(0, dirty=True)}, more={"special": lambda page: True})
        world.memory[mapcount_cell(0)] = 0
        world.memory[pg_dirty_cell(0)] = True  # dax_insert_entry() of the write fault
        world.task("user", raw_stores(0, [0]))
        if unmaps:
            world.task("dontneed", dontneed)
        world.kthread("fsync", lambda mm: dax_writeback_one(mm, 0, [0]))
        window = sometimes(
            "cleaned",
            "the tag is clear, and the medium has what the CPU caches have",
            (pg_dirty_cell(0), newer_cell(0), pte_cell(0)),
            lambda dirty, newer, pte: not dirty and not newer and (pte is None) == unmaps,
        )
        return world.model(name, always=[no_lost_dirty(0, [0])], sometimes=[window])

    return build


SCENARIOS = [
    Scenario(
        "dax-writeback",
        "a page of DAX is called clean only when no CPU can write to it any more",
        "fs/dax.c:dax_writeback_one",
        built("dax-writeback", unmaps=False),
    ),
]

FINDINGS = [
    Scenario(
        "dax-zap",
        "a page of DAX that is unmapped is called clean only when no CPU can write to it any more",
        "fs/dax.c:dax_writeback_one",
        built("dax-zap", unmaps=True),
        tier="finding",
    ),
]
