"""Pages that only their driver knows: a VMA with VM_PFNMAP holds no reference, so unmapping it must end with a flush.

B-30, b67fbebd4cf9, CVE-2022-39188

CPU0 user            CPU1 munmap                    CPU2 driver
load: cached
                     clear the entry; the flush is
                     left for the gather's end
                     unlink the VMA from i_mmap
                                                    unmap_mapping_range(): no VMA, nothing to do
                                                    free the page
load through the
stale entry: use after free
                     flush

B-30v is the fix's first form in stable kernels, 895428ee124a, which checks only the first of the unmapped VMAs: here
that is an ordinary mapping of a page, and the one with VM_PFNMAP follows.
"""

from __future__ import annotations

from core.conformance.exhibit import Exhibit
from core.conformance.properties import sometimes
from core.conformance.scenario import Build, Scenario
from core.conformance.world import World, load
from core.explore.model import Model
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import ref_cell
from core.mm.era import Era
from core.mm.mm import Mm, Vma
from core.mm.mmap import in_file_cell
from core.mm.page import put_page
from core.mm.syscalls import munmap
from core.mm.truncate import unmap_mapping_range
from core.plugins.arch import Arch

PAGE = 7


def unmapped(name: str, ordinary: int) -> Build:
    """munmap of `ordinary` ordinary VMAs followed by one with VM_PFNMAP, against the driver."""
    addr = ordinary
    vmas = [Vma(a, a + 1) for a in range(ordinary)] + [Vma(addr, addr + 1, pfn=True)]

    async def user(mm: Mm) -> None:
        for _ in range(2):
            await load(mm, addr, [PAGE])

    async def driver(mm: Mm) -> None:
        await unmap_mapping_range(mm, [vmas[-1]])
        await put_page(PAGE)

    def build(arch: Arch, era: Era) -> Model:
        mapped: dict[int, Pte | None] = {**{a: Pte(a) for a in range(ordinary)}, addr: Pte(PAGE, dirty=True)}
        world = World(arch, era, mapped, geometry={"merge_vmas": True}, more={"special": lambda page: page == PAGE})
        world.memory[in_file_cell(vmas[-1])] = True
        world.task("user", user)
        world.task("munmap", lambda mm: munmap(mm, vmas))
        world.kthread("driver", driver)
        unhooked = sometimes(
            "unlinked-first",
            "the VMA has left the file and the driver still has its page",
            (in_file_cell(vmas[-1]), pte_cell(addr), ref_cell(PAGE)),
            lambda there, pte, ref: not there and pte is None and ref == 1,
        )
        return world.model(name, sometimes=[unhooked])

    return build


SCENARIOS = [
    Scenario(
        "pfnmap",
        "a VMA with VM_PFNMAP is flushed before it leaves the file's i_mmap",
        "b67fbebd4cf9",
        unmapped("pfnmap", 0),
    ),
    Scenario(
        "pfnmap-second",
        "a VMA with VM_PFNMAP is flushed before it leaves the file's i_mmap, even if another VMA precedes it",
        "b67fbebd4cf9",
        unmapped("pfnmap-second", 1),
    ),
]

EXHIBITS = [
    Exhibit(
        "B-30",
        "b67fbebd4cf9",
        "munmap unlinks a PFN mapping before its flush, and the driver frees the page",
        "pfnmap",
        lacks=frozenset({"b67fbebd4cf9", "895428ee124a"}),
        cve="CVE-2022-39188",
    ),
    Exhibit(
        "B-30v",
        "b67fbebd4cf9",
        "the fix's first form for stable kernels checks only the first VMA",
        "pfnmap-second",
        lacks=frozenset({"b67fbebd4cf9", "895428ee124a, second part"}),
        cve="CVE-2022-39188",
    ),
]
