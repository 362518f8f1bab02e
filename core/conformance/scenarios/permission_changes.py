"""Permissions change next to MADV_DONTNEED: an entry may be empty while it is being changed, but only under the lock.

CPU0 mprotect, NUMA hint or soft-dirty     CPU1 MADV_DONTNEED
clear the entry
                                           (under the page-table lock it is never seen empty)
set it again
                                           clear it, flush, return: nothing is mapped any more

What CPU1 has cleared must stay cleared: CPU0 must not restore an entry that CPU1 has unmapped.

mprotect-dirty: the same against a CPU that writes to the page for the first time.

CPU0 mprotect(PROT_READ)                   CPU1 user
ptep_modify_prot_start(): clean
                                           store: hardware sets the dirty bit
ptep_modify_prot_commit(): clean, read-only                     what was written is not known to be newer

mprotect-clean: a translation that allows stores is flushed also where none has come yet.
"""

from __future__ import annotations

from core.conformance.properties import all_freed, dirty_known_at_end, mapcount_is_ptes, sometimes, unmapped_at_end
from core.conformance.scenario import Build, Scenario
from core.conformance.world import Program, World, load, raw_stores, returned
from core.explore.model import Model
from core.machine.pte import ProtNone, Pte, pte_cell
from core.machine.tlb import newer_cell, tlb_cell
from core.mm.era import Era
from core.mm.mm import Mm, Vma
from core.mm.mprotect import change_prot_numa, wrprotect
from core.mm.syscalls import madvise_dontneed, mprotect
from core.mm.task_mmu import clear_refs_write
from core.mm.userfaultfd import mwriteprotect_range
from core.plugins.arch import Arch

VMA = Vma(0, 1)


async def dontneed(mm: Mm) -> None:
    """MADV_DONTNEED, and back."""
    await madvise_dontneed(mm, VMA, 0, 1)
    await returned(mm, 0)


def against(change: Program, name: str) -> Build:
    """The model: one task changes the entry, another unmaps it."""

    def build(arch: Arch, era: Era) -> Model:
        world = World(arch, era, {0: Pte(0, dirty=True)}, anon=frozenset({0}))
        world.task("change", change)
        world.task("dontneed", dontneed)
        window = sometimes(
            "changed-first",
            "the entry has been changed and is still there",
            (pte_cell(0),),
            lambda pte: isinstance(pte, Pte | ProtNone) and pte != Pte(0, dirty=True),
        )
        done = [unmapped_at_end(0), mapcount_is_ptes(0, [0]), all_freed(0, 0)]
        return world.model(name, finally_=done, sometimes=[window])

    return build


async def protect(mm: Mm) -> None:
    """mprotect(PROT_READ)."""
    await mprotect(mm, [VMA], wrprotect)


async def hint(mm: Mm) -> None:
    """A NUMA hint."""
    await change_prot_numa(mm, VMA)


async def soft_dirty(mm: Mm) -> None:
    """/proc/PID/clear_refs."""
    await clear_refs_write(mm, 0, 1)


async def uffd(mm: Mm) -> None:
    """UFFDIO_WRITEPROTECT."""
    await mwriteprotect_range(mm, VMA, True)


def first_store(arch: Arch, era: Era) -> Model:
    """mprotect(PROT_READ) of a clean page of a file, which a CPU is writing to."""
    world = World(arch, era, {0: Pte(0)})
    world.task("user", raw_stores(0, [0]))
    world.task("mprotect", protect)
    window = sometimes(
        "written-and-changed",
        "the page has been written to, and then write-protected",
        (pte_cell(0), newer_cell(0)),
        lambda pte, newer: newer and isinstance(pte, Pte) and not pte.write,
    )
    return world.model("mprotect-dirty", finally_=[dirty_known_at_end(0, [0])], sometimes=[window])


def not_yet_written(arch: Arch, era: Era) -> Model:
    """mprotect(PROT_READ) of a clean page, which a CPU has only read."""
    world = World(arch, era, {0: Pte(0)}, anon=frozenset({0}))
    user = world.task("user", lambda mm: load(mm, 0, [0]))

    async def lower(mm: Mm) -> None:
        await protect(mm)
        await returned(mm, 0)

    world.task("mprotect", lower)
    window = sometimes(
        "changed-and-cached",
        "the entry is read-only, and a CPU has a translation",
        (pte_cell(0), tlb_cell(user.cpu, 0)),
        lambda pte, entry: isinstance(pte, Pte) and not pte.write and entry is not None,
    )
    return world.model("mprotect-clean", finally_=[mapcount_is_ptes(0, [0])], sometimes=[window])


SCENARIOS = [
    Scenario(
        f"dontneed-against-{how}",
        f"what MADV_DONTNEED has cleared stays cleared despite {what} at the same time",
        origin,
        against(program, f"dontneed-against-{how}"),
    )
    for how, what, origin, program in (
        ("mprotect", "mprotect", "mm/mprotect.c:change_pte_range", protect),
        ("numa", "a NUMA hint", "mm/mempolicy.c:change_prot_numa", hint),
        ("clear-refs", "soft-dirty tracking", "fs/proc/task_mmu.c:clear_soft_dirty", soft_dirty),
        ("uffd", "userfaultfd's write protection", "mm/userfaultfd.c:mwriteprotect_range", uffd),
    )
] + [
    Scenario(
        "mprotect-dirty",
        "a store that comes as mprotect changes the entry is not forgotten",
        "include/linux/pgtable.h:ptep_modify_prot_start",
        first_store,
        requires=("hardware_dirty",),
    ),
    Scenario(
        "mprotect-clean",
        "no CPU keeps a writable translation of a clean page that mprotect has made read-only",
        "include/asm-generic/tlb.h:pte_needs_flush",
        not_yet_written,
        requires=("smp",),
    ),
]
