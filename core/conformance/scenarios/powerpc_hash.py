"""A hash entry is inserted while the one that it replaces has not been removed.

B-44, a741e6796957, powerpc with a hash table

CPU0 user                                   CPU1 MADV_DONTNEED
load: a hash entry for loads
                                            clear the entry, queue its hash entry
                                            unlock
store: fault, a new page is mapped
hash_page: a second hash entry
for the same address
                                            flush the queue
"""

from __future__ import annotations

from core.conformance.exhibit import Exhibit
from core.conformance.properties import SENTENCES, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import World
from core.explore.model import Model, Property
from core.machine.hash_table import access_hashed, hash_page, hpte_cell
from core.machine.pte import Pte, pte_cell, ptep_get
from core.machine.tlb import ref_cell
from core.mm.era import Era
from core.mm.mm import Mm, Vma
from core.mm.page import mapcount_cell
from core.mm.pte_missing import do_anonymous_page
from core.mm.syscalls import madvise_dontneed
from core.plugins.arch import Arch

ADDR, OLD, NEW = 0, 0, 1
FRAMES = (OLD, NEW)


async def user(mm: Mm) -> None:
    """Load, then store, with as many faults as it takes; a store that is not allowed ends it."""
    for store in (False, True):
        while await access_hashed(mm.task.cpu, ADDR, FRAMES, store) == "fault":
            pte: object = await ptep_get(ADDR)
            if store and isinstance(pte, Pte) and not pte.write:
                return
            if not await hash_page(ADDR, FRAMES):
                await do_anonymous_page(mm, ADDR, NEW, ())


async def unmap(mm: Mm) -> None:
    """MADV_DONTNEED of the page."""
    await madvise_dontneed(mm, Vma(ADDR, ADDR + 1), ADDR, ADDR + 1)


def refaulted(arch: Arch, era: Era) -> Model:
    """A page is unmapped and another faulted in."""
    world = World(arch, era, {ADDR: Pte(OLD, write=False)}, frozenset(FRAMES), more={"hashed": FRAMES})
    world.memory[ref_cell(NEW)] = world.memory[mapcount_cell(NEW)] = 0
    world.task("user", user)
    world.task("unmap", unmap)
    hptes = tuple(hpte_cell(ADDR, frame) for frame in FRAMES)
    one = Property("one-hash-entry", SENTENCES["one-hash-entry"], hptes, lambda *each: sum(map(bool, each)) <= 1)
    window = sometimes(
        "refaulted",
        "the new page is mapped and in the hash table",
        (pte_cell(ADDR), hpte_cell(ADDR, NEW)),
        lambda pte, hpte: isinstance(pte, Pte) and pte.frame == NEW and hpte is not None,
    )
    return world.model("hash-refault", always=[one], sometimes=[window])


SCENARIOS = [
    Scenario(
        "hash-refault",
        "no hash entry is inserted while an old one for the address waits to be removed",
        "a741e6796957",
        refaulted,
        tier="optional",
        requires=("smp", "hash_table"),
    ),
]

EXHIBITS = [
    Exhibit(
        "B-44",
        "a741e6796957",
        "hash entries are removed after the page-table lock has been released, and faulted in again before that",
        "hash-refault",
        plugin="arch_plugins.powerpc_hash:PowerpcHash",
        era="6.12",
        lacks=frozenset({"a741e6796957"}),
    ),
]
