"""Reclaim discards a page of MADV_FREE that a device is about to write to.

B-46, 6c8e2a256915

CPU0 read() with O_DIRECT    CPU1 kswapd
GUP-fast: a reference, and
the entry is still the same
                             clear the entry
                             the page is clean: discard it, remove its mapping
the device writes
PG_dirty                     the process finds a page of zeros
"""

from __future__ import annotations

from core.conformance.exhibit import Exhibit
from core.conformance.properties import reached_by_device, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import World
from core.explore.model import Model
from core.machine.op import Cpu
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import ref_cell
from core.mm.batched_unmap import UnmapBatch
from core.mm.direct_io import device_wrote_cell, dio_read
from core.mm.era import Era
from core.mm.reclaim import shrink_folio_list
from core.plugins.arch import Arch

ADDR, PAGE = 0, 0


def discarded(arch: Arch, era: Era) -> Model:
    """kswapd reclaims the clean lazyfree page that a read with O_DIRECT is writing to."""
    more = {"lazyfree": frozenset({PAGE}), "readers": frozenset({Cpu(0)})}
    world = World(arch, era, {ADDR: Pte(PAGE, write=True)}, anon=frozenset({PAGE}), more=more)
    world.memory[ref_cell(PAGE)] = 2  # the mapping's, and that of whoever has isolated it
    world.memory[device_wrote_cell(PAGE)] = False
    world.task("read", lambda mm: dio_read(mm, ADDR))
    world.kthread("kswapd", lambda mm: shrink_folio_list(mm, UnmapBatch(), [PAGE]))
    window = sometimes(
        "pinned-and-unmapped",
        "the entry is clear while the reader has its reference",
        (pte_cell(ADDR), ref_cell(PAGE)),
        lambda pte, ref: pte is None and ref == 3,
    )
    return world.model("lazyfree-dio", finally_=[reached_by_device(PAGE, ADDR)], sometimes=[window])


SCENARIOS = [
    Scenario(
        "lazyfree-dio",
        "a page is not discarded while a device writes to it for the process",
        "6c8e2a256915",
        discarded,
        tier="optional",
        requires=("smp", "several_cpus", "gup_fast"),
    ),
]

EXHIBITS = [
    Exhibit(
        "B-46",
        "6c8e2a256915",
        "reclaim discards a page of MADV_FREE without checking its references: what a device writes to it is lost",
        "lazyfree-dio",
        lacks=frozenset({"6c8e2a256915"}),
    ),
]
