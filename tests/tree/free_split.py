"""A scenario from outside: MADV_FREE of a huge page that is split meanwhile goes on with its parts."""

from __future__ import annotations

from core.conformance.properties import mapcount_is_ptes, sometimes
from core.conformance.scenario import Scenario
from core.conformance.scenarios.huge_pmd import huge_page
from core.explore.model import Model, Property
from core.machine.pte import Pte, pte_cell
from core.mm.era import Era
from core.mm.huge_memory import split_huge_anon_pmd
from core.mm.mm import Vma
from core.mm.pgtable import upper_entry
from core.mm.syscalls import madvise_free
from core.plugins.arch import Arch

PMD = upper_entry(0, 0)


def build(arch: Arch, era: Era) -> Model:
    """The look without the lock sees a huge page, the one under it a table."""
    world = huge_page(arch, era, frozenset({0}))
    world.memory[PMD] = Pte(0, dirty=True)
    world.task("free", lambda mm: madvise_free(mm, Vma(0, 1), 0, 1))
    world.task("split", lambda mm: split_huge_anon_pmd(mm, 0, 0))
    cleaned = sometimes(
        "cleaned-by-parts",
        "the parts are mapped by entries, which are clean",
        (PMD, pte_cell(0)),
        lambda pmd, pte: isinstance(pmd, int) and isinstance(pte, Pte) and not pte.dirty,
    )
    done = Property(
        "advice-done",
        "The page is dirty behind MADV_FREE, which nothing keeps from it.",
        (PMD, pte_cell(0)),
        lambda pmd, pte: not (pmd if isinstance(pmd, Pte) else pte).dirty,
    )
    return world.model("free-split", finally_=[done, mapcount_is_ptes(0, [0])], sometimes=[cleaned])


SPLIT = Scenario(
    "free-split",
    "MADV_FREE goes on with the parts of a huge page that is split before it has its lock",
    "mm/madvise.c:madvise_free_pte_range",
    build,
    tier="optional",
    requires=("gather", "thp"),
)
