"""exec moves the page of its arguments down to where the stack is to be, and frees the page table where it was.

CPU0 walker                  CPU1 exec
                             move the entry, flush
remember the old table
                             clear its pmd, queue the table
                             nothing was zapped: no flush
                             free the table
walk on in the freed table
"""

from __future__ import annotations

from core.conformance.properties import sometimes
from core.conformance.scenario import Scenario
from core.conformance.scenarios.freed_table import freed_by_rcu, waited_for, windows
from core.conformance.world import World
from core.explore.model import Model
from core.machine.pte import Pte, pte_cell
from core.machine.walk import WALKS
from core.mm.era import Era
from core.mm.mm import Mm, Vma
from core.mm.pgtable import upper_entry
from core.mm.swap import Table, table_cell
from core.mm.syscalls import setup_arg_pages
from core.plugins.arch import Arch

BELOW, TOP = Vma(0, 1), Vma(2, 3)
"""Each in a table of its own of two entries, which it does not fill: tables are moved whole otherwise."""


def moved_stack(arch: Arch, era: Era) -> Model:
    """exec moves the page of its arguments down, and frees the table where it was; a walker goes for its old place."""
    readers = waited_for(arch.facts, arch.facts.rcu_table_free)
    old, pmd = Table("pte", 1), upper_entry(0, 1)
    world = World(
        arch,
        era,
        {BELOW.start: None, TOP.start: Pte(0, dirty=True)},
        anon=frozenset({0}),
        geometry={"ptes_per_table": 2},
        more={"tables": True, "walked": True, "readers": readers},
    )
    for level, span in enumerate(world.mm().span):
        for number in (BELOW.start // span, TOP.start // span):
            world.memory[upper_entry(level, number)] = number
    world.memory[table_cell(old)] = True

    async def walks(mm: Mm) -> None:
        for _ in range(2):
            walk = WALKS[mm.facts.walker]
            await walk(mm.task.cpu, TOP.start, 0, pmd, table_cell(old))

    world.task("walker", walks)
    execs = world.task("exec", lambda mm: setup_arg_pages(mm, TOP, BELOW))
    moved = sometimes(
        "moved", "the page is in its new place", (pte_cell(BELOW.start),), lambda entry: isinstance(entry, Pte)
    )
    made = world.model("exec-stack", sometimes=[moved, *windows(pmd, table_cell(old))])
    return freed_by_rcu(world, made, readers, execs, [old])


SCENARIOS = [
    Scenario(
        "exec-stack",
        "the page table of exec's arguments is not freed while a walker may go on in it, once they have moved",
        "fs/exec.c:shift_arg_pages",
        moved_stack,
        tier="optional",
        requires=("table_walk",),
    ),
]
