"""A page's charge is moved to another cgroup while its only mapping is removed.

mm/memcontrol.c:mem_cgroup_move_account() reads page_mapped() under the page-table lock and moves NR_FILE_MAPPED by what
it finds.  So the rmap must not be removed after the lock is released, as delaying it for every page would
(5df397dec7c4).

CPU0 munmap                                 CPU1 moves the charge from A to B
lock, clear the entry, unlock
page_remove_rmap: not mapped any more
                                            lock, the page is not mapped: only the charge moves
NR_FILE_MAPPED of its cgroup, now B: -1
                                            A counts a page that is not mapped, B one too few
"""

from __future__ import annotations

from core.conformance.properties import mapped_accounting, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import World
from core.explore.model import Model
from core.machine.pte import Pte
from core.machine.tlb import ref_cell
from core.mm.era import Era
from core.mm.memcg import move_charge
from core.mm.mm import Vma
from core.mm.page import mapcount_cell
from core.mm.rmap import file_mapped_cell, memcg_cell
from core.mm.syscalls import munmap
from core.plugins.arch import Arch

VMA = Vma(0, 1)


def rmap_under_ptl(arch: Arch, era: Era) -> Model:
    """A charge is moved between cgroups while the page's only mapping is removed."""
    world = World(arch, era, {0: Pte(0, dirty=True)}, memcgs=True)
    world.memory[ref_cell(0)] = 2
    world.memory[memcg_cell(0)] = "A"
    world.memory[file_mapped_cell("A")] = 1
    world.task("unmap", lambda mm: munmap(mm, [VMA]))
    world.kthread("move charge", lambda mm: move_charge(mm, 0, 0, "A", "B"))
    window = sometimes(
        "moved-first",
        "the charge moves while the page is mapped",
        (memcg_cell(0), mapcount_cell(0)),
        lambda memcg, mapcount: memcg == "B" and mapcount == 1,
    )
    return world.model("rmap-under-ptl", finally_=[mapped_accounting(["A", "B"], [0])], sometimes=[window])


SCENARIOS = [
    Scenario(
        "rmap-under-ptl",
        "rmap removal does not outlive the page-table lock",
        "5df397dec7c4",
        rmap_under_ptl,
    ),
]
